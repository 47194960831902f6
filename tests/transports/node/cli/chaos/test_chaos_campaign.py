"""Campaigns of `paxos chaos`: the ledger, what is kept, and going on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from transports.node.cli.chaos.campaign import describe_totals, run_campaign
from transports.node.cli.chaos.course import Course
from transports.node.cli.chaos.ledger import NAME, Ledger, open_ledger
from transports.node.cli.chaos.ledger_line import SEED_MAX
from transports.node.cli.chaos.verdict import Wish
from transports.node.cli.failures import Failure, Interrupted, Misuse

SIGINT = signal.SIGINT
PATIENCE_SECONDS = 120.0


def make_wish(folder: Path, transport: str = "tcp", kinds: tuple[str, ...] = ("kill",)) -> Wish:
    return Wish(transport, None, 1.0, 7, kinds, "python", folder, laboratory=False)


class Runs:
    """Stands in for the runs: an operation each, what fails as planned."""

    def __init__(self, *, lost: int = -1, ended: int = -1, stopped: int = -1) -> None:
        """The seeds of the runs that lose an append, cannot begin, and are interrupted."""
        self.lost, self.ended, self.stopped = lost, ended, stopped
        self.seeds: list[int] = []

    def __call__(self, course: Course) -> Interrupted | None:
        seed = course.wish.seed
        self.seeds.append(seed)
        if seed == self.ended:
            raise Failure("not all nodes answered")
        recorder = course._load.recorder
        recorder.call(1, "append", "k", "a")
        recorder.ok(1)
        recorder.call(1, "get", "k")
        recorder.ok(1, "" if seed == self.lost else "a")
        course._load.outcomes["answered"] += 2
        course._faults["kill"] = 1
        return Interrupted(SIGINT) if seed == self.stopped else None


def go(folder: Path, count: int, runs: Runs) -> tuple[list[str], Interrupted | None]:
    said: list[str] = []
    wish = make_wish(folder)
    with open_ledger(wish, None, wish.seed) as ledger:
        return said, run_campaign(wish, count, ledger, runs, said.append)


def opened(wish: Wish, seed: int | None = None) -> Ledger:
    with open_ledger(wish, seed, 0) as ledger:
        return ledger


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_line_for_each_run_and_the_folder_of_the_one_that_failed(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    said, interrupted = go(folder, 12, Runs(lost=9, ended=11))
    assert interrupted is None
    assert len(said) == 12
    assert said[0] == (
        " 1 of 12  seed 7  PASS  2 operations, 1 kill, longest without an answer 0.0 s"
    )
    assert (
        "FAIL  2 operations, 1 kill, longest without an answer 0.0 s: not linearizable; "
        in (said[2])
    )
    assert "not all nodes answered; kept: " in said[4]
    assert kept(folder) == {NAME, "run-9", "run-11"}
    assert {"history.edn", "verdict.json", "timeline.svg"} <= kept(folder / "run-9")
    totals = opened(make_wish(folder)).totals
    assert (totals.runs, totals.failed, totals.operations) == (12, [9, 11], 22)
    assert totals.faults == {"kill": 11}
    assert describe_totals(totals, 12)[0] == "12 runs, 2 failed: 22 operations (22 answered)"


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    first = Runs(stopped=9)
    said, interrupted = go(folder, 5, first)
    assert interrupted is not None
    # What was cut short and well until then is no run, and leaves nothing.
    assert len(said) == 2
    assert kept(folder) == {NAME}
    (folder / "run-9").mkdir()
    (folder / "run-9" / "of a run that was killed").touch()
    second = Runs()
    said, interrupted = go(folder, 5, second)
    assert (first.seeds, second.seeds) == ([7, 8, 9], [9, 10, 11])
    assert interrupted is None
    assert said[0].startswith("3 of 5  seed 9  PASS")
    assert kept(folder) == {NAME}
    third = Runs()
    assert go(folder, 5, third) == ([], None)
    assert third.seeds == []


def test_a_campaign_whose_calls_never_failed_names_them(tmp_path: Path) -> None:
    class Traced(Runs):
        def __call__(self, course: Course) -> Interrupted | None:
            super().__call__(course)
            course._faults = {"sync": 1, "full": 1}
            course._came_true["full"] = int(course.wish.seed == 8)
            return None

    said: list[str] = []
    wish = make_wish(tmp_path / "campaign", kinds=("sync", "full"))
    with open_ledger(wish, None, wish.seed) as ledger:
        run_campaign(wish, 3, ledger, Traced(), said.append)
    assert said[0].endswith(", no node came upon a failing call (sync, full)")
    assert said[1].endswith(", no node came upon a failing call (sync)")
    assert (ledger.totals.failed, ledger.totals.untested) == ([], ["sync"])
    assert not ledger.totals.hold
    assert describe_totals(ledger.totals, 3)[0].startswith(
        "3 runs, not tested: sync (no node came upon such a call): 6 operations"
    )


def test_a_campaign_without_a_run_does_not_hold(tmp_path: Path) -> None:
    class Silent(Runs):
        def __call__(self, course: Course) -> Interrupted | None:
            return Interrupted(SIGINT)

    said: list[str] = []
    wish = make_wish(tmp_path / "campaign")
    with open_ledger(wish, None, wish.seed) as ledger:
        assert run_campaign(wish, 3, ledger, Silent(), said.append) is not None
    assert (said, kept(wish.directory)) == ([], {NAME})
    assert not ledger.totals.hold
    assert describe_totals(ledger.totals, 1)[0].startswith("0 of 1 run, nothing was tested")
    assert describe_totals(ledger.totals, 3)[0].startswith("0 of 3 runs, nothing was tested: ")


def test_a_run_that_failed_before_it_was_interrupted_counts(tmp_path: Path) -> None:
    said, interrupted = go(tmp_path / "campaign", 5, Runs(stopped=8, lost=8))
    assert interrupted is not None
    assert "FAIL" in said[1]
    assert "run-8" in kept(tmp_path / "campaign")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_two_clusters_lets_the_run_be_written_down(
    tmp_path: Path, number: signal.Signals
) -> None:
    class Signalled(Runs):
        def __call__(self, course: Course) -> Interrupted | None:
            super().__call__(course)
            if course.wish.seed == 8:
                signal.raise_signal(number)
            return None

    before = signal.getsignal(number)
    said, interrupted = go(tmp_path / "campaign", 5, Signalled())
    assert interrupted is not None
    assert interrupted.status == 128 + number
    assert len(said) == 2
    assert kept(tmp_path / "campaign") == {NAME}
    assert signal.getsignal(number) is before


def test_a_last_line_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    go(folder, 3, Runs())
    whole = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(whole[:-5])
    runs = Runs()
    go(folder, 3, runs)
    assert runs.seeds == [9]
    assert (folder / NAME).read_bytes() == whole


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "line 5: not JSON"),
        ("[1]", "line 5: not an object"),
        ("{}", "line 5: no verdict of a run"),
        ('{"seed": 7, "passed": true}', "line 5: no verdict of a run"),
        ("[" * 100_000, "line 5: not JSON"),
    ],
)
def test_a_ledger_that_is_none_says_where(tmp_path: Path, line: str, expected: str) -> None:
    folder = tmp_path / "campaign"
    go(folder, 3, Runs())
    with open(folder / NAME, "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(Misuse, match=expected):
        opened(make_wish(folder))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "ledger.jsonl is empty: remove it, or name a new folder"),
        ("{}", "with transport None"),
        ("no lines of ours", "line 1: not JSON"),
        ("{\n{}\n", "line 1: not JSON"),
        ("{}\n{\n{}\n{", "line 2: not JSON"),
    ],
)
def test_a_damaged_ledger_is_wrong_use_and_stays_as_it_is(
    paxos, tmp_path: Path, content: str, expected: str
) -> None:
    (tmp_path / NAME).write_text(content)
    result = paxos("chaos", "--runs", 1, "--seconds", 1, "--save", tmp_path)
    assert result.status == 2
    assert result.complaint.startswith("--save: ")
    assert expected in result.complaint
    assert (tmp_path / NAME).read_text() == content


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"passed": 1}, "passed"),
        ({"operations": -1}, "operations"),
        ({"operations": "2"}, "operations"),
        ({"operations": 1}, "2 answers to 1 operations"),
        ({"seed": 7.0}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 6}, "seed 6 is not of a campaign from 7 on"),
        ({"seed": 7 + 1_000_000}, "is not of a campaign from 7 on"),
        ({"silence_seconds": -0.5}, "silence_seconds"),
        ({"silence_seconds": float("nan")}, "not JSON"),
        ({"faults": {"kill": True}}, "faults"),
        ({"faults": {"meteor": 1}}, "has no fault 'meteor'"),
        ({"came_true": {"kill": 2}}, "more calls failed"),
        ({"came_true": {"sync": 1}}, "a kind that was not begun"),
        ({"outcomes": {}}, "nothing was answered"),
        ({"passed": False}, "passed does not fit"),
        ({"linearizable": False}, "passed does not fit"),
        ({"fault": "a node ended"}, "passed does not fit"),
        ({"transport": "udp"}, "transport is 'udp', the campaign's 'tcp'"),
        ({"seconds": 2.0}, "seconds is 2.0"),
        ({"more": 1}, "more"),
    ],
)
def test_a_line_that_no_run_wrote_is_refused(
    tmp_path: Path, changed: dict[str, object], expected: str
) -> None:
    folder = tmp_path / "campaign"
    go(folder, 1, Runs())
    head, line = (folder / NAME).read_text().splitlines()
    line = json.dumps(json.loads(line) | changed)
    (folder / NAME).write_text(f"{head}\n{line}\n")
    with pytest.raises(Misuse, match=f"line 2: .*{expected}"):
        opened(make_wish(folder))


def test_seeds_go_on_behind_the_largest(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    wish = replace(make_wish(folder), seed=SEED_MAX)
    with open_ledger(wish, None, wish.seed) as ledger:
        run_campaign(wish, 2, ledger, Runs(), lambda _text: None)
    assert opened(wish).done == {SEED_MAX, 0}


def test_a_campaign_that_another_process_has_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    with open_ledger(make_wish(folder), None, 7):
        before = (folder / NAME).read_bytes()
        with open(folder / NAME, "ab") as file:
            file.write(b"half a li")
        done = subprocess.run(
            command("--seconds", 1, "--kinds", "kill", "--runs", 2, "--save", folder),
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 2
        assert "another process goes on with the campaign" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert (folder / NAME).read_bytes() == before + b"half a li"
    assert go(folder, 1, Runs())[0]


def test_a_seed_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    go(folder, 1, Runs())
    lines = (folder / NAME).read_text().splitlines()
    (folder / NAME).write_text("\n".join([*lines, lines[-1], ""]))
    with pytest.raises(Misuse, match="seed 7 is there twice"):
        opened(make_wish(folder))


def test_another_campaigns_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    go(folder, 1, Runs())
    with pytest.raises(Misuse, match="a campaign with transport 'tcp', not 'udp'"):
        opened(make_wish(folder, "udp"))
    with pytest.raises(Misuse, match="begins with seed 7, not 8; leave out --seed"):
        opened(make_wish(folder), 8)
    with pytest.raises(Misuse, match="no campaign's; name a new folder"):
        opened(make_wish(tmp_path))


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "transports.node.cli", "chaos", *map(str, words)]


@pytest.mark.slow
def test_two_real_runs_and_a_third_later(tmp_path: Path) -> None:
    words = ("--seconds", 1, "--kinds", "kill", "--save", "campaign", "-o", "json")
    for runs in (1, 2):
        done = subprocess.run(
            command("--runs", runs, *words), capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        summary = json.loads(done.stdout)
        assert (summary["asked"], summary["runs"], summary["failed"]) == (runs, runs, [])
        assert len(done.stderr.splitlines()) == 1
    assert kept(tmp_path / "campaign") == {NAME}


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done(tmp_path: Path) -> None:
    words = ("--seconds", 1, "--kinds", "pause", "--save", "campaign", "--runs", 1000)
    with subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as running:
        ledger = tmp_path / "campaign" / NAME
        until = time.monotonic() + PATIENCE_SECONDS
        while not (ledger.exists() and len(ledger.read_text().splitlines()) > 1):
            assert time.monotonic() < until
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(SIGINT)
        out, err = running.communicate(timeout=PATIENCE_SECONDS)
    assert running.returncode == 130
    assert " of 1,000 runs, all hold: " in out
    assert err.splitlines()[0].endswith("goes on")
    assert err.splitlines()[-1] == "paxos: interrupted"
    assert kept(tmp_path / "campaign") == {NAME}
