"""Frames between replicas stay as they are, all others are decoded."""

from __future__ import annotations

import pytest
from core_kit import any_message, explore
from golden import CLUSTER, SENDER, Bad, Good, frames
from hypothesis import given
from hypothesis import strategies as st

from paxos_core import Codec, DecodeError
from paxos_core import messages as m
from paxos_core.codec import HEADER_BYTES, KINDS
from paxos_core.raw_codec import RawCodec
from paxos_core.types import U64_MAX

RAW = RawCodec(CLUSTER, SENDER)
VECTORS = frames()


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if isinstance(v, Good)], ids=lambda vector: vector.name
)
def test_a_frame_between_replicas_is_passed_on(vector: Good) -> None:
    between_replicas = KINDS[type(vector.value)] < 32
    sender, message = RAW.decode(vector.data)
    assert sender == vector.sender
    assert message == (m.RawFrame(vector.data) if between_replicas else vector.value)
    if between_replicas:
        assert RAW.encode(message) == vector.data
    assert RAW.encode(vector.value) == Codec(CLUSTER, SENDER).encode(vector.value)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if isinstance(v, Bad)], ids=lambda vector: vector.name
)
def test_what_is_wrong_is_refused_here_or_left_to_the_core(vector: Bad) -> None:
    data = vector.data
    if len(data) >= HEADER_BYTES and data[4] < 32:
        assert RAW.decode(data)[1] == m.RawFrame(data)
        return
    with pytest.raises(DecodeError) as caught:
        RAW.decode(data)
    assert caught.value.cause == vector.cause


@explore
@given(any_message, st.integers(0, U64_MAX))
def test_every_message_comes_back_or_is_passed_on(message: m.Message, sender: int) -> None:
    frame = Codec(CLUSTER, sender).encode(message)
    read = RAW.decode(frame)
    between_replicas = KINDS[type(message)] < 32
    assert read == (sender, m.RawFrame(frame) if between_replicas else message)


@explore
@given(st.binary(max_size=120), st.sampled_from([v.data for v in VECTORS if len(v.data) < 300]))
def test_any_bytes_are_passed_on_or_read_as_the_codec_reads_them(noise: bytes, good: bytes) -> None:
    for frame in (noise, good[: len(noise)] + noise, good[:HEADER_BYTES] + noise):
        try:
            _, message = RAW.decode(frame)
        except DecodeError:
            continue
        if message != m.RawFrame(frame):
            assert Codec(CLUSTER, SENDER).decode(frame)[1] == message
