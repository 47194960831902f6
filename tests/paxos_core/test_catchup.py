"""Catching up from the log and from a snapshot, over a network that loses and repeats."""

from __future__ import annotations

import random
from typing import Any

import pytest
from core_kit import chosen, config, drain, follower_with_log, of_type, to_node, value_of

from paxos_core import CaughtUp, Codec, Limits, Ready, Replica
from paxos_core import messages as m
from paxos_core.catchup import ASKS_PER_PEER, PAGE_SLOTS_MAX
from paxos_core.checksum import checksum
from paxos_core.durable import Snapshot
from paxos_core.types import U64_MAX, make_ballot

LEADER = make_ballot(1, 2)
STATE = bytes(range(256)) * 12


def value(slot: int) -> bytes:
    return value_of(b"%d" % slot)


def lagging(watermark: int, **settings: Any) -> Replica:
    """Replica 1, just told by leader 2 that all below `watermark` is chosen; it has asked once."""
    replica = Replica(config(1, **settings))
    replica.receive(2, m.Heartbeat(LEADER, watermark, 1))
    drain(replica)
    return replica


def asked(replica: Replica, ticks: int = 3) -> list[tuple[int, m.Message]]:
    found: list[tuple[int, m.Message]] = []
    for _ in range(ticks):
        replica.receive(2, m.Heartbeat(LEADER, 0, 1))
        replica.tick()
        found += drain(replica).messages
    return [(to, x) for to, x in found if isinstance(x, m.Learn | m.SnapshotRequest)]


def with_snapshot(slots: int, keep: int = 2, **limits: int) -> Replica:
    """Replica 3, whose log is trimmed behind a snapshot of STATE after `slots` slots."""
    bounds = Limits(log_keep_slots=keep, **limits)
    replica = follower_with_log(slots, 3, frame_bytes_max=512, limits=bounds)
    replica.compact(slots, STATE)
    drain(replica)
    return replica


# Answering


@pytest.mark.parametrize("from_slot", [0, 1, 4, 5, 6, U64_MAX])
def test_learn_is_answered_with_the_log_from_there(from_slot: int) -> None:
    replica = follower_with_log(5)
    replica.receive(3, m.Learn(from_slot))
    answer = of_type(drain(replica).messages, m.Chosen)
    assert answer == [chosen(slot, value(slot), 5, 5) for slot in range(from_slot, 5)]


def test_a_page_is_bounded_in_slots_and_in_bytes() -> None:
    replica = follower_with_log(PAGE_SLOTS_MAX + 10)
    replica.receive(3, m.Learn(0))
    page = of_type(drain(replica).messages, m.Chosen)
    assert len(page) == PAGE_SLOTS_MAX
    assert {x.page_end for x in page} == {PAGE_SLOTS_MAX}
    assert {x.watermark for x in page} == {PAGE_SLOTS_MAX + 10}
    replica = follower_with_log(10, limits=Limits(page_bytes_max=len(value(0)) * 3))
    replica.receive(3, m.Learn(2))
    page = of_type(drain(replica).messages, m.Chosen)
    assert [x.slot for x in page] == [2, 3, 4]
    replica = follower_with_log(3, limits=Limits(page_bytes_max=1))
    replica.receive(3, m.Learn(0))
    assert [x.slot for x in of_type(drain(replica).messages, m.Chosen)] == [0]


@pytest.mark.parametrize("stranger", [4, 70000])
def test_anyone_may_ask_and_nobody_else_is_heard(stranger: int) -> None:
    replica = follower_with_log(2)
    replica.receive(stranger, m.Learn(0))
    assert len(to_node(drain(replica).messages, stranger, m.Chosen)) == 2
    replica.receive(stranger, chosen(2, value(2), 3, 3))
    assert replica.status().watermark == 2


def test_below_the_log_a_stranger_gets_what_there_is_of_it() -> None:
    replica = with_snapshot(6)
    replica.receive(70000, m.Learn(0))
    answer = drain(replica).messages
    assert [x.slot for x in to_node(answer, 70000, m.Chosen)] == [4, 5]
    assert of_type(answer, m.SnapshotChunk) == []


def test_below_the_log_the_snapshot_is_sent() -> None:
    replica = with_snapshot(6)
    replica.receive(1, m.Learn(3))
    chunks = of_type(drain(replica).messages, m.SnapshotChunk)
    assert b"".join(x.chunk for x in chunks) == STATE
    replica.receive(1, m.Learn(4))
    assert [x.slot for x in of_type(drain(replica).messages, m.Chosen)] == [4, 5]


@pytest.mark.parametrize("offset", [0, 1, 1000, len(STATE) - 1, len(STATE), U64_MAX])
def test_a_snapshot_is_sent_from_the_offset_asked_for_in_a_bounded_page(offset: int) -> None:
    replica = with_snapshot(6, page_bytes_max=1200)
    replica.receive(1, m.SnapshotRequest(6, offset))
    chunks = of_type(drain(replica).messages, m.SnapshotChunk)
    end = min(offset + 1200, len(STATE))
    assert b"".join(x.chunk for x in chunks) == STATE[offset:end]
    for chunk in chunks:
        assert (chunk.slot, chunk.bytes_total, chunk.checksum) == (6, len(STATE), checksum(STATE))
        assert chunk.page_end == end
        assert STATE[chunk.offset :].startswith(chunk.chunk)


def test_another_snapshot_than_ours_is_sent_anew() -> None:
    replica = with_snapshot(6)
    replica.receive(1, m.SnapshotRequest(5, 1000))
    assert of_type(drain(replica).messages, m.SnapshotChunk)[0].offset == 0


# Asking


def test_the_leader_is_asked_first_and_every_tick_until_something_comes() -> None:
    replica = lagging(5)
    assert asked(replica, 3) == [(2, m.Learn(0))] * 2


def test_another_peer_is_asked_when_one_stays_silent() -> None:
    replica = lagging(5)
    targets = [to for to, _ in asked(replica, 4 * ASKS_PER_PEER + 1)]
    assert targets[:ASKS_PER_PEER] == [2] * ASKS_PER_PEER
    assert set(targets) == {2, 3}


def test_nobody_is_asked_when_nothing_is_missing() -> None:
    assert asked(lagging(0), 10) == []


def test_the_next_page_is_asked_for_as_soon_as_one_is_through() -> None:
    replica = lagging(6)
    asked(replica)
    for slot in (2, 0, 1):
        assert of_type(drain(replica).messages, m.Learn) == []
        replica.receive(2, chosen(slot, value(slot), 3, 6))
    assert drain(replica).messages == [(2, m.Learn(3))]


def test_a_page_that_comes_twice_asks_once() -> None:
    """Each copy asking again would multiply pages without end."""
    replica = lagging(1000)
    asked(replica)
    for _ in range(3):
        for slot in range(10):
            replica.receive(2, chosen(slot, value(slot), 10, 1000))
    assert drain(replica).messages == [(2, m.Learn(10))]


def test_being_through_is_told_once() -> None:
    replica = lagging(2)
    asked(replica)
    for slot in range(2):
        replica.receive(2, chosen(slot, value(slot), 2, 2))
    events = []
    for _ in range(5):
        replica.receive(2, m.Heartbeat(LEADER, 2, 1))
        replica.tick()
        events += drain(replica).events
    assert events == [CaughtUp(2)]


def test_a_damaged_value_is_not_learnt() -> None:
    replica = lagging(2)
    replica.receive(2, m.Chosen(0, 2, 2, checksum(value(1)), value(0)))
    assert drain(replica).decided == []
    replica.receive(3, chosen(0, value(0), 2, 2))
    assert [entry.slot for entry in drain(replica).decided] == [0]


# A whole snapshot over a bad network


def pull(
    taker: Replica, giver: Replica, seed: int, loss: float, ticks: int = 400
) -> tuple[list[Snapshot], Ready]:
    """Let replica 1 catch up from replica 3 alone; what it installed, and all it said."""
    chance = random.Random(seed)
    installed: list[Snapshot] = []
    total = Ready()
    net: list[tuple[int, m.Message]] = []

    def move(replica: Replica, at: int) -> None:
        ready = drain(replica)
        if at == 1:
            installed.extend([ready.install] if ready.install else [])
            total.decided += ready.decided
            total.messages += ready.messages
        for to, message in ready.messages:
            net.extend(
                [(to, message)] * (chance.random() >= loss)
                + [(to, message)] * (chance.random() < loss)
            )

    for _ in range(ticks):
        taker.receive(3, m.Heartbeat(make_ballot(1, 3), giver.status().watermark, 1))
        taker.tick()
        move(taker, 1)
        for _ in range(6):
            arriving, net = net, []
            if loss:
                chance.shuffle(arriving)
            for to, message in arriving:
                if to == 3 and isinstance(message, m.Learn | m.SnapshotRequest):
                    giver.receive(1, message)
                    move(giver, 3)
                elif to == 1 and isinstance(message, m.Chosen | m.SnapshotChunk):
                    taker.receive(3, message)
                    move(taker, 1)
        if not taker.status().lags:
            break
    return installed, total


@pytest.mark.parametrize("loss", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("seed", range(4))
def test_a_snapshot_and_the_log_behind_it_arrive_over_any_network(seed: int, loss: float) -> None:
    giver = with_snapshot(6)
    for slot in range(6, 12):
        giver.receive(2, chosen(slot, value(slot), 12, 12))
    drain(giver)
    taker = Replica(config(1, frame_bytes_max=512))
    installed, total = pull(taker, giver, seed, loss)
    assert installed == [Snapshot(6, checksum(STATE), STATE)]
    assert [entry.slot for entry in total.decided] == list(range(6, 12))
    assert not taker.status().lags


def test_an_empty_snapshot_is_one_too() -> None:
    giver = follower_with_log(6, 3, limits=Limits(log_keep_slots=2))
    giver.compact(6, b"")
    drain(giver)
    installed, _ = pull(Replica(config(1)), giver, 0, 0.0)
    assert installed == [Snapshot(6, 0, b"")]


@pytest.mark.parametrize(
    "change",
    [
        {"checksum": 1},
        {"bytes_total": 2**40},
        {"slot": 0},
        {"chunk": b""},
        {"offset": 1},
        {"bytes_total": 4},
    ],
    ids=["checksum", "too-large", "not-ahead", "empty", "hole", "more-than-all"],
)
def test_a_wrong_chunk_installs_nothing(change: dict[str, int | bytes]) -> None:
    replica = lagging(5)
    good = {
        "slot": 5,
        "offset": 0,
        "page_end": 5,
        "bytes_total": 5,
        "checksum": checksum(b"state"),
        "chunk": b"state",
    }
    replica.receive(2, m.SnapshotChunk(**{**good, **change}))  # type: ignore[arg-type]
    assert drain(replica).install is None
    replica.receive(2, m.SnapshotChunk(**good))  # type: ignore[arg-type]
    install = drain(replica).install
    assert install == Snapshot(5, checksum(b"state"), b"state")


@pytest.mark.parametrize(("slot", "watermark"), [(1 << 63, 0), ((1 << 63) - 1, (1 << 63) - 1)])
def test_a_snapshot_of_a_slot_that_no_log_reaches_is_not_installed(
    slot: int, watermark: int
) -> None:
    replica = Replica(config(1))
    replica.receive(2, m.SnapshotChunk(slot, 0, 5, 5, checksum(b"state"), b"state"))
    assert replica.status().watermark == watermark
    for _ in range(100):
        replica.tick()
        for _, message in drain(replica).messages:
            Codec(1, 1).encode(message)


@pytest.mark.parametrize("newer", [5, 6])
def test_chunks_of_two_snapshots_are_never_mixed(newer: int) -> None:
    """Also of one slot: the session table may be evicted, and packed, otherwise elsewhere."""
    replica = lagging(9)
    old, new = b"old state", b"new state"

    def chunk(data: bytes, slot: int, at: int, length: int) -> m.SnapshotChunk:
        part = data[at : at + length]
        return m.SnapshotChunk(slot, at, len(data), len(data), checksum(data), part)

    replica.receive(2, chunk(old, 5, 0, 4))
    replica.receive(2, chunk(new, newer, 0, 4))
    replica.receive(2, chunk(old, 5, 4, 5))
    assert drain(replica).install is None
    replica.receive(2, chunk(new, newer, 4, 5))
    assert drain(replica).install == Snapshot(newer, checksum(new), new)


def test_a_snapshot_that_the_log_has_passed_is_not_asked_for_any_more() -> None:
    replica = lagging(9)
    assert asked(replica, 2)[-1] == (2, m.Learn(0))
    replica.receive(2, m.SnapshotChunk(2, 0, 4, 9, checksum(b"old state"), b"old "))
    assert asked(replica, 2)[-1] == (2, m.SnapshotRequest(2, 4))
    for slot in range(3):
        replica.receive(3, chosen(slot, value(slot), 3, 9))
    assert asked(replica, 3)[-1] == (2, m.Learn(3))


def test_what_a_sender_can_make_us_hold_is_bounded() -> None:
    for total in (100, 101, 1000):
        replica = lagging(9, limits=Limits(snapshot_bytes_max=100))
        for at in range(0, 2000, 10):
            replica.receive(2, m.SnapshotChunk(5, at, total, total, 1, bytes(10)))
            assert len(replica._catchup._buffer) <= 100
