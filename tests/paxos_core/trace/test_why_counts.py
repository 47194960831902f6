"""What is said to count, to wait or to be given up, case by case."""

from __future__ import annotations

from test_why import B11, B12, B22, Y, accept, vote
from trace_kit import Watched

from paxos_core import QuorumSystem
from paxos_core import messages as m


def canvassing() -> Watched:
    """One that has asked the others, for 1.1."""
    watched = Watched()
    while not any(event["kind"] == "tick" and "sent" in event for event in watched.events):
        watched.log.tick()
        watched.settle()
    return watched


def test_answers_to_a_pre_vote_count_while_it_is_asked() -> None:
    watched = canvassing()
    why = watched.receive(2, m.PreVoteReply(B11, 0, 0, 0))["why"]
    assert "does not agree, but can be reached; before it tries 1.1" in why
    assert watched.receive(2, m.PreVoteReply(B22, 1, 0, 0))["rule"] == "stale"
    assert (
        "a phase 1 quorum of 2 has no leader"
        in watched.receive(3, m.PreVoteReply(B11, 1, 0, 0))["why"]
    )
    watched = canvassing()
    watched.receive(2, m.Heartbeat(B12, 0, 1))
    assert watched.receive(3, m.PreVoteReply(B11, 1, 0, 0))["rule"] == "stale"


def test_a_candidate_says_that_it_gives_way() -> None:
    for message in (m.Prepare(B22, 0), accept(B22, 0), m.Heartbeat(B22, 0, 1)):
        watched = Watched()
        watched.log.act("tick", "", watched.replica._campaign)
        watched.settle()
        assert ", and gives up its own phase 1 of 1.1" in watched.receive(2, message)["why"]


def test_an_answer_that_waits_for_the_disk_is_not_said_to_be_given() -> None:
    watched = Watched()
    watched.log.receive(2, accept(B12, 0))
    watched.log.take()
    watched.log.receive(2, accept(B12, 0))
    watched.log.take()
    watched.recorder.settle()
    assert "already; its answer waits" in watched.events[-1]["why"]


def test_a_vote_counts_once() -> None:
    watched = Watched()
    watched.lead()
    watched.log.propose(b"x")
    watched.log.take()  # its own vote waits for the disk
    assert "Counts the vote of node 2" in watched.receive(2, m.Accepted(B11, 0, 0))["why"]
    watched = Watched(quorums=QuorumSystem([1, 2, 3, 4, 5]))
    watched.log.act("tick", "", watched.replica._campaign)
    watched.settle()
    for node in (2, 3):
        watched.receive(node, m.Promise(B11, 0, m.NO_MORE, 0, []))
    watched.log.propose(b"x")
    watched.settle()
    assert watched.receive(2, m.Accepted(B11, 0, 0))["rule"] == "phase 2b"
    assert watched.receive(2, m.Accepted(B11, 0, 0))["rule"] == "stale"
    assert watched.receive(3, m.Accepted(B11, 0, 0))["rule"] == "chosen"


def test_who_is_elected_in_a_drain_proposes_what_was_revealed() -> None:
    watched = Watched()
    watched.log.act("tick", "", watched.replica._campaign)
    watched.settle()
    watched.log.receive(2, m.Promise(B11, 0, m.NO_MORE, 0, [vote(0, B12, Y)]))
    watched.log.propose(b"x")
    watched.settle()
    assert any(event["why"].startswith("Leads in 1.1") for event in watched.events)
    take = next(event for event in watched.events if event["kind"] == "take")
    assert take["rule"] == "P2c"
    assert take["why"].startswith("Proposes y for slot 0, not a value of its own: it is the vote")
    assert "proposes slot 1 in 1.1: phase 1 is done for every slot" in take["why"]
