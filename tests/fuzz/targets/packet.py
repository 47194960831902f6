"""A packet of UDP or raw Ethernet: frames that are packed to the same bytes, or refused."""

from __future__ import annotations

from collections.abc import Iterator

from tests.differential.seeds import packet_seeds
from transports._packets import pack, unpack
from transports.framing import FramingError

from . import check


def run(data: bytes) -> int:
    count = 1
    for padded in (False, True):
        try:
            sender, receiver, frames = unpack(memoryview(data), padded)
        except FramingError:
            continue
        count = max(count, len(frames))
        again = pack(sender, receiver, frames)
        check(data.startswith(again) if padded else data == again, "other bytes when packed again")
    return count


def seeds() -> Iterator[bytes]:
    for _, packet in packet_seeds():
        yield packet
