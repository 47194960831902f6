"""Every state of small clusters of the real core, and what a broken core looks like there.

The counts are pinned. When one changes, the core's behaviour has changed: say why in
the commit. The abstract model's counts are TLC's, and never change.
"""

import subprocess
import sys

import pytest
from teeth import BREAKS

from paxos_core.proposer import Proposer
from paxos_core.testing.explore import AbstractPaxos, ClusterModel, Scope, explore
from paxos_core.testing.explore.__main__ import main
from paxos_core.testing.explore.freeze import freeze
from paxos_core.testing.explore.search import Search

QUIET = frozenset({"HeartbeatAck", "Heartbeat", "Nack"})
PLAIN = Scope(silent=QUIET)
CRASH = Scope(silent=QUIET, crashes=1)
SLOW = Scope(silent=QUIET, crashes=1, slow_disks=True)
TEETH_STATES = 20_000

FOUND = {
    "promises_do_not_bind": (PLAIN, "promises never regress", 4),
    "accepts_below_the_promise": (PLAIN, "promises never regress", 5),
    "votes_are_not_recorded": (PLAIN, "durable before sent", 5),
    "promises_are_not_recorded": (PLAIN, "promises never regress", 2),
    "a_promise_forgets_the_votes": (
        PLAIN,
        "P2b: a later ballot proposes the chosen value",
        9,
    ),
    "no_revealed_value_is_kept": (
        PLAIN,
        "P2b: a later ballot proposes the chosen value",
        9,
    ),
    "phase_1_quorums_miss_phase_2_quorums": (
        PLAIN,
        "P2b: a later ballot proposes the chosen value",
        5,
    ),
    "nothing_waits_for_the_disk": (SLOW, "promises never regress", 2),
    "replay_ignores_promises": (CRASH, "promises never regress", 2),
    "replay_ignores_votes": (CRASH, "a chosen value stays", 5),
}
"""The scope in which a break shows, the invariant, and the fewest steps to it."""


# The search itself


def test_the_abstract_model_has_as_many_states_as_tlc_counts():
    seen = explore(AbstractPaxos(ballots=2))
    assert (seen.states, seen.complete, seen.violation) == (3_921, True, None)


def test_a_smaller_quorum_breaks_the_abstract_model():
    model = AbstractPaxos(ballots=2)
    model._quorum = 1
    seen = explore(model)
    assert seen.violation is not None
    assert seen.path[0] == "Phase1a(0)"


def test_a_search_that_is_stopped_says_so():
    seen = explore(AbstractPaxos(ballots=2), states_max=100)
    assert seen.states >= 100
    assert not seen.complete
    assert "stopped early" in str(seen)


# The real core


@pytest.mark.parametrize(
    ("scope", "states", "transitions", "depth"),
    [
        (Scope(stands=1), 265, 690, 10),
        (Scope(stands=1, proposers=(1,), crashes=1), 458, 1_785, 11),
        (Scope(stands=1, proposers=(1,), ticks=1), 662, 2_043, 15),
    ],
    ids=["two proposers", "a crash", "a tick"],
)
def test_one_ballot_has_exactly_these_states(
    scope: Scope, states: int, transitions: int, depth: int
):
    seen = explore(ClusterModel(scope))
    assert seen.complete, seen
    assert (seen.states, seen.transitions, seen.depth) == (states, transitions, depth)


@pytest.mark.parametrize(
    ("scope", "states", "transitions"),
    [
        (Scope(crashes=1, slow_disks=True), 20_000, 62_326),
        (Scope(stands=3, silent=QUIET), 20_000, 36_228),
        (Scope(ticks=2, compactions=1, commands=2), 20_001, 68_468),
    ],
    ids=["a crash around a write", "three ballots", "two slots and a snapshot"],
)
def test_the_first_states_of_larger_scopes_hold(scope: Scope, states: int, transitions: int):
    seen = explore(ClusterModel(scope), states_max=20_000)
    assert seen.violation is None, seen
    assert (seen.states, seen.transitions) == (states, transitions)


@pytest.mark.parametrize("name", FOUND)
def test_a_broken_core_is_found_on_the_shortest_path(name: str, monkeypatch: pytest.MonkeyPatch):
    scope, invariant, steps = FOUND[name]
    BREAKS[name](monkeypatch)
    seen = explore(ClusterModel(scope), states_max=TEETH_STATES)
    assert seen.violation is not None
    assert seen.violation.invariant == invariant
    assert len(seen.path) == steps, seen


def test_a_path_can_be_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Proposer, "_merge", lambda self, votes: None)
    seen = explore(ClusterModel(PLAIN), states_max=TEETH_STATES)
    assert seen.path[0] == "1 stands"
    assert any(step.startswith("1 -> ") and "Accept 1.1, slot 0: " in step for step in seen.path)
    assert "BROKEN P2b" in str(seen)


def test_an_assertion_of_the_core_is_found_with_its_last_step(monkeypatch: pytest.MonkeyPatch):
    def lead(self: Proposer, now: int) -> None:
        raise AssertionError("no leader today")

    monkeypatch.setattr(Proposer, "lead", lead)
    seen = explore(ClusterModel(Scope(stands=1)))
    assert seen.violation is not None
    assert seen.violation.invariant == "the core raises nothing"
    assert "no leader today" in seen.violation.detail
    assert "Promise 1.1" in seen.path[-1]


def test_the_same_state_freezes_alike_and_another_does_not():
    model = ClusterModel(Scope(stands=1))
    node = model.nodes[0]
    first = node.begin()
    stood = node.step(first, ("stand",)).number
    assert node.step(first, ("stand",)).number == stood != first
    one, other = (freeze(node.states[number].replica) for number in (first, stood))
    assert one == freeze(node.states[first].replica) != other


# The command


def test_the_command_prints_counts_and_its_status(capsys: pytest.CaptureFixture[str]):
    assert main(["--ballots", "1", "--fast-disks"]) == 0
    said = capsys.readouterr().out
    assert "265 states" in said
    assert "steps of the real core" in said


def test_the_command_fails_on_a_broken_core(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    BREAKS["promises_do_not_bind"](monkeypatch)
    assert main(["--fast-disks"]) == 1
    assert "BROKEN promises never regress" in capsys.readouterr().out


def test_an_interrupted_search_says_how_far_it_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(self: Search, level: list[int], states_max: int | None) -> list[int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "_expand", interrupted)
    assert main(["--abstract"]) == 130
    assert "interrupted; up to here:\n1 states" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["-1", "many"])
def test_wrong_numbers_are_wrong_use(wrong: str):
    ran = subprocess.run(
        [sys.executable, "-m", "paxos_core.testing.explore", "--states", wrong],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert "--states" in ran.stderr
