"""The fields of a frame, against the codec: every byte in one field, every value the codec's."""

from __future__ import annotations

import sys
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "paxos_core"))
import itertools

import golden

from paxos_core import Codec
from paxos_core.batch import encode_batch
from paxos_core.codec import KINDS
from paxos_core.messages import NO_MORE, Accept, Promise, Refused, Reply, Request, StatusReply, Vote
from paxos_core.session import encode_group
from paxos_core.types import make_ballot
from transports.viewer.fields import FIELDS_MAX, VALUE_CHARACTERS_MAX, Field, dissect
from transports.viewer.meanings import FIELDS

GOOD = [vector for vector in golden.frames() if isinstance(vector, golden.Good)]
BAD = [vector for vector in golden.frames() if isinstance(vector, golden.Bad)]
CODEC = Codec(7, 1)


def assert_covers(found: list[Field], length: int) -> None:
    """Fields of depth 0 cover the frame in order; deeper ones cover the field they are in."""
    at = 0
    for field in found:
        if field.depth == 0:
            assert field.start == at
            at = field.end
        assert field.start <= field.end <= length
    assert at == length
    for place, outer in enumerate(found):
        inner = []
        for field in found[place + 1 :]:
            if field.depth <= outer.depth:
                break
            if field.depth == outer.depth + 1:
                inner.append(field)
        if inner:
            assert (inner[0].start, inner[-1].end) == (outer.start, outer.end)
            for before, after in itertools.pairwise(inner):
                assert before.end == after.start


def numbered(found: list[Field], depth: int = 0) -> dict[str, Any]:
    return {field.name: field.raw for field in found if field.depth == depth}


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
def test_every_kind_of_message_is_read_as_the_codec_reads_it(vector: golden.Good) -> None:
    found = dissect(vector.data)
    assert_covers(found, len(vector.data))
    raw = numbered(found)
    assert (raw["version"], raw["kind"]) == (1, KINDS[type(vector.value)])
    assert (raw["cluster"], raw["sender"]) == (golden.CLUSTER, vector.sender)
    for field in fields_of(vector.value):
        value = getattr(vector.value, field.name)
        if field.name != "votes":
            assert raw[field.name] == value
            continue
        votes = [f for f in found if f.depth == 1 and f.name != "length"]
        read = [
            Vote(*(f.raw for f in votes[at + 1 : at + 5]))  # type: ignore[arg-type]
            for at in range(0, len(votes), 5)
        ]
        assert read == value


def test_every_field_of_every_message_has_a_meaning() -> None:
    names = {field.name for kind in KINDS for field in fields_of(kind)}
    assert names == FIELDS.keys()


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector.name)
def test_what_is_no_frame_is_said(vector: golden.Bad) -> None:
    found = dissect(vector.data)
    assert_covers(found, len(vector.data))
    if vector.cause != "cluster" and vector.data:
        rests = [field for field in found if field.name == "rest"]
        complete = {f.name for f in found} >= {"array", "version", "kind", "cluster", "sender"}
        # A frame that only lacks its end has no bytes to show for it.
        assert rests or complete


def test_the_commands_of_two_clients_are_taken_apart() -> None:
    commands = [
        encode_group(0x51, 1, 2, encode_batch([b"set a 1", b"\xff\x00"])),
        encode_group(0x52, 4, 5, encode_batch([b"get a"])),
    ]
    value = encode_batch(commands)
    frame = CODEC.encode(Accept(make_ballot(1, 1), 5, 5, 0, value))
    found = dissect(frame)
    assert_covers(found, len(frame))
    said = [(f.depth, f.name, f.value) for f in found if f.depth > 1]
    numbers = [
        entry[1:] for entry in said if entry[0] == 2 and entry[1] in ("session", "floor", "first")
    ]
    assert numbers == [
        ("session", "0x51"), ("floor", "1"), ("first", "2"),
        ("session", "0x52"), ("floor", "4"), ("first", "5"),
    ]  # fmt: skip
    assert (3, "bytes", "set a 1") in said
    assert (3, "bytes", "\\xff\\x00") in said
    assert (3, "bytes", "get a") in said
    assert [f.value for f in found if f.name == "group 2"] == [f"{len(commands[1])} bytes"]


def test_a_group_that_opens_a_session_says_so() -> None:
    group = encode_group(0, 0x77, 0, encode_batch([]))
    found = dissect(CODEC.encode(Accept(make_ballot(1, 1), 5, 5, 0, encode_batch([group]))))
    assert [f.value for f in found if f.name == "session"] == [
        "0: asks for a new one; the floor is the client's nonce"
    ]
    assert found[-1].value == "no commands: the no-op"


def test_a_page_of_votes_is_taken_apart() -> None:
    votes = [Vote(slot, make_ballot(2, 1), 9, encode_batch([b"v%d" % slot])) for slot in (0, 1)]
    frame = CODEC.encode(Promise(make_ballot(3, 2), 0, NO_MORE, 0, votes))
    found = dissect(frame)
    assert_covers(found, len(frame))
    assert [f.value for f in found if f.name == "next_slot"] == ["2⁶⁴ − 1: the last page"]
    assert [f.value for f in found if f.name == "ballot"] == ["3.2 (196610)"] + 2 * ["2.1 (131073)"]
    assert [f.value for f in found if f.name == "bytes"] == ["v0", "v1"]


def test_what_is_packed_in_any_width_is_shown_whole() -> None:
    reply = dissect(CODEC.encode(Reply(1, 2, 2, b"\x92\xc4\x02ok\xc0")))
    assert reply[-1].value == "[b'ok', None]"
    status = dissect(CODEC.encode(StatusReply(1, b"\x81\xa4role\xa6leader")))
    assert status[-1].value == "{'role': 'leader'}"
    assert dissect(CODEC.encode(StatusReply(1, b"\x81")))[-1].value == "b'\\x81'"
    refused = dissect(CODEC.encode(Refused(1, 2, 3, 2, 0)))
    assert "2, OVERLOADED" in [field.value for field in refused]


def test_a_frame_whose_end_is_not_in_the_trace_says_so() -> None:
    frame = CODEC.encode(Accept(make_ballot(1, 1), 5, 5, 0, encode_batch([b"x" * 9000])))
    found = dissect(frame[:4096], len(frame))
    assert_covers(found, 4096)
    assert [f.value for f in found if f.name == "value"] == ["9,010 bytes"]
    assert not [f for f in found if f.name == "rest"]
    head = dissect(frame[:30], len(frame))
    assert head[-1].value == "the trace has no more of this frame"


def test_many_commands_end_in_a_rest() -> None:
    frame = CODEC.encode(Request(1, 2, 3, 4000, encode_batch([b"x"] * 4000)))
    found = dissect(frame)
    assert_covers(found, len(frame))
    assert len(found) <= FIELDS_MAX + 4
    assert found[-1].value.startswith("and so on")
    assert max(len(f.value) for f in found) <= VALUE_CHARACTERS_MAX + 1


@given(st.binary(max_size=300))
def test_any_bytes_have_fields(data: bytes) -> None:
    assert_covers(dissect(data), len(data))


@given(st.sampled_from(GOOD), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_frame_has_fields(vector: golden.Good, at: int, byte: int) -> None:
    data = bytearray(vector.data[:2000])
    data[at % len(data)] = byte
    for whole in (len(data), len(data) + 9):
        assert_covers(dissect(bytes(data), whole), len(data))
