"""The acceptor: every relation of ballots and slots, against the rule as the paper says it."""

from __future__ import annotations

from itertools import product

import pytest
from core_kit import accept, value_of, vote

from paxos_core import messages as m
from paxos_core.acceptor import Acceptor
from paxos_core.checksum import checksum
from paxos_core.codec import VOTE_OVERHEAD_BYTES
from paxos_core.durable import Promised, Voted
from paxos_core.ready import Outbox
from paxos_core.types import NO_BALLOT, U64_MAX, Ballot, format_ballot, make_ballot

B1, B2, B3 = (make_ballot(n, 2) for n in (1, 2, 3))
V, W = value_of(b"v"), value_of(b"w")
WATERMARK = 5
FIRST_SLOT = 3
VOTE_SLOTS_MAX = 8


def acceptor(
    promised: Ballot = NO_BALLOT,
    votes: tuple[m.Vote, ...] = (),
    watermark: int = WATERMARK,
    page_bytes: int = 1000,
    log_value: bytes = V,
) -> tuple[Acceptor, Outbox]:
    """An acceptor that knows `log_value` to be chosen for the slots just below its watermark."""
    outbox = Outbox(1)
    table = {v.slot: v for v in votes}
    log = {slot: (checksum(log_value), log_value) for slot in range(FIRST_SLOT, watermark)}
    return Acceptor(outbox, promised, table, watermark, page_bytes, VOTE_SLOTS_MAX, log), outbox


def persist(outbox: Outbox) -> list[tuple[int, m.Message]]:
    """Take, persist, take again: all that was said."""
    ready = outbox.take()
    said = list(ready.messages)
    if ready.write_id:
        outbox.persisted(ready.write_id)
    return said + outbox.take().messages


# Prepare


@pytest.mark.parametrize("promised", [NO_BALLOT, B1, B2, B3])
def test_prepare_is_promised_unless_a_higher_one_was(promised: Ballot) -> None:
    subject, outbox = acceptor(promised)
    subject.receive_prepare(2, m.Prepare(B2, 0))
    before = outbox.take()
    if promised > B2:
        assert before.messages == [(2, m.Nack(B2, promised))]
        assert before.records == []
        assert subject.promised == promised
        return
    assert subject.promised == B2
    assert before.records == ([] if promised == B2 else [Promised(B2)])
    expected = [(2, m.Promise(B2, 0, m.NO_MORE, WATERMARK, []))]
    if promised == B2:
        assert before.messages == expected
    else:
        assert before.messages == []
        outbox.persisted(before.write_id)
        assert outbox.take().messages == expected


@pytest.mark.parametrize(
    "from_slot", [0, WATERMARK - 1, WATERMARK, WATERMARK + 1, WATERMARK + 9, U64_MAX]
)
def test_a_promise_shows_every_vote_from_the_slot_asked_for(from_slot: int) -> None:
    held = tuple(vote(WATERMARK + n, B1, V) for n in (0, 1, 3))
    subject, outbox = acceptor(B1, held)
    subject.receive_prepare(2, m.Prepare(B2, from_slot))
    (said,) = persist(outbox)
    shown = [v for v in held if v.slot >= from_slot]
    assert said == (2, m.Promise(B2, from_slot, m.NO_MORE, WATERMARK, shown))


@pytest.mark.parametrize("per_page", [1, 2, 3, 5, 99])
def test_pages_tile_the_votes_and_fit_their_room(per_page: int) -> None:
    held = tuple(vote(WATERMARK + n, B1, V) for n in range(7))
    room = per_page * (VOTE_OVERHEAD_BYTES + len(V))
    subject, outbox = acceptor(B1, held, page_bytes=room)
    seen: list[m.Vote] = []
    from_slot = 0
    while from_slot != m.NO_MORE:
        subject.receive_prepare(2, m.Prepare(B2, from_slot))
        ((_, page),) = persist(outbox)
        assert isinstance(page, m.Promise)
        assert page.from_slot == from_slot
        assert len(page.votes) <= per_page
        assert all(from_slot <= v.slot < page.next_slot for v in page.votes)
        assert page.next_slot > from_slot
        seen += page.votes
        from_slot = page.next_slot
    assert seen == list(held)


def test_a_vote_larger_than_a_page_still_goes_alone() -> None:
    held = (vote(WATERMARK, B1, bytes(500)), vote(WATERMARK + 1, B1, bytes(500)))
    subject, outbox = acceptor(B1, held, page_bytes=10)
    subject.receive_prepare(2, m.Prepare(B2, 0))
    ((_, page),) = persist(outbox)
    assert isinstance(page, m.Promise)
    assert (page.votes, page.next_slot) == ([held[0]], WATERMARK + 1)


# Accept: ballot against the promise, slot against the watermark, ballot and value
# against the vote that is there

SLOTS = {
    "trimmed": FIRST_SLOT - 1,
    "below": WATERMARK - 1,
    "at": WATERMARK,
    "above": WATERMARK + 1,
    "last": WATERMARK + VOTE_SLOTS_MAX - 1,
    "too-far": WATERMARK + VOTE_SLOTS_MAX,
    "absurd": U64_MAX,
}


@pytest.mark.parametrize(
    ("promised", "place", "existing", "same"),
    [
        (promised, place, existing, same)
        for promised, place, existing, same in product(
            (NO_BALLOT, B1, B2, B3), SLOTS, (None, B1, B2, B3), (True, False)
        )
        # A vote is a promise too.
        if existing is None or existing <= promised
    ],
)
def test_accept_in_every_relation(
    promised: Ballot, place: str, existing: Ballot | None, same: bool
) -> None:
    slot = SLOTS[place]
    kept = existing is not None and place in ("at", "above", "last")
    held = (vote(slot, existing or 0, V if same else W),) if kept else ()
    subject, outbox = acceptor(promised, held, log_value=V if same else W)
    message = accept(B2, slot, V)

    good = subject.receive_accept(2, message)
    assert good == (promised <= B2)
    if not good:
        assert outbox.take().messages == [(2, m.Nack(B2, promised))]
        assert subject.promised == promised
        assert subject.votes == {v.slot: v for v in held}
        assert not outbox.records
        return
    voted = subject.vote(message)
    new_vote = place in ("at", "above", "last") and not (kept and existing == B2)
    assert subject.promised == B2
    chosen_already = place == "below" and same
    assert voted == (chosen_already or new_vote or (kept and same and existing == B2))
    promise_record = [] if promised == B2 else [Promised(B2)]
    vote_record = [Voted(slot, B2, message.checksum, V)] if new_vote else []
    assert outbox.records == promise_record + vote_record
    if new_vote:
        assert subject.votes[slot] == vote(slot, B2, V)
    else:
        assert subject.votes == {v.slot: v for v in held}


@pytest.mark.parametrize("ballot", [B1, B3])
def test_a_vote_outside_the_promise_is_a_broken_invariant(ballot: Ballot) -> None:
    subject, _ = acceptor(B2)
    said = f"a vote in {format_ballot(ballot)}, where {format_ballot(B2)} is promised"
    with pytest.raises(AssertionError, match=said):
        subject.vote(accept(ballot, WATERMARK, V))


def test_equal_checksums_do_not_make_equal_values() -> None:
    subject, _ = acceptor(B2)
    assert subject.vote(m.Accept(B2, WATERMARK, 0, 7, V))
    assert not subject.vote(m.Accept(B2, WATERMARK, 0, 7, W))
    assert not subject.vote(m.Accept(B2, WATERMARK, 0, 8, V))


# Accepted: one message for a run, and never before its record


def vote_and_confirm(subject: Acceptor, slot: int, ballot: Ballot = B2) -> None:
    message = accept(ballot, slot, V)
    assert subject.receive_accept(2, message)
    assert subject.vote(message)
    subject.confirm(2, ballot, slot)


def test_a_run_of_slots_in_one_drain_is_confirmed_by_one_message() -> None:
    subject, outbox = acceptor()
    for slot in range(WATERMARK, WATERMARK + 4):
        vote_and_confirm(subject, slot)
    assert persist(outbox) == [(2, m.Accepted(B2, WATERMARK, WATERMARK + 3))]


@pytest.mark.parametrize("second", [WATERMARK - 1, WATERMARK, WATERMARK + 2])
def test_only_the_very_next_slot_joins_a_run(second: int) -> None:
    subject, outbox = acceptor()
    vote_and_confirm(subject, WATERMARK)
    vote_and_confirm(subject, second)
    assert persist(outbox) == [
        (2, m.Accepted(B2, WATERMARK, WATERMARK)),
        (2, m.Accepted(B2, second, second)),
    ]


def test_another_ballot_begins_another_run() -> None:
    subject, outbox = acceptor()
    vote_and_confirm(subject, WATERMARK, B1)
    vote_and_confirm(subject, WATERMARK + 1, B2)
    assert persist(outbox) == [
        (2, m.Accepted(B1, WATERMARK, WATERMARK)),
        (2, m.Accepted(B2, WATERMARK + 1, WATERMARK + 1)),
    ]


def test_a_run_never_says_more_than_the_write_that_it_waits_for() -> None:
    subject, outbox = acceptor()
    vote_and_confirm(subject, WATERMARK)
    first = outbox.take()
    vote_and_confirm(subject, WATERMARK + 1)
    second = outbox.take()
    outbox.persisted(first.write_id)
    assert outbox.take().messages == [(2, m.Accepted(B2, WATERMARK, WATERMARK))]
    outbox.persisted(second.write_id)
    assert outbox.take().messages == [(2, m.Accepted(B2, WATERMARK + 1, WATERMARK + 1))]


def test_a_run_that_left_says_nothing_more() -> None:
    subject, outbox = acceptor()
    vote_and_confirm(subject, WATERMARK)
    ((_, left),) = persist(outbox)
    vote_and_confirm(subject, WATERMARK + 1)
    assert left == m.Accepted(B2, WATERMARK, WATERMARK)
    assert persist(outbox) == [(2, m.Accepted(B2, WATERMARK + 1, WATERMARK + 1))]


def test_a_vote_confirmed_again_waits_for_its_first_write() -> None:
    subject, outbox = acceptor()
    vote_and_confirm(subject, WATERMARK)
    first = outbox.take()
    vote_and_confirm(subject, WATERMARK)
    assert outbox.take().messages == []
    outbox.persisted(first.write_id)
    assert outbox.take().messages == [(2, m.Accepted(B2, WATERMARK, WATERMARK))] * 2


def test_a_vote_that_was_written_is_confirmed_again_each_time_it_is_asked_for() -> None:
    subject, outbox = acceptor()
    for slot in (WATERMARK, WATERMARK + 1):
        vote_and_confirm(subject, slot)
    persist(outbox)
    for slot in (WATERMARK, WATERMARK + 1):
        vote_and_confirm(subject, slot)
        # Nothing waits now: what left for the first slot cannot speak for the second.
        assert outbox.take().messages == [(2, m.Accepted(B2, slot, slot))]


# Forgetting


@pytest.mark.parametrize("to", range(WATERMARK, WATERMARK + 10))
def test_advance_forgets_exactly_what_is_below(to: int) -> None:
    slots = (WATERMARK, WATERMARK + 2, WATERMARK + 3, WATERMARK + 7)
    subject, _ = acceptor(B1, tuple(vote(slot, B1, V) for slot in slots))
    subject.advance(to)
    assert sorted(subject.votes) == [slot for slot in slots if slot >= to]
    assert subject.watermark == to


def test_advance_far_ahead_is_not_paid_slot_by_slot() -> None:
    subject, _ = acceptor(B1, (vote(WATERMARK, B1, V),))
    subject.advance(U64_MAX)
    assert subject.votes == {}


def test_the_watermark_never_goes_back() -> None:
    subject, _ = acceptor()
    with pytest.raises(AssertionError):
        subject.advance(WATERMARK - 1)


def test_votes_are_bounded_whatever_comes() -> None:
    subject, _ = acceptor()
    for slot in range(1000):
        message = accept(B2, slot, V)
        assert subject.receive_accept(2, message)
        subject.vote(message)
    assert sorted(subject.votes) == list(range(WATERMARK, WATERMARK + VOTE_SLOTS_MAX))
