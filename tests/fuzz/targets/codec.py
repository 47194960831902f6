"""A frame as a node reads it: a message that is written to the same bytes, or a `DecodeError`."""

from __future__ import annotations

from collections.abc import Iterator

from paxos_core.codec import Codec, DecodeError
from paxos_core.messages import Message, RawFrame
from paxos_core.raw_codec import RawCodec
from tests.differential.seeds import golden_frames

from . import check

CLUSTER = 0x1122334455667788
CODEC, RAW = Codec(CLUSTER, 1), RawCodec(CLUSTER, 1)
CAUSES = {"malformed", "version", "cluster"}


def _read(codec: Codec, frame: bytes) -> tuple[int, Message] | str:
    try:
        return codec.decode(frame)
    except DecodeError as error:
        check(error.cause in CAUSES, f"cause {error.cause!r}")
        return error.cause


def run(data: bytes) -> int:
    read, raw = _read(CODEC, data), _read(RAW, data)
    if isinstance(read, tuple):
        sender, message = read
        check(Codec(CLUSTER, sender).encode(message) == data, "other bytes when written again")
    if isinstance(raw, tuple) and isinstance(raw[1], RawFrame):
        check(RAW.encode(raw[1]) == data, "a raw frame changed")
    else:
        check(raw == read, "the raw codec reads it otherwise")
    return 1


def seeds() -> Iterator[bytes]:
    for _, frame in golden_frames():
        yield frame
