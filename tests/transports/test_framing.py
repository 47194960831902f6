from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.framing import (
    HELLO_MAGIC,
    FrameReader,
    FramingError,
    Hello,
    join_frames,
    joined_bytes,
    pack_hello,
    unpack_hello,
)

frames_lists = st.lists(st.binary(min_size=1, max_size=40), max_size=20)


def test_a_frame_is_its_length_big_endian_and_its_bytes() -> None:
    assert join_frames([b"abc"]) == b"\0\0\0\3abc"
    assert join_frames([b"a", b"bc"]) == b"\0\0\0\1a\0\0\0\2bc"
    assert join_frames([]) == b""


@given(frames_lists, st.lists(st.integers(1, 60)))
def test_frames_survive_any_cutting_of_the_stream(frames: list[bytes], cuts: list[int]) -> None:
    stream = join_frames(frames)
    assert joined_bytes(frames) == len(stream)
    reader = FrameReader(40)
    read: list[bytes] = []
    for cut in cuts:
        read += reader.feed(stream[:cut])
        stream = stream[cut:]
    read += reader.feed(stream)
    assert read == frames


@given(frames_lists)
def test_frames_survive_byte_by_byte(frames: list[bytes]) -> None:
    reader = FrameReader(40)
    read = [frame for byte in join_frames(frames) for frame in reader.feed(bytes([byte]))]
    assert read == frames


@pytest.mark.parametrize("size", [0, 11, 2**31, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_before_its_bytes_come(size: int) -> None:
    reader = FrameReader(10)
    with pytest.raises(FramingError, match=rf"a frame of {size} bytes, where 1..10 may be"):
        reader.feed(size.to_bytes(4, "big"))


def test_a_length_out_of_bounds_is_refused_behind_good_frames_and_when_cut() -> None:
    reader = FrameReader(10)
    assert reader.feed(join_frames([b"good"]) + b"\0\0") == [b"good"]
    with pytest.raises(FramingError):
        reader.feed(b"\0\x0b")


def test_the_largest_frame_passes_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[int] = []
    cut = FrameReader._cut

    def counted_cut(reader: FrameReader, data: bytes) -> list[bytes]:
        cuts.append(len(data))
        return cut(reader, data)

    monkeypatch.setattr(FrameReader, "_cut", counted_cut)
    largest = bytes(range(256)) * 4096
    reader = FrameReader(len(largest))
    stream = join_frames([largest, b"next"])
    read: list[bytes] = []
    for start in range(0, len(stream), 100):
        read += reader.feed(stream[start : start + 100])
    assert read == [largest, b"next"]
    # Not looked at again with each piece, which would take time with the square of its size.
    assert len(cuts) <= 3


def test_hello_round_trip() -> None:
    hello = Hello(sender=70_000, receiver=3)
    assert unpack_hello(pack_hello(hello)) == hello


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        pack_hello(Hello(1, 2))[:-1],
        pack_hello(Hello(1, 2)) + b"\0",
        b"XXXX" + pack_hello(Hello(1, 2))[4:],
        HELLO_MAGIC + b"\0\x63" + pack_hello(Hello(1, 2))[6:],
        pack_hello(Hello(0, 2)),
        pack_hello(Hello(1, 0)),
        pack_hello(Hello(1 << 63, 2)),
    ],
)
def test_a_false_hello_is_refused(frame: bytes) -> None:
    with pytest.raises(FramingError):
        unpack_hello(frame)


@given(st.binary(max_size=300), st.integers(1, 60))
def test_any_bytes_give_frames_or_a_framing_error(stream: bytes, step: int) -> None:
    reader = FrameReader(40)
    read: list[bytes] = []
    for start in range(0, len(stream), step):
        try:
            read += reader.feed(stream[start : start + step])
        except FramingError:
            break
        # Never more than one frame of the bound waits for its rest.
        assert len(reader._unfinished) < 4 + 40
    assert all(1 <= len(frame) <= 40 for frame in read)
    assert stream.startswith(join_frames(read))


@given(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_any_hello_round_trip(sender: int, receiver: int) -> None:
    hello = Hello(sender, receiver)
    assert unpack_hello(pack_hello(hello)) == hello


@given(st.binary(max_size=40) | st.binary(min_size=18, max_size=18).map(lambda b: b"PXFR" + b))
def test_any_bytes_are_a_hello_or_refused(frame: bytes) -> None:
    try:
        hello = unpack_hello(frame)
    except FramingError:
        return
    assert pack_hello(hello) == frame
