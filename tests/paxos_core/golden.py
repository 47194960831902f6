"""The golden vectors: what they hold, how their file is written, how it is read.

The files bind every implementation of the format. They are plain text, so that C
reads them with `fgets` and `strtok`: one ``key rest`` per line, ``#`` starts a
comment line, an empty line ends a vector. Bytes are hex, in pieces parted by
blanks; a piece ``5a*300`` stands for 300 bytes 0x5a, and ``-`` for no bytes.

``reader N`` names the cluster whose codec reads what follows. A vector begins
with ``good NAME`` or ``bad NAME``. A good one has ``kind``, its fields in wire
order (and ``vote SLOT BALLOT CHECKSUM BYTES`` lines in a Promise), then
``bytes``. A bad one has ``cause`` and ``bytes``.

Written anew by ``python tests/paxos_core/golden.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from paxos_core import messages as m
from paxos_core.batch import NOOP, encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import KINDS, Codec
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    Promised,
    Record,
    Snapshot,
    Voted,
    encode_record,
)
from paxos_core.types import U64_MAX, make_ballot

CLUSTER = 0x1122334455667788
SENDER = 3
DATA = Path(__file__).resolve().parent.parent / "data"
FRAMES = DATA / "frames.txt"
RECORDS = DATA / "records.txt"
RECORD_KINDS: dict[type[Record], int] = {
    Promised: 1,
    Voted: 2,
    ChosenValue: 3,
    ChosenUpTo: 4,
    Snapshot: 5,
}

Fields = list[tuple[str, Any]]


@dataclass
class Good:
    """Bytes, and the value that they are."""

    name: str
    value: Any
    data: bytes
    sender: int = SENDER


@dataclass
class Bad:
    """Bytes that are nothing, and the word to count them by."""

    name: str
    cause: str
    data: bytes


# What the vectors hold

EDGES = (("zero", 0), ("one", 1), ("two32", 2**32), ("max", U64_MAX))
BODIES = (
    ("empty", b""),
    ("noop", NOOP),
    ("batch", encode_batch([b"put a 1", b"", b"\x00\xff"])),
    ("bytes255", bytes(range(255))),
    ("bytes256", b"\x5a" * 256),
    ("bytes65536", b"\xa5" * 65536),
)


def _votes(count: int) -> list[m.Vote]:
    values = (b"", NOOP, b"\x77" * 300)
    return [
        m.Vote(slot, make_ballot(slot + 1, 2), checksum(values[slot]), values[slot])
        for slot in range(count)
    ]


def _cases(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """Every edge in all number fields at once, each field told apart, and every body."""
    names = [f.name for f in fields(kind)]
    body = names[-1] if str(fields(kind)[-1].type) in ("bytes", "list[Vote]") else None
    numbers = [name for name in names if name != body]
    empty: dict[str, Any] = {} if body is None else {body: [] if kind is m.Promise else b""}
    word = kind.__name__.lower()
    for edge, number in EDGES:
        yield f"{word}-{edge}", kind(**dict.fromkeys(numbers, number), **empty)
    apart = {name: 0x0102030405060700 + at for at, name in enumerate(numbers)}
    yield f"{word}-apart", kind(**apart, **empty)
    if kind is m.Promise:
        for count in (1, 3):
            yield (
                f"{word}-votes{count}",
                m.Promise(make_ballot(9, 1), 0, m.NO_MORE, 0, _votes(count)),
            )
    elif body is not None:
        for size, data in BODIES:
            yield f"{word}-{size}", kind(**apart, **{body: data})


def _put(data: bytes, at: int, replacement: bytes) -> bytes:
    return data[:at] + replacement + data[at + len(replacement) :]


def _bad_frames() -> Iterator[Bad]:
    encode = Codec(CLUSTER, SENDER).encode
    accept = encode(m.Accept(1, 2, 3, 4, b"value"))
    nack = encode(m.Nack(1, 2))
    promise = encode(m.Promise(1, 0, m.NO_MORE, 0, _votes(1)))
    yield Bad("empty", "malformed", b"")
    yield Bad("envelope-cut", "malformed", nack[:22])
    yield Bad("envelope-only", "malformed", nack[:23])
    yield Bad("field-cut", "malformed", nack[:-1])
    yield Bad("trailing-byte", "malformed", nack + b"\x00")
    yield Bad("array-size", "malformed", _put(nack, 0, b"\x95"))
    yield Bad("not-an-array", "malformed", _put(nack, 0, b"\x86"))
    yield Bad("version-form", "malformed", _put(nack, 1, b"\xcd"))
    yield Bad("version-0", "version", _put(nack, 2, b"\x00"))
    yield Bad("version-2", "version", _put(nack, 2, b"\x02"))
    yield Bad("kind-form", "malformed", _put(nack, 3, b"\xd0"))
    for kind in (0, 14, 31, 39, 64, 255):
        yield Bad(f"kind-{kind}", "malformed", _put(nack, 4, bytes([kind])))
    yield Bad("cluster-form", "malformed", _put(nack, 5, b"\xd3"))
    yield Bad("cluster-other", "cluster", _put(nack, 13, b"\x89"))
    yield Bad("cluster-other-version-other", "version", _put(_put(nack, 13, b"\x89"), 2, b"\x03"))
    yield Bad("sender-form", "malformed", _put(nack, 14, b"\xce"))
    yield Bad("field-form", "malformed", _put(nack, 23, b"\xd3"))
    yield Bad("last-field-form", "malformed", _put(nack, 32, b"\xc0"))
    at = 23 + 4 * 9
    yield Bad("body-missing", "malformed", accept[:at])
    yield Bad("body-header-cut", "malformed", accept[: at + 4])
    yield Bad("body-form", "malformed", _put(accept, at, b"\xdb"))
    yield Bad("body-cut", "malformed", accept[:-1])
    yield Bad("body-trailing-byte", "malformed", accept + b"\x00")
    yield Bad("body-length-max", "malformed", _put(accept, at + 1, b"\xff\xff\xff\xff"))
    yield Bad("body-length-0", "malformed", _put(accept, at + 1, bytes(4)))
    votes_at = 23 + 4 * 9 + 5
    yield Bad("vote-form", "malformed", _put(promise, votes_at, b"\x93"))
    yield Bad("vote-field-form", "malformed", _put(promise, votes_at + 10, b"\xd3"))
    yield Bad("vote-value-form", "malformed", _put(promise, votes_at + 28, b"\xdb"))
    yield Bad("vote-length-max", "malformed", _put(promise, votes_at + 29, b"\xff\xff\xff\xff"))
    cut = promise[:-1]
    yield Bad(
        "vote-cut", "malformed", _put(cut, votes_at - 4, (len(cut) - votes_at).to_bytes(4, "big"))
    )


def _bad_records() -> Iterator[Bad]:
    voted = encode_record(Voted(1, 2, 3, b"value"))
    promised = encode_record(Promised(7))
    yield Bad("empty", "malformed", b"")
    yield Bad("kind-missing", "malformed", promised[:2])
    yield Bad("kind-0", "malformed", _put(promised, 2, b"\x00"))
    yield Bad("kind-6", "malformed", _put(promised, 2, b"\x06"))
    yield Bad("kind-form", "malformed", _put(promised, 1, b"\xcd"))
    yield Bad("array-size", "malformed", _put(promised, 0, b"\x93"))
    yield Bad("number-form", "malformed", _put(promised, 3, b"\xd3"))
    yield Bad("number-cut", "malformed", promised[:-1])
    yield Bad("trailing-byte", "malformed", promised + b"\x00")
    yield Bad("body-form", "malformed", _put(voted, 30, b"\xdb"))
    yield Bad("body-cut", "malformed", voted[:-1])
    yield Bad("body-trailing-byte", "malformed", voted + b"\x00")
    yield Bad("body-length-max", "malformed", _put(voted, 31, b"\xff\xff\xff\xff"))


def frames() -> list[Good | Bad]:
    """Every vector of the wire format."""
    found: list[Good | Bad] = []
    for kind in KINDS:
        for name, value in _cases(kind):
            sender = U64_MAX if name.endswith("-max") else SENDER
            found.append(Good(name, value, Codec(CLUSTER, sender).encode(value), sender))
    return found + list(_bad_frames())


def records() -> list[Good | Bad]:
    """Every vector of the durable records."""
    found: list[Good | Bad] = []
    for kind in RECORD_KINDS:
        for name, value in _cases(kind):
            found.append(Good(name, value, encode_record(value)))
    return found + list(_bad_records())


# Their text


def _hex(data: bytes) -> str:
    if not data:
        return "-"
    pieces = []
    plain = 0
    for run in re.finditer(rb"(.)\1{31,}", data, re.DOTALL):
        if run.start() > plain:
            pieces.append(data[plain : run.start()].hex())
        pieces.append(f"{run[1].hex()}*{len(run[0])}")
        plain = run.end()
    if plain < len(data):
        pieces.append(data[plain:].hex())
    return " ".join(pieces)


def _bytes(text: str) -> bytes:
    if text == "-":
        return b""
    data = b""
    for piece in text.split():
        byte, _, times = piece.partition("*")
        data += bytes.fromhex(byte) * int(times or 1)
    return data


def _lines(vector: Good | Bad, kinds: dict[Any, int], envelope: bool) -> Iterator[str]:
    if isinstance(vector, Bad):
        yield f"bad {vector.name}"
        yield f"cause {vector.cause}"
    else:
        yield f"good {vector.name}"
        yield f"kind {kinds[type(vector.value)]}"
        if envelope:
            yield f"sender {vector.sender}"
        for f in fields(vector.value):
            field = getattr(vector.value, f.name)
            if isinstance(field, list):
                for v in field:
                    yield f"vote {v.slot} {v.ballot} {v.checksum} {_hex(v.value)}"
            else:
                yield f"{f.name} {_hex(field) if isinstance(field, bytes) else field}"
    yield f"bytes {_hex(vector.data)}"
    yield ""


def render_frames() -> str:
    """The text of the frames' file."""
    head = [
        "# Golden vectors of the wire format; tests/paxos_core/golden.py explains and writes them.",
        f"reader {CLUSTER}",
        "",
    ]
    return "\n".join(head + [line for v in frames() for line in _lines(v, KINDS, True)])


def render_records() -> str:
    """The text of the records' file."""
    head = [
        "# Golden vectors of the records; tests/paxos_core/golden.py explains and writes them.",
        "",
    ]
    return "\n".join(head + [line for v in records() for line in _lines(v, RECORD_KINDS, False)])


def _make(kind: Callable[..., Any], given: Fields) -> Any:
    arguments: list[Any] = []
    if kind is m.Promise:
        arguments = [int(text) for name, text in given if name != "vote"]
        arguments.append([_vote(text) for name, text in given if name == "vote"])
        return kind(*arguments)
    for (name, text), f in zip(given, fields(kind), strict=True):  # type: ignore[arg-type]
        assert name == f.name
        arguments.append(_bytes(text) if f.type == "bytes" else int(text))
    return kind(*arguments)


def _vote(text: str) -> m.Vote:
    slot, ballot, crc, value = text.split(maxsplit=3)
    return m.Vote(int(slot), int(ballot), int(crc), _bytes(value))


def parse(text: str, kinds: dict[Any, int], envelope: bool) -> list[Good | Bad]:
    """The vectors in a file's text, each value made from the fields that stand there."""
    by_number = {number: kind for kind, number in kinds.items()}
    found: list[Good | Bad] = []
    for block in text.split("\n\n"):
        lines = [line.partition(" ") for line in block.splitlines() if line and line[0] != "#"]
        given: Fields = [(key, rest) for key, _, rest in lines]
        if not given or given[0][0] == "reader":
            continue
        (sort, name), *middle, (last, data) = given
        assert last == "bytes"
        if sort == "bad":
            found.append(Bad(name, middle[0][1], _bytes(data)))
            continue
        assert sort == "good"
        kind = by_number[int(middle.pop(0)[1])]
        sender = int(middle.pop(0)[1]) if envelope else SENDER
        found.append(Good(name, _make(kind, middle), _bytes(data), sender))
    return found


def write() -> None:
    """Write both files anew."""
    FRAMES.write_text(render_frames())
    RECORDS.write_text(render_records())


if __name__ == "__main__":
    write()
