"""A byte stream: hello and frames, cut anywhere; never more kept than one frame.

The first byte says in what pieces the others come.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.differential.seeds import golden_frames
from transports.framing import (
    LENGTH_BYTES,
    FrameReader,
    FramingError,
    Hello,
    join_frames,
    pack_hello,
    unpack_hello,
)

from . import check

FRAME_BYTES_MAX = 600


def _feed(reader: FrameReader, pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """The frames, and whether the stream was good to its end."""
    frames: list[bytes] = []
    for piece in pieces:
        try:
            frames += reader.feed(piece)
        except FramingError:
            return frames, False
        kept = len(reader._unfinished)
        check(kept < LENGTH_BYTES + FRAME_BYTES_MAX + len(piece), f"{kept} bytes are kept")
    return frames, True


def run(data: bytes) -> int:
    step = 1 + data[0] if data else 1
    stream = data[1:]
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    frames, good = _feed(FrameReader(FRAME_BYTES_MAX), pieces)
    whole, whole_good = _feed(FrameReader(FRAME_BYTES_MAX), [stream])
    check(good == whole_good, "good or not by how it is cut")
    check(not good or frames == whole, "other frames by how it is cut")
    check(stream.startswith(join_frames(frames)), "frames that were not in the stream")
    for frame in frames[:1]:
        try:
            hello = unpack_hello(frame)
        except FramingError:
            continue
        check(pack_hello(hello) == frame, "another hello when written again")
    return max(1, len(frames))


def seeds() -> Iterator[bytes]:
    hello = pack_hello(Hello(3, 1))
    for at, (_, frame) in enumerate(golden_frames()):
        if frame:
            yield bytes((at % 256,)) + join_frames([hello, frame, frame])
    yield b"\x05\xff\xff\xff\xff"
