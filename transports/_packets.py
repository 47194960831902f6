"""Frames in packets: the bytes that UDP and raw Ethernet carry. No I/O.

A packet has a header and then one or more frames, each behind its length:

    offset  bytes  what
    0       4      `PXD` and the version, 1
    4       4      how many bytes follow the header
    8       8      the sender's id
    16      8      the receiver's id
    24      2      the length of the first frame, above zero
    26             the first frame, then the next length, and so on

Integers are big-endian. The length in the header tells the end, since short
Ethernet frames are padded on their way.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from transports.framing import FramingError

MAGIC = int.from_bytes(b"PXD\x01", "big")
HEADER_BYTES = 24
LENGTH_BYTES = 2
FRAME_OVERHEAD_BYTES = HEADER_BYTES + LENGTH_BYTES
"""What a packet adds to the only frame that it carries."""
RECEIVER_OFFSET = 16

_HEADER = struct.Struct(">IIQQ")
_HEADER_AND_LENGTH = struct.Struct(">IIQQH")
_LENGTH = struct.Struct(">H")


def pack(sender: int, receiver: int, frames: Sequence[bytes]) -> bytes:
    """Return one packet with all of `frames`, none of which is empty or above 65,535 bytes."""
    if len(frames) == 1:
        frame = frames[0]
        size = len(frame)
        return _HEADER_AND_LENGTH.pack(MAGIC, LENGTH_BYTES + size, sender, receiver, size) + frame
    pack_length = _LENGTH.pack
    size = LENGTH_BYTES * len(frames) + sum(map(len, frames))
    parts = [_HEADER.pack(MAGIC, size, sender, receiver)]
    append = parts.append
    for frame in frames:
        append(pack_length(len(frame)))
        append(frame)
    return b"".join(parts)


def share_out(frames: Sequence[bytes], packet_bytes_max: int) -> list[Sequence[bytes]]:
    """Return, in order, as many frames at a time as one packet takes, and at least one."""
    room = packet_bytes_max - HEADER_BYTES
    if LENGTH_BYTES * len(frames) + sum(map(len, frames)) <= room:
        return [frames]
    loads: list[Sequence[bytes]] = []
    load: list[bytes] = []
    loaded_bytes = 0
    for frame in frames:
        size = LENGTH_BYTES + len(frame)
        if load and loaded_bytes + size > room:
            loads.append(load)
            load, loaded_bytes = [], 0
        load.append(frame)
        loaded_bytes += size
    loads.append(load)
    return loads


def unpack(packet: memoryview, padded: bool) -> tuple[int, int, list[bytes]]:
    """Return the sender, the receiver and the frames, of which there is at least one.

    Raises `FramingError` unless this is a whole packet of this version, and, if not
    `padded`, nothing more.
    """
    if len(packet) < FRAME_OVERHEAD_BYTES:
        raise FramingError(f"a packet has more than {FRAME_OVERHEAD_BYTES} bytes")
    magic, size, sender, receiver, first_bytes = _HEADER_AND_LENGTH.unpack_from(packet)
    if magic != MAGIC:
        raise FramingError(f"a packet begins with {MAGIC:#x}, not {magic:#x}")
    end = HEADER_BYTES + size
    if end > len(packet) or (end < len(packet) and not padded):
        raise FramingError(f"a packet of {end} bytes came as {len(packet)}")
    if first_bytes + LENGTH_BYTES == size > LENGTH_BYTES:
        return sender, receiver, [bytes(packet[FRAME_OVERHEAD_BYTES:end])]
    return sender, receiver, _cut(packet, end)


def _cut(packet: memoryview, end: int) -> list[bytes]:
    frames: list[bytes] = []
    unpack_length = _LENGTH.unpack_from
    position = HEADER_BYTES
    while position + LENGTH_BYTES < end:
        (size,) = unpack_length(packet, position)
        start = position + LENGTH_BYTES
        position = start + size
        if size == 0 or position > end:
            raise FramingError(f"a frame of {size} bytes at {start} of {end}")
        frames.append(bytes(packet[start:position]))
    if position != end or not frames:
        raise FramingError(f"no frame fills the bytes from {position} to {end}")
    return frames


__all__ = [
    "FRAME_OVERHEAD_BYTES",
    "HEADER_BYTES",
    "LENGTH_BYTES",
    "MAGIC",
    "RECEIVER_OFFSET",
    "pack",
    "share_out",
    "unpack",
]
