"""The proposer: the choice of value (P2c), the window, quorums, and what it ignores."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest
from core_kit import config, of_type, to_node, value_of, vote

from paxos_core import Limits, QuorumSystem, Replica, ReplicaConfig
from paxos_core import messages as m
from paxos_core.acceptor import Acceptor
from paxos_core.batch import BATCH_COMMANDS_MAX, NOOP, decode_batch
from paxos_core.checksum import checksum
from paxos_core.learner import Learner
from paxos_core.proposer import OPEN_SLOTS_MIN, Proposer
from paxos_core.ready import Outbox
from paxos_core.types import U64_MAX, make_ballot

B1, B2, B3, OURS = make_ballot(1, 2), make_ballot(2, 3), make_ballot(3, 2), make_ballot(4, 1)
V, W, X = value_of(b"v"), value_of(b"w"), value_of(b"x")
NODES = (1, 2, 3, 4, 5)


class Bench:
    """One proposer with its acceptor and learner, and the messages to itself by hand."""

    def __init__(self, config_: ReplicaConfig | None = None, log: int = 0) -> None:
        self.config = config_ or config(1, NODES)
        self.outbox = Outbox(1)
        entries = {slot: (checksum(V), V) for slot in range(log)}
        self.acceptor = Acceptor(self.outbox, 0, {}, log, 1000, 1024, entries)
        self.learner = Learner(0, entries, 1024)
        self.proposer = Proposer(self.config, self.outbox, self.acceptor, self.learner)

    def drain(self) -> list[tuple[int, m.Message]]:
        said: list[tuple[int, m.Message]] = []
        while ready := self.outbox.take():
            said += ready.messages
            if ready.write_id:
                self.outbox.persisted(ready.write_id)
        for message in list(self.outbox.to_self):
            if isinstance(message, m.Promise):
                self.proposer.receive_promise(1, message)
            elif isinstance(message, m.Accepted):
                self.proposer.receive_accepted(1, message)
        self.outbox.to_self.clear()
        return said

    def promise(self, node: int, *votes: m.Vote, watermark: int = 0) -> None:
        at = self.proposer._from_slot
        self.proposer.receive_promise(node, m.Promise(OURS, at, m.NO_MORE, watermark, list(votes)))

    def lead(self, *answers: tuple[m.Vote, ...]) -> list[m.Accept]:
        self.proposer.prepare(OURS, 0)
        self.drain()
        for node, votes in zip(NODES[1:], answers or ((), ()), strict=False):
            self.promise(node, *votes)
        assert self.proposer.can_lead()
        self.proposer.lead(0)
        return to_node(self.drain(), 2, m.Accept)


# Phase 1


def test_nobody_hears_a_prepare_before_our_own_promise_is_written() -> None:
    bench = Bench()
    bench.proposer.prepare(OURS, 0)
    ready = bench.outbox.take()
    assert ready.messages == []
    bench.outbox.persisted(ready.write_id)
    assert bench.outbox.take().messages == [(node, m.Prepare(OURS, 0)) for node in NODES[1:]]


@pytest.mark.parametrize("phase1", range(1, 6))
def test_it_leads_with_a_phase_1_quorum_and_not_before(phase1: int) -> None:
    bench = Bench(ReplicaConfig(1, QuorumSystem(NODES, phase1=phase1)))
    bench.proposer.prepare(OURS, 0)
    assert not bench.proposer.can_lead()
    bench.drain()
    for count, node in enumerate(NODES[1:], 2):
        assert bench.proposer.can_lead() == (count - 1 >= phase1)
        bench.promise(node)
        bench.promise(node)
    assert bench.proposer.can_lead()


@pytest.mark.parametrize("watermark", [0, 2, 3, 4])
def test_it_learns_what_a_promise_calls_chosen_before_it_leads(watermark: int) -> None:
    bench = Bench(log=3)
    bench.proposer.prepare(OURS, 0)
    bench.drain()
    bench.promise(2, watermark=watermark)
    bench.promise(3)
    assert bench.proposer.can_lead() == (watermark <= 3)
    assert bench.learner.lags == (watermark > 3)
    bench.learner.learn(3, checksum(V), V)
    list(bench.learner.deliver())
    assert bench.proposer.can_lead()


@pytest.mark.parametrize(
    "votes",
    [v for n in (1, 2, 3) for v in product((None, B1, B2, B3), repeat=n)],
)
def test_the_value_of_the_highest_vote_is_proposed(votes: tuple[int | None, ...]) -> None:
    values = {B1: V, B2: W, B3: X}
    answers = [() if b is None else (vote(0, b, values[b]),) for b in votes]
    while len(answers) < 2:
        answers.append(())
    proposals = Bench().lead(*answers)
    cast = [ballot for ballot in votes if ballot is not None]
    if cast:
        expected = values[max(cast)]
        assert proposals == [m.Accept(OURS, 0, 0, checksum(expected), expected)]
    else:
        assert proposals == []


@pytest.mark.parametrize("order", list(permutations((B1, B2, B3))))
def test_the_order_of_promises_does_not_matter(order: tuple[int, ...]) -> None:
    values = {B1: V, B2: W, B3: X}
    (proposal,) = Bench().lead(*((vote(0, ballot, values[ballot]),) for ballot in order))
    assert proposal.value == X


def test_our_own_vote_counts_like_any_other() -> None:
    bench = Bench()
    bench.acceptor.promised = B3
    bench.acceptor.votes[0] = vote(0, B3, X)
    (proposal,) = bench.lead((vote(0, B1, V),), (vote(0, B2, W),))
    assert proposal.value == X


def test_a_gap_between_votes_is_filled_with_noops_and_nothing_above_is() -> None:
    proposals = Bench().lead((vote(1, B1, V),), (vote(3, B1, W),))
    assert [(p.slot, p.value) for p in proposals] == [(0, NOOP), (1, V), (2, NOOP), (3, W)]
    assert all(p.checksum == checksum(p.value) for p in proposals)


def test_nothing_is_proposed_below_the_watermark() -> None:
    bench = Bench(log=2)
    proposals = bench.lead((vote(2, B1, V),), ())
    assert [p.slot for p in proposals] == [2]
    assert Bench(log=2).lead(((vote(0, B1, W)),), ()) == []


def test_pages_are_asked_for_until_the_last_and_only_then_counted() -> None:
    bench = Bench()
    bench.proposer.prepare(OURS, 0)
    bench.drain()
    bench.promise(3)
    bench.proposer.receive_promise(2, m.Promise(OURS, 0, 4, 0, [vote(3, B1, V)]))
    assert to_node(bench.drain(), 2, m.Prepare) == [m.Prepare(OURS, 4)]
    assert not bench.proposer.can_lead()
    bench.proposer.receive_promise(2, m.Promise(OURS, 4, m.NO_MORE, 0, [vote(4, B1, W)]))
    assert bench.proposer.can_lead()
    bench.proposer.lead(0)
    proposals = to_node(bench.drain(), 2, m.Accept)
    assert [p.value for p in proposals] == [NOOP, NOOP, NOOP, V, W]


@pytest.mark.parametrize(
    "page",
    [
        m.Promise(OURS, 4, m.NO_MORE, 0, [vote(4, B3, X)]),
        m.Promise(OURS, 0, 0, 0, [vote(4, B3, X)]),
        m.Promise(B3, 0, m.NO_MORE, 0, [vote(4, B3, X)]),
        m.Promise(make_ballot(5, 1), 0, m.NO_MORE, 0, [vote(4, B3, X)]),
    ],
    ids=["skips", "stands-still", "older", "newer"],
)
def test_a_page_out_of_turn_is_ignored(page: m.Promise) -> None:
    bench = Bench()
    bench.proposer.prepare(OURS, 0)
    bench.drain()
    bench.promise(3)
    bench.proposer.receive_promise(2, page)
    assert not bench.proposer.can_lead()
    assert bench.drain() == []
    bench.promise(2)
    bench.proposer.lead(0)
    assert to_node(bench.drain(), 2, m.Accept) == []


@pytest.mark.parametrize(
    ("above", "believed"), [(OPEN_SLOTS_MIN - 1, True), (OPEN_SLOTS_MIN, False)]
)
def test_a_page_with_a_vote_absurdly_far_up_is_not_believed(above: int, believed: bool) -> None:
    bench = Bench()
    bench.proposer.prepare(OURS, 0)
    bench.drain()
    bench.promise(2)
    bench.promise(3, vote(above, B1, V))
    assert bench.proposer.can_lead() == believed


def test_how_far_up_counts_from_the_highest_watermark() -> None:
    bench = Bench(log=3)
    bench.proposer.prepare(OURS, 0)
    bench.drain()
    bench.promise(2, watermark=3)
    bench.promise(3, vote(OPEN_SLOTS_MIN + 2, B1, V), watermark=1)
    assert bench.proposer.can_lead()


def test_only_a_prepare_without_an_answer_is_sent_again() -> None:
    bench = Bench()
    wait = bench.config.timing.resend_ticks
    bench.proposer.prepare(OURS, 0)
    bench.drain()
    bench.promise(2)
    bench.proposer.receive_promise(3, m.Promise(OURS, 0, 7, 0, []))
    bench.drain()
    bench.proposer.resend(wait - 1)
    assert bench.drain() == []
    bench.proposer.resend(wait)
    assert bench.drain() == [
        (3, m.Prepare(OURS, 7)),
        (4, m.Prepare(OURS, 0)),
        (5, m.Prepare(OURS, 0)),
    ]


def test_a_prepare_is_not_sent_again_before_our_own_promise_is_written() -> None:
    bench = Bench()
    bench.proposer.prepare(OURS, 0)
    ready = bench.outbox.take()
    bench.proposer.resend(bench.config.timing.resend_ticks)
    assert bench.outbox.take().messages == []
    bench.outbox.persisted(ready.write_id)
    assert bench.outbox.take().messages == [(node, m.Prepare(OURS, 0)) for node in NODES[1:]] * 2


# Phase 2


def propose(bench: Bench, *commands: bytes) -> list[m.Accept]:
    for command in commands:
        bench.proposer.enqueue(command)
    bench.proposer.fill_window(0)
    return to_node(bench.drain(), 2, m.Accept)


def test_what_one_drain_brought_is_one_value() -> None:
    bench = Bench()
    bench.lead()
    (accept,) = propose(bench, b"a", b"b", b"c")
    assert decode_batch(accept.value) == [b"a", b"b", b"c"]
    assert accept.checksum == checksum(accept.value)
    assert bench.proposer.pending_bytes == 0


def test_accept_overlaps_our_own_write_and_our_vote_does_not() -> None:
    bench = Bench()
    bench.lead()
    bench.proposer.enqueue(b"a")
    bench.proposer.fill_window(0)
    ready = bench.outbox.take()
    assert len(of_type(ready.messages, m.Accept)) == 4
    assert not bench.outbox.to_self
    bench.outbox.persisted(ready.write_id)
    assert list(bench.outbox.to_self) == [m.Accepted(OURS, 0, 0)]


def test_the_next_accept_tells_what_is_chosen() -> None:
    bench = Bench()
    bench.lead()
    propose(bench, b"a")
    for node in (2, 3):
        bench.proposer.receive_accepted(node, m.Accepted(OURS, 0, 0))
    assert [slot for slot, _, _ in bench.learner.deliver()] == [0]
    (accept,) = propose(bench, b"b")
    assert (accept.slot, accept.watermark) == (1, 1)


def test_it_proposes_also_where_its_own_acceptor_does_not_vote_yet() -> None:
    """Revealed votes may lie further up than an acceptor votes; the others may vote there."""
    bench = Bench()
    far = 1030
    accepts = bench.lead((vote(far, B1, V),), ())
    assert [accept.slot for accept in accepts] == list(range(far + 1))
    own = bench.config.quorums.bits[1]
    voted = [slot for slot, proposal in bench.proposer.in_flight.items() if proposal.mask & own]
    assert voted == list(range(1024))


@pytest.mark.parametrize("window", [1, 2, 3])
def test_no_more_slots_are_open_than_the_window_holds(window: int) -> None:
    limits = Limits(window_slots=window, vote_slots_max=8)
    bench = Bench(config(1, NODES, limits=limits, frame_bytes_max=512))
    bench.lead()
    accepts = propose(bench, *(b"%d" % n + bytes(200) for n in range(5)))
    assert [a.slot for a in accepts] == list(range(window))
    # A slot that stays open holds the window where it is, whatever is chosen above it.
    for node in (2, 3):
        bench.proposer.receive_accepted(node, m.Accepted(OURS, 1, window))
    list(bench.learner.deliver())
    bench.proposer.fill_window(0)
    assert to_node(bench.drain(), 2, m.Accept) == []
    for node in (2, 3):
        bench.proposer.receive_accepted(node, m.Accepted(OURS, 0, 0))
    moved_to = len(list(bench.learner.deliver()))
    assert moved_to == window
    bench.proposer.fill_window(0)
    more = [a.slot for a in to_node(bench.drain(), 2, m.Accept)]
    assert more == list(range(window, min(2 * window, 5)))


def test_a_value_fits_the_frame_and_the_batch_bound() -> None:
    bench = Bench(config(1, NODES, frame_bytes_max=512))
    bench.lead()
    accepts = propose(bench, *[bytes(100)] * 7)
    assert all(len(a.value) <= bench.config.value_bytes_max for a in accepts)
    assert sum(len(decode_batch(a.value) or []) for a in accepts) == 7
    bench = Bench(config(1, NODES))
    bench.lead()
    accepts = propose(bench, *[b""] * (BATCH_COMMANDS_MAX + 1))
    assert [len(decode_batch(a.value) or []) for a in accepts] == [BATCH_COMMANDS_MAX, 1]


def chosen_after(bench: Bench, slot: int = 0) -> bool:
    return slot not in bench.proposer.in_flight


@pytest.mark.parametrize("phase2", range(1, 6))
def test_a_value_is_chosen_by_a_phase_2_quorum_and_not_before(phase2: int) -> None:
    bench = Bench(ReplicaConfig(1, QuorumSystem(NODES, phase2=phase2)))
    bench.lead((), (), (), ())
    propose(bench, b"a")
    for count, node in enumerate(NODES[1:], 2):
        assert chosen_after(bench) == (count - 1 >= phase2)
        for _ in range(3):
            bench.proposer.receive_accepted(node, m.Accepted(OURS, 0, 0))
    assert chosen_after(bench)
    assert [slot for slot, *_ in bench.learner.deliver()] == [0]


@pytest.mark.parametrize("ballot", [B1, make_ballot(4, 2), make_ballot(5, 1)])
def test_accepted_in_another_ballot_counts_for_nothing(ballot: int) -> None:
    bench = Bench()
    bench.lead()
    propose(bench, b"a")
    for node in NODES[1:]:
        bench.proposer.receive_accepted(node, m.Accepted(ballot, 0, 0))
    assert not chosen_after(bench)


@pytest.mark.parametrize(
    ("first", "last", "counts"),
    [
        (0, 0, {0}),
        (1, 2, {1, 2}),
        (0, U64_MAX, {0, 1, 2}),
        (2, 1, set()),
        (3, 9, set()),
        (U64_MAX, 0, set()),
    ],
)
def test_a_run_confirms_exactly_its_slots(first: int, last: int, counts: set[int]) -> None:
    bench = Bench(config(1, NODES, frame_bytes_max=512))
    bench.lead()
    propose(bench, *[bytes(200)] * 3)
    for node in (2, 3):
        bench.proposer.receive_accepted(node, m.Accepted(OURS, first, last))
    assert set(range(3)) - set(bench.proposer.in_flight) == counts


def test_only_an_accept_without_an_answer_is_sent_again() -> None:
    bench = Bench()
    wait = bench.config.timing.resend_ticks
    bench.lead()
    (accept,) = propose(bench, b"a")
    bench.proposer.receive_accepted(3, m.Accepted(OURS, 0, 0))
    bench.proposer.resend(wait - 1)
    assert bench.drain() == []
    bench.proposer.resend(wait)
    assert bench.drain() == [(node, accept) for node in (2, 4, 5)]


def test_stopping_forgets_the_ballot_and_what_waited_for_it() -> None:
    bench = Bench()
    bench.lead()
    propose(bench, b"a")
    bench.proposer.enqueue(b"b")
    bench.proposer.stop()
    bench.proposer.receive_accepted(2, m.Accepted(OURS, 0, 0))
    bench.proposer.receive_accepted(3, m.Accepted(OURS, 0, 0))
    bench.proposer.resend(1000)
    bench.proposer.fill_window(1000)
    assert bench.drain() == []
    state: dict[str, Any] = {
        "in_flight": bench.proposer.in_flight,
        "pending": list(bench.proposer.pending),
        "bytes": bench.proposer.pending_bytes,
    }
    assert state == {"in_flight": {}, "pending": [], "bytes": 0}
    assert not list(bench.learner.deliver())


def test_a_ballot_is_used_once() -> None:
    bench = Bench()
    bench.lead()
    with pytest.raises(AssertionError):
        bench.proposer.prepare(OURS, 0)
    with pytest.raises(AssertionError):
        bench.proposer.prepare(B1, 0)


# What others decided


def learn(bench: Bench, slot: int, value: bytes) -> bool:
    bench.learner.learn(slot, checksum(value), value)
    list(bench.learner.deliver())
    return bench.proposer.advance(bench.learner.watermark)


def test_our_value_learnt_from_another_frees_its_slot() -> None:
    bench = Bench(config(1, NODES, frame_bytes_max=512))
    bench.lead()
    first, second = propose(bench, *[bytes(200)] * 2)
    assert learn(bench, 0, first.value)
    assert list(bench.proposer.in_flight) == [1]
    assert learn(bench, 1, second.value)
    assert bench.proposer.in_flight == {}
    bench.proposer.resend(1000)
    assert bench.drain() == []


def test_another_value_in_our_slot_tells_that_we_are_deposed() -> None:
    # Only a higher ballot can have chosen it: our votes prove nothing any more.
    bench = Bench()
    bench.lead()
    propose(bench, b"a")
    assert not learn(bench, 0, W)


def test_a_value_where_we_proposed_nothing_tells_that_we_are_deposed() -> None:
    bench = Bench()
    bench.lead()
    assert not learn(bench, 0, W)


def test_learning_as_a_candidate_or_follower_deposes_nobody() -> None:
    bench = Bench()
    assert learn(bench, 0, W)
    bench.proposer.prepare(OURS, 0)
    assert learn(bench, 1, W)


@pytest.mark.parametrize(("votes_ahead", "bound"), [(1024, 1 << 16), (1 << 18, 1 << 19)])
def test_one_false_vote_costs_a_leader_no_more_than_its_limits_say(
    votes_ahead: int, bound: int
) -> None:
    """A million no-ops, proposed at once for one vote far up, stopped a leader for seconds."""
    limits = Limits(vote_slots_max=votes_ahead)
    assert Replica(config(1, limits=limits))._proposer.open_slots_max == bound
