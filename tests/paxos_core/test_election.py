"""Who leads: when a node asks, whom it grants, when it gives way. Liveness alone."""

from __future__ import annotations

from itertools import product

import pytest
from core_kit import config, of_type, to_node

from paxos_core import LeaderChanged, QuorumSystem, ReplicaConfig, Timing
from paxos_core import messages as m
from paxos_core.election import Election, Role, Verdict
from paxos_core.ready import Outbox
from paxos_core.types import make_ballot

TIMING = Timing(heartbeat_ticks=2, election_ticks_min=6, election_ticks_max=9, resend_ticks=3)
B1, B2, B3 = make_ballot(1, 2), make_ballot(2, 3), make_ballot(3, 2)


def election(
    node: int = 1, members: tuple[int, ...] = (1, 2, 3), seed: int = 0, voting: bool = True
) -> tuple[Election, Outbox]:
    outbox = Outbox(node)
    settings = config(node, members, seed=seed, voting=voting, timing=TIMING)
    return Election(settings, outbox, 0), outbox


def ticks_until(subject: Election, verdict: Verdict, most: int = 100) -> int | None:
    for count in range(1, most + 1):
        if subject.tick(0, False) is verdict:
            return count
    return None


def lead(subject: Election, outbox: Outbox, ballot: int = make_ballot(1, 1)) -> None:
    subject.become_candidate(ballot)
    subject.become_leader(ballot, 0)
    outbox.take()


# Time-outs


@pytest.mark.parametrize("seed", range(20))
def test_a_silent_leader_is_missed_between_the_two_limits(seed: int) -> None:
    subject, _ = election(seed=seed)
    waited = ticks_until(subject, Verdict.CANVASS)
    assert waited is not None
    assert TIMING.election_ticks_min <= waited <= TIMING.election_ticks_max


def test_seeds_draw_different_time_outs_and_the_same_seed_the_same() -> None:
    waits = [ticks_until(election(seed=seed)[0], Verdict.CANVASS) for seed in range(30)]
    assert set(waits) == {6, 7, 8, 9}
    assert waits == [ticks_until(election(seed=seed)[0], Verdict.CANVASS) for seed in range(30)]


def test_a_heard_leader_is_never_missed() -> None:
    subject, _ = election()
    for _ in range(50):
        subject.follow(B1)
        assert ticks_until(subject, Verdict.CANVASS, TIMING.election_ticks_min - 1) is None


def test_a_replica_that_may_not_vote_never_canvasses() -> None:
    subject, _ = election(voting=False)
    assert ticks_until(subject, Verdict.CANVASS) is None


def test_asking_again_comes_sooner_than_a_time_out() -> None:
    subject, _ = election()
    for _ in range(20):
        subject.canvass(0)
        waited = ticks_until(subject, Verdict.CANVASS)
        assert waited is not None
        assert TIMING.heartbeat_ticks <= waited <= TIMING.election_ticks_min


# Asking before disturbing


def test_canvassing_asks_every_peer_for_a_ballot_above_all_seen() -> None:
    subject, outbox = election()
    subject.see(B3)
    assert not subject.canvass(7)
    asked = make_ballot(4, 1)
    assert outbox.take().messages == [(2, m.PreVote(asked, 7)), (3, m.PreVote(asked, 7))]


def test_a_cluster_of_one_need_not_ask() -> None:
    subject, outbox = election(1, (1,))
    assert subject.canvass(0)
    assert outbox.take().messages == []


@pytest.mark.parametrize(
    ("silent", "leads"),
    list(product(range(TIMING.election_ticks_max + 2), (False, True))),
)
def test_a_vote_is_granted_exactly_by_who_hears_no_leader(silent: int, leads: bool) -> None:
    subject, outbox = election()
    if leads:
        lead(subject, outbox)
        subject.silent_ticks = silent
    else:
        subject.follow(B1)
        for _ in range(silent):
            subject.tick(0, False)
    outbox.take()
    subject.receive_pre_vote(3, m.PreVote(B2, 0), promised=B1, watermark=5)
    lost = silent >= TIMING.election_ticks_min - TIMING.heartbeat_ticks
    expected = m.PreVoteReply(B2, int(lost and not leads), B1, 5)
    assert outbox.take().messages == [(3, expected)]


@pytest.mark.parametrize("ballot", ["asked", "other", "none"])
@pytest.mark.parametrize("granted", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("asking", [True, False])
def test_only_a_grant_of_what_was_asked_counts(ballot: str, granted: int, asking: bool) -> None:
    subject, _ = election()
    asked = subject.next_ballot()
    if asking:
        subject.canvass(0)
    given = {"asked": asked, "other": asked + 1, "none": 0}[ballot]
    won = subject.receive_pre_vote_reply(2, m.PreVoteReply(given, granted, 0, 0))
    assert won == (asking and ballot == "asked" and granted != 0)


def test_nobody_who_did_not_ask_is_elected() -> None:
    subject, _ = election()
    for peer in (2, 3):
        assert not subject.receive_pre_vote_reply(peer, m.PreVoteReply(0, 1, 0, 0))


def test_one_peer_granting_often_is_one_grant() -> None:
    subject, _ = election(1, (1, 2, 3, 4, 5))
    subject.canvass(0)
    reply = m.PreVoteReply(subject.next_ballot(), 1, 0, 0)
    assert not subject.receive_pre_vote_reply(2, reply)
    assert not subject.receive_pre_vote_reply(2, reply)
    assert subject.receive_pre_vote_reply(3, reply)


def test_a_reply_tells_of_higher_promises() -> None:
    subject, _ = election()
    subject.canvass(0)
    subject.receive_pre_vote_reply(2, m.PreVoteReply(1, 0, B3, 0))
    assert subject.next_ballot() == make_ballot(4, 1)


def test_who_reaches_no_phase_2_quorum_does_not_stand() -> None:
    quorums = QuorumSystem((1, 2, 3, 4, 5), phase1=2, phase2=4)
    subject = Election(ReplicaConfig(1, quorums, timing=TIMING), Outbox(1), 0)
    subject.canvass(0)
    asked = subject.next_ballot()
    assert not subject.receive_pre_vote_reply(2, m.PreVoteReply(asked, 1, 0, 0))
    assert not subject.receive_pre_vote_reply(3, m.PreVoteReply(asked, 0, 0, 0))
    # A refusal is an answer as well: that node is there.
    assert subject.receive_pre_vote_reply(4, m.PreVoteReply(asked, 0, 0, 0))


# Office


def test_a_new_leader_says_so_at_once_and_then_at_every_beat() -> None:
    subject, outbox = election()
    ballot = make_ballot(1, 1)
    subject.become_candidate(ballot)
    subject.become_leader(ballot, 3)
    ready = outbox.take()
    assert ready.messages == [(node, m.Heartbeat(ballot, 3, 1)) for node in (2, 3)]
    assert ready.events == [LeaderChanged(1, ballot)]
    for tick in range(1, 6):
        subject.tick(4, False)
        beats = to_node(outbox.take().messages, 2, m.Heartbeat)
        due = tick % TIMING.heartbeat_ticks == 0
        assert [beat.sequence for beat in beats] == ([1 + tick // 2] if due else [])


@pytest.mark.parametrize("answers", [(), (2,), (2, 3), (2, 2)])
def test_a_leader_without_a_quorum_steps_down_in_one_time_out(answers: tuple[int, ...]) -> None:
    subject, outbox = election(1, (1, 2, 3, 4, 5))
    lead(subject, outbox)
    for sender in answers:
        subject.hear_answer(sender)
    waited = ticks_until(subject, Verdict.STEP_DOWN)
    heard = len(set(answers)) + 1
    assert waited == TIMING.election_ticks_min * (2 if heard >= 3 else 1)


def test_a_leader_that_is_answered_stays() -> None:
    subject, outbox = election()
    lead(subject, outbox)
    for _ in range(20):
        subject.hear_answer(3)
        assert ticks_until(subject, Verdict.STEP_DOWN, TIMING.election_ticks_min) is None


@pytest.mark.parametrize(("sequence", "stays"), [(1, False), (3, False), (4, True)])
def test_an_answer_to_a_beat_from_before_the_last_check_keeps_nobody_in_office(
    sequence: int, stays: bool
) -> None:
    subject, outbox = election()
    lead(subject, outbox)
    subject.hear_answer(2)
    assert ticks_until(subject, Verdict.STEP_DOWN, TIMING.election_ticks_min) is None
    # The check came with the fourth beat: three had left before it.
    assert outbox.take().messages[-1] == (3, m.Heartbeat(make_ballot(1, 1), 0, 4))
    subject.hear_ack(2, sequence)
    waited = ticks_until(subject, Verdict.STEP_DOWN, TIMING.election_ticks_min)
    assert (waited is None) == stays


def test_every_change_of_leader_is_told_once() -> None:
    subject, outbox = election()
    for _ in range(2):
        subject.follow(B1)
    subject.follow(B2)
    subject.become_follower()
    subject.become_follower()
    assert outbox.take().events == [
        LeaderChanged(2, B1),
        LeaderChanged(3, B2),
        LeaderChanged(0, 0),
    ]


def test_following_ends_a_candidacy_and_a_canvass() -> None:
    subject, outbox = election()
    subject.canvass(0)
    asked = of_type(outbox.take().messages, m.PreVote)[0].ballot
    subject.follow(B2)
    assert (subject.role, subject.leader) == (Role.FOLLOWER, 3)
    assert not subject.receive_pre_vote_reply(2, m.PreVoteReply(asked, 1, 0, 0))


def test_yielding_gives_a_candidate_a_whole_time_out() -> None:
    subject, outbox = election()
    ticks_until(subject, Verdict.CANVASS)
    subject.yield_to(B2)
    waited = ticks_until(subject, Verdict.CANVASS)
    assert waited is not None
    assert waited >= TIMING.election_ticks_min
    subject.yield_to(B2)
    outbox.take()
    subject.receive_pre_vote(3, m.PreVote(B3, 0), 0, 0)
    assert of_type(outbox.take().messages, m.PreVoteReply)[0].granted == 0
