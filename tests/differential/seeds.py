"""What the fuzzers begin with: the golden vectors, in the form that each target reads."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from .build import ROOT
from .recorder import COMPACT, FRAME, PERSISTED, PROPOSE, RESTORE, TICK, record

_FRAME_MAX = 500
_OP_RAW, _OP_TICKS, _OP_TAKE, _OP_PERSISTED = 0, 4, 5, 6


def _golden() -> ModuleType:
    """tests/paxos_core/golden.py, wherever this is run from."""
    path = ROOT / "tests" / "paxos_core" / "golden.py"
    spec = importlib.util.spec_from_file_location("golden_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["golden_vectors"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def golden_frames() -> Iterator[tuple[str, bytes]]:
    """(name, frame) of every vector, good and bad, that is short enough."""
    for vector in _golden().frames():
        if len(vector.data) <= _FRAME_MAX:
            yield vector.name, vector.data


def golden_records() -> Iterator[tuple[str, bytes]]:
    """(name, record) of every vector of the durable records."""
    for vector in _golden().records():
        if len(vector.data) <= _FRAME_MAX:
            yield vector.name, vector.data


def receive_seed(frame: bytes) -> bytes:
    """Time-outs, the frame, its records persisted: see fuzz/receive.c."""
    taken = bytes((_OP_TAKE, _OP_PERSISTED, _OP_TAKE))
    raw = bytes((_OP_RAW, 3, len(frame) & 255, len(frame) >> 8)) + frame
    return bytes((1, 200, _OP_TICKS, 5)) + taken + raw + taken


def port_seeds() -> Iterator[tuple[str, bytes]]:
    """A little of every kind of record: see fuzz/port.c."""
    tail = record(TICK, 6) + record(PERSISTED, 1) + record(PROPOSE, payload=b"command")
    tail += record(TICK, 3) + record(COMPACT, 1, 7, 300) + record(PERSISTED, 9)
    for name, frame in golden_frames():
        yield name, bytes((0xF7, 9)) + record(FRAME, 3, payload=frame) + tail
    for name, data in golden_records():
        yield f"record-{name}", bytes((0xF6, 9)) + record(RESTORE, payload=data) + tail


def packet_seeds() -> Iterator[tuple[str, bytes]]:
    """Each frame alone in a packet, padded, and two in one: see kmod/core/packet.h."""
    for name, frame in golden_frames():
        if not frame:
            continue
        body = len(frame).to_bytes(2, "big") + frame
        for suffix, frames, pad in (("one", body, 0), ("two", body + body, 0), ("pad", body, 9)):
            head = b"PXD\x01" + len(frames).to_bytes(4, "big")
            ids = (3).to_bytes(8, "big") + (1).to_bytes(8, "big")
            yield f"{name}-{suffix}", head + ids + frames + bytes(pad)


def write_seeds(target: str, into: Path) -> Path:
    """A directory of files for `target`."""
    into.mkdir(parents=True, exist_ok=True)
    match target:
        case "receive":
            found = ((name, receive_seed(frame)) for name, frame in golden_frames())
        case "port":
            found = port_seeds()
        case "packet":
            found = packet_seeds()
        case _:
            raise ValueError(target)
    for name, data in found:
        (into / name).write_bytes(data)
    return into
