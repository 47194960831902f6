"""The parts of an event as plain dicts, in the form that `docs/traces.md` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from paxos_core import messages as m
from paxos_core.batch import decode_batch
from paxos_core.describe import (
    describe_commands,
    describe_message,
    describe_record,
    describe_vote,
    shorten,
)
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    Promised,
    RawRecord,
    Record,
    Snapshot,
    Voted,
    decode_record,
)
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Decided
from paxos_core.status import ReplicaStatus
from paxos_core.types import NodeId, Slot, format_ballot

VERSION: Final = 1
VALUE_CHARACTERS_MAX: Final = 200
TEXT_CHARACTERS_MAX: Final = 500
FRAME_BYTES_SHOWN_MAX: Final = 4096
NUMBER_EXACT_MAX: Final = 1 << 53
"""Beyond it, not every program reads a JSON number exactly."""

Shape = dict[str, Any]


def header(
    source: str, quorums: QuorumSystem, unit: str, node: NodeId | None = None
) -> dict[str, Any]:
    """The first line of a trace; `unit` is what `at` counts."""
    made: dict[str, Any] = {
        "trace": VERSION,
        "source": source,
        "nodes": list(quorums.members),
        "quorums": {"phase1": quorums.phase1, "phase2": quorums.phase2},
        "unit": unit,
    }
    if node is not None:
        made["node"] = node
    return made


def number(value: int) -> int | str:
    """A number that JSON readers keep exact, else its digits."""
    return value if value <= NUMBER_EXACT_MAX else str(value)


def value_text(value: bytes) -> str:
    """A slot's value for people: the commands in it."""
    commands = decode_batch(value)
    return "(no batch)" if commands is None else commands_text(commands)


def commands_text(commands: Iterable[bytes]) -> str:
    """The same for a value that is taken apart already."""
    return describe_commands(commands, VALUE_CHARACTERS_MAX - 3)


def message_shape(
    ident: str, sender: NodeId, to: NodeId, message: m.Message | None, frame: bytes
) -> Shape:
    """A message; `None` stands for a frame that nobody can read."""
    shape: Shape = {"id": ident, "from": sender, "to": to}
    if message is None:
        shape |= {"kind": "unreadable", "text": "no frame of this cluster", "fields": {}}
    else:
        shape["kind"] = type(message).__name__
        shape["text"] = shorten(describe_message(message), TEXT_CHARACTERS_MAX)
        shape["fields"] = message_fields(message)
    shape["bytes"] = frame[:FRAME_BYTES_SHOWN_MAX].hex()
    shape["length"] = len(frame)
    return shape


def message_fields(message: m.Message) -> dict[str, int | str]:
    """Its fields by name, in the order of the frame."""
    return {
        field.name: _field(field.name, getattr(message, field.name)) for field in fields(message)
    }


def _field(name: str, value: Any) -> int | str:
    if name in ("ballot", "promised"):
        return format_ballot(value)
    if name == "votes":
        votes = "; ".join(map(describe_vote, value[:VALUE_CHARACTERS_MAX])) or "none"
        return shorten(votes, TEXT_CHARACTERS_MAX)
    if name == "value":
        return value_text(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if name == "next_slot" and value == m.NO_MORE:
        return "no more"
    return number(value)


def plain_record(record: Record) -> Record:
    """As Python has it, whoever encoded it."""
    return decode_record(record.data) if isinstance(record, RawRecord) else record


def record_shape(record: Record) -> Shape:
    """A record; `plain_record` has decoded it."""
    shape: Shape = {
        "kind": type(record).__name__,
        "text": shorten(describe_record(record), TEXT_CHARACTERS_MAX),
    }
    match record:
        case Promised(ballot):
            shape["ballot"] = format_ballot(ballot)
        case Voted(slot, ballot, _, value):
            shape |= {"slot": number(slot), "ballot": format_ballot(ballot)}
            shape["value"] = value_text(value)
        case ChosenValue(slot, _, value):
            shape |= {"slot": number(slot), "value": value_text(value)}
        case ChosenUpTo(slot) | Snapshot(slot):
            shape["slot"] = number(slot)
    return shape


def decided_shape(entry: Decided) -> Shape:
    """A slot that was delivered."""
    return {"slot": number(entry.slot), "value": commands_text(entry.commands)}


def vote_shape(vote: m.Vote) -> Shape:
    """What an acceptor holds for a slot."""
    return {"ballot": format_ballot(vote.ballot), "value": value_text(vote.value)}


def status_shape(status: ReplicaStatus) -> Shape:
    """The part of a node's state that is a number or a word."""
    return {
        "role": status.role.value,
        "voting": status.voting,
        "leader": status.leader,
        "ballot": format_ballot(status.ballot),
        "promised": format_ballot(status.promised),
        "watermark": number(status.watermark),
        "first_slot": number(status.first_slot),
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Shape:
    """The entries of `new` that `old` does not have so."""
    return {key: value for key, value in new.items() if old.get(key) != value}


def slot_key(slot: Slot) -> str:
    """A slot as a key: JSON's keys are text."""
    return str(slot)
