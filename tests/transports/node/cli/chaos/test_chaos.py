"""`paxos chaos`: its parts with a cluster that is made up, and short runs with real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
import trio
import trio.testing

from paxos_core.testing.linearize import MODELS, check, read_history
from transports.node.cli.chaos.command import _show
from transports.node.cli.chaos.course import Course, _Watch, longest_silence
from transports.node.cli.chaos.keys import Keys, encode
from transports.node.cli.chaos.load import KEYS_AT_ONCE, OPERATIONS_A_KEY, Load
from transports.node.cli.chaos.nemesis import KINDS, Event, Nemesis, why_not
from transports.node.cli.chaos.timeline import draw
from transports.node.cli.chaos.verdict import Wish
from transports.node.cli.failures import Failure
from transports.node.client import ClientError, ClusterUnreachable, OutcomeUnknown

KV = MODELS["kv"]


def test_keys_are_put_appended_and_got() -> None:
    keys = Keys()
    assert keys.apply(encode("get", "a")) == b""
    assert keys.apply(encode("put", "a", "1")) == b"1"
    assert keys.apply(encode("append", "a", "2")) == b"12"
    assert keys.apply(encode("get", "b")) == b""
    other = Keys()
    other.restore(keys.snapshot())
    assert other.apply(encode("get", "a")) == b"12"


@pytest.mark.parametrize("command", [b"", b"x", b"p", b"pkey", b"\xff\xff\0\xff", b"g\0", b"zk\0v"])
def test_a_command_that_is_none_changes_nothing(command: bytes) -> None:
    keys = Keys()
    keys.apply(encode("put", "a", "1"))
    keys.apply(command)
    assert keys.apply(encode("get", "a")) == b"1"


INJECTED = "fdatasync(5) = -1 EIO (INJECTED)\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a nemesis of these tests has its files."""
    monkeypatch.chdir(tmp_path)


class FakeCluster:
    """Notes what is done to it. A node that runs under strace ends with `status`."""

    def __init__(self, status: int | None = None) -> None:
        self.done: list[str] = []
        self.running = {1, 2, 3}
        self.status = status
        self.strace_says = "fdatasync(5) = 0\n" if status is None else INJECTED
        self.prefixes: dict[int, list[str]] = {}
        self.traced: set[int] = set()
        self.gone = 0
        """A node that ended by itself."""

    def start(self, node: int, *, first: bool) -> None:
        assert node not in self.running
        self.running.add(node)
        self.traced.discard(node)
        if node in self.prefixes:
            self.traced.add(node)
            words = self.prefixes[node]
            Path(words[words.index("-o") + 1]).write_text(self.strace_says)
        self.done.append(f"start {node}")

    async def kill(self, node: int) -> None:
        self.running.remove(node)
        self.done.append(f"kill {node}")

    def send_signal(self, node: int, number: int) -> None:
        self.done.append(f"signal {int(number)} to {node}")

    def runs(self, node: int) -> bool:
        return node in self.running

    def check(self) -> None:
        if self.gone:
            raise Failure(f"node {self.gone} ended with status 3: oh")

    def take_ended(self) -> list[tuple[int, int]]:
        if self.gone:
            return [(self.gone, 3)]
        if self.status is None:
            return []
        ended = sorted(self.running & self.traced)
        self.running -= set(ended)
        return [(node, self.status) for node in ended]


class FakeNetwork:
    """Notes what is done to it."""

    def __init__(self, links: list[str]) -> None:
        self.links = links

    def set_link(self, node: int, up: bool) -> None:
        self.links.append(f"{node} {up}")

    def set_loss(self, node: int, share: float) -> None:
        assert 0 <= share < 1
        self.links.append(f"{node} {'loses' if share else 'whole'}")


async def at_once(_node: int) -> bool:
    await trio.lowlevel.checkpoint()
    return True


def make_nemesis(cluster: Any, kinds: tuple[str, ...], links: list[str]) -> Nemesis:
    return Nemesis(
        cluster,
        (1,) if len(kinds) == 1 else (1, 2, 3),
        kinds,
        Random(1),
        cluster.prefixes,
        FakeNetwork(links),
        lambda: 0,
        at_once,
        Path(),
        lambda _text: None,
    )


async def run_for(nemesis: Nemesis, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await nemesis.run()
    await nemesis.heal()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("kill", ["kill 1", "start 1"]),
        ("pause", ["signal 19 to 1", "signal 18 to 1"]),
        ("cut", []),
        ("loss", []),
    ],
)
async def test_each_kind_does_what_it_says_and_undoes_it(
    kind: str, expected: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    cluster, links = FakeCluster(), list[str]()
    nemesis = make_nemesis(cluster, (kind,), links)
    await run_for(nemesis, 3.0)
    assert cluster.done[: len(expected)] == expected
    assert cluster.running == {1, 2, 3}
    assert nemesis.events[0].kind == kind
    if kind == "cut":
        assert links[:2] == ["1 False", "1 True"]
        assert links[-2:] == ["1 True", "1 whole"]
    if kind == "loss":
        assert links[:2] == ["1 loses", "1 whole"]
        assert links[-1] == "1 whole"


@pytest.mark.parametrize("kind", ["sync", "full"])
async def test_a_node_whose_call_fails_must_say_so(
    kind: str, autojump_clock: trio.testing.MockClock
) -> None:
    good = make_nemesis(FakeCluster(status=1), (kind,), [])
    await run_for(good, 3.0)
    bad = make_nemesis(FakeCluster(status=0), (kind,), [])
    with pytest.raises(Exception, match=r"node 1 ended with 0 when a call failed .*, not 1"):
        await run_for(bad, 3.0)


@pytest.mark.parametrize("seconds", [2.0, 1000.0])
async def test_a_node_that_goes_on_after_its_call_failed_is_found(
    seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    """While the storm lasts, and also when it ends before the node has had its time."""
    cluster = FakeCluster()
    cluster.strace_says = INJECTED
    with pytest.raises(Exception, match=r"node 1 went on after a call had failed \(sync\)"):
        await run_for(make_nemesis(cluster, ("sync",), []), seconds)


async def test_a_node_that_does_not_come_to_its_call_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis = make_nemesis(FakeCluster(), ("sync",), [])
    await run_for(nemesis, 20.0)
    assert nemesis.faults["sync"] > 1
    assert nemesis.came_true == {}


async def test_a_node_that_ends_before_its_call_failed_is_a_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cluster = FakeCluster(status=1)
    cluster.strace_says = ""
    with pytest.raises(Exception, match=r"node 1 ended with status 1; see node-1\.log"):
        await run_for(make_nemesis(cluster, ("sync",), []), 20.0)


@pytest.mark.parametrize("seconds", [0.5, 1.1, 2.7, 4.4, 9.3])
async def test_whenever_it_ends_all_is_healed(
    seconds: float, autojump_clock: trio.testing.MockClock
) -> None:
    cluster, links = FakeCluster(), list[str]()
    nemesis = make_nemesis(cluster, KINDS, links)
    await run_for(nemesis, seconds)
    assert cluster.running == {1, 2, 3}
    assert not nemesis._traced
    begun = [(event.node, event.kind) for event in nemesis.events if not event.ends]
    assert begun == [(event.node, event.kind) for event in nemesis.events if event.ends]
    last = {text.split()[0] + text.split()[1] for text in links[-6:]}
    assert last == {f"{node}{what}" for node in (1, 2, 3) for what in ("True", "whole")}


async def test_each_kind_comes_before_one_comes_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis = make_nemesis(FakeCluster(status=1), KINDS, [])
    await run_for(nemesis, 60.0)
    begun = [event.kind for event in nemesis.events if not event.ends]
    assert len(begun) > 2 * len(KINDS)
    assert set(begun[: len(KINDS)]) == set(begun[len(KINDS) : 2 * len(KINDS)]) == set(KINDS)


@pytest.mark.parametrize("leaders", [(0,), (1,), (1, 2, 3)])
async def test_the_faults_are_the_seeds_whoever_leads(
    leaders: tuple[int, ...], autojump_clock: trio.testing.MockClock
) -> None:
    drawn = []
    for leading in [lambda: 0, iter(leaders * 100).__next__]:
        nemesis = make_nemesis(FakeCluster(status=1), KINDS, [])
        nemesis.leader = leading
        await run_for(nemesis, 30.0)
        drawn.append(([event.kind for event in nemesis.events], nemesis.dice.random()))
    assert drawn[0] == drawn[1]


async def test_a_node_that_ends_by_itself_is_a_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cluster = FakeCluster()
    nemesis = make_nemesis(cluster, ("pause",), [])
    cluster.gone = 2
    with pytest.raises(Failure, match="node 2 ended with status 3"):
        await nemesis.run()
    with pytest.raises(Failure, match="node 2 ended with status 3"):
        await nemesis.heal()


def test_the_longest_silence() -> None:
    assert longest_silence([]) == longest_silence([1.0]) == 0.0
    assert longest_silence([0.5, 0.75, 2.25, 2.5]) == 1.5


class FakeClient:
    """Answers as a right store would, or with an error now and then."""

    def __init__(self, errors: list[ClientError]) -> None:
        self.keys = Keys()
        self.errors = errors
        self.load: Load | None = None
        self.calls = 0
        self.most = 200

    async def submit(self, command: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        assert self.load is not None
        self.load.stopped = self.calls > self.most
        if self.errors and self.calls % 40 == 0:
            raise self.errors[self.calls // 40 % len(self.errors)]
        return self.keys.apply(command)


async def test_a_load_writes_down_what_it_sees() -> None:
    client = FakeClient([OutcomeUnknown("x"), ClusterUnreachable("y")])
    client.load = load = Load(Random(1))
    await load.work(client)  # type: ignore[arg-type]
    history = load.recorder.finish()
    unknown = [o for o in history if not o.known]
    assert len(unknown) == load.outcomes["OutcomeUnknown"] >= 1
    assert len(history) == client.calls - load.outcomes["ClusterUnreachable"]
    assert check(history, KV) is not None
    # A process whose operation may still take effect is never used again.
    assert len({o.process for o in history}) == 1 + len(unknown)


async def test_every_key_ever_used_is_read_again_until_it_answers() -> None:
    client = FakeClient([])
    client.load = load = Load(Random(1))
    # Enough for keys that are no longer drawn.
    client.most = 5 * KEYS_AT_ONCE * OPERATIONS_A_KEY
    await load.work(client)  # type: ignore[arg-type]
    begun, used = len(load.recorder.finish()), {o.key for o in load.recorder.finish()}
    assert len(used) > KEYS_AT_ONCE
    client.errors = [OutcomeUnknown("x"), ClusterUnreachable("y")]
    keys = iter(list(load.keys))
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(load.read_again, client, keys)
    again = load.recorder.finish()[begun:]
    assert {o.kind for o in again} == {"get"}
    assert sorted(o.key for o in again if o.known) == sorted(used)
    assert load.outcomes["read again"] == len(used)
    assert load.outcomes["answered"] == len(load.moments) == begun
    assert check(load.recorder.finish(), KV) is not None


async def test_a_state_that_was_lost_under_an_old_key_is_found(tmp_path: Path) -> None:
    client = FakeClient([])
    course = Course(wish(tmp_path), lambda _text: None)
    client.load = course._load
    client.most = 5 * KEYS_AT_ONCE * OPERATIONS_A_KEY
    await course._load.work(client)  # type: ignore[arg-type]
    for old in list(course._load.keys)[:KEYS_AT_ONCE]:
        client.keys.apply(encode("put", old, ""))
    await course._read_again([client])  # type: ignore[list-item]
    assert not course.judge().passed


async def test_a_key_that_cannot_be_read_is_a_failure(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    class Deaf:
        async def submit(self, command: bytes) -> bytes:
            await trio.sleep(3.0)
            raise ClusterUnreachable("x")

    course = Course(wish(tmp_path), lambda _text: None)
    course._load.keys["k0"] = None
    with pytest.raises(Failure, match="not every key could be read within 121 s"):
        await course._read_again([Deaf()])  # type: ignore[list-item]


async def test_logs_that_were_seen_trimmed_are_counted() -> None:
    class Asked:
        def __init__(self) -> None:
            self.first_slots = {1: [0, 100, 100, 250], 2: [0, 0, 0, 0], 3: [90, 0, 90, 200]}

        async def status(self, node: int, _timeout: float) -> dict[str, int] | None:
            await trio.lowlevel.checkpoint()
            if not self.first_slots[node]:
                watch.stopped = True
                return None
            return {"leader": 2, "first_slot": self.first_slots[node].pop(0)}

    watch = _Watch(Asked())  # type: ignore[arg-type]
    await watch.run()
    assert watch.leader == 2
    # A node that starts again begins lower, which is no trim.
    assert watch.trims == {1: 2, 3: 2}


def wish(folder: Path) -> Wish:
    return Wish("tcp", None, 1.0, 7, ("kill",), "python", folder, laboratory=False)


def test_a_lost_append_is_a_failure(tmp_path: Path) -> None:
    course = Course(wish(tmp_path), lambda _text: None)
    recorder = course._load.recorder
    recorder.call(1, "append", "k", "a")
    recorder.ok(1)
    recorder.call(2, "get", "k")
    recorder.ok(2, "")
    verdict = course.judge()
    assert not verdict.passed
    assert verdict.window is not None
    assert json.loads((tmp_path / "verdict.json").read_text())["linearizable"] is False
    again = read_history((tmp_path / "history.edn").read_text().splitlines(), KV)
    assert check(again, KV) is None


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_without_an_answer_is_no_pass(tmp_path: Path, begun: bool) -> None:
    course = Course(wish(tmp_path), lambda _text: None)
    if begun:
        course._load.recorder.call(1, "append", "k", "a")
        course._load.outcomes["OutcomeUnknown"] += 1
    verdict = course.judge()
    assert verdict.fault == "nothing was answered: nothing was tested"
    assert not verdict.passed
    assert json.loads((tmp_path / "verdict.json").read_text())["passed"] is False


def test_a_run_interrupted_before_any_answer_is_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = Course(wish(tmp_path), lambda _text: None).judge(interrupted=True)
    assert (verdict.passed, verdict.failed) == (False, False)
    _show(verdict, "text")
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "interrupted before any answer: nothing was tested"
    assert not any("linearizable" in line for line in said)


def test_a_call_that_was_never_reached_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    course = Course(wish(tmp_path), lambda _text: None)
    course._load.outcomes["answered"] += 1
    course._faults.update(sync=2, full=1, kill=1)
    course._came_true["full"] = 1
    verdict = course.judge()
    assert verdict.unreached == ["sync"]
    assert json.loads((tmp_path / "verdict.json").read_text())["unreached"] == ["sync"]
    _show(verdict, "text")
    assert "no node came upon a failing call (sync)" in capsys.readouterr().out


def test_the_picture_is_whole_and_escaped() -> None:
    events = [
        Event(1.0, 1, "kill", False),
        Event(2.0, 1, "kill", True),
        Event(3.0, 2, "<b>", False),
    ]
    picture = draw((1, 2, 3), events, [0.1, 0.15, 4.9, 99.0], 5.0)
    root = ElementTree.fromstring(picture)
    assert root.tag.endswith("svg")
    rectangles = [child for child in root if child.tag.endswith("rect")]
    assert len(rectangles) == 2
    assert "<b>" not in picture
    assert ElementTree.fromstring(draw((1,), [], [], 0.0)) is not None


def test_what_cannot_be_made_here_says_why() -> None:
    assert "as root" in why_not("cut", laboratory=False)
    assert why_not("kill", laboratory=False) == ""


def paxos(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "transports.node.cli", "chaos", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=200)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp", "zeromq", "ethernet"])
def test_a_short_storm_loses_nothing(tmp_path: Path, transport: str) -> None:
    if transport == "ethernet" and os.geteuid() != 0:
        pytest.skip("raw Ethernet needs root")
    done = paxos(
        "--transport", transport, "--seconds", 3, "--seed", 5, "--save", "run", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "PASS"
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["operations"] > 50
    assert verdict["trims"] > 0
    assert verdict["outcomes"]["read again"] >= KEYS_AT_ONCE
    assert sum(verdict["faults"].values()) >= 1
    assert (tmp_path / "run" / "timeline.svg").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--transport", "avian"), "--transport: "),
        (("--transport", "memory"), "one process"),
        (("--mode", "relay"), "--mode goes with"),
        (("--runs", "0"), "0 is not a whole number from 1"),
        (("--kinds", "meteor"), "there is no 'meteor'"),
        (("--kinds", " "), "nothing is named"),
        (("--seconds", "0"), "0 is not a number from 0.5"),
        (("--save", "."), "is there already"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    done = paxos(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
