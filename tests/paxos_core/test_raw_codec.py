"""Frames between replicas stay as they are, all others are decoded."""

from __future__ import annotations

import pytest
from golden import CLUSTER, SENDER, Bad, Good, frames

from paxos_core import Codec, DecodeError
from paxos_core import messages as m
from paxos_core.codec import HEADER_BYTES, KINDS
from paxos_core.raw_codec import RawCodec

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
