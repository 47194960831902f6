"""A replica whose state is elsewhere: a `ReplicatedLog` over a `Channel`.

It turns calls into records and records into a `Ready`. What it keeps itself is
what the core leaves to user space: the bytes of snapshots, and writes until they are
whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from paxos_core.batch import BATCH_HEADER_BYTES, COMMAND_HEADER_BYTES, decode_batch
from paxos_core.catchup import snapshot_page
from paxos_core.checksum import checksum
from paxos_core.config import ReplicaConfig
from paxos_core.durable import DurableState, RawRecord, Record, Snapshot, encode_record, restate
from paxos_core.errors import CommandTooLarge, NotLeader, Overloaded, Poisoned
from paxos_core.messages import Message, RawFrame
from paxos_core.ready import CaughtUp, Decided, LeaderChanged, Ready, SnapshotTooLarge
from paxos_core.status import ReplicaStatus
from paxos_core.types import NO_NODE, NodeId, Slot, WriteId
from transports import _paxos_device as uapi
from transports._paxos_device import DeviceRecord, pack_frame, pack_record
from transports.node.native.channel import Channel

_TICK: Final = pack_record(uapi.TICK, 1)


def restore_records(state: DurableState) -> list[bytes]:
    """What a core is told before it starts, so that it continues from `state`."""
    records: list[bytes] = []
    for record in restate(state):
        if isinstance(record, Snapshot):
            slot, crc, size = record.slot, record.checksum, len(record.data)
            records.append(pack_record(uapi.RESTORE_SNAPSHOT, slot, b=crc, c=size))
        else:
            records.append(pack_record(uapi.RESTORE, payload=encode_record(record)))
    return records


class NativeReplica:
    """One member of the cluster, decided by the core behind `channel`.

    `channel` has started from `state`. As for `Replica`, the same calls are allowed at
    the same times; what a proposal meets is known only at the next `take`.
    """

    def __init__(self, config: ReplicaConfig, channel: Channel, state: DurableState) -> None:
        self.config = config
        self.leader: NodeId = NO_NODE
        """Who leads, as far as is known here; 0 for nobody."""
        self._channel = channel
        self._inputs: list[bytes] = []
        self._proposals: list[bytes] = []
        self._pending_room = 0
        self._fresh = True
        self._snapshot = state.snapshot
        self._older: list[Snapshot | None] = []
        """Those before, until the write that puts `_snapshot` in their place is whole."""
        self._compacting = False
        """A COMPACT waits to be handed in."""
        self._recorded_by: WriteId = 0
        """The write that holds `_snapshot`, if the core had room to record it, or a later one."""
        self._whole: WriteId = 0
        """The last write that was handed out."""
        self._receiving: Slot = 0
        self._received = bytearray()
        self._install = state.snapshot
        self._write_id: WriteId = 0
        self._write: list[Record] = []
        self._ready = Ready()
        self._handlers: dict[int, Callable[[DeviceRecord], None]] = {
            uapi.SEND: self._take_frame,
            uapi.DECIDED: self._take_decided,
            uapi.RECORD: self._take_record,
            uapi.RECORD_SNAPSHOT: self._take_record_snapshot,
            uapi.SNAPSHOT_BYTES: self._take_snapshot_bytes,
            uapi.INSTALL: self._take_install,
            uapi.SERVE: self._take_serve,
            uapi.LEADER: self._take_leader,
            uapi.CAUGHT_UP: self._take_caught_up,
            uapi.TOO_LARGE: self._take_too_large,
        }

    # Inputs

    def receive(self, sender: NodeId, message: Message) -> None:
        """A frame from another member; what it says is the core's business."""
        if isinstance(message, RawFrame):
            self._inputs.append(pack_frame(uapi.FRAME, sender, message.frame))

    def tick(self) -> None:
        """One tick passed."""
        if self._channel.counts_ticks:
            self._inputs.append(_TICK)

    def propose(self, command: bytes) -> None:
        """As `Replica.propose`. What is proposed while leadership is lost is lost."""
        if type(command) is not bytes:
            raise TypeError(f"a command is bytes, not {type(command).__name__}")
        if self.leader != self.config.node:
            raise NotLeader(self.leader)
        size = len(command)
        if size > self.command_bytes_max:
            raise CommandTooLarge(
                f"a command of {size} bytes: at most {self.command_bytes_max} fit"
            )
        size += COMMAND_HEADER_BYTES
        if size > self._pending_room:
            self._look_for_room()
            if size > self._pending_room:
                raise Overloaded("too many bytes wait to be proposed")
        self._pending_room -= size
        self._proposals.append(pack_record(uapi.PROPOSE, payload=command))

    def _look_for_room(self) -> None:
        """Asked only when what was free is used up: it costs a call."""
        waiting = self._channel.status().pending_bytes + sum(map(len, self._proposals))
        self._pending_room = self.config.limits.pending_bytes_max - waiting

    def persisted(self, write_id: WriteId) -> None:
        """Every batch of records up to `write_id` is on stable storage."""
        self._inputs.append(pack_record(uapi.PERSISTED, write_id))

    def compact(self, slot: Slot, data: bytes) -> None:
        """As `Replica.compact`."""
        if len(data) <= self.config.limits.snapshot_bytes_max:
            self._put_snapshot(Snapshot(slot, checksum(data), data))
            self._compacting = True
        self._inputs.append(pack_record(uapi.COMPACT, slot, b=checksum(data), c=len(data)))

    def _put_snapshot(self, snapshot: Snapshot) -> None:
        if self._channel.durable:
            self._older.append(self._snapshot)
        self._snapshot = snapshot

    def take(self) -> Ready:
        """Everything that followed from the inputs so far; each thing is handed out once."""
        ready = self._ready = Ready()
        if self._install is not None:
            ready.install, self._install = self._install, None
        if not (self._inputs or self._proposals or self._fresh) and self._channel.counts_ticks:
            # Nothing went in since it was last emptied, so nothing can come out.
            return ready
        self._fresh = False
        self._hand_in()
        handlers = self._handlers
        while records := self._channel.read():
            for record in records:
                handler = handlers.get(record.kind)
                if handler is None:
                    raise uapi.RecordsError(f"the core gave a record of unknown kind {record.kind}")
                handler(record)
        if self._compacting and not self._inputs:
            self._compacting = False
            self._recorded_by = self._channel.status().write_id
        return ready

    def _hand_in(self) -> None:
        """Proposals last: where they have to wait, nothing else does."""
        self._inputs = self._write_all(self._inputs)
        self._proposals = self._write_all(self._proposals)

    def _write_all(self, records: list[bytes]) -> list[bytes]:
        """Hand in as much as is taken; what is left."""
        if not records:
            return records
        data = records[0] if len(records) == 1 else b"".join(records)
        taken = self._channel.write(data)
        return [data[taken:]] if taken < len(data) else []

    # Outputs

    def _take_frame(self, record: DeviceRecord) -> None:
        self._ready.messages.append((record.a, RawFrame(record.payload)))

    def _take_decided(self, record: DeviceRecord) -> None:
        # A value that is no batch is no batch for every replica: all skip it alike.
        commands = decode_batch(record.payload) or []
        self._ready.decided.append(Decided(record.a, record.b, commands))

    def _take_record(self, record: DeviceRecord) -> None:
        self._put_record(record, RawRecord(record.payload))

    def _take_record_snapshot(self, record: DeviceRecord) -> None:
        for snapshot in (self._snapshot, *self._older):
            if snapshot is not None and (snapshot.slot, snapshot.checksum) == (record.b, record.c):
                if snapshot is self._snapshot:
                    self._older = []
                self._put_record(record, snapshot)
                return
        raise Poisoned(f"the core records a snapshot of slot {record.b} that is not here")

    def _put_record(self, record: DeviceRecord, made: Record) -> None:
        """Collect a write until it is whole: a part of one must not reach the store alone."""
        checkpoint = bool(record.flags & uapi.RECORD_CHECKPOINT)
        if record.a != self._write_id:
            self._write_id = record.a
            if checkpoint:
                # What was begun before is restated.
                self._write = []
        self._write.append(made)
        if not record.flags & uapi.RECORD_LAST:
            return
        ready = self._ready
        ready.write_id = self._whole = record.a
        if checkpoint:
            ready.records, ready.checkpoint = self._write, True
        else:
            ready.records += self._write
        self._write = []

    def _take_snapshot_bytes(self, record: DeviceRecord) -> None:
        slot, offset, data = record.a, record.b, record.payload
        if offset == 0:
            self._receiving, self._received = slot, bytearray()
        size = len(self._received)
        if slot != self._receiving or offset != size:
            raise Poisoned(f"the core skips bytes of the snapshot of slot {slot}")
        if size + len(data) > self.config.limits.snapshot_bytes_max:
            raise Poisoned(f"the core receives a snapshot of more than {size} bytes")
        self._received += data

    def _take_install(self, record: DeviceRecord) -> None:
        slot, crc, size = record.a, record.b, record.c
        if self._snapshot is not None and self._snapshot.slot == slot:
            # The one that it was started with, and that was handed out before.
            return
        data = bytes(self._received) if size else b""
        if (size and slot != self._receiving) or len(data) != size or checksum(data) != crc:
            raise Poisoned(f"the core installs a snapshot of slot {slot} whose bytes are not here")
        self._received = bytearray()
        self._put_snapshot(Snapshot(slot, crc, data))
        self._ready.install = self._snapshot
        # Whatever was decided but not taken yet lies below the snapshot.
        self._ready.decided = []

    def _take_serve(self, record: DeviceRecord) -> None:
        if self._snapshot is not None:
            chunks = snapshot_page(self.config, self._snapshot, record.b, record.c)
            self._ready.messages.extend((record.a, chunk) for chunk in chunks)

    def _take_leader(self, record: DeviceRecord) -> None:
        self.leader = record.a
        self._ready.events.append(LeaderChanged(record.a, record.b))

    def _take_caught_up(self, record: DeviceRecord) -> None:
        self._ready.events.append(CaughtUp(record.a))

    def _take_too_large(self, record: DeviceRecord) -> None:
        self._ready.events.append(SnapshotTooLarge(record.a))

    # For people

    @property
    def command_bytes_max(self) -> int:
        """The largest command that `propose` takes."""
        return self.config.value_bytes_max - BATCH_HEADER_BYTES - COMMAND_HEADER_BYTES

    @property
    def snapshot_due(self) -> bool:
        """Whether the log has grown enough to be worth a snapshot."""
        if self._older and not self._is_refused():
            # One at a time: what the core says now may be from before it took the last one.
            return False
        return self._channel.status().snapshot_due

    def _is_refused(self) -> bool:
        """Whether the core had no room to record the last COMPACT: then the next is due."""
        if self._compacting or self._whole < self._recorded_by:
            return False
        self._older = []
        return True

    def status(self) -> ReplicaStatus:
        """How this replica is."""
        status = self._channel.status()
        return ReplicaStatus(
            node=self.config.node,
            role=status.role,
            voting=status.voting,
            leader=status.leader,
            ballot=status.ballot,
            promised=status.promised,
            watermark=status.watermark,
            first_slot=status.first_slot,
            in_flight_slots=status.in_flight_slots,
            pending_bytes=status.pending_bytes,
            log_bytes=status.log_bytes,
            lags=status.lags,
        )
