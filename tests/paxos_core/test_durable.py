"""Records and their replay."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any

import msgpack
import pytest
from core_kit import explore, numbers, value_of, vote
from golden import RECORD_KINDS
from hypothesis import given
from hypothesis import strategies as st

from paxos_core import RecordError, decode_record, encode_record, replay
from paxos_core.checksum import checksum
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    DurableState,
    Promised,
    RawRecord,
    Record,
    Snapshot,
    Voted,
    restate,
)
from paxos_core.types import SLOT_BELIEVED_MAX, U64_MAX, make_ballot

B1, B2, B3 = (make_ballot(n, 2) for n in (1, 2, 3))
V, W = value_of(b"v"), value_of(b"w")

SAMPLES: list[Record] = [
    Promised(B1),
    Voted(7, B2, 12345, b"some \x00 value"),
    ChosenValue(8, 777, b"another"),
    ChosenUpTo(9),
    Snapshot(10, 99, b"state"),
]

any_record = st.one_of(
    [
        st.builds(
            kind,
            **{
                f.name: st.binary(max_size=30) if f.type == "bytes" else numbers
                for f in fields(kind)
            },
        )
        for kind in RECORD_KINDS
    ]
)


def voted(slot: int, ballot: int, value: bytes) -> Voted:
    return Voted(slot, ballot, checksum(value), value)


def chosen_value(slot: int, value: bytes) -> ChosenValue:
    return ChosenValue(slot, checksum(value), value)


def snapshot(slot: int, data: bytes = b"state") -> Snapshot:
    return Snapshot(slot, checksum(data), data)


def reads_or_refuses(data: bytes) -> None:
    try:
        record = decode_record(data)
    except RecordError:
        return
    for f in fields(record):
        value = getattr(record, f.name)
        assert type(value) is (bytes if f.type == "bytes" else int)
    assert encode_record(record) == data


# Bytes


@pytest.mark.parametrize("record", SAMPLES, ids=lambda r: type(r).__name__)
def test_a_record_is_plain_messagepack(record: Record) -> None:
    expected: list[Any] = [getattr(record, f.name) for f in fields(record)]
    assert msgpack.unpackb(encode_record(record)) == [RECORD_KINDS[type(record)], *expected]


@explore
@given(any_record)
def test_records_round_trip(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("record", SAMPLES, ids=lambda r: type(r).__name__)
def test_a_record_cut_anywhere_or_followed_by_anything_is_refused(record: Record) -> None:
    data = encode_record(record)
    for length in range(len(data)):
        with pytest.raises(RecordError):
            decode_record(data[:length])
    for tail in (b"\x00", data):
        with pytest.raises(RecordError):
            decode_record(data + tail)


@pytest.mark.parametrize("record", SAMPLES, ids=lambda r: type(r).__name__)
def test_any_one_byte_changed_is_a_record_or_refused(record: Record) -> None:
    data = encode_record(record)
    for at in range(len(data)):
        for change in range(256):
            reads_or_refuses(data[:at] + bytes([change]) + data[at + 1 :])


@explore
@given(st.binary(max_size=60), st.sampled_from(SAMPLES))
def test_any_bytes_are_a_record_or_refused(data: bytes, record: Record) -> None:
    reads_or_refuses(data)
    reads_or_refuses(encode_record(record)[:3] + data)


# Replay


def test_nothing_on_record_is_a_fresh_state() -> None:
    assert replay([]) == DurableState()


@pytest.mark.parametrize("first", [B1, B2, B3])
@pytest.mark.parametrize("second", [B1, B2, B3])
def test_a_promise_never_goes_back_and_a_vote_is_one_too(first: int, second: int) -> None:
    assert replay([Promised(first), Promised(second)]).promised == max(first, second)
    assert replay([Promised(first), voted(0, second, V)]).promised == max(first, second)


def test_the_last_vote_for_a_slot_stands() -> None:
    state = replay([voted(0, B1, V), voted(1, B1, V), voted(0, B2, W)])
    assert state.votes == {0: vote(0, B2, W), 1: vote(1, B1, V)}
    assert (state.watermark, state.log) == (0, {})


def test_chosen_takes_its_value_from_the_vote_unless_another_is_on_record() -> None:
    records: list[Record] = [voted(0, B1, V), voted(1, B1, V), chosen_value(1, W), ChosenUpTo(2)]
    state = replay(records)
    assert state.log == {0: (checksum(V), V), 1: (checksum(W), W)}
    assert (state.watermark, state.votes) == (2, {})


def test_a_chosen_value_without_its_watermark_waits() -> None:
    state = replay([chosen_value(0, V)])
    assert (state.watermark, state.log, state.votes) == (0, {}, {})


@pytest.mark.parametrize(
    "records",
    [
        [ChosenUpTo(1)],
        [voted(1, B1, V), ChosenUpTo(2)],
        [voted(0, B1, V), ChosenUpTo(U64_MAX)],
        [Voted(0, B1, checksum(V), W)],
        [ChosenValue(0, checksum(V), W)],
        [Snapshot(1, checksum(V), W)],
    ],
    ids=["no-value", "gap", "absurd", "vote-crc", "chosen-crc", "snapshot-crc"],
)
def test_records_that_contradict_themselves_are_refused(records: list[Record]) -> None:
    with pytest.raises(RecordError):
        replay(records)


def test_what_is_below_the_watermark_is_settled() -> None:
    records: list[Record] = [voted(0, B1, V), ChosenUpTo(1), voted(0, B2, W), chosen_value(0, W)]
    state = replay([*records, ChosenUpTo(1)])
    assert state.log == {0: (checksum(V), V)}
    assert state.votes == {}


@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_a_snapshot_replaces_the_log_below_it_and_no_vote_above(at: int) -> None:
    records: list[Record] = [*(voted(slot, B1, V) for slot in range(5)), ChosenUpTo(3)]
    state = replay([*records, snapshot(at)])
    assert state.snapshot == snapshot(at)
    assert state.first_slot == at
    assert sorted(state.log) == list(range(at, 3))
    assert state.watermark == max(3, at)
    assert sorted(state.votes) == list(range(max(3, at), 5))
    assert state.first_slot + len(state.log) == state.watermark


def test_an_older_snapshot_changes_nothing() -> None:
    newer = replay([snapshot(5), chosen_value(5, V), ChosenUpTo(6)])
    assert replay([snapshot(5), chosen_value(5, V), ChosenUpTo(6), snapshot(4)]) == newer


def test_a_snapshot_of_a_slot_that_no_log_reaches_is_refused() -> None:
    assert replay([snapshot(SLOT_BELIEVED_MAX)]).watermark == SLOT_BELIEVED_MAX
    with pytest.raises(RecordError, match="no log is so long"):
        replay([snapshot(SLOT_BELIEVED_MAX + 1)])


@explore
@given(st.lists(any_record | st.sampled_from([voted(0, B1, V), voted(1, B2, W), ChosenUpTo(1)])))
def test_any_records_give_a_sound_state_or_are_refused(records: list[Record]) -> None:
    try:
        state = replay(records)
    except RecordError:
        return
    assert state.first_slot + len(state.log) == state.watermark
    assert all(slot >= state.watermark for slot in state.votes)
    assert all(v.ballot <= state.promised for v in state.votes.values())
    assert replay(records) == state


@given(st.lists(any_record | st.sampled_from([voted(0, B1, V), voted(1, B2, W), ChosenUpTo(1)])))
def test_a_state_restated_is_the_same_state(records: list[Record]) -> None:
    try:
        state = replay(records)
    except RecordError:
        return
    assert replay(restate(state)) == state


def test_what_is_restated_is_all_there_is() -> None:
    kept = Snapshot(2, checksum(b"state"), b"state")
    log = [chosen_value(2, V), chosen_value(3, W), ChosenUpTo(4)]
    state = replay([Promised(B3), kept, *log, voted(5, B1, V), voted(4, B2, W)])
    assert replay(restate(state)) == state
    assert restate(state) == [Promised(B3), kept, *log, voted(4, B2, W), voted(5, B1, V)]
    assert restate(DurableState()) == []


def test_a_record_that_is_encoded_stays_as_it_is() -> None:
    assert encode_record(RawRecord(b"as it is")) == b"as it is"


def test_replay_is_the_same_for_any_split_of_the_same_records() -> None:
    chance = random.Random(3)
    records: list[Record] = []
    for slot in range(20):
        records.append(voted(slot, B1 if chance.random() < 0.5 else B2, V))
        if chance.random() < 0.5:
            records.append(ChosenUpTo(slot + 1))
    whole = replay(records)
    again = replay(decode_record(encode_record(record)) for record in records)
    assert whole == again
