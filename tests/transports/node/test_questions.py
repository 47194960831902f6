"""What a client keeps of a node's answers, whatever the node sends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.messages import Chosen, Learn, Message
from transports.node import questions
from transports.node.questions import Questions


def entry(slot: int, size: int = 10) -> Chosen:
    value = encode_batch([bytes(size)])
    return Chosen(slot, slot + 1, 10, checksum(value), value)


async def test_a_node_that_sends_slots_without_end_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(questions, "KEPT_BYTES_MAX", 1500)
    asked: list[int] = []

    def answer(messages: list[tuple[int, Message]]) -> None:
        for node, message in messages:
            assert isinstance(message, Learn)
            asked.append(message.from_slot)
            for slot in range(1000):
                client.receive(node, entry(slot))
            (question,) = client._open
            assert sum(len(kept.value) + 256 for kept in question.chosen.values()) <= 1500

    client = Questions(answer)
    log = cast("AsyncGenerator[tuple[int, list[bytes]], None]", client.log(1, 0, 1.0))
    async with aclosing(log) as decided:
        assert [slot async for slot, _ in decided] == list(range(10))
    assert asked == [0, 5]
