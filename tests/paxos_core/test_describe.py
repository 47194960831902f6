"""Text for people: one line, printable, bounded."""

from __future__ import annotations

import pytest

from paxos_core import messages as m
from paxos_core.batch import NOOP, encode_batch
from paxos_core.describe import (
    describe_commands,
    describe_message,
    describe_record,
    describe_value,
    printable,
)
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    Promised,
    RawRecord,
    Snapshot,
    Voted,
    encode_record,
)
from paxos_core.session import NO_SESSION, encode_group
from paxos_core.types import make_ballot

B = make_ballot(2, 1)
X = encode_batch([b"x"])
GROUP = encode_group(0x10000, 1, 3, encode_batch([b"x", b"y"]))
OPEN = encode_group(NO_SESSION, 5, 0, NOOP)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        ("größe".encode(), "größe"),
        (b"\xff\n\x1b", "\\xff\\n\\x1b"),
        ("\u202eabc".encode(), "\\u202eabc"),
    ],
)
def test_what_cannot_be_printed_is_escaped(data: bytes, text: str) -> None:
    assert printable(data) == text
    assert printable(data).isprintable()


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ([], "no-op"),
        ([b""], "(empty)"),
        ([b"a", b"b"], "a + b"),
        ([GROUP], "x + y"),
        ([OPEN], "(opens a session)"),
        ([b"x" * 30, b"y"], "x" * 20 + "..."),
        ([b"z"] * 4000, "z + z + z + z + z + ..."),
    ],
)
def test_commands(commands: list[bytes], text: str) -> None:
    assert describe_commands(commands, 20) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOOP, "no-op"),
        (b"?", "(no batch)"),
        (X, "x"),
        (encode_batch([GROUP]), "session 0x10000 from 3: x, y"),
        (encode_batch([OPEN]), "open session"),
        (encode_batch([b"x" * 50]), "x" * 40 + "..."),
    ],
)
def test_values(value: bytes, text: str) -> None:
    assert describe_value(value) == text


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (m.PreVote(B, 3), "PreVote 2.1, chosen below 3"),
        (m.PreVoteReply(B, 1, B, 3), "PreVoteReply 2.1 granted, promised 2.1, chosen below 3"),
        (m.PreVoteReply(B, 0, 0, 3), "PreVoteReply 2.1 refused, promised -, chosen below 3"),
        (m.Prepare(B, 4), "Prepare 2.1, slots 4 and up"),
        (m.Promise(B, 0, m.NO_MORE, 3, []), "Promise 2.1, no votes (chosen below 3)"),
        (
            m.Promise(B, 0, 7, 3, [m.Vote(4, B, 0, X)]),
            "Promise 2.1, slot 4 in 2.1: x, more from slot 7 (chosen below 3)",
        ),
        (m.Accept(B, 4, 3, 0, X), "Accept 2.1, slot 4: x (chosen below 3)"),
        (m.Accepted(B, 4, 4), "Accepted 2.1, slot 4"),
        (m.Accepted(B, 4, 6), "Accepted 2.1, slots 4..6"),
        (m.Nack(B, B), "Nack 2.1, promised 2.1"),
        (m.Heartbeat(B, 3, 1), "Heartbeat 2.1, chosen below 3"),
        (m.HeartbeatAck(B, 3, 1), "HeartbeatAck 2.1, chosen below 3"),
        (m.Learn(4), "Learn, slots 4 and up"),
        (m.Chosen(4, 9, 5, 0, X), "Chosen, slot 4: x (chosen below 5)"),
        (m.SnapshotRequest(4, 8), "SnapshotRequest below slot 4, from byte 8"),
        (m.SnapshotChunk(4, 2, 9, 9, 0, b"xy"), "SnapshotChunk below slot 4, bytes 2..4 of 9"),
        (m.StatusRequest(7), "StatusRequest(nonce=7)"),
    ],
)
def test_messages(message: m.Message, text: str) -> None:
    assert describe_message(message) == text


def test_a_message_without_words_of_its_own_is_cut() -> None:
    assert len(describe_message(m.StatusReply(1, b"x" * 999))) == 160


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (Promised(B), "promised 2.1"),
        (Voted(4, B, 0, X), "voted in 2.1 for slot 4: x"),
        (ChosenValue(4, 0, X), "chosen for slot 4: x"),
        (ChosenUpTo(4), "chosen below 4"),
        (Snapshot(4, 0, b"abc"), "snapshot below slot 4, 3 bytes"),
        (RawRecord(encode_record(Promised(B))), "promised 2.1"),
    ],
)
def test_records(record: object, text: str) -> None:
    assert describe_record(record) == text  # type: ignore[arg-type]
