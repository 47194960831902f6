"""One run in the laboratory: actions, steps back, branches, saved tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from laboratory_kit import wander

from paxos_core.testing import run_script
from paxos_core.testing.explore.freeze import freeze
from paxos_core.testing.laboratory import Laboratory, Setup, save_as_test
from paxos_core.testing.laboratory.laboratory import ACTIONS_MAX, FRAMES_MAX
from paxos_core.testing.script_node import ScriptError

STORY = """
A line without > says something to people.
> cluster 3
> campaign 1
> deliver 1 -> 2 Prepare
  and what the cluster did is no command either
> deliver 2 -> 1 Promise
> propose 1 blue
> deliver 1 -> 2 Accept
> deliver 2 -> 1 Accepted
"""


def whole(run: Laboratory) -> object:
    """All of a run's state."""
    nodes = run.cluster.nodes.values()
    inside = [
        (freeze(n.replica), tuple(n.disk), freeze([r for _, r, _ in n.held]), n.holding)
        for n in nodes
    ]
    frames = [(f.source, f.target, f.data) for f in run.cluster.frames]
    return inside, frames, sorted(map(sorted, run.cluster.cut_cables)), run.red, run.transcript()


def test_a_text_is_replayed() -> None:
    run = Laboratory.replay(STORY)
    assert run.logs == {1: ["blue"], 2: [], 3: []}
    assert run.red == {}
    assert len(run.actions) == 6


def test_a_transcript_is_what_a_script_says() -> None:
    transcript = Laboratory.replay(STORY).transcript()
    assert run_script(transcript) == transcript
    assert Laboratory.replay(transcript).transcript() == transcript


def test_the_same_actions_lead_to_the_same_state() -> None:
    for seed in range(5):
        run = wander(Setup(3), seed, 120)
        assert whole(Laboratory(run.setup, run.actions)) == whole(run)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("dance 1", "no action 'dance'"),
        ("", "no action ''"),
        ("crash 4", "there is no node 4"),
        ("crash one", "'one' is no small number"),
        ("crash 1 2", "write: crash N"),
        ("cut 1 1", "write: cut N M"),
        ("deliver 1 to 2", "write: deliver 1 -> 2"),
        ("deliver 1 -> 2 Accept", "nothing of the kind is on its way"),
        ("deliver 1 -> 2 Accept 1", "write: deliver"),
        ("deliver 1 -> 2 a/b", "write: deliver"),
        ("tick 1 61", "with 1 to 60 ticks"),
        ("tick 1 0", "with 1 to 60 ticks"),
        ("propose 1", "write: propose N COMMAND"),
        ("propose 1 " + "x" * 25, "at most 24 characters"),
        ('propose 1 """', "of letters, digits"),
        ("propose 1 \\", "of letters, digits"),
        ("propose 1 é", "of letters, digits"),
        ("stabilize 1 2 3 1", "write: stabilize"),
        ("stabilize 9", "there is no node 9"),
        ("state", "no action 'state'"),
        ("cluster 3", "no action 'cluster'"),
        ("restart 1", "node 1 is running"),
        ("heal 1 2", "is not cut"),
        ("crash " + "1" * 90, "at most 80 characters"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_trace(line: str, word: str) -> None:
    run = Laboratory(Setup(3), ["campaign 1"])
    before = whole(run)
    with pytest.raises(ScriptError, match=word.replace("(", r"\(")):
        run.act(line)
    assert whole(run) == before


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("cluster", "the first line is: cluster N"),
        ("cluster 6", "1 to 5 nodes"),
        ("cluster 3 size=2", "but no 'size'"),
        ("cluster 3 phase1=1 phase2=2", "can miss one another"),
        ("cluster 3 phase1=x", "no small number"),
        ("cluster 4 phase1=9 without=meeting-quorums", "quorum sizes lie in"),
        ("cluster 3 without=gravity", "there is no rule 'gravity'"),
        ("campaign 1", "the first line is: cluster N"),
    ],
)
def test_a_setup_that_cannot_be_is_said_with_its_line(line: str, word: str) -> None:
    with pytest.raises(ScriptError, match=f"line 2: .*{word}"):
        Laboratory.replay(f"# a run\n> {line}\n")


def test_a_text_without_a_run_is_said() -> None:
    with pytest.raises(ScriptError, match="there is no line: > cluster N"):
        Laboratory.replay("nothing\n")


def test_a_setup_is_its_line() -> None:
    for line in (
        "cluster 3",
        "cluster 5 phase1=4 phase2=2",
        "cluster 4 phase1=1 phase2=2 without=promise-check,meeting-quorums",
    ):
        assert Laboratory.replay(f"> {line}\n").setup.line == line


def test_a_run_is_bounded() -> None:
    run = Laboratory(Setup(3), ["hold 1"] * ACTIONS_MAX)
    with pytest.raises(ScriptError, match="at most 400 actions"):
        run.act("hold 1")


def test_messages_on_their_way_are_bounded() -> None:
    run = Laboratory(Setup(3), ["campaign 1"] + ["copy * -> *"] * 5)
    assert len(run.cluster.frames) == 64
    with pytest.raises(ScriptError, match=f"more than {FRAMES_MAX} messages would be on their way"):
        run.act("copy * -> *")
    assert len(run.cluster.frames) == 64
    run.act("deliver * -> *")
    assert len(run.actions) == 7


def test_a_trace_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paxos_core.testing.laboratory.laboratory.EVENTS_MAX", 10)
    run = Laboratory(Setup(3), ["campaign 1"], traced=True)
    with pytest.raises(ScriptError, match="too much has happened in this run"):
        run.act("stabilize")
    assert run.actions == ["campaign 1"]
    assert len(run.events) < 10
    run.act("deliver 1 -> 2 Prepare")


def test_one_of_several_is_named() -> None:
    run = Laboratory(Setup(3), ["campaign 1", "campaign 1"])
    picks = [run.pick(index) for index in range(4)]
    assert picks == [
        "1 -> 2 Prepare #1", "1 -> 3 Prepare #1", "1 -> 2 Prepare #2", "1 -> 3 Prepare #2",
    ]  # fmt: skip
    run.act("deliver 1 -> 2 Prepare #2")
    assert run.said[-1] == [
        "2 writes: promised 2.1",
        "2 -> 1 Promise 2.1, no votes (chosen below 0)",
    ]


def test_a_cut_cable_loses_what_is_on_it_and_what_is_sent() -> None:
    run = Laboratory(Setup(3), ["campaign 1", "cut 1 2"])
    assert run.said[-1] == ["1 -> 2 lost: Prepare 1.1, slots 0 and up"]
    run.act("campaign 1")
    assert [run.pick(index) for index in range(len(run.cluster.frames))] == [
        "1 -> 3 Prepare #1", "1 -> 3 Prepare #2",
    ]  # fmt: skip
    run.act("heal 2 1")
    run.act("campaign 1")
    assert "1 -> 2 Prepare" in [run.pick(i) for i in range(len(run.cluster.frames))]


# Saved tests


def run_pytest(folder: Path, *, breaking: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(breaking)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
    )


BROKEN_CORE = """
from paxos_core.acceptor import Acceptor

Acceptor.receive_prepare = lambda self, sender, prepare: None
"""


@pytest.mark.parametrize("without", ["", " without=highest-accepted"])
def test_a_saved_test_passes_and_notices_another_core(tmp_path: Path, without: str) -> None:
    story = STORY.replace("cluster 3", f"cluster 3{without}")
    more = "> campaign 3\n> deliver 3 -> 2 Prepare\n> deliver 2 -> 3 Promise\n> propose 3 red\n"
    run = Laboratory.replay(f"{story}{more}> deliver 3 -> 2 Accept\n")
    assert bool(run.red) == bool(without)
    (tmp_path / "test_saved.py").write_text(save_as_test(run))
    good = run_pytest(tmp_path)
    assert good.returncode == 0, good.stdout
    assert "3 passed" in good.stdout
    bad = run_pytest(tmp_path, breaking=BROKEN_CORE)
    assert bad.returncode == 1, bad.stdout
    assert "3 failed" in bad.stdout


def test_a_saved_test_of_a_long_run_is_sound(tmp_path: Path) -> None:
    setup = Setup(4, 2, 2, frozenset({"meeting-quorums", "sync-first"}))
    run = wander(setup, 11, 150)
    (tmp_path / "test_saved.py").write_text(save_as_test(run))
    good = run_pytest(tmp_path)
    assert good.returncode == 0, good.stdout
