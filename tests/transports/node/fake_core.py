"""A core behind records, made of the Python one: stands in for the library and the kernel.

Like them it never sees a snapshot's bytes: it knows slot, size and checksum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paxos_core import Codec, DecodeError, NotLeader, Overloaded, Replica, ReplicaConfig
from paxos_core.batch import encode_batch
from paxos_core.catchup import CatchUp
from paxos_core.durable import (
    DurableState,
    Record,
    Snapshot,
    _replay_one,
    _replay_snapshot,
    decode_record,
    encode_record,
)
from paxos_core.messages import SnapshotRequest
from paxos_core.ready import CaughtUp, LeaderChanged, Ready, SnapshotTooLarge
from transports import _paxos_device as uapi
from transports._paxos_device import DeviceRecord, pack_frame, pack_record, split_records
from transports.node.native.channel import CoreStatus
from transports.node.native.replica import restore_records

PIECE_BYTES = 1000


class Serve:
    """Stands among the messages where the page of a snapshot belongs."""

    def __init__(self, request: SnapshotRequest) -> None:
        self.request = request


class FakeCatchUp(CatchUp):
    __slots__ = ()

    def _send_snapshot_page(self, sender: int, request: SnapshotRequest) -> None:
        if self.snapshot is not None:
            self._outbox.send(sender, Serve(request))  # type: ignore[arg-type]


def restored(records: Iterable[bytes]) -> DurableState:
    """The state that RESTORE records describe; a snapshot's bytes are all zeros."""
    state = DurableState()
    values: dict[int, tuple[int, bytes]] = {}
    for kind, flags, a, b, c, d, payload in split_records(b"".join(records)):
        assert (flags, d) == (0, 0)
        if kind == uapi.RESTORE_SNAPSHOT:
            _replay_snapshot(state, values, Snapshot(a, b, bytes(c)))
        else:
            assert (kind, a, b, c) == (uapi.RESTORE, 0, 0, 0)
            _replay_one(state, values, decode_record(payload))
    return state


class FakePort:
    """``px_port_write`` and ``px_port_read``, in Python."""

    def __init__(
        self, config: ReplicaConfig, cluster: int, restores: Iterable[bytes], *, durable: bool
    ) -> None:
        self.replica = Replica(config, restored(restores))
        self.dropped: dict[str, int] = {}
        self._codec = Codec(cluster, config.node)
        self._durable = durable
        self.write_id = 0
        self.replica._catchup.__class__ = FakeCatchUp

    # Inputs

    def write(self, data: bytes) -> int:
        taken = 0
        for record in split_records(data):
            try:
                self._put(record)
            except Overloaded:
                break
            except NotLeader:
                self._drop("not_leader")
            taken += uapi.record_bytes(len(record.payload))
        return taken

    def _put(self, record: DeviceRecord) -> None:
        replica = self.replica
        kind, flags, a, b, c, d, payload = record
        assert (flags, d) == (0, 0)
        if kind == uapi.FRAME:
            self._receive(a, payload)
        elif kind == uapi.TICK:
            for _ in range(a):
                replica.tick()
        elif kind == uapi.PROPOSE:
            replica.propose(payload)
        elif kind == uapi.PERSISTED:
            replica.persisted(a)
        else:
            assert kind == uapi.COMPACT
            self._compact(a, b, c)

    def _receive(self, sender: int, frame: bytes) -> None:
        try:
            claimed, message = self._codec.decode(frame)
        except DecodeError as error:
            self._drop(error.cause)
            return
        if claimed == sender:
            self.replica.receive(sender, message)
        else:
            self._drop("misattributed")

    def _compact(self, slot: int, crc: int, size: int) -> None:
        replica = self.replica
        if size > replica.config.limits.snapshot_bytes_max:
            replica.compact(slot, bytes(size))
            return
        replica._catchup.snapshot = Snapshot(slot, crc, bytes(size))
        keep = replica.config.limits.log_keep_slots
        replica._learner.trim(max(slot - keep, replica._learner.first_slot))
        replica._checkpoint()

    def _drop(self, cause: str) -> None:
        self.dropped[cause] = self.dropped.get(cause, 0) + 1

    # Outputs

    def read(self) -> bytes:
        parts: list[bytes] = []
        while ready := self.replica.take():
            parts += self._pack(ready)
            if self._durable or not ready.records:
                break
            self.replica.persisted(ready.write_id)
        return b"".join(parts)

    def _pack(self, ready: Ready) -> list[bytes]:
        parts = [self._pack_message(to, message) for to, message in ready.messages]
        if ready.install is not None:
            parts += self._pack_snapshot(ready.install)
        for entry in ready.decided:
            value = encode_batch(entry.commands) if entry.commands else b""
            parts.append(pack_record(uapi.DECIDED, entry.slot, value, b=entry.checksum))
        if self._durable:
            self.write_id = ready.write_id or self.write_id
            parts += self._pack_records(ready)
        for event in ready.events:
            match event:
                case LeaderChanged(leader, ballot):
                    parts.append(pack_record(uapi.LEADER, leader, b=ballot))
                case CaughtUp(watermark):
                    parts.append(pack_record(uapi.CAUGHT_UP, watermark))
                case SnapshotTooLarge(size):
                    parts.append(pack_record(uapi.TOO_LARGE, size))
        return parts

    def _pack_message(self, to: int, message: Any) -> bytes:
        if isinstance(message, Serve):
            return pack_record(uapi.SERVE, to, b=message.request.slot, c=message.request.offset)
        return pack_frame(uapi.SEND, to, self._codec.encode(message))

    def _pack_snapshot(self, snapshot: Snapshot) -> list[bytes]:
        slot, crc, data = snapshot.slot, snapshot.checksum, snapshot.data
        parts = [
            pack_record(uapi.SNAPSHOT_BYTES, slot, data[at : at + PIECE_BYTES], b=at)
            for at in range(0, len(data), PIECE_BYTES)
        ]
        return [*parts, pack_record(uapi.INSTALL, slot, b=crc, c=len(data))]

    def _pack_records(self, ready: Ready) -> list[bytes]:
        last = len(ready.records) - 1
        return [
            self._pack_record(
                record,
                ready.write_id,
                (uapi.RECORD_CHECKPOINT if ready.checkpoint else 0)
                | (uapi.RECORD_LAST if place == last else 0),
            )
            for place, record in enumerate(ready.records)
        ]

    def _pack_record(self, record: Record, write_id: int, flags: int) -> bytes:
        if isinstance(record, Snapshot):
            size = len(record.data)
            return pack_record(
                uapi.RECORD_SNAPSHOT,
                write_id,
                b=record.slot,
                c=record.checksum,
                d=size,
                flags=flags,
            )
        return pack_record(uapi.RECORD, write_id, encode_record(record), flags=flags)

    def status(self) -> CoreStatus:
        status = self.replica.status()
        return CoreStatus(
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
            snapshot_due=self.replica.snapshot_due,
            write_id=self.write_id,
            poisoned=int(self.replica.poison is not None),
        )


class FakeChannel:
    """Takes the place of `LibraryChannel`."""

    name = "c"
    counts_ticks = True

    def __init__(
        self,
        library: object,
        config: ReplicaConfig,
        cluster: int,
        state: DurableState,
        *,
        durable: bool,
    ) -> None:
        self.durable = durable
        self.port = FakePort(config, cluster, restore_records(state), durable=durable)

    @property
    def dropped(self) -> Mapping[str, int]:
        return self.port.dropped

    def write(self, records: bytes) -> int:
        return self.port.write(records)

    def read(self) -> Sequence[DeviceRecord]:
        return split_records(self.port.read())

    def status(self) -> CoreStatus:
        return self.port.status()
