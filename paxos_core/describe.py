"""Messages, records and values as text for people, in one line and of bounded length."""

from __future__ import annotations

from collections.abc import Iterable

from paxos_core import messages as m
from paxos_core.batch import decode_batch
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
from paxos_core.session import NO_SESSION, decode_group
from paxos_core.types import Slot, format_ballot

TEXT_MAX = 40


def describe_value(value: bytes) -> str:
    """The commands in a value; ``no-op`` if there are none."""
    commands = decode_batch(value)
    if commands is None:
        return "(no batch)"
    return " + ".join(map(_describe_command, commands)) or "no-op"


def _describe_command(command: bytes) -> str:
    group = decode_group(command)
    if group is None:
        return _short(command)
    session, _, first, commands = group
    if session == NO_SESSION:
        return "open session"
    texts = ", ".join(map(_short, commands))
    return f"session {session:#x} from {first}: {texts}"


def _short(data: bytes) -> str:
    return shorten(printable(data[: 4 * TEXT_MAX]), TEXT_MAX)


def printable(data: bytes) -> str:
    """`data` as text; what is no UTF-8, or cannot be printed, is escaped."""
    text = data.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    # By its escape in Python: no control character and no change of direction gets through.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: str, most: int) -> str:
    """`text`, or what fits into `most` characters and an ellipsis."""
    return text if len(text) <= most else text[:most] + "..."


def describe_commands(commands: Iterable[bytes], most: int) -> str:
    """What clients ask for, without sessions and numbers, in about `most` characters."""
    texts: list[str] = []
    room = most
    for command in commands:
        group = decode_group(command)
        if group is None:
            parts = [command]
        elif group[0] == NO_SESSION:
            parts = [b"(opens a session)"]
        else:
            parts = group[3][:most]
        texts += [printable(part[: 4 * most]) or "(empty)" for part in parts]
        room -= sum(map(len, parts))
        if room < 0:
            break
    return shorten(" + ".join(texts), most) if texts else "no-op"


def describe_vote(vote: m.Vote) -> str:
    """One vote of a promise."""
    return f"slot {vote.slot} in {format_ballot(vote.ballot)}: {describe_value(vote.value)}"


def describe_message(message: m.Message) -> str:
    """One line for one message."""
    match message:
        case m.PreVote(ballot, watermark):
            return f"PreVote {format_ballot(ballot)}, {_below(watermark)}"
        case m.PreVoteReply(ballot, granted, promised, watermark):
            answer = "granted" if granted else "refused"
            return (
                f"PreVoteReply {format_ballot(ballot)} {answer}, "
                f"promised {format_ballot(promised)}, {_below(watermark)}"
            )
        case m.Prepare(ballot, from_slot):
            return f"Prepare {format_ballot(ballot)}, slots {from_slot} and up"
        case m.Promise():
            return _describe_promise(message)
        case m.Accept(ballot, slot, watermark, _, value):
            return (
                f"Accept {format_ballot(ballot)}, slot {slot}: {describe_value(value)}"
                f" ({_below(watermark)})"
            )
        case m.Accepted(ballot, first, last):
            slots = f"slot {first}" if first == last else f"slots {first}..{last}"
            return f"Accepted {format_ballot(ballot)}, {slots}"
        case m.Nack(ballot, promised):
            return f"Nack {format_ballot(ballot)}, promised {format_ballot(promised)}"
        case _:
            return _describe_keeping_up(message)


def _describe_keeping_up(message: m.Message) -> str:
    match message:
        case m.Heartbeat(ballot, watermark, _):
            return f"Heartbeat {format_ballot(ballot)}, {_below(watermark)}"
        case m.HeartbeatAck(ballot, watermark, _):
            return f"HeartbeatAck {format_ballot(ballot)}, {_below(watermark)}"
        case m.Learn(from_slot):
            return f"Learn, slots {from_slot} and up"
        case m.Chosen(slot, _, watermark, _, value):
            return f"Chosen, slot {slot}: {describe_value(value)} ({_below(watermark)})"
        case m.SnapshotRequest(slot, offset):
            return f"SnapshotRequest below slot {slot}, from byte {offset}"
        case m.SnapshotChunk(slot, offset, _, total, _, chunk):
            end = offset + len(chunk)
            return f"SnapshotChunk below slot {slot}, bytes {offset}..{end} of {total}"
        case _:
            text = repr(message)
            return text if len(text) < 160 else text[:157] + "..."


def _describe_promise(promise: m.Promise) -> str:
    votes = "; ".join(map(describe_vote, promise.votes)) or "no votes"
    more = "" if promise.next_slot == m.NO_MORE else f", more from slot {promise.next_slot}"
    return f"Promise {format_ballot(promise.ballot)}, {votes}{more} ({_below(promise.watermark)})"


def _below(watermark: Slot) -> str:
    return f"chosen below {watermark}"


def describe_record(record: Record) -> str:
    """One record on a disk."""
    match record:
        case Promised(ballot):
            return f"promised {format_ballot(ballot)}"
        case Voted(slot, ballot, _, value):
            return f"voted in {format_ballot(ballot)} for slot {slot}: {describe_value(value)}"
        case ChosenValue(slot, _, value):
            return f"chosen for slot {slot}: {describe_value(value)}"
        case ChosenUpTo(slot):
            return f"chosen below {slot}"
        case Snapshot(slot, _, data):
            return f"snapshot below slot {slot}, {len(data)} bytes"
        case RawRecord(data):
            return describe_record(decode_record(data))
