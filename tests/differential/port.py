"""The twin behind the records of uapi/paxos.h: what /dev/paxos and the library in user space do.

The same comparison, so that a record that px_port.c loses, reorders or cuts is a
difference. Reads use buffers of every size, and each is peeked at twice.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_bool, c_int, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from types import SimpleNamespace
from zlib import crc32

from paxos_core.batch import decode_batch

from . import binding as px
from .outputs import Outputs
from .recorder import COMPACT, FRAME, PERSISTED, PROPOSE, RESTORE, RESTORE_SNAPSHOT, TICK, record
from .setup import Setup
from .twin import Twin

_HEADER = Struct("<IHHQQQQ")
_ALIGN = 8
_LIBRARY = 1
_SEND = 1
_DECIDED, _RECORD, _RECORD_SNAPSHOT = 32, 33, 34
_CHECKPOINT, _LAST = 1, 2
_SIZES = (40, 48, 104, 400, 4096, 1 << 16)


class Port(Structure):
    """struct px_port"""

    _fields_ = (
        ("px", c_void_p),
        ("kind", c_int),
        ("started", c_bool),
        ("durable", c_bool),
        ("dropped", c_uint64 * 16),
    )


@dataclass(slots=True)
class Item:
    """One record that was read."""

    type: int
    flags: int
    a: int
    b: int
    c: int
    d: int
    payload: bytes


_PROTOTYPES = {
    "px_port_write": (c_int64, POINTER(Port), ctypes.c_char_p, c_uint64),
    "px_port_settle": (c_int, POINTER(Port)),
    "px_port_read": (c_int64, POINTER(Port), c_void_p, c_uint64),
    "px_port_commit": (None, POINTER(Port)),
    "px_port_readable": (c_bool, POINTER(Port)),
}


class PortTwin(Twin):
    """A twin that is only ever written to and read from."""

    def __init__(self, setup: Setup, path: Path | None = None) -> None:
        self._port = Port(kind=_LIBRARY, durable=True)
        self._turn = 0
        super().__init__(setup, path)

    def _restore(self, records: tuple[bytes, ...]) -> None:
        for name, (result, *arguments) in _PROTOTYPES.items():
            function = getattr(self._px, name)
            function.restype, function.argtypes = result, arguments
        self._port.px = self._core
        super()._restore(records)
        self._port.started = True

    def _restore_one(self, data: bytes) -> int:
        return self._write(record(RESTORE, payload=data))

    def _restore_snapshot(self, data: bytes) -> int:
        error = super()._restore_snapshot(data)
        if error:
            return error
        own = self._restored
        # A second time, as a record: the same slot again changes nothing.
        return self._write(record(RESTORE_SNAPSHOT, own.slot, own.checksum, len(own.data)))

    # Inputs

    def _write(self, data: bytes) -> int:
        """One record; the error that was counted, 0 if it was taken."""
        port = self._port
        before = list(port.dropped)
        taken = self._px.px_port_write(ctypes.byref(port), data, len(data))
        if taken == 0:
            return -8
        assert taken == len(data), f"px_port_write() takes {taken} of {len(data)} bytes"
        counted = [i for i, (old, new) in enumerate(zip(before, port.dropped, strict=True))
                   if new != old]  # fmt: skip
        assert len(counted) <= 1
        return -counted[0] if counted else 0

    def frame(self, sender: int, frame: bytes) -> str:
        return self._word(self._write(record(FRAME, sender, payload=frame)))

    def tick(self) -> str:
        return self._word(self._write(record(TICK, 1)))

    def propose(self, command: bytes) -> str:
        return self._word(self._write(record(PROPOSE, payload=command)))

    def persisted(self, write_id: int) -> str:
        return self._word(self._write(record(PERSISTED, write_id)))

    def _compact(self, slot: int, data: bytes) -> int:
        return self._write(record(COMPACT, slot, crc32(data), len(data)))

    # Outputs

    def take(self) -> Outputs:
        out = Outputs()
        port = ctypes.byref(self._port)
        settled = self._px.px_port_settle(port)
        if settled < 0:
            assert px.DROPS[settled] == "poisoned", f"px_port_settle() gives {settled}"
            return out
        items = self._read_items()
        assert not self._px.px_port_readable(port)
        # Events first: a checkpoint's snapshot may be one that has just been installed.
        for item in items:
            if item.type not in (_SEND, _DECIDED, _RECORD, _RECORD_SNAPSHOT):
                self._take_event(item, out)
        for item in items:
            self._take_item(item, out)
        return out

    def _read_items(self) -> list[Item]:
        found: list[Item] = []
        port = ctypes.byref(self._port)
        size_at = self._turn = (self._turn + 1) % len(_SIZES)
        while True:
            size = _SIZES[size_at]
            buffer = ctypes.create_string_buffer(b"\xee" * (size + 8))
            got = self._px.px_port_read(port, buffer, size)
            assert buffer.raw[max(got, 0) :].strip(b"\xee\x00") == b"", "written behind the end"
            if got == 0:
                return found
            if got < 0:
                size_at += 1
                assert size_at < len(_SIZES), "a record fits nowhere"
                continue
            again = ctypes.create_string_buffer(size)
            assert self._px.px_port_read(port, again, size) == got
            assert again.raw[:got] == buffer.raw[:got], "a peek changed something"
            assert self._px.px_port_readable(port)
            self._px.px_port_commit(port)
            found += _parse(buffer.raw[:got])
            size_at = self._turn

    def _take_event(self, item: Item, out: Outputs) -> None:
        event = SimpleNamespace(
            type=item.type, a=item.a, b=item.b, c=item.c, d=item.d,
            bytes=len(item.payload), data=item.payload,
        )  # fmt: skip
        self._one_event(event, out)

    def _take_item(self, item: Item, out: Outputs) -> None:
        match item.type:
            case 1:
                out.messages.append((item.a, item.payload))
            case 32:
                commands = tuple(decode_batch(item.payload) or ())
                assert crc32(item.payload) == item.b
                out.decided.append((item.a, item.b, commands))
            case 33 | 34:
                described = SimpleNamespace(
                    snapshot=item.type == _RECORD_SNAPSHOT, bytes=len(item.payload),
                    snapshot_slot=item.b, snapshot_checksum=item.c, snapshot_bytes=item.d,
                )  # fmt: skip
                data = self._record_bytes(described) if described.snapshot else item.payload
                assert out.write_id in (0, item.a)
                out.write_id, out.checkpoint = item.a, bool(item.flags & _CHECKPOINT)
                out.records.append(data)


def _parse(data: bytes) -> list[Item]:
    items: list[Item] = []
    at = 0
    while at < len(data):
        size, kind, flags, a, b, c, d = _HEADER.unpack_from(data, at)
        assert size >= _HEADER.size
        payload = data[at + _HEADER.size : at + size]
        end = at + size + -size % _ALIGN
        assert data[at + size : end].strip(b"\0") == b"", "padding is zeros"
        items.append(Item(kind, flags, a, b, c, d, payload))
        at = end
    assert at == len(data), "read() gives whole records"
    return items
