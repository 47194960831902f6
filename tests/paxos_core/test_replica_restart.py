"""Crashes, restarts, snapshots, and a log that stays bounded."""

from __future__ import annotations

import pytest
from core_kit import (
    accept,
    campaign,
    chosen,
    commands_of,
    config,
    drain,
    follower_with_log,
    of_type,
    single,
    value_of,
    vote,
)

from paxos_core import (
    Limits,
    Replica,
    replay,
)
from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.durable import Promised, Record, Snapshot
from paxos_core.types import make_ballot

B1, B2, B3 = (make_ballot(n, 2) for n in (1, 2, 3))
V, W = value_of(b"v"), value_of(b"w")


# Crash and restart


def test_after_a_crash_promises_votes_and_log_are_there_again() -> None:
    replica = Replica(config(1))
    records: list[Record] = []
    for slot in range(4):
        replica.receive(2, accept(B1, slot, value_of(b"%d" % slot), watermark=slot))
        records += drain(replica).records
    replica.receive(3, m.Prepare(make_ballot(7, 3), 0))
    records += drain(replica).records

    other = Replica(config(1), replay(records))
    assert other.status().promised == make_ballot(7, 3)
    again = commands_of(other.take())
    assert again == [b"%d" % slot for slot in range(other.status().watermark)]
    other.receive(2, accept(B1, 9, V))
    assert of_type(drain(other).messages, m.Nack) == [m.Nack(B1, make_ballot(7, 3))]
    other.receive(2, m.Prepare(make_ballot(8, 2), 0))
    (promise,) = of_type(drain(other).messages, m.Promise)
    assert promise.watermark + len(promise.votes) == 4


def test_a_restarted_leader_takes_another_ballot() -> None:
    replica = Replica(config(1))
    prepare = campaign(replica)
    records: list[Record] = [Promised(prepare.ballot)]
    other = Replica(config(1), replay(records))
    assert campaign(other).ballot > prepare.ballot


def test_a_chosen_value_is_found_again_where_our_vote_was_for_another() -> None:
    replica = Replica(config(1))
    replica.receive(2, accept(B1, 0, V))
    replica.receive(3, chosen(0, W, 1, 1))
    records = drain(replica).records
    replica.tick()
    for _ in range(replica.config.timing.heartbeat_ticks):
        replica.tick()
        records += drain(replica).records
    assert commands_of(Replica(config(1), replay(records)).take()) == [b"w"]


def test_a_batch_that_was_never_written_promised_nothing() -> None:
    replica = Replica(config(1))
    replica.receive(2, m.Prepare(B3, 0))
    assert of_type(replica.take().messages, m.Promise) == []
    other = Replica(config(1), replay([]))
    other.receive(2, m.Prepare(B1, 0))
    assert of_type(drain(other).messages, m.Promise) == [m.Promise(B1, 0, m.NO_MORE, 0, [])]


# Snapshots and the log


def test_a_snapshot_is_due_by_bytes_and_not_again_until_the_log_grew_anew() -> None:
    replica = single(limits=Limits(log_bytes_max=2000, log_keep_slots=4))
    due_after = None
    for count in range(1, 41):
        replica.propose(bytes(50))
        drain(replica)
        if replica.snapshot_due:
            due_after = count
            break
    assert due_after is not None
    assert due_after >= 5
    replica.compact(replica.status().watermark, b"state")
    assert not replica.snapshot_due
    drain(replica)
    replica.propose(bytes(50))
    drain(replica)
    assert not replica.snapshot_due


def test_a_large_snapshot_is_made_no_oftener_than_the_log_grows_by_its_size() -> None:
    replica = single(limits=Limits(log_bytes_max=100, log_keep_slots=1))
    replica.propose(b"a")
    drain(replica)
    replica.compact(replica.status().watermark, bytes(5000))
    drain(replica)
    for _ in range(20):
        replica.propose(bytes(50))
        drain(replica)
        assert not replica.snapshot_due
    for _ in range(10):
        replica.propose(bytes(500))
        drain(replica)
    assert replica.snapshot_due


@pytest.mark.parametrize("keep", [1, 3, 100])
def test_a_checkpoint_restates_everything(keep: int) -> None:
    replica = follower_with_log(10, limits=Limits(log_keep_slots=keep))
    for slot in range(10, 14):
        replica.receive(2, accept(B2, slot, value_of(b"%d" % slot), watermark=10))
    replica.receive(3, m.Prepare(make_ballot(5, 3), 0))
    replica.compact(10, b"state")
    ready = replica.take()
    assert ready.checkpoint
    state = replay(ready.records)
    assert state.snapshot == Snapshot(10, checksum(b"state"), b"state")
    assert state.promised == replica.status().promised == make_ballot(5, 3)
    assert state.watermark == replica.status().watermark == 10
    assert state.votes == {s: vote(s, B2, value_of(b"%d" % s)) for s in range(10, 14)}
    assert replica.status().first_slot == max(0, 10 - keep)
    replica.persisted(ready.write_id)
    assert of_type(replica.take().messages, m.Accepted) == [m.Accepted(B2, 10, 13)]


def test_a_checkpoint_holds_the_log_above_an_installed_snapshot() -> None:
    replica = Replica(config(1))
    for slot in (3, 4):
        replica.receive(2, chosen(slot, value_of(b"%d" % slot), 5, 5))
    replica.receive(2, accept(B2, 5, V))
    replica.receive(2, m.SnapshotChunk(3, 0, 5, 5, checksum(b"state"), b"state"))
    ready = drain(replica)
    assert ready.checkpoint
    assert ready.install == Snapshot(3, checksum(b"state"), b"state")
    assert commands_of(ready) == [b"3", b"4"]
    state = replay(ready.records)
    assert (state.watermark, sorted(state.log)) == (5, [3, 4])
    assert state.votes == {5: vote(5, B2, V)}


def test_what_was_decided_below_an_installed_snapshot_is_not_delivered() -> None:
    replica = Replica(config(1))
    replica.receive(2, chosen(0, V, 5, 5))
    replica.receive(2, m.SnapshotChunk(3, 0, 1, 1, checksum(b"s"), b"s"))
    replica.receive(2, chosen(3, W, 5, 5))
    ready = replica.take()
    assert ready.install is not None
    assert [entry.slot for entry in ready.decided] == [3]


def test_a_snapshot_may_be_behind_what_was_delivered() -> None:
    replica = follower_with_log(10, limits=Limits(log_keep_slots=2))
    replica.compact(6, b"state")
    assert replica.status().first_slot == 4
    state = replay(drain(replica).records)
    assert (state.watermark, sorted(state.log)) == (10, [6, 7, 8, 9])
    assert state.snapshot == Snapshot(6, checksum(b"state"), b"state")


@pytest.mark.parametrize("slots", [(4,), (2, 1)])
def test_a_snapshot_ahead_of_the_log_or_behind_the_last_is_a_broken_invariant(
    slots: tuple[int, ...],
) -> None:
    replica = follower_with_log(3)
    *before, last = slots
    for slot in before:
        replica.compact(slot, b"state")
    with pytest.raises(AssertionError):
        replica.compact(last, b"state")


def test_memory_is_flat_over_many_decisions() -> None:
    replica = single(limits=Limits(log_bytes_max=3000, log_keep_slots=4))
    most_log = most_records = 0
    for n in range(2000):
        replica.propose(b"%05d" % n)
        ready = drain(replica)
        if replica.snapshot_due:
            replica.compact(replica.status().watermark, b"state")
            drain(replica)
        most_log = max(most_log, replica.status().log_bytes)
        most_records = max(most_records, len(ready.records))
    assert most_log < 6000
    assert most_records < 10
    assert len(replica._learner.log) < 60
    assert len(replica._acceptor.votes) == 0
    assert len(replica._proposer.in_flight) == 0
    assert not replica._unrecorded


def test_chosen_values_that_no_vote_holds_are_recorded_before_they_are_many() -> None:
    replica = Replica(config(1))
    for slot in range(40):
        replica.receive(2, chosen(slot, bytes(60000), 40, 40))
        replica.take()
        assert replica._unrecorded_bytes < 2 << 20
