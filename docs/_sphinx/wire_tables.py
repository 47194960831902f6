"""What lies where in a frame and in a record, read off the codec and what it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, get_args

from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import (
    BODY_HEADER_BYTES,
    FIELD_BYTES,
    HEADER_BYTES,
    KINDS,
    WIRE_VERSION,
    Codec,
    encode_votes,
)
from paxos_core.durable import RawRecord, Record, encode_record
from paxos_core.messages import Accept, Vote
from paxos_core.types import make_ballot

RECORD_HEADER_BYTES = 3
_KIND_IN_A_RECORD = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """One message, record or vote: its fields, each with its offset, and its body's name."""

    name: str
    kind: int | None
    array: int
    fields: tuple[tuple[int, str], ...]
    body: tuple[int, str] | None
    size: int
    """In bytes, without the body's own."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of one frame that mean something together; the first `markers` are no value."""

    offset: int
    data: bytes
    markers: int
    text: str


def _empty(made: Callable[..., Any]) -> Any:
    """One of zeros, with an empty body."""
    values: dict[str, Any] = {}
    for field in fields(made):  # type: ignore[arg-type]
        kind = str(field.type)
        values[field.name] = [] if kind.startswith("list") else b"" if kind == "bytes" else 0
    return made(**values)


def _layout(made: type, kind: int | None, encoded: bytes, start: int) -> Layout:
    names = [field.name for field in fields(made)]
    has_body = len(encoded) == start + FIELD_BYTES * (len(names) - 1) + BODY_HEADER_BYTES
    places = [(start + FIELD_BYTES * at, name) for at, name in enumerate(names)]
    body = places.pop() if has_body else None
    assert len(encoded) == start + FIELD_BYTES * len(places) + BODY_HEADER_BYTES * has_body
    return Layout(made.__name__, kind, encoded[0], tuple(places), body, len(encoded))


def message_layouts() -> list[Layout]:
    """Every message, in the order of their kinds."""
    codec = Codec(0, 1)
    return [
        _layout(made, kind, codec.encode(_empty(made)), HEADER_BYTES)
        for made, kind in KINDS.items()
    ]


def record_layouts() -> list[Layout]:
    """Every record that Python writes, in the order of their kinds."""
    found = []
    for made in get_args(Record):
        if made is not RawRecord:
            encoded = encode_record(_empty(made))
            kind = encoded[_KIND_IN_A_RECORD]
            found.append(_layout(made, kind, encoded, RECORD_HEADER_BYTES))
    return found


def vote_layout() -> Layout:
    """One vote in the body of a Promise."""
    return _layout(Vote, None, encode_votes([Vote(0, 0, 0, b"")]), 1)


def example_frame() -> bytes:
    """Node 1 of cluster 7 proposes one command, ``x=1``, for slot 5 in ballot 1.1."""
    value = encode_batch([b"x=1"])
    return Codec(7, 1).encode(Accept(make_ballot(1, 1), 5, 5, checksum(value), value))


def example_pieces() -> list[Piece]:
    """The example, piece by piece, as its bytes are."""
    frame = example_frame()
    pieces: list[Piece] = []

    def cut(count: int, markers: int, text: str) -> bytes:
        offset = pieces[-1].offset + len(pieces[-1].data) if pieces else 0
        pieces.append(Piece(offset, frame[offset : offset + count], markers, text))
        return pieces[-1].data[markers:]

    cut(1, 1, f"array of {len(fields(Accept)) + 4} elements")
    cut(2, 1, f"version {WIRE_VERSION}")
    cut(2, 1, f"kind {KINDS[Accept]}, Accept")
    cut(FIELD_BYTES, 1, "cluster 7")
    cut(FIELD_BYTES, 1, "sender 1")
    cut(FIELD_BYTES, 1, "ballot: round 1, node 1")
    cut(FIELD_BYTES, 1, "slot 5")
    cut(FIELD_BYTES, 1, "watermark 5")
    cut(FIELD_BYTES, 1, "checksum of the value")
    length = cut(BODY_HEADER_BYTES, 1, "value: length 13")
    assert int.from_bytes(length, "big") == 13
    cut(5, 1, "a batch of 1 command")
    cut(5, 1, "a command: length 3")
    assert cut(3, 0, "the command, x=1") == b"x=1"
    assert sum(len(piece.data) for piece in pieces) == len(frame)
    return pieces
