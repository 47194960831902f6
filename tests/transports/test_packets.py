from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports._packets import FRAME_OVERHEAD_BYTES, HEADER_BYTES, pack, share_out, unpack
from transports.framing import FramingError

IDS = st.integers(1, 2**63 - 1)
FRAMES = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20)


def test_a_packet_has_the_documented_bytes() -> None:
    assert pack(1, 70_000, [b"abc", b"d"]).hex(" ", 1) == (
        "50 58 44 01 00 00 00 08 00 00 00 00 00 00 00 01 00 00 00 00 00 01 11 70 "
        "00 03 61 62 63 00 01 64"
    )


@given(IDS, IDS, FRAMES, st.binary(max_size=60))
def test_what_was_packed_comes_out_also_padded(
    sender: int, receiver: int, frames: list[bytes], padding: bytes
) -> None:
    packet = pack(sender, receiver, frames)
    assert unpack(memoryview(packet), padded=False) == (sender, receiver, frames)
    assert unpack(memoryview(packet + padding), padded=True) == (sender, receiver, frames)


@given(FRAMES, st.data())
def test_a_piece_of_a_packet_is_malformed(frames: list[bytes], data: st.DataObject) -> None:
    packet = pack(1, 2, frames)
    piece = packet[: data.draw(st.integers(0, len(packet) - 1))]
    for padded in (False, True):
        with pytest.raises(FramingError):
            unpack(memoryview(piece), padded)


def test_more_than_the_packet_is_malformed_where_nothing_is_padded() -> None:
    with pytest.raises(FramingError, match="of 27 bytes came as 28"):
        unpack(memoryview(pack(1, 2, [b"x"]) + b"\0"), padded=False)


def raw(content: bytes, head: bytes = b"PXD\x01") -> bytes:
    return head + struct.pack(">IQQ", len(content), 1, 2) + content


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        raw(b""),
        raw(b"\0"),
        raw(b"\0\0"),
        raw(b"\0\1"),
        raw(b"\0\2x"),
        raw(b"\0\0x"),
        raw(b"\0\0\0\1x"),
        raw(b"\0\1x\0"),
        raw(b"\0\1x\0\0"),
        raw(b"\0\1x\0\2y"),
        raw(b"\xff\xffx"),
        raw(b"\0\1x", head=b"PXD\x02"),
        raw(b"\0\1x", head=b"PXE\x01"),
    ],
)
@pytest.mark.parametrize("padded", [False, True])
def test_malformed_packets(packet: bytes, padded: bool) -> None:
    with pytest.raises(FramingError):
        unpack(memoryview(packet), padded)
    # Padding makes nothing whole.
    with pytest.raises(FramingError):
        unpack(memoryview(packet + b"\0" * 40), padded=True)


@given(st.binary(max_size=100), st.booleans())
def test_random_content_gives_frames_or_a_framing_error(content: bytes, padded: bool) -> None:
    packet = raw(content)
    try:
        _, _, frames = unpack(memoryview(packet), padded)
    except FramingError:
        return
    assert pack(1, 2, frames) == packet


@given(FRAMES, st.integers(FRAME_OVERHEAD_BYTES + 40, 200))
def test_frames_are_shared_out_in_order_and_tightly(frames: list[bytes], most: int) -> None:
    loads = share_out(frames, most)
    assert [frame for load in loads for frame in load] == frames
    sizes = [len(pack(1, 2, load)) for load in loads]
    assert max(sizes) <= most
    for size, following in zip(sizes, loads[1:], strict=False):
        assert size + len(following[0]) + FRAME_OVERHEAD_BYTES - HEADER_BYTES > most
