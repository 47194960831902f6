"""Messages as bytes: the one wire format, shared with the kernel's C code.

A frame is one MessagePack array::

    [version, kind, cluster, sender, field, field, ..., body]

Every number has one fixed width (version and kind ``uint 8``, all others
``uint 64``) and a body, where a message has one, comes last as ``bin 32``. So
every field lies at a fixed offset::

    0       array header, 0x90 | number of elements
    1..2    0xcc version
    3..4    0xcc kind
    5..13   0xcf cluster
    14..22  0xcf sender
    23..    0xcf field, nine bytes each
    then    0xc6, four bytes of length, the body

Python packs and checks a whole frame with one precompiled `struct.Struct`; C
reads it without a parser; any MessagePack library reads a capture. The votes
in the body of a `Promise` are arrays of the same kind, end to end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from struct import Struct
from typing import Any, Final, NamedTuple, cast

from paxos_core import messages as m
from paxos_core.types import NodeId

WIRE_VERSION: Final = 1

_UINT8: Final = 0xCC
_UINT64: Final = 0xCF
_BIN32: Final = 0xC6
_FIXARRAY: Final = 0x90
_BODY_HEADER: Final = Struct(">BI")
_ENVELOPE: Final = Struct(">BBBBBBQBQ")
_SENDER_OFFSET: Final = 15
"""All before it is the same in every frame of one kind, in one cluster."""
HEADER_BYTES: Final = _ENVELOPE.size
FIELD_BYTES: Final = 9
BODY_HEADER_BYTES: Final = _BODY_HEADER.size

_VOTE: Final = Struct(">BBQBQBQBI")
_VOTE_ARRAY: Final = _FIXARRAY | 4
VOTE_OVERHEAD_BYTES: Final = _VOTE.size

KINDS: Final[dict[type[m.Message], int]] = {
    m.PreVote: 1,
    m.PreVoteReply: 2,
    m.Prepare: 3,
    m.Promise: 4,
    m.Accept: 5,
    m.Accepted: 6,
    m.Nack: 7,
    m.Heartbeat: 8,
    m.HeartbeatAck: 9,
    m.Learn: 10,
    m.Chosen: 11,
    m.SnapshotRequest: 12,
    m.SnapshotChunk: 13,
    m.OpenSession: 32,
    m.SessionOpened: 33,
    m.Request: 34,
    m.Reply: 35,
    m.Refused: 36,
    m.StatusRequest: 37,
    m.StatusReply: 38,
}
"""Message type -> kind on the wire; 64 and above stay free for extensions."""
_PROMISE: Final = KINDS[m.Promise]


class DecodeError(ValueError):
    """A frame that is no message of this version and cluster.

    `cause` is a word to count it by: ``malformed``, ``version`` or ``cluster``.
    """

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause


_NUMBER_TYPES: Final = ("int", "Slot", "Ballot", "NodeId", int)
"""As annotations are written; where `messages` was compiled, all of them are `int` itself."""


class _Layout(NamedTuple):
    kind: int
    array: int
    encode: Callable[[bytes, Any], bytes]
    """(the envelope, a message) -> the frame."""
    numbers: Struct
    """The sender and the numbers, each but the sender behind its marker."""
    markers: tuple[int, ...]
    end: int
    """Where the numbers end."""
    has_body: bool
    make: Callable[..., m.Message]


def _encoder(names: list[str], body: str | None) -> Callable[[bytes, Any], bytes]:
    # Spelt out per message: three times as fast as a loop over getattr.
    fields_text = "".join(f", {_UINT64}, x.{name}" for name in names)
    form = f">{HEADER_BYTES}s" + "BQ" * len(names)
    text = f"pack(envelope{fields_text})"
    if body is not None:
        form += "BI"
        value = "encode_votes(x.votes)" if body == "votes" else f"x.{body}"
        text = f"pack(envelope{fields_text}, {_BIN32}, len(body := {value})) + body"
    scope = {"pack": Struct(form).pack, "encode_votes": encode_votes}
    return cast(Callable[[bytes, Any], bytes], eval(f"lambda envelope, x: {text}", scope))


def _layout(message_type: type[m.Message], kind: int) -> _Layout:
    names = [f.name for f in fields(message_type)]
    variable = [f.name for f in fields(message_type) if f.type not in _NUMBER_TYPES]
    assert len(variable) <= 1
    assert not variable or names[-1] == variable[0]
    numbers = names[: len(names) - len(variable)]
    struct = Struct(">Q" + "BQ" * len(numbers))
    return _Layout(
        kind=kind,
        array=_FIXARRAY | (4 + len(names)),
        encode=_encoder(numbers, variable[0] if variable else None),
        numbers=struct,
        markers=(_UINT64,) * len(numbers),
        end=_SENDER_OFFSET + struct.size,
        has_body=bool(variable),
        make=message_type,
    )


class Codec:
    """Encodes for one sender in one cluster, and decodes what comes from that cluster."""

    __slots__ = ("_decoders", "_encoders", "cluster", "sender")

    def __init__(self, cluster: int, sender: NodeId) -> None:
        self.cluster = cluster
        self.sender = sender
        self._encoders: dict[type, tuple[Callable[[bytes, Any], bytes], bytes]] = {}
        self._decoders: dict[bytes, _Layout] = {}
        for message_type, layout in _BY_TYPE.items():
            envelope = _ENVELOPE.pack(
                layout.array, _UINT8, WIRE_VERSION, _UINT8, layout.kind,
                _UINT64, cluster, _UINT64, sender,
            )  # fmt: skip
            self._encoders[message_type] = layout.encode, envelope
            self._decoders[envelope[:_SENDER_OFFSET]] = layout

    def encode(self, message: m.Message) -> bytes:
        """One frame.

        Raises `struct.error` for a number that does not fit 64 bits, which only
        a caller's mistake can bring about.
        """
        encode, envelope = self._encoders[type(message)]
        return encode(envelope, message)

    def decode(self, frame: bytes) -> tuple[NodeId, m.Message]:
        """The sender named in the envelope, and the message.

        Raises `DecodeError`, and nothing else, for any bytes whatever. Allocates
        no more than a small multiple of the frame's size.
        """
        # One look-up compares version, kind, cluster and all markers between them.
        layout = self._decoders.get(frame[:_SENDER_OFFSET])
        if layout is None or len(frame) < layout.end:
            raise self._why_not(frame)
        read = layout.numbers.unpack_from(frame, _SENDER_OFFSET)
        if read[1::2] != layout.markers:
            raise DecodeError("malformed", "a field is no uint 64")
        sender = read[0]
        if not layout.has_body:
            if len(frame) != layout.end:
                raise DecodeError("malformed", "bytes follow the last field")
            return sender, layout.make(*read[2::2])
        body = _body(frame, layout.end)
        if layout.kind == _PROMISE:
            return sender, layout.make(*read[2::2], decode_votes(body))
        return sender, layout.make(*read[2::2], body)

    def _why_not(self, frame: bytes) -> DecodeError:
        """What is wrong with an envelope, or with a frame that is too short for its kind."""
        if len(frame) < HEADER_BYTES:
            return DecodeError("malformed", "a frame is shorter than its envelope")
        array, u1, version, u2, kind, u3, cluster, u4, _ = _ENVELOPE.unpack_from(frame)
        if (u1, u2, u3, u4) != (_UINT8, _UINT8, _UINT64, _UINT64):
            return DecodeError("malformed", "an envelope field has the wrong form")
        if version != WIRE_VERSION:
            return DecodeError("version", f"wire version {version}, this is {WIRE_VERSION}")
        if cluster != self.cluster:
            return DecodeError("cluster", f"a frame of cluster {cluster:#x}")
        layout = _BY_KIND.get(kind)
        if layout is None or layout.array != array:
            return DecodeError("malformed", f"kind {kind} with array header {array:#x}")
        return DecodeError("malformed", "a frame ends inside its fields")


def _body(frame: bytes, start: int) -> bytes:
    end = start + BODY_HEADER_BYTES
    if len(frame) < end:
        raise DecodeError("malformed", "a frame ends before its body")
    marker, length = _BODY_HEADER.unpack_from(frame, start)
    if marker != _BIN32 or length != len(frame) - end:
        raise DecodeError("malformed", "a body's header does not fit the frame")
    return frame[end:]


def encode_votes(votes: list[m.Vote]) -> bytes:
    """The body of a `Promise`: one array ``[slot, ballot, checksum, value]`` per vote."""
    parts: list[bytes] = []
    for vote in votes:
        parts.append(
            _VOTE.pack(
                _VOTE_ARRAY, _UINT64, vote.slot, _UINT64, vote.ballot,
                _UINT64, vote.checksum, _BIN32, len(vote.value),
            )
        )  # fmt: skip
        parts.append(vote.value)
    return b"".join(parts)


def decode_votes(body: bytes) -> list[m.Vote]:
    """The votes in the body of a `Promise`. Raises `DecodeError`."""
    votes: list[m.Vote] = []
    at, end = 0, len(body)
    while at < end:
        start = at + VOTE_OVERHEAD_BYTES
        if start > end:
            raise DecodeError("malformed", "a vote is cut off")
        array, u1, slot, u2, ballot, u3, crc, u4, length = _VOTE.unpack_from(body, at)
        if (array, u1, u2, u3, u4) != (_VOTE_ARRAY, _UINT64, _UINT64, _UINT64, _BIN32):
            raise DecodeError("malformed", "a vote has the wrong form")
        at = start + length
        if at > end:
            raise DecodeError("malformed", "a vote's value is cut off")
        votes.append(m.Vote(slot, ballot, crc, body[start:at]))
    return votes


_BY_TYPE: Final = {t: _layout(t, kind) for t, kind in KINDS.items()}
_BY_KIND: Final = {layout.kind: layout for layout in _BY_TYPE.values()}
