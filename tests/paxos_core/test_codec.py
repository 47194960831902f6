"""The wire format, against MessagePack itself and against every kind of damage."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

import msgpack
import pytest
from core_kit import any_message, explore, messages_of
from hypothesis import given
from hypothesis import strategies as st

from paxos_core import Codec, DecodeError
from paxos_core import messages as m
from paxos_core.batch import BATCH_COMMANDS_MAX, decode_batch
from paxos_core.codec import (
    BODY_HEADER_BYTES,
    FIELD_BYTES,
    HEADER_BYTES,
    KINDS,
    VOTE_OVERHEAD_BYTES,
    WIRE_VERSION,
    decode_votes,
    encode_votes,
)
from paxos_core.session import decode_group, unpack_results
from paxos_core.types import U64_MAX

CLUSTER = 0xC0FFEE
CODEC = Codec(CLUSTER, 2)


def sample(kind: type[m.Message]) -> m.Message:
    """A message whose fields are all different."""
    given_: list[Any] = []
    for at, f in enumerate(fields(kind)):
        if f.type == "bytes":
            given_.append(b"body of \x00 bytes")
        elif str(f.type).startswith("list"):
            given_.append([m.Vote(1, 2, 3, b"x"), m.Vote(4, 5, 6, b""), m.Vote(7, 8, 9, b"yz")])
        else:
            given_.append((at + 1) << 40 | at)
    return kind(*given_)


SAMPLES = [sample(kind) for kind in KINDS]


def name_of(message: m.Message) -> str:
    return type(message).__name__


def well_typed(message: m.Message | m.Vote) -> bool:
    """Whether every field has the type that its class declares, and fits the wire."""
    for f in fields(message):
        value = getattr(message, f.name)
        if f.type == "bytes":
            good = type(value) is bytes
        elif str(f.type).startswith("list"):
            good = type(value) is list and all(type(v) is m.Vote and well_typed(v) for v in value)
        else:
            good = type(value) is int and 0 <= value <= U64_MAX
        if not good:
            return False
    return True


def refused_for_a_cause(refusal: DecodeError) -> bool:
    assert refusal.cause in {"malformed", "version", "cluster"}
    return False


def decodes_or_refuses(frame: bytes) -> bool:
    """Whether the frame was a message; any exception but `DecodeError` passes through."""
    try:
        sender, message = CODEC.decode(frame)
    except DecodeError as refusal:
        return refused_for_a_cause(refusal)
    assert 0 <= sender <= U64_MAX
    assert well_typed(message)
    return True


# The oracle


@pytest.mark.parametrize("message", SAMPLES, ids=name_of)
def test_a_frame_is_plain_messagepack(message: m.Message) -> None:
    read = msgpack.unpackb(CODEC.encode(message))
    expected = [getattr(message, f.name) for f in fields(message)]
    if isinstance(message, m.Promise):
        unpacker = msgpack.Unpacker()
        unpacker.feed(read[-1])
        read[-1] = [m.Vote(*vote) for vote in unpacker]
    assert read == [WIRE_VERSION, KINDS[type(message)], CLUSTER, 2, *expected]


@pytest.mark.parametrize("message", SAMPLES, ids=name_of)
def test_every_field_lies_where_c_will_look(message: m.Message) -> None:
    frame = CODEC.encode(message)
    all_fields = fields(message)
    assert frame[0] == 0x90 | (4 + len(all_fields))
    assert frame[1:5] == bytes([0xCC, WIRE_VERSION, 0xCC, KINDS[type(message)]])
    assert frame[5:14] == b"\xcf" + CLUSTER.to_bytes(8, "big")
    assert frame[14:23] == b"\xcf" + (2).to_bytes(8, "big")
    at = 23
    for f in all_fields:
        value = getattr(message, f.name)
        if isinstance(value, int):
            assert frame[at : at + 9] == b"\xcf" + value.to_bytes(8, "big")
            at += 9
            continue
        body = encode_votes(value) if isinstance(value, list) else value
        assert frame[at:] == b"\xc6" + len(body).to_bytes(4, "big") + body
        at = len(frame)
    assert at == len(frame)
    assert (HEADER_BYTES, FIELD_BYTES, BODY_HEADER_BYTES, VOTE_OVERHEAD_BYTES) == (23, 9, 5, 33)


def test_kinds_are_distinct_and_leave_room_for_extensions() -> None:
    kinds = list(KINDS.values())
    assert len(set(kinds)) == len(kinds)
    assert all(0 < kind < 64 for kind in kinds)
    declared = set(m.PeerMessage.__args__) | set(m.ClientMessage.__args__)
    assert set(KINDS) == declared


# Round trips


@explore
@given(any_message, st.integers(0, U64_MAX), st.integers(0, U64_MAX))
def test_what_is_encoded_is_decoded(message: m.Message, cluster: int, sender: int) -> None:
    codec = Codec(cluster, sender)
    frame = codec.encode(message)
    assert codec.decode(frame) == (sender, message)
    assert codec.encode(codec.decode(frame)[1]) == frame


@explore
@given(st.binary(max_size=200))
def test_what_decodes_as_votes_encodes_to_the_same(body: bytes) -> None:
    try:
        found = decode_votes(body)
    except DecodeError:
        return
    assert encode_votes(found) == body


@explore
@given(messages_of(m.Promise))
def test_votes_round_trip(message: m.Message) -> None:
    votes = cast(m.Promise, message).votes
    assert decode_votes(encode_votes(votes)) == votes


def test_votes_cut_anywhere_but_between_two_are_malformed() -> None:
    votes = [m.Vote(1, 2, 3, b"value"), m.Vote(4, 5, 6, b""), m.Vote(7, 8, 9, b"yz")]
    body = encode_votes(votes)
    ends = {len(encode_votes(votes[:count])) for count in range(4)}
    for length in range(len(body)):
        if length in ends:
            assert encode_votes(decode_votes(body[:length])) == body[:length]
            continue
        with pytest.raises(DecodeError) as caught:
            decode_votes(body[:length])
        assert caught.value.cause == "malformed"


# Damage


@pytest.mark.parametrize("message", SAMPLES, ids=name_of)
def test_a_frame_cut_anywhere_or_followed_by_anything_is_malformed(message: m.Message) -> None:
    frame = CODEC.encode(message)
    for length in range(len(frame)):
        with pytest.raises(DecodeError) as caught:
            CODEC.decode(frame[:length])
        assert caught.value.cause == "malformed"
    for tail in (b"\x00", b"\xc0", frame):
        with pytest.raises(DecodeError):
            CODEC.decode(frame + tail)


@pytest.mark.parametrize("message", SAMPLES, ids=name_of)
def test_any_one_byte_changed_is_a_message_or_a_decode_error(message: m.Message) -> None:
    frame = CODEC.encode(message)
    for at in range(len(frame)):
        for change in (0x00, 0x01, 0x7F, 0x80, 0x90, 0xC0, 0xC6, 0xCC, 0xCF, 0xDD, 0xFF):
            changed = frame[:at] + bytes([change]) + frame[at + 1 :]
            was_message = decodes_or_refuses(changed)
            if at < 14 and changed != frame:
                # Form, version, kind and cluster: none of them may be another's.
                assert not was_message or CODEC.decode(changed)[1] != message


@pytest.mark.parametrize("message", SAMPLES, ids=name_of)
def test_any_one_bit_flipped_is_a_message_or_a_decode_error(message: m.Message) -> None:
    frame = CODEC.encode(message)
    for bit in range(8 * len(frame)):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        decodes_or_refuses(bytes(changed))


@pytest.mark.parametrize("message", SAMPLES, ids=name_of)
def test_a_field_of_another_form_is_malformed(message: m.Message) -> None:
    frame = CODEC.encode(message)
    numbers = sum(f.type in ("int", "Slot", "Ballot", "NodeId") for f in fields(message))
    for at in range(HEADER_BYTES, HEADER_BYTES + numbers * FIELD_BYTES, FIELD_BYTES):
        for form in (0x00, 0xCE, 0xD3):
            with pytest.raises(DecodeError, match="malformed"):
                CODEC.decode(frame[:at] + bytes([form]) + frame[at + 1 :])


@explore
@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_decode_error(frame: bytes) -> None:
    decodes_or_refuses(frame)


@explore
@given(st.sampled_from(SAMPLES), st.binary(max_size=120))
def test_any_bytes_after_an_envelope_are_a_message_or_a_decode_error(
    message: m.Message, rest: bytes
) -> None:
    decodes_or_refuses(CODEC.encode(message)[:HEADER_BYTES] + rest)


def test_random_bytes_are_no_message() -> None:
    chance = random.Random(5)
    for length in range(300):
        assert not decodes_or_refuses(chance.randbytes(length))


@pytest.mark.parametrize("cluster", [0, CLUSTER - 1, U64_MAX])
def test_another_cluster_is_told_apart(cluster: int) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(Codec(cluster, 2).encode(m.Nack(1, 2)))
    assert caught.value.cause == "cluster"


# Memory

FRAME_BYTES = 64 << 10


def peak_of(decode: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        decode()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def body_of(kind: type[m.Message], body: bytes) -> bytes:
    numbers = len(fields(kind)) - 1
    head = CODEC.encode(sample(kind))[: HEADER_BYTES + numbers * FIELD_BYTES]
    return head + b"\xc6" + len(body).to_bytes(4, "big") + body


EMPTY_VOTE = encode_votes([m.Vote(0, 0, 0, b"")])
HOSTILE_BODIES = {
    "many-empty-votes": EMPTY_VOTE * (FRAME_BYTES // len(EMPTY_VOTE)),
    "long-vote-lengths": (EMPTY_VOTE[:-4] + b"\xff\xff\xff\xff") * 1900,
    "array32-of-everything": b"\xdd\xff\xff\xff\xff" * 13000,
    "zeros": bytes(FRAME_BYTES),
}


@pytest.mark.parametrize("name", HOSTILE_BODIES)
@pytest.mark.parametrize("kind", [m.Promise, m.Accept, m.Request, m.Reply, m.SnapshotChunk])
def test_decoding_takes_a_small_multiple_of_the_frame(kind: type[m.Message], name: str) -> None:
    frame = body_of(kind, HOSTILE_BODIES[name])
    assert peak_of(lambda: decodes_or_refuses(frame)) < 16 * len(frame)


@pytest.mark.parametrize(
    "opening", [b"\xdd\xff\xff\xff\xff", b"\xdd\x00\x00\x10\x00", b"\xdc\x10\x00"]
)
def test_nested_arrays_cost_a_batch_reader_no_more_than_its_bound(opening: bytes) -> None:
    hostile = b"\xdd\x00\x00\x10\x00" + opening * (FRAME_BYTES // len(opening))
    # MessagePack's own limit is 1024 levels; each may hold a batch's worth of pointers.
    most = 1024 * BATCH_COMMANDS_MAX * 8 * 5 // 4
    assert peak_of(lambda: decode_batch(hostile)) < most
    assert decode_batch(hostile) is None
    group = b"\x94" + 3 * (b"\xcf" + bytes(8)) + hostile
    assert peak_of(lambda: decode_group(group)) < most
    assert decode_group(group) is None


@pytest.mark.parametrize("count", [BATCH_COMMANDS_MAX, 2**24, 2**31, 2**32 - 1, 2**63, U64_MAX])
def test_a_hostile_count_costs_a_reader_of_results_nothing(count: int) -> None:
    claimed = min(count, 2**32 - 1).to_bytes(4, "big")
    hostile = (b"\xdd" + claimed) * 1000
    most = 1024 * BATCH_COMMANDS_MAX * 8 * 5 // 4
    assert peak_of(lambda: unpack_results(hostile, count)) < most
    assert unpack_results(hostile, count) is None
