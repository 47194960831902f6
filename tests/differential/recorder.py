"""A twin that writes down what is done to it, for `replay.c` to do again, and what it answered.

The answers become one number, a running CRC-32 over every word, dump and output.
The same trace replayed by another build has to give the same number.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from struct import Struct
from zlib import crc32

from paxos_core.types import U64_MAX

from . import binding as px
from .outputs import Outputs
from .setup import CLUSTER, Setup
from .twin import Twin

_RECORD = Struct("<IHHQQQQ")
_ALIGN = 8
_FOLD = 1000003
FRAME = 2
RESTORE, RESTORE_SNAPSHOT, PROPOSE, PERSISTED, COMPACT, TICK = 16, 17, 18, 19, 20, 21
TAKE, START, INIT = 200, 201, 202
"""Of this trace alone; the others are of uapi/paxos.h."""


def record(kind: int, a: int = 0, b: int = 0, c: int = 0, payload: bytes = b"") -> bytes:
    """One record of uapi/paxos.h."""
    size = _RECORD.size + len(payload)
    return _RECORD.pack(size, kind, 0, a, b, c, 0) + payload + bytes(-size % _ALIGN)


class Trace:
    """What one twin was told from its start on, and the number that it answered with."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.crc = 0
        self.steps = 0

    def note(self, data: bytes) -> None:
        """Something was answered."""
        self.crc = crc32(data, self.crc)


class Tape:
    """Traces end to end: those of a cluster's twins ran beside one another."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def new(self) -> Trace:
        """For one more twin."""
        self.traces.append(Trace())
        return self.traces[-1]

    @property
    def answer(self) -> str:
        """What `replay.c` prints: how many steps, and a number over all numbers."""
        total = 0
        for trace in self.traces:
            total = (total * _FOLD + trace.crc) & U64_MAX
        return f"{sum(trace.steps for trace in self.traces)} {total:016x}"

    def write(self, path: Path) -> None:
        """The file that `replay.c` reads."""
        path.write_bytes(b"".join(part for trace in self.traces for part in trace.parts))


class RecordingTwin(Twin):
    """A twin on tape."""

    def __init__(self, setup: Setup, tape: Tape) -> None:
        self._trace = tape.new()
        wanted = px.px_config(setup.config, CLUSTER, setup.open_slots_max, setup.log_slots_max)
        self._trace.parts.append(record(INIT, setup.memory_bytes, payload=bytes(wanted)))
        super().__init__(setup)

    def _restore(self, records: tuple[bytes, ...]) -> None:
        super()._restore(records)
        self._trace.parts.append(record(START))

    def _restore_one(self, data: bytes) -> int:
        self._trace.parts.append(record(RESTORE, payload=data))
        return super()._restore_one(data)

    def _restore_snapshot(self, data: bytes) -> int:
        error = super()._restore_snapshot(data)
        own = self._restored
        self._trace.parts.append(record(RESTORE_SNAPSHOT, own.slot, own.checksum, len(own.data)))
        return error

    def frame(self, sender: int, frame: bytes) -> str:
        return self._did(record(FRAME, sender, payload=frame), super().frame(sender, frame))

    def tick(self) -> str:
        return self._did(record(TICK, 1), super().tick())

    def propose(self, command: bytes) -> str:
        return self._did(record(PROPOSE, payload=command), super().propose(command))

    def persisted(self, write_id: int) -> str:
        return self._did(record(PERSISTED, write_id), super().persisted(write_id))

    def compact(self, slot: int, data: bytes) -> str:
        word = super().compact(slot, data)
        return self._did(record(COMPACT, slot, crc32(data), len(data)), word)

    def take(self) -> Outputs:
        self._trace.parts.append(record(TAKE))
        self._trace.steps += 1
        out = super().take()
        self._trace.note(super().dump())
        return out

    def _did(self, what: bytes, word: str) -> str:
        trace = self._trace
        trace.parts.append(what)
        trace.steps += 1
        trace.note(self._last_error.to_bytes(4, "little", signed=True))
        trace.note(super().dump())
        return word

    def _next(self, call: str, into: ctypes.Structure) -> bool:
        found = super()._next(call, into)
        if found:
            numbers = [int(getattr(into, name)) for name, *_ in into._fields_ if name in _NUMBERS]
            self._trace.note(b"".join(number.to_bytes(8, "little") for number in numbers))
        return found

    def _read(self, address: object, size: int) -> bytes:
        data = super()._read(address, size)
        self._trace.note(data)
        return data


_NUMBERS = {
    "to", "bytes", "same", "slot", "checksum", "write_id", "checkpoint", "last", "snapshot",
    "snapshot_slot", "snapshot_bytes", "snapshot_checksum", "type", "a", "b", "c", "d",
}  # fmt: skip
"""Every field but the pointers."""
