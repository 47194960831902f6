"""Frames over a byte stream: a 32-bit big-endian length, then that many bytes. No I/O.

The first frame of a stream is a *hello* that says who sends and whom it means to
reach, so that a stream that reached the wrong process is never misattributed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

LENGTH_BYTES = 4
HELLO_MAGIC = b"PXFR"
HELLO_VERSION = 1

_LENGTH = struct.Struct(">I")
_HELLO = struct.Struct(">4sHQQ")
_ID_LAST = (1 << 63) - 1


class FramingError(Exception):
    """The stream does not follow the framing; nothing after this point can be trusted."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a stream: who sends it, and the endpoint it is meant for."""

    sender: int
    receiver: int


def join_frames(frames: Sequence[bytes]) -> bytes:
    """Return the stream's bytes for `frames`, each behind its length."""
    pack = _LENGTH.pack
    if len(frames) == 1:
        return pack(len(frames[0])) + frames[0]
    parts: list[bytes] = []
    append = parts.append
    for frame in frames:
        append(pack(len(frame)))
        append(frame)
    return b"".join(parts)


def joined_bytes(frames: Sequence[bytes]) -> int:
    """Return the length of `join_frames(frames)`, without making it."""
    return sum(map(len, frames)) + LENGTH_BYTES * len(frames)


def pack_hello(hello: Hello) -> bytes:
    """Return the hello as a frame's content."""
    return _HELLO.pack(HELLO_MAGIC, HELLO_VERSION, hello.sender, hello.receiver)


def unpack_hello(frame: bytes) -> Hello:
    """Read a hello. Raises `FramingError` for anything else, another version included."""
    if len(frame) != _HELLO.size:
        raise FramingError(f"a hello has {_HELLO.size} bytes, not {len(frame)}")
    magic, version, sender, receiver = _HELLO.unpack(frame)
    if magic != HELLO_MAGIC:
        raise FramingError(f"a hello begins with {HELLO_MAGIC!r}, not {magic!r}")
    if version != HELLO_VERSION:
        raise FramingError(f"the peer speaks version {version}, this side {HELLO_VERSION}")
    if not (0 < sender <= _ID_LAST and 0 < receiver <= _ID_LAST):
        raise FramingError(f"ids out of range: {sender}, {receiver}")
    return Hello(sender, receiver)


class FrameReader:
    """Cuts a stream into frames. Holds at most one unfinished frame, so it is bounded."""

    __slots__ = ("_missing_bytes", "_unfinished", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._unfinished = bytearray()
        self._missing_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that `data` completes, in the stream's order.

        Raises `FramingError` for a length of zero or above the bound; the reader
        is of no use afterwards.
        """
        if self._unfinished:
            self._unfinished += data
            # Waiting until the frame is whole keeps a large one in small pieces linear.
            self._missing_bytes -= len(data)
            if self._missing_bytes > 0:
                return []
            data = bytes(self._unfinished)
            self._unfinished.clear()
        return self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        append = frames.append
        unpack_length = _LENGTH.unpack_from
        frame_bytes_max = self.frame_bytes_max
        start, end = 0, len(data)
        missing = LENGTH_BYTES
        while end - start >= LENGTH_BYTES:
            (size,) = unpack_length(data, start)
            if not 0 < size <= frame_bytes_max:
                raise FramingError(f"a frame of {size} bytes, where 1..{frame_bytes_max} may be")
            first = start + LENGTH_BYTES
            stop = first + size
            if stop > end:
                missing = LENGTH_BYTES + size
                break
            append(data[first:stop])
            start = stop
        if start < end:
            self._unfinished += data[start:] if start else data
            self._missing_bytes = missing - (end - start)
        return frames


__all__ = [
    "HELLO_MAGIC",
    "HELLO_VERSION",
    "LENGTH_BYTES",
    "FrameReader",
    "FramingError",
    "Hello",
    "join_frames",
    "joined_bytes",
    "pack_hello",
    "unpack_hello",
]
