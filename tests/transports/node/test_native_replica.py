"""The record layer by itself: what a core says, record by record, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from paxos_core import Limits, NotLeader, Overloaded, Poisoned, QuorumSystem, ReplicaConfig
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.config import Timing
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    DurableState,
    Promised,
    RawRecord,
    Snapshot,
    encode_record,
    replay,
)
from paxos_core.election import Role
from paxos_core.errors import CommandTooLarge
from paxos_core.messages import Heartbeat, RawFrame, SnapshotChunk
from paxos_core.ready import CaughtUp, Decided, LeaderChanged, SnapshotTooLarge
from transports import _paxos_device as uapi
from transports._paxos_device import DeviceRecord, pack_record, split_records
from transports.node.native.channel import CoreStatus
from transports.node.native.replica import NativeReplica, restore_records

CONFIG = ReplicaConfig(1, QuorumSystem((1, 2, 3)), frame_bytes_max=1024)
STATUS = CoreStatus(
    role=Role.LEADER,
    voting=True,
    leader=1,
    ballot=5,
    promised=5,
    watermark=0,
    first_slot=0,
    in_flight_slots=0,
    pending_bytes=0,
    log_bytes=0,
    lags=False,
    snapshot_due=False,
    write_id=0,
    poisoned=0,
)


class Script:
    """A channel that takes as much as it is told to, and says what it is told to."""

    name = "c"
    dropped: dict[str, int]

    def __init__(self, *, durable: bool = True, counts_ticks: bool = True) -> None:
        self.durable = durable
        self.counts_ticks = counts_ticks
        self.dropped = {}
        self.taken: list[DeviceRecord] = []
        self.said: list[bytes] = []
        self.room = 1 << 30
        self.status_now = STATUS

    def write(self, records: bytes) -> int:
        taken = 0
        for record in split_records(records):
            if record.kind == uapi.PROPOSE and self.room < len(record.payload):
                break
            if record.kind == uapi.PROPOSE:
                self.room -= len(record.payload)
            self.taken.append(record)
            taken += uapi.record_bytes(len(record.payload))
        return taken

    def read(self) -> Sequence[DeviceRecord]:
        said, self.said = self.said, []
        return split_records(b"".join(said))

    def status(self) -> CoreStatus:
        return self.status_now


def lead(script: Script, **limits: int) -> NativeReplica:
    config = replace(CONFIG, limits=Limits(**limits))
    replica = NativeReplica(config, script, DurableState())
    script.said.append(pack_record(uapi.LEADER, 1, b=5))
    assert replica.take().events == [LeaderChanged(1, 5)]
    return replica


def test_calls_become_records_with_proposals_last() -> None:
    script = Script()
    replica = lead(script)
    replica.propose(b"first")
    replica.receive(2, RawFrame(b"frame"))
    replica.receive(2, Heartbeat(1, 2, 3))  # none that a core could be handed
    replica.tick()
    replica.persisted(7)
    replica.propose(b"")
    assert not replica.take()
    shown = [(record.kind, record.a, record.payload) for record in script.taken]
    assert shown == [
        (uapi.FRAME, 2, b"frame"),
        (uapi.TICK, 1, b""),
        (uapi.PERSISTED, 7, b""),
        (uapi.PROPOSE, 0, b"first"),
        (uapi.PROPOSE, 0, b""),
    ]


def test_a_kernel_counts_its_own_ticks() -> None:
    script = Script(counts_ticks=False)
    replica = NativeReplica(CONFIG, script, DurableState())
    replica.tick()
    replica.take()
    assert script.taken == []


def test_a_proposal_that_must_wait_holds_up_nothing_else() -> None:
    script = Script()
    replica = lead(script)
    script.room = 3
    for command in (b"abc", b"def", b"ghi"):
        replica.propose(command)
    replica.take()
    replica.receive(2, RawFrame(b"frame"))
    replica.take()
    assert [record.payload for record in script.taken] == [b"abc", b"frame"]
    script.room = 100
    replica.tick()
    replica.take()
    assert [record.payload for record in script.taken[2:]] == [b"", b"def", b"ghi"]


def test_who_does_not_lead_proposes_nothing() -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    with pytest.raises(NotLeader) as caught:
        replica.propose(b"x")
    assert caught.value.leader == 0
    script.said.append(pack_record(uapi.LEADER, 3, b=9))
    replica.take()
    assert replica.leader == 3
    with pytest.raises(NotLeader) as caught:
        replica.propose(b"x")
    assert caught.value.leader == 3


def test_what_waits_is_bounded() -> None:
    script = Script()
    replica = lead(script, pending_bytes_max=100)
    script.room = 0
    for _ in range(2):
        replica.propose(bytes(40))
    with pytest.raises(Overloaded):
        replica.propose(bytes(40))
    script.room = 1000
    replica.take()
    script.status_now = replace(STATUS, pending_bytes=90)
    with pytest.raises(Overloaded):
        replica.propose(bytes(40))
    script.status_now = replace(STATUS, pending_bytes=0)
    replica.propose(bytes(40))


def test_a_command_fits_a_frame() -> None:
    replica = lead(Script())
    replica.propose(bytes(replica.command_bytes_max))
    with pytest.raises(CommandTooLarge):
        replica.propose(bytes(replica.command_bytes_max + 1))
    with pytest.raises(TypeError, match="a command is bytes, not str"):
        replica.propose("x")  # type: ignore[arg-type]


def test_records_become_a_ready() -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    value = encode_batch([b"one", b"two"])
    script.said = [
        pack_record(uapi.SEND, 2, b"to two"),
        pack_record(uapi.DECIDED, 0, value, b=77),
        pack_record(uapi.DECIDED, 1, b"no batch", b=78),
        pack_record(uapi.CAUGHT_UP, 9),
        pack_record(uapi.TOO_LARGE, 123),
        pack_record(uapi.SEND, 3, b"to three"),
    ]
    ready = replica.take()
    assert ready.messages == [(2, RawFrame(b"to two")), (3, RawFrame(b"to three"))]
    assert ready.decided == [Decided(0, 77, [b"one", b"two"]), Decided(1, 78, [])]
    assert ready.events == [CaughtUp(9), SnapshotTooLarge(123)]
    assert not replica.take()


def test_a_record_of_another_version_is_refused() -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    script.said = [pack_record(99)]
    with pytest.raises(uapi.RecordsError, match="unknown kind 99"):
        replica.take()


CHECKPOINT, LAST = uapi.RECORD_CHECKPOINT, uapi.RECORD_LAST


def record(write_id: int, data: bytes, flags: int = 0) -> bytes:
    return pack_record(uapi.RECORD, write_id, data, flags=flags)


def test_a_write_is_handed_out_when_it_is_whole() -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    script.said = [record(1, b"a"), record(1, b"b")]
    assert not replica.take().records
    script.said = [record(1, b"c", LAST), record(2, b"d", LAST), record(3, b"e")]
    replica.tick()
    ready = replica.take()
    assert (ready.write_id, ready.checkpoint) == (2, False)
    assert ready.records == [RawRecord(data) for data in (b"a", b"b", b"c", b"d")]
    assert encode_record(ready.records[0]) == b"a"


def test_a_checkpoint_takes_the_place_of_what_was_begun() -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    script.said = [
        record(1, b"a", LAST),
        record(2, b"b"),
        record(3, b"c", CHECKPOINT),
        record(3, b"d", CHECKPOINT | LAST),
        record(4, b"e", LAST),
    ]
    ready = replica.take()
    assert (ready.write_id, ready.checkpoint) == (4, True)
    assert ready.records == [RawRecord(b"c"), RawRecord(b"d"), RawRecord(b"e")]


def snapshot_records(slot: int, data: bytes, piece: int = 4) -> list[bytes]:
    pieces = [
        pack_record(uapi.SNAPSHOT_BYTES, slot, data[at : at + piece], b=at)
        for at in range(0, len(data), piece)
    ]
    return [*pieces, pack_record(uapi.INSTALL, slot, b=checksum(data), c=len(data))]


@pytest.mark.parametrize("data", [b"", b"a", b"0123456789"])
def test_a_received_snapshot_is_installed_recorded_and_served(data: bytes) -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    snapshot = Snapshot(8, checksum(data), data)
    script.said = [
        pack_record(uapi.SNAPSHOT_BYTES, 6, b"another"),
        pack_record(uapi.DECIDED, 0, b"", b=0),
        *snapshot_records(8, data),
        pack_record(uapi.DECIDED, 8, b"", b=0),
        record(1, b"p", CHECKPOINT),
        pack_record(
            uapi.RECORD_SNAPSHOT, 1, b=8, c=snapshot.checksum, d=len(data), flags=CHECKPOINT | LAST
        ),
        pack_record(uapi.SERVE, 3, b=8, c=0),
    ]
    ready = replica.take()
    assert ready.install == snapshot
    assert [entry.slot for entry in ready.decided] == [8]
    assert ready.records == [RawRecord(b"p"), snapshot]
    chunk = SnapshotChunk(8, 0, len(data), len(data), snapshot.checksum, data)
    assert ready.messages == [(3, chunk)]


def test_a_page_of_our_own_snapshot_is_served_from_where_it_is_asked_for() -> None:
    script = Script(durable=False)
    replica = lead(script, page_bytes_max=1200)
    data = bytes(range(256)) * 8
    replica.compact(4, data)
    replica.take()
    (compact,) = script.taken
    assert compact == (uapi.COMPACT, 0, 4, checksum(data), len(data), 0, b"")
    script.said = [pack_record(uapi.SERVE, 2, b=4, c=500), pack_record(uapi.SERVE, 3, b=3, c=500)]
    replica.tick()
    chunks = replica.take().messages
    served = {2: b"", 3: b""}
    for to, chunk in chunks:
        assert isinstance(chunk, SnapshotChunk)
        assert len(chunk.chunk) <= CONFIG.frame_bytes_max - 160
        served[to] += chunk.chunk
    assert served == {2: data[500:1700], 3: data[:1200]}


def test_who_has_no_snapshot_serves_none() -> None:
    script = Script()
    replica = NativeReplica(CONFIG, script, DurableState())
    script.said = [pack_record(uapi.SERVE, 2)]
    assert not replica.take()


def test_a_snapshot_that_is_too_large_does_not_replace_the_last() -> None:
    script = Script(durable=False)
    replica = lead(script, snapshot_bytes_max=10)
    replica.compact(4, b"small")
    replica.compact(5, b"eleven byte")
    script.said = [pack_record(uapi.SERVE, 2)]
    ((_, chunk),) = replica.take().messages
    assert isinstance(chunk, SnapshotChunk)
    assert chunk.chunk == b"small"
    assert [record.c for record in script.taken] == [5, 11]


def test_a_write_may_still_hold_the_snapshot_before() -> None:
    script = Script()
    replica = lead(script)
    replica.compact(4, b"four")
    replica.take()
    replica.compact(5, b"five")
    script.said = [
        pack_record(uapi.RECORD_SNAPSHOT, 1, b=4, c=checksum(b"four"), d=4, flags=CHECKPOINT | LAST)
    ]
    assert replica.take().records == [Snapshot(4, checksum(b"four"), b"four")]


def test_a_snapshot_is_not_due_while_the_last_one_is_not_recorded() -> None:
    script = Script()
    replica = lead(script)
    script.status_now = replace(STATUS, snapshot_due=True)
    assert replica.snapshot_due
    replica.compact(4, b"four")
    assert not replica.snapshot_due
    crc = checksum(b"four")
    script.said = [pack_record(uapi.RECORD_SNAPSHOT, 1, b=4, c=crc, d=4, flags=CHECKPOINT | LAST)]
    replica.take()
    assert replica.snapshot_due


def test_a_snapshot_that_the_core_had_no_room_to_record_is_due_again() -> None:
    """A COMPACT may be refused for want of memory; the log would stay full for ever."""
    script = Script()
    replica = lead(script)
    replica.compact(4, b"four")
    script.status_now = replace(STATUS, snapshot_due=True, write_id=7)
    assert not replica.snapshot_due  # not even handed in
    replica.take()
    assert not replica.snapshot_due  # it may be in write 7
    script.said = [record(6, b"a", LAST), record(7, b"b")]
    replica.tick()
    replica.take()
    assert not replica.snapshot_due
    script.said = [record(7, b"c", LAST)]
    replica.tick()
    replica.take()
    assert replica.snapshot_due
    replica.compact(5, b"five")
    crc = checksum(b"five")
    script.said = [pack_record(uapi.RECORD_SNAPSHOT, 8, b=5, c=crc, d=4, flags=CHECKPOINT | LAST)]
    assert replica.take().records == [Snapshot(5, crc, b"five")]
    assert replica.snapshot_due


@pytest.mark.parametrize(
    "said",
    [
        [pack_record(uapi.INSTALL, 3, b=checksum(b"x"), c=1)],
        [pack_record(uapi.SNAPSHOT_BYTES, 3, b"x", b=1)],
        [*snapshot_records(3, b"abcd")[:1], pack_record(uapi.INSTALL, 3, b=1, c=4)],
        [*snapshot_records(3, b"abcd")[:1], pack_record(uapi.INSTALL, 4, b=1, c=4)],
        [*snapshot_records(3, b"abcdefgh")[:1], pack_record(uapi.SNAPSHOT_BYTES, 3, b"i", b=8)],
        [*snapshot_records(3, bytes(20))[:-1]],
        [pack_record(uapi.RECORD_SNAPSHOT, 1, b=3, c=1, d=4, flags=LAST)],
    ],
)
def test_a_core_that_contradicts_itself_is_not_believed(said: list[bytes]) -> None:
    script = Script()
    config = replace(CONFIG, limits=Limits(snapshot_bytes_max=16))
    replica = NativeReplica(config, script, DurableState())
    script.said = said
    with pytest.raises(Poisoned):
        replica.take()


def test_a_store_is_restored_record_by_record() -> None:
    data = b"state"
    state = replay(
        [Promised(5), Snapshot(3, checksum(data), data), ChosenValue(3, 0, b""), ChosenUpTo(4)]
    )
    records = split_records(b"".join(restore_records(state)))
    assert records[1] == (uapi.RESTORE_SNAPSHOT, 0, 3, checksum(data), 5, 0, b"")
    assert [record.kind for record in records] == [
        uapi.RESTORE,
        uapi.RESTORE_SNAPSHOT,
        uapi.RESTORE,
        uapi.RESTORE,
    ]
    script = Script()
    replica = NativeReplica(CONFIG, script, state)
    # Whether the core says so itself or not, it is handed out once.
    script.said = [pack_record(uapi.INSTALL, 3, b=checksum(data), c=5)]
    assert replica.take().install == state.snapshot
    assert not replica.take()


def test_the_status_is_the_core_s() -> None:
    script = Script()
    replica = NativeReplica(replace(CONFIG, timing=Timing()), script, DurableState())
    script.status_now = replace(STATUS, watermark=17, lags=True, snapshot_due=True)
    status = replica.status()
    assert (status.node, status.role, status.watermark, status.lags) == (1, Role.LEADER, 17, True)
    assert replica.snapshot_due
