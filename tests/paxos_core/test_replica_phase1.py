"""Phase 1 at the replica: pages of votes, Nacks, and whose ballot may speak."""

from __future__ import annotations

import pytest
from core_kit import (
    accept,
    campaign,
    config,
    drain,
    elect,
    of_type,
    to_node,
    value_of,
    vote,
)

from paxos_core import (
    Replica,
)
from paxos_core import messages as m
from paxos_core.election import Role
from paxos_core.types import make_ballot

B1, B2, B3 = (make_ballot(n, 2) for n in (1, 2, 3))
V, W = value_of(b"v"), value_of(b"w")


def test_a_candidate_reads_its_own_votes_page_by_page() -> None:
    replica = Replica(config(1, frame_bytes_max=512))
    values = [value_of(b"%d" % n + bytes(200)) for n in range(5)]
    for slot, value in enumerate(values):
        replica.receive(2, accept(B1, slot, value))
    drain(replica)
    ready = elect(replica)
    assert replica.status().role is Role.LEADER
    assert [p.value for p in to_node(ready.messages, 3, m.Accept)] == values


def test_a_page_of_votes_goes_back_to_who_asked_and_fits_the_frame() -> None:
    from paxos_core import Codec

    replica = Replica(config(1, frame_bytes_max=512))
    for slot in range(9):
        replica.receive(2, accept(B1, slot, value_of(bytes(100))))
    drain(replica)
    replica.receive(2, m.Prepare(B2, 0))
    (page,) = to_node(drain(replica).messages, 2, m.Promise)
    assert 0 < len(page.votes) < 9
    assert len(Codec(1, 1).encode(page)) <= 512


def test_a_candidate_waits_as_long_as_page_follows_page() -> None:
    replica = Replica(config())
    ask = campaign(replica)
    pages = 3 * replica.config.timing.election_ticks_max
    for page in range(pages):
        for _ in range(replica.config.timing.election_ticks_min - 1):
            replica.tick()
            drain(replica)
        replica.receive(2, m.Promise(ask.ballot, page, page + 1, 0, [vote(page, B1, V)]))
        assert m.Prepare(ask.ballot, page + 1) in to_node(drain(replica).messages, 2, m.Prepare)
    replica.receive(2, m.Promise(ask.ballot, pages, m.NO_MORE, 0, []))
    drain(replica)
    assert replica.leader == 1


def test_a_candidate_that_hears_the_same_page_again_gives_up() -> None:
    replica = Replica(config())
    ask = campaign(replica)
    page = m.Promise(ask.ballot, 0, 1, 0, [vote(0, B1, V)])
    asked: list[m.PreVote] = []
    for _ in range(2 * replica.config.timing.election_ticks_max):
        replica.receive(2, page)
        replica.tick()
        asked += of_type(drain(replica).messages, m.PreVote)
    assert asked


def test_an_acceptor_leaves_the_candidate_that_asks_for_page_after_page_its_time() -> None:
    replica = Replica(config())
    ballot = make_ballot(3, 2)
    for page in range(20):
        replica.receive(2, m.Prepare(ballot, page))
        for _ in range(replica.config.timing.election_ticks_min - 4):
            replica.tick()
        replica.receive(3, m.PreVote(make_ballot(4, 3), 0))
        messages = drain(replica).messages
        assert [reply.granted for reply in of_type(messages, m.PreVoteReply)] == [0]
        assert of_type(messages, m.PreVote) == []


def test_a_leader_that_is_nacked_takes_a_ballot_above() -> None:
    replica = Replica(config(1))
    elect(replica)
    for _ in range(replica.config.timing.election_ticks_min):
        for peer in replica.config.peers:
            replica.receive(peer, m.HeartbeatAck(replica.status().ballot, 0, 1))
        replica.tick()
    drain(replica)
    replica.receive(3, m.Nack(replica.status().ballot, B3))
    assert of_type(drain(replica).messages, m.Prepare)[0].ballot == make_ballot(4, 1)


@pytest.mark.parametrize(
    ("ballot", "promised"),
    [(B1, B3), (0, B3), (make_ballot(1, 1), 0), (make_ballot(1, 1), make_ballot(1, 1))],
)
def test_a_nack_that_is_not_for_us_or_not_above_changes_nothing(ballot: int, promised: int) -> None:
    replica = Replica(config(1))
    elect(replica)
    replica.receive(3, m.Nack(ballot, promised))
    assert replica.status().role is Role.LEADER


def test_a_higher_prepare_ends_a_leadership_and_its_queue() -> None:
    replica = Replica(config(1))
    elect(replica)
    replica.propose(b"a")
    replica.receive(3, m.Prepare(make_ballot(2, 3), 0))
    ready = drain(replica)
    assert of_type(ready.messages, m.Promise)
    assert of_type(ready.messages, m.Accept) == []
    assert replica.status().role is Role.FOLLOWER
    assert replica.status().pending_bytes == 0


@pytest.mark.parametrize("kind", ["prepare", "accept", "heartbeat"])
@pytest.mark.parametrize("sender", [2, 3])
def test_a_ballot_speaks_for_its_own_node_only(kind: str, sender: int) -> None:
    replica = Replica(config(1))
    said: dict[str, m.Message] = {
        "prepare": m.Prepare(B1, 0),
        "accept": accept(B1, 0, V),
        "heartbeat": m.Heartbeat(B1, 0, 1),
    }
    replica.receive(sender, said[kind])
    ready = drain(replica)
    assert bool(ready.messages) == (sender == 2)
    assert (replica.leader == 2) == (sender == 2 and kind != "prepare")
