"""The C twin as the tests drive it: px_* calls, and what px.h leaves to user space.

That is the snapshots' bytes: `Twin` keeps its own and assembles a peer's, as
any driver of the C core must.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from paxos_core import decode_record, encode_record
from paxos_core.batch import decode_batch
from paxos_core.catchup import CHUNK_OVERHEAD_BYTES
from paxos_core.checksum import checksum
from paxos_core.codec import Codec
from paxos_core.durable import RecordError, Snapshot
from paxos_core.messages import SnapshotChunk

from . import binding as px
from .build import library
from .outputs import Outputs, installed
from .setup import CLUSTER, Setup
from .sides import BadRecords, Status

_ALIGN = 64
_FILL = b"\xa5"
"""What the block holds before: a core that relied on zeros would differ from run to run."""
_SNAPSHOT_KIND = 5
_NUMBERS_MAX = 1 << 17
_numbers = (ctypes.c_uint64 * _NUMBERS_MAX)()
_frame = ctypes.create_string_buffer(1 << 20)


@functools.cache
def _load(path: Path) -> ctypes.CDLL:
    return px.load(path)


class NoMemory(Exception):
    """The block is too small to start in."""


def _refusal(error: int) -> Exception:
    word = px.DROPS[error]
    return NoMemory(word) if word == "no memory" else BadRecords(word)


class Twin:
    """One C replica in a block of memory of its own."""

    def __init__(self, setup: Setup, path: Path | None = None, block_bytes: int = 0) -> None:
        self._px = _load(path or library())
        config = setup.config
        self._codec = Codec(CLUSTER, config.node)
        self._config = config
        wanted = px.px_config(config, CLUSTER, setup.open_slots_max, setup.log_slots_max)
        least = self._px.px_memory_bytes_min(ctypes.byref(wanted))
        assert least, "px_memory_bytes_min() calls this configuration impossible"
        size = block_bytes or least + setup.memory_bytes
        self._block = bytearray(_FILL) * (size + _ALIGN)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._block))
        start += -start % _ALIGN
        self._core = self._px.px_init(start, size, ctypes.byref(wanted))
        if not self._core:
            raise NoMemory(f"px_init() refuses {size} bytes; it asked for {least}")
        self.snapshot: Snapshot | None = None
        self._restored = Snapshot(0, 0, b"")
        self._last_error = 0
        self._incoming = bytearray()
        self._incoming_slot = 0
        self._message = px.Message()
        self._decided = px.Decided()
        self._record = px.Record()
        self._event = px.Event()
        self._status = px.Status()
        self._restore(setup.records)

    def _restore(self, records: tuple[bytes, ...]) -> None:
        for data in records:
            is_snapshot = len(data) > 2 and data[2] == _SNAPSHOT_KIND
            error = self._restore_snapshot(data) if is_snapshot else self._restore_one(data)
            if error:
                raise _refusal(error)
        error = self._px.px_start(self._core)
        if error:
            raise _refusal(error)

    def _restore_one(self, data: bytes) -> int:
        return int(self._px.px_restore(self._core, data, len(data)))

    def _restore_snapshot(self, data: bytes) -> int:
        try:
            snapshot = decode_record(data)
        except RecordError as error:
            raise BadRecords(str(error)) from error
        assert isinstance(snapshot, Snapshot)
        self._restored = snapshot
        if checksum(snapshot.data) != snapshot.checksum:
            raise BadRecords("the snapshot fails its checksum")
        if self.snapshot is None or snapshot.slot >= self.snapshot.slot:
            self.snapshot = snapshot
        return int(
            self._px.px_restore_snapshot(
                self._core, snapshot.slot, snapshot.checksum, len(snapshot.data)
            )
        )

    # Inputs

    def frame(self, sender: int, frame: bytes) -> str:
        """px_receive()"""
        return self._word(self._px.px_receive(self._core, sender, frame, len(frame)))

    def tick(self) -> str:
        """px_tick()"""
        return self._word(self._px.px_tick(self._core))

    def propose(self, command: bytes) -> str:
        """px_propose()"""
        return self._word(self._px.px_propose(self._core, command, len(command)))

    def persisted(self, write_id: int) -> str:
        """px_persisted()"""
        return self._word(self._px.px_persisted(self._core, write_id))

    def compact(self, slot: int, data: bytes) -> str:
        """px_compact(); the bytes stay here, unless the core finds them too large."""
        word = self._word(self._compact(slot, data))
        if not word and len(data) <= self._config.limits.snapshot_bytes_max:
            self.snapshot = Snapshot(slot, checksum(data), data)
        # That one was too large is an event, as in Python, and no failure of the call.
        return "" if word == "too large" else word

    def _compact(self, slot: int, data: bytes) -> int:
        return int(self._px.px_compact(self._core, slot, checksum(data), len(data)))

    @property
    def last_word(self) -> str:
        """What the last input was answered."""
        return px.DROPS[self._last_error] if self._last_error else ""

    def _word(self, error: int) -> str:
        self._last_error = error
        return px.DROPS[error] if error else ""

    # Outputs

    def take(self) -> Outputs:
        """px_take(), and px_next_*() until nothing is left of any kind."""
        out = Outputs()
        found = self._px.px_take(self._core)
        if found < 0:
            assert px.DROPS[found] == "poisoned", f"px_take() gives {found}"
            return out
        # Events first: a checkpoint's snapshot may be one that has just been installed.
        events = self._take_events(out)
        self._take_messages(out)
        self._take_records(out)
        self._take_decided(out)
        assert found or not (out or events), "px_take() said that there is nothing"
        return out

    def _next(self, call: str, into: ctypes.Structure) -> bool:
        found = getattr(self._px, call)(self._core, ctypes.byref(into))
        assert found in (0, 1), f"{call}() gives {found}"
        return bool(found)

    def _read(self, address: object, size: int) -> bytes:
        return ctypes.string_at(address, size) if size else b""  # type: ignore[arg-type]

    def _take_messages(self, out: Outputs) -> None:
        message = self._message
        frame = b""
        while self._next("px_next_message", message):
            if not (message.same and frame):
                assert message.bytes <= len(_frame)
                self._px.px_encode(self._core, ctypes.byref(message), _frame)
                frame = self._read(_frame, message.bytes)
            out.messages.append((message.to, frame))

    def _take_records(self, out: Outputs) -> None:
        record = self._record
        last = True
        while self._next("px_next_record", record):
            assert out.write_id in (0, record.write_id), "a take hands out one write"
            assert not out.records or out.checkpoint == record.checkpoint
            assert not (out.records and last), "records follow the last one of a write"
            out.write_id, out.checkpoint, last = record.write_id, record.checkpoint, record.last
            out.records.append(self._record_bytes(record))
        assert last, "the last record of a write is marked"

    def _record_bytes(self, record: px.Record) -> bytes:
        if record.snapshot:
            own = self.snapshot
            described = (record.snapshot_slot, record.snapshot_checksum, record.snapshot_bytes)
            assert own is not None, "a checkpoint with a snapshot that nobody has"
            assert described == (own.slot, own.checksum, len(own.data))
            return encode_record(own)
        assert record.bytes <= len(_frame)
        self._px.px_encode_record(self._core, ctypes.byref(record), _frame)
        return self._read(_frame, record.bytes)

    def _take_decided(self, out: Outputs) -> None:
        decided = self._decided
        while self._next("px_next_decided", decided):
            value = self._read(decided.value, decided.bytes)
            assert checksum(value) == decided.checksum
            commands = tuple(decode_batch(value) or ())
            out.decided.append((decided.slot, decided.checksum, commands))

    def _take_events(self, out: Outputs) -> bool:
        event = self._event
        some = False
        while self._next("px_next_event", event):
            some = True
            self._one_event(event, out)
        return some

    def _one_event(self, event: px.Event, out: Outputs) -> None:
        match event.type:
            case px.SNAPSHOT_BYTES:
                self._collect(event)
            case px.INSTALL:
                self._install(event, out)
            case px.SERVE:
                self._serve(event, out)
            case px.LEADER:
                out.events.append(("leader", event.a, event.b))
            case px.CAUGHT_UP:
                out.events.append(("caught up", event.a, 0))
            case px.TOO_LARGE:
                out.events.append(("too large", event.a, 0))
            case other:
                raise AssertionError(f"an event of type {other}")

    def _collect(self, event: px.Event) -> None:
        if event.b == 0:
            self._incoming.clear()
            self._incoming_slot = event.a
        assert (event.a, event.b) == (self._incoming_slot, len(self._incoming))
        self._incoming += self._read(event.data, event.bytes)

    def _install(self, event: px.Event, out: Outputs) -> None:
        own = self.snapshot
        if own is None or (event.a, event.b, event.c) != (own.slot, own.checksum, len(own.data)):
            data = bytes(self._incoming) if event.c else b""
            assert len(data) == event.c, "INSTALL is not of the bytes that came"
            assert checksum(data) == event.b, "INSTALL of a snapshot that is damaged"
            own = self.snapshot = Snapshot(event.a, event.b, data)
        out.install = installed(own)

    def _serve(self, event: px.Event, out: Outputs) -> None:
        """The page of chunks that CatchUp._send_snapshot_page() sends."""
        own = self.snapshot
        assert own is not None, "SERVE without a snapshot"
        offset = event.c if event.b == own.slot else 0
        total = len(own.data)
        end = min(offset + self._config.limits.page_bytes_max, total)
        step = self._config.frame_bytes_max - CHUNK_OVERHEAD_BYTES
        for start in range(offset, max(end, 1), step):
            part = own.data[start : min(start + step, end)]
            chunk = SnapshotChunk(own.slot, start, end, total, own.checksum, part)
            out.chunks.append((event.a, self._codec.encode(chunk)))

    # A look inside

    def dump(self) -> bytes:
        """px_dump()"""
        count = self._px.px_dump(self._core, _numbers, _NUMBERS_MAX)
        assert count <= _NUMBERS_MAX
        return ctypes.string_at(_numbers, 8 * count)

    def full_status(self) -> Status:
        """px_status(), all of it."""
        self._px.px_status(self._core, ctypes.byref(self._status))
        return {name: int(getattr(self._status, name)) for name, _ in px.Status._fields_}

    def status(self) -> Status:
        """px_status(), as far as Python has the same."""
        names = set(self.full_status())
        only_here = {
            "read_slot", "known_chosen", "next_slot", "memory_bytes_free", "write_id", "persisted",
            "poisoned",
        }  # fmt: skip
        return {name: getattr(self._status, name) for name in names - only_here}

    @property
    def poisoned(self) -> bool:
        """Whether an invariant broke."""
        self._px.px_status(self._core, ctypes.byref(self._status))
        return bool(self._status.poisoned)

    @property
    def memory_bytes_free(self) -> int:
        """How much of the block is left."""
        self._px.px_status(self._core, ctypes.byref(self._status))
        return int(self._status.memory_bytes_free)
