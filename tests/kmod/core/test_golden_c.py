"""The C codec gives and reads exactly the bytes in tests/data, as the Python one does."""

from __future__ import annotations

import ctypes
import random
import sys
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import core_library as c
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "paxos_core"))
import golden

from paxos_core.codec import KINDS
from paxos_core.messages import Promise, Vote

FRAMES = golden.parse(golden.FRAMES.read_text(), KINDS, envelope=True)
RECORDS = golden.parse(golden.RECORDS.read_text(), golden.RECORD_KINDS, envelope=False)
CAUSES = {"malformed": -1, "version": -2, "cluster": -3}
SNAPSHOT = 5
"""Its bytes are outside the core, so it is read and not written."""


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return c.prototypes(c.load())


def good(vectors: list[golden.Good | golden.Bad]) -> list[golden.Good]:
    return [vector for vector in vectors if isinstance(vector, golden.Good)]


def bad(vectors: list[golden.Good | golden.Bad]) -> list[golden.Bad]:
    return [vector for vector in vectors if isinstance(vector, golden.Bad)]


def numbers_and_body(value: Any) -> tuple[list[int], Any]:
    """The fields of a message or record: its numbers, and its body or None."""
    values = [getattr(value, f.name) for f in fields(value)]
    body = values.pop() if isinstance(values[-1], bytes | list) else None
    return values, body


def votes_in(library: ctypes.CDLL, frame: c.Frame) -> list[Vote]:
    at, found = ctypes.c_void_p(frame.body), []
    end = (frame.body or 0) + frame.body_bytes
    vote = c.WireVote()
    while (at.value or 0) < end:
        assert library.px_wire_vote_next(ctypes.byref(vote), ctypes.byref(at), end)
        data = ctypes.string_at(vote.value, vote.bytes)
        found.append(Vote(vote.slot, vote.ballot, vote.checksum, data))
    return found


@pytest.mark.parametrize("vector", good(FRAMES), ids=lambda v: v.name)
def test_a_frame_is_read_as_in_the_file(library: ctypes.CDLL, vector: golden.Good) -> None:
    frame = c.Frame()
    size = len(vector.data)
    assert library.px_frame_read(ctypes.byref(frame), golden.CLUSTER, vector.data, size) == 0
    numbers, body = numbers_and_body(vector.value)
    assert frame.kind == KINDS[type(vector.value)]
    assert frame.sender == vector.sender
    assert list(frame.number)[: len(numbers)] == numbers
    if isinstance(vector.value, Promise):
        assert votes_in(library, frame) == vector.value.votes
    elif body is not None:
        assert ctypes.string_at(frame.body, frame.body_bytes) == body


def write_votes(library: ctypes.CDLL, at: int, votes: list[Vote]) -> int:
    for vote in votes:
        wire = c.WireVote(vote.slot, vote.ballot, vote.checksum, None, len(vote.value))
        at = library.px_vote_header_write(at, ctypes.byref(wire))
        ctypes.memmove(at, vote.value, len(vote.value))
        at += len(vote.value)
    return at


@pytest.mark.parametrize("vector", good(FRAMES), ids=lambda v: v.name)
def test_a_frame_is_written_as_in_the_file(library: ctypes.CDLL, vector: golden.Good) -> None:
    kind = KINDS[type(vector.value)]
    numbers, body = numbers_and_body(vector.value)
    votes = body if isinstance(body, list) else []
    size = sum(33 + len(vote.value) for vote in votes) if votes else len(body or b"")
    room = ctypes.create_string_buffer(len(vector.data))
    assert library.px_frame_bytes(kind, size) == len(vector.data)
    start = ctypes.addressof(room)
    array = (ctypes.c_uint64 * 5)(*numbers)
    at = library.px_frame_write_head(start, kind, golden.CLUSTER, vector.sender, array)
    if body is not None:
        at = library.px_body_header_write(at, size)
    if votes:
        at = write_votes(library, at, votes)
    elif body:
        ctypes.memmove(at, body, size)
        at += size
    assert at - start == len(vector.data)
    assert room.raw == vector.data


@pytest.mark.parametrize("vector", bad(FRAMES), ids=lambda v: v.name)
def test_a_bad_frame_is_refused_for_the_cause_in_the_file(
    library: ctypes.CDLL, vector: golden.Bad
) -> None:
    data = vector.data
    error = library.px_frame_read(ctypes.byref(c.Frame()), golden.CLUSTER, data, len(data))
    assert error == CAUSES[vector.cause]


@pytest.mark.parametrize("vector", good(RECORDS), ids=lambda v: v.name)
def test_a_record_is_read_as_in_the_file(library: ctypes.CDLL, vector: golden.Good) -> None:
    record = c.Stored()
    assert library.px_stored_read(ctypes.byref(record), vector.data, len(vector.data))
    numbers, body = numbers_and_body(vector.value)
    assert record.kind == golden.RECORD_KINDS[type(vector.value)]
    assert list(record.number)[: len(numbers)] == numbers
    if body is not None:
        assert ctypes.string_at(record.body, record.body_bytes) == body


def value_of(data: bytes, crc: int) -> ctypes.Array[ctypes.c_char]:
    """A struct px_value."""
    head = bytes(8) + b"".join(n.to_bytes(4, sys.byteorder) for n in (1, len(data), crc))
    assert len(head) == c.VALUE_HEAD
    return ctypes.create_string_buffer(head + data, len(head) + len(data))


WRITTEN = [
    vector
    for vector in good(RECORDS)
    if golden.RECORD_KINDS[type(vector.value)] != SNAPSHOT
    # In the core a checksum that does not fit 32 bits never passes for one.
    and getattr(vector.value, "checksum", 0) < 1 << 32
]


@pytest.mark.parametrize("vector", WRITTEN, ids=lambda v: v.name)
def test_a_record_is_written_as_in_the_file(library: ctypes.CDLL, vector: golden.Good) -> None:
    kind = golden.RECORD_KINDS[type(vector.value)]
    numbers, body = numbers_and_body(vector.value)
    value = None if body is None else value_of(body, numbers.pop())
    item = c.Item(*[*numbers, 0][:2], ctypes.addressof(value) if value is not None else None)
    assert library.px_record_bytes(kind, ctypes.byref(item)) == len(vector.data)
    room = ctypes.create_string_buffer(len(vector.data))
    library.px_record_write(room, kind, ctypes.byref(item))
    assert room.raw == vector.data


@pytest.mark.parametrize("vector", bad(RECORDS), ids=lambda v: v.name)
def test_a_bad_record_is_refused(library: ctypes.CDLL, vector: golden.Bad) -> None:
    assert not library.px_stored_read(ctypes.byref(c.Stored()), vector.data, len(vector.data))


def test_the_checksum_is_that_of_zlib(library: ctypes.CDLL) -> None:
    chance = random.Random(1)
    for size in (*range(40), 255, 256, 4099):
        data = chance.randbytes(size)
        cut = chance.randint(0, size)
        assert library.px_crc32(0, data, size) == zlib.crc32(data)
        first = library.px_crc32(0, data[:cut], cut)
        assert library.px_crc32(first, data[cut:], size - cut) == zlib.crc32(data)
