"""The codec gives and reads exactly the bytes in tests/data.

A change of the format is written to the files with ``PAXOS_REWRITE_GOLDEN=1 pytest
tests/paxos_core/test_golden.py``, and so shows in the difference.
"""

from __future__ import annotations

import os

import golden
import pytest

from paxos_core import Codec, DecodeError, RecordError, decode_record, encode_record
from paxos_core.codec import KINDS

if os.environ.get("PAXOS_REWRITE_GOLDEN"):
    golden.write()

FRAMES = golden.parse(golden.FRAMES.read_text(), KINDS, envelope=True)
RECORDS = golden.parse(golden.RECORDS.read_text(), golden.RECORD_KINDS, envelope=False)


def _good(vectors: list[golden.Good | golden.Bad]) -> list[golden.Good]:
    return [vector for vector in vectors if isinstance(vector, golden.Good)]


def _bad(vectors: list[golden.Good | golden.Bad]) -> list[golden.Bad]:
    return [vector for vector in vectors if isinstance(vector, golden.Bad)]


@pytest.mark.parametrize("vector", _good(FRAMES), ids=lambda v: v.name)
def test_a_frame_is_written_and_read_as_in_the_file(vector: golden.Good) -> None:
    codec = Codec(golden.CLUSTER, vector.sender)
    assert codec.encode(vector.value) == vector.data
    assert codec.decode(vector.data) == (vector.sender, vector.value)


@pytest.mark.parametrize("vector", _bad(FRAMES), ids=lambda v: v.name)
def test_a_bad_frame_is_refused_for_the_cause_in_the_file(vector: golden.Bad) -> None:
    with pytest.raises(DecodeError) as caught:
        Codec(golden.CLUSTER, golden.SENDER).decode(vector.data)
    assert caught.value.cause == vector.cause


@pytest.mark.parametrize("vector", _good(RECORDS), ids=lambda v: v.name)
def test_a_record_is_written_and_read_as_in_the_file(vector: golden.Good) -> None:
    assert encode_record(vector.value) == vector.data
    assert decode_record(vector.data) == vector.value


@pytest.mark.parametrize("vector", _bad(RECORDS), ids=lambda v: v.name)
def test_a_bad_record_is_refused(vector: golden.Bad) -> None:
    with pytest.raises(RecordError):
        decode_record(vector.data)


def test_the_files_hold_every_kind() -> None:
    assert {type(v.value) for v in _good(FRAMES)} == set(KINDS)
    assert {type(v.value) for v in _good(RECORDS)} == set(golden.RECORD_KINDS)
    assert {v.cause for v in _bad(FRAMES)} == {"malformed", "version", "cluster"}


def test_the_files_are_what_would_be_written_now() -> None:
    assert golden.FRAMES.read_text() == golden.render_frames()
    assert golden.RECORDS.read_text() == golden.render_records()
