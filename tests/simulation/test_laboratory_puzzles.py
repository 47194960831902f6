"""The puzzles: each par is the fewest actions there are, and with the rule there are none.

How many states a proof sees is pinned. When it changes, the core's behaviour has
changed: say why in the commit, and run ``python -m paxos_core.testing.laboratory``,
which proves all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from paxos_core.acceptor import Acceptor
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.messages import Accept, Accepted, HeartbeatAck, Promise
from paxos_core.proposer import LEAD, Proposer
from paxos_core.ready import Outbox
from paxos_core.replica import Replica
from paxos_core.testing.laboratory import PUZZLES, REMOVABLE, Laboratory, Setup
from paxos_core.testing.laboratory.__main__ import main
from paxos_core.testing.laboratory.allowance import Allowance
from paxos_core.testing.laboratory.lights import ONE_PROPOSAL, ONE_VALUE
from paxos_core.testing.laboratory.search import Report, Search
from paxos_core.testing.script_node import ScriptError
from paxos_core.types import make_ballot

QUICK = ("one-ballot-two-values", "half-and-half", "blue-and-red")
"""Those whose proof takes seconds; the command proves the others."""


def finish(search: Search) -> Report:
    while not search.report.ended:
        search.advance(1_000)
    return search.report


@pytest.mark.parametrize("name", PUZZLES)
def test_par_is_the_fewest_actions(name: str) -> None:
    """Within the very allowance of the proof, which therefore says something."""
    puzzle = PUZZLES[name]
    report = finish(puzzle.search())
    assert report.path is not None
    assert len(report.path) == puzzle.par, report.path
    copies = sum(line.startswith("copy") for line in report.path)
    assert report.depth + 1 == puzzle.par - copies
    run = puzzle.begin()
    assert puzzle.goal not in run.red
    for step in report.path:
        puzzle.check_action(run, step)
        run.act(step)
    assert puzzle.goal in run.red


@pytest.mark.parametrize("name", QUICK)
def test_with_the_rule_it_is_proved_that_it_cannot_be_done(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: proved: {PUZZLES[name].proof_states:,} states, "), said


@pytest.mark.parametrize("name", sorted(set(PUZZLES) - set(QUICK)))
def test_a_long_proof_begins(name: str) -> None:
    search = PUZZLES[name].proof()
    report = search.advance(20_000)
    assert not report.ended
    assert report.path is None
    assert report.states < PUZZLES[name].proof_states


def promises_nothing(self: Acceptor, ballot: int) -> None:
    """The acceptor answers, and forgets."""


def votes_for_whatever(self: Acceptor, sender: int, accept: object) -> bool:
    self.promised = accept.ballot  # type: ignore[attr-defined]
    return True


def shows_no_votes(self: Proposer, votes: list[object]) -> None:
    """What the promises show is not looked at."""


def counts_one_promise(self: Proposer, sender: int, promise: Promise) -> bool:
    self._promised_mask = (1 << len(self._config.quorums.members)) - 1
    return False


def waits_for_no_disk(self: Outbox, to: int, message: object) -> None:
    self.send(to, message)  # type: ignore[arg-type]


hears_an_ack = Replica._receive_heartbeat_ack
hears_a_vote = Replica._receive_accepted


def takes_an_ack_for_a_vote(self: Replica, sender: int, ack: HeartbeatAck) -> None:
    hears_an_ack(self, sender, ack)
    proposer = self._proposer
    if proposer.in_flight and ack.ballot == proposer.ballot:
        proposer.receive_accepted(sender, Accepted(ack.ballot, 0, proposer.next_slot - 1))


def counts_whoever_has_answered(self: Replica, sender: int, accepted: Accepted) -> None:
    if accepted.ballot == self._proposer.ballot and self._proposer.phase is LEAD:
        for proposal in self._proposer.in_flight.values():
            proposal.mask |= self._election._answered_mask
    hears_a_vote(self, sender, accepted)


BREAKS = [
    ("blue-and-red", Proposer, "_merge", shows_no_votes),
    ("half-and-half", Proposer, "receive_promise", counts_one_promise),
    ("a-promise-forgotten", Acceptor, "receive_accept", votes_for_whatever),
    ("a-promise-forgotten", Replica, "_receive_heartbeat_ack", takes_an_ack_for_a_vote),
    ("said-and-lost", Outbox, "send_gated", waits_for_no_disk),
    ("said-and-lost", Replica, "_receive_accepted", counts_whoever_has_answered),
    ("one-ballot-two-values", Outbox, "send_gated", waits_for_no_disk),
]


@pytest.mark.parametrize(("name", "kind", "method", "broken"), BREAKS)
def test_a_proof_fails_where_the_core_breaks_a_rule(
    name: str,
    kind: type,
    method: str,
    broken: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where it reads for its votes what only a clock should: no field is stopped."""
    monkeypatch.setattr(kind, method, broken)
    assert main([name]) == 1
    name_said, verdict, path = capsys.readouterr().out.strip().split(": ", 2)
    assert (name_said, verdict) == (name, "IT CAN BE DONE")
    puzzle = PUZZLES[name]
    run = Laboratory(puzzle.lawful, puzzle.lawful_given)
    for step in path.split("; "):
        puzzle.check_action(run, step)
        run.act(step)
    assert puzzle.goal in run.red


def test_a_search_that_meets_its_bound_proves_nothing() -> None:
    puzzle = PUZZLES["half-and-half"]
    lawful = Laboratory(puzzle.lawful, puzzle.lawful_given)
    report = finish(Search(lawful, ONE_VALUE, puzzle.allowance, states_max=500))
    assert (report.ended, report.complete, report.path) == (True, False, None)


def test_two_nodes_have_as_many_states_as_are_counted_by_hand() -> None:
    """One phase 1 between two nodes: nothing yet; asked; promised; the one leads; the other
    has heard its heartbeat; the one has heard that. Whatever arrives again changes nothing.
    """
    search = Search(Laboratory(Setup(2)), ONE_PROPOSAL, Allowance({1: 1}))
    report = finish(search)
    assert (report.complete, report.states) == (True, 6)


def test_the_same_frame_may_arrive_at_a_held_disk_for_ever() -> None:
    run = Laboratory(Setup(3), ["campaign 1", "stabilize", "hold 2", "propose 1 blue"])
    assert finish(Search(run, ONE_VALUE, Allowance())).complete


@pytest.mark.parametrize("early", [False, True])
def test_a_vote_counts_whenever_the_search_met_it_first(early: bool) -> None:
    """Another run may have shown the Accepted before this run's Accept was ever seen."""
    search = PUZZLES["blue-and-red"].proof()
    ballot, red = make_ballot(9, 3), encode_batch([b"red"])
    accept = Accept(ballot, 0, 0, checksum(red), red)
    proposal = "sent", 3, 0, ballot, red, accept
    votes = [("sent", node, ballot, 0, 0, Accepted(ballot, 0, 0)) for node in (2, 3)]
    facts = [*votes, proposal] if early else [proposal, *votes]
    blue_is_chosen = search._level[0] >> search._shift
    assert not search._is_goal(blue_is_chosen)
    assert search._is_goal(blue_is_chosen | sum(map(search._fact_bit, facts)))


# What a puzzle allows


@pytest.mark.parametrize(
    ("name", "done", "action", "says"),
    [
        ("blue-and-red", [], "campaign 1", "node 1 may not campaign in this puzzle"),
        ("blue-and-red", ["campaign 3"], "campaign 3", "node 3 may not campaign more than once"),
        ("blue-and-red", [], "crash 2", "node 2 may not crash in this puzzle"),
        ("blue-and-red", ["campaign 03"], "campaign 3", "node 3 may not campaign more than once"),
        ("blue-and-red", ["campaign 3"], "campaign 003", "node 3 may not campaign more than once"),
        ("said-and-lost", ["crash 02", "restart 02"], "crash 2", "more than once"),
        ("said-and-lost", ["propose 01 03"], "propose 001 3", "more than once"),
        ("said-and-lost", [], "hold 3", "no further disk may be held"),
        ("said-and-lost", ["crash 2", "restart 2"], "crash 2", "more than once"),
        ("one-ballot-two-values", [], "restart 3", "node 3 stays down"),
    ],
)
def test_a_player_keeps_to_the_allowance(
    name: str, done: list[str], action: str, says: str
) -> None:
    puzzle = PUZZLES[name]
    run = puzzle.begin()
    for step in done:
        puzzle.check_action(run, step)
        run.act(step)
    with pytest.raises(ScriptError, match=says):
        puzzle.check_action(run, action)


def test_an_allowance_says_itself() -> None:
    allowance = Allowance({1: 1, 3: 1, 2: 2}, {1: ("blue", "red", "green")}, {2: 1}, (4,))
    assert allowance.words == (
        "nodes 1 and 3 may each campaign once; node 2 may campaign twice; "
        "node 1 may propose 3 times; node 2 may crash once; no further disk may be held; "
        "node 4 stays down"
    )


def test_the_docs_have_each_puzzle_with_its_figures() -> None:
    text = (Path(__file__).parents[2] / "docs/play.md").read_text()
    for puzzle in PUZZLES.values():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {puzzle.title} |")]
        assert row.endswith(f"| {puzzle.par} | {puzzle.proof_states:,} |"), row
        assert f"\n{puzzle.name}: proved: {puzzle.proof_states:,} states, " in text


def test_there_is_a_puzzle_for_each_rule() -> None:
    assert {rule for puzzle in PUZZLES.values() for rule in puzzle.setup.without} == set(REMOVABLE)
    assert len(PUZZLES) >= 4
    for puzzle in PUZZLES.values():
        assert puzzle.goal in REMOVABLE[next(iter(puzzle.setup.without))].breaks
        assert not puzzle.lawful.without
        assert puzzle.lawful_given == puzzle.given
        assert len(puzzle.hints) >= 2
