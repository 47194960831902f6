"""Which bytes of a frame are which field: the wire format, as a reader sees it.

The fields of depth 0 cover a frame from its first byte to its last without a
gap, and those inside a body cover the body in the same way, one depth further
in. Any bytes whatever give an answer: what fits no form is a field called
``rest``, which says why.

Source: ``paxos_core/codec.py`` and docs/wire-format.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any, Final

import msgpack

from paxos_core.batch import BATCH_COMMANDS_MAX
from paxos_core.codec import BODY_HEADER_BYTES, FIELD_BYTES, KINDS, WIRE_VERSION
from paxos_core.messages import NO_MORE, Message, Reason
from paxos_core.session import NO_SESSION, decode_group
from paxos_core.types import NODE_MAX, format_ballot
from transports.viewer.meanings import meaning
from transports.viewer.texts import readable

FIELDS_MAX: Final = 300
"""Of one frame; what is behind the last is one ``rest``."""
VALUE_CHARACTERS_MAX: Final = 200

_BY_KIND: Final[dict[int, type[Message]]] = {kind: of for of, kind in KINDS.items()}
_NUMBERS: Final = ("int", "Slot", "Ballot", "NodeId")
_UINT8: Final = 0xCC
_UINT64: Final = 0xCF
_BIN32: Final = 0xC6
_ARRAY32: Final = 0xDD
_FIXARRAY: Final = 0x90


@dataclass(frozen=True, slots=True)
class Field:
    """Bytes ``start`` to ``end`` (not included) of a frame."""

    start: int
    end: int
    depth: int
    name: str
    value: str
    """For people; at most `VALUE_CHARACTERS_MAX` characters."""
    meaning: str
    raw: int | bytes | None = None
    """What the codec reads there; None where it reads no single value."""


def dissect(frame: bytes, length: int | None = None) -> list[Field]:
    """The fields of `frame`, outer ones before those inside them.

    `length` is the whole frame's, where `frame` holds only its beginning. Never
    raises, and makes at most `FIELDS_MAX` fields and one ``rest`` for each depth.
    """
    reader = _Reader(frame, len(frame) if length is None else length)
    reader.section(len(frame), 0, reader.frame)
    return reader.fields


class _Stop(Exception):
    """What follows cannot be told apart; the message says why."""


class _Reader:
    __slots__ = ("at", "data", "end", "fields", "kind", "whole")

    def __init__(self, data: bytes, whole: int) -> None:
        self.data = data
        self.whole = max(whole, len(data))
        self.at = 0
        self.end = len(data)
        self.fields: list[Field] = []
        self.kind = ""

    def section(self, end: int, depth: int, read: Callable[[int], None]) -> None:
        """Reads up to `end`; what is left there becomes a ``rest``."""
        outer, self.end = self.end, end
        why = "bytes follow the last field"
        try:
            read(depth)
        except _Stop as stop:
            why = str(stop)
        if self.at < end:
            self._add(end, depth, "rest", why, "")
        self.end = outer

    def _add(
        self, end: int, depth: int, name: str, value: str, what: str,
        raw: int | bytes | None = None,
    ) -> None:  # fmt: skip
        shown = value if len(value) <= VALUE_CHARACTERS_MAX else value[:VALUE_CHARACTERS_MAX] + "…"
        self.fields.append(Field(self.at, end, depth, name, shown, what, raw))
        self.at = end

    def _need(self, count: int) -> None:
        if len(self.fields) >= FIELDS_MAX:
            raise _Stop("and so on: these are fields enough")
        if self.at + count > self.end:
            cut = self.end == len(self.data) < self.whole
            raise _Stop("the trace has no more of this frame" if cut else "cut off")

    def _marked(self, marker: int, width: int, form: str) -> int:
        """The number behind a marker, without taking it. Raises `_Stop`."""
        self._need(1 + width)
        if self.data[self.at] != marker:
            raise _Stop(f"no {form}")
        return int.from_bytes(self.data[self.at + 1 : self.at + 1 + width], "big")

    def _number(self, depth: int, name: str, form: str) -> int:
        number = self._marked(_UINT64, 8, "uint 64")
        said = say_number(self.kind, name, form, number)
        self._add(self.at + FIELD_BYTES, depth, name, said, meaning(self.kind, name), number)
        return number

    def _array(self, depth: int, expected: int | None = None) -> int:
        self._need(1)
        count = self.data[self.at] ^ _FIXARRAY
        if count > 15 or expected not in (None, count):
            raise _Stop("no array of this size")
        self._add(self.at + 1, depth, "array", f"{count} elements", meaning("", "array"), count)
        return count

    # The frame

    def frame(self, depth: int) -> None:
        count = self._array(depth)
        version = self._small(depth, "version")
        if version != WIRE_VERSION:
            raise _Stop(f"wire version {version}, this is {WIRE_VERSION}")
        kind = _BY_KIND.get(self._small(depth, "kind"))
        if kind is None:
            raise _Stop("no known kind")
        self.kind = kind.__name__
        self._number(depth, "cluster", "cluster")
        self._number(depth, "sender", "NodeId")
        names = [(f.name, str(f.type)) for f in fields_of(kind)]
        if count != 4 + len(names):
            raise _Stop(f"{self.kind} has {4 + len(names)} elements")
        for name, form in names:
            if form in _NUMBERS:
                self._number(depth, name, form)
            else:
                self._body(depth, name)

    def _small(self, depth: int, name: str) -> int:
        number = self._marked(_UINT8, 1, "uint 8")
        known = _BY_KIND.get(number) if name == "kind" else None
        said = f"{number}, {known.__name__}" if known else str(number)
        self._add(self.at + 2, depth, name, said, meaning("", name), number)
        return number

    def _body(self, depth: int, name: str) -> None:
        inside: dict[str, Callable[[int], None]] = {
            "votes": self._votes,
            "value": self._batch,
            "commands": self._plain_batch,
        }
        self._binary(depth, name, inside.get(name), meaning(self.kind, name))

    def _binary(
        self, depth: int, name: str, inside: Callable[[int], None] | None, what: str
    ) -> None:
        """A `bin 32`: its length, and the bytes, which may have an inside of their own."""
        size = self._marked(_BIN32, 4, "bin 32")
        start = self.at + BODY_HEADER_BYTES
        end = min(start + size, self.end)
        if start + size > self.end and not self.end == len(self.data) < self.whole:
            raise _Stop("cut off")
        raw = self.data[start:end]
        whole = raw if len(raw) == size else None
        said = f"{size:,} bytes" if inside and raw else say_bytes(name, raw, size)
        at = self.at
        self._add(end, depth, name, said, what, whole)
        self.at = at
        self._add(start, depth + 1, "length", f"{size:,}", "of the bytes that follow", size)
        if inside:
            self.section(end, depth + 1, inside)
        elif end > start:
            self._add(end, depth + 1, "bytes", say_bytes(name, raw, size), "", whole)

    # Inside bodies

    def _votes(self, depth: int) -> None:
        while self.at < self.end:
            self._array(depth, 4)
            self._number(depth, "slot", "Slot")
            self._number(depth, "ballot", "Ballot")
            self._number(depth, "checksum", "int")
            self._binary(depth, "value", self._batch, "what the sender accepted there")

    def _batch(self, depth: int) -> None:
        self._commands(depth, groups=True)

    def _plain_batch(self, depth: int) -> None:
        self._commands(depth, groups=False)

    def _commands(self, depth: int, *, groups: bool) -> None:
        if self.at == self.end:
            return
        count = self._marked(_ARRAY32, 4, "batch")
        if count > BATCH_COMMANDS_MAX:
            raise _Stop("no batch: too many commands")
        commands = "1 command" if count == 1 else f"{count} commands"
        said = commands if count else "no commands: the no-op"
        self._add(self.at + 5, depth, "batch", said, "so many commands follow", count)
        for number in range(1, count + 1):
            size = self._marked(_BIN32, 4, "bin 32")
            start = self.at + BODY_HEADER_BYTES
            command = self.data[start : min(start + size, self.end)]
            group = groups and len(command) == size and decode_group(command) is not None
            name = f"group {number}" if group else f"command {number}"
            what = "a client's commands, under its session" if group else ""
            self._binary(depth, name, self._group if group else None, what)

    def _group(self, depth: int) -> None:
        self._array(depth, 4)
        for name in ("session", "floor", "first"):
            self._number(depth, name, "group")
        self._plain_batch(depth)


# What stands there, for people


def say_number(kind: str, name: str, form: str, number: int) -> str:
    """A number of a frame, as its field is best read."""
    if form == "Ballot":
        return f"{format_ballot(number)} ({number})"
    if form == "group" and name == "session" and number == NO_SESSION:
        return "0: asks for a new one; the floor is the client's nonce"
    if form == "cluster" or name in ("session", "nonce"):
        return f"{number:#x}"
    if name == "checksum":
        return f"{number:#010x}"
    if name == "sender":
        return str(number) if number <= NODE_MAX else f"{number:#x}, a client"
    if name == "next_slot" and number == NO_MORE:
        return "2⁶⁴ − 1: the last page"
    if name == "granted":
        return f"{number}: {'yes' if number else 'no'}"
    if kind == "Refused" and name == "reason" and number in set(Reason):
        return f"{number}, {Reason(number).name}"
    return str(number)


def say_bytes(name: str, data: bytes, size: int) -> str:
    """Bytes of a frame as text; what MessagePack holds as Python writes it."""
    if not size:
        return "empty"
    if name in ("results", "status") and len(data) == size:
        return readable(repr(_unpacked(data)).encode())
    return readable(data[:VALUE_CHARACTERS_MAX])


def _unpacked(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return data
