"""What a client may ask one node, beside giving commands: how it is, and its log.

Nothing here changes anything, so the answers need no exactly-once: a question
is simply asked again.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import trio

from paxos_core.batch import decode_batch
from paxos_core.checksum import checksum
from paxos_core.messages import Chosen, Learn, Message, StatusReply, StatusRequest

ASK_SECONDS = 0.25
KEPT_BYTES_MAX = 64 << 20
"""Of slots that came and were not handed out yet, whatever a node sends; far more than a page."""
_ENTRY_BYTES = 256
"""What a slot costs beside its value."""


class NodeSilent(Exception):
    """The node did not answer in time."""


@dataclass(slots=True, eq=False)
class _Question:
    """One task's question; several may ask one node at once."""

    node: int
    nonce: int = 0
    status: dict[str, Any] | None = None
    chosen: dict[int, Chosen] = field(default_factory=dict)
    slot: int = 0
    """The next that is wanted of the log."""
    kept_bytes: int = 0
    answered: trio.Event = field(default_factory=trio.Event)

    def keep(self, entry: Chosen) -> None:
        """Keep a slot until it is handed out, if it is wanted and there is room."""
        size = len(entry.value) + _ENTRY_BYTES
        is_new = entry.slot >= self.slot and entry.slot not in self.chosen
        if is_new and self.kept_bytes + size <= KEPT_BYTES_MAX:
            self.chosen[entry.slot] = entry
            self.kept_bytes += size

    def take(self) -> Chosen:
        """Hand out the slot that is wanted, which is there."""
        entry = self.chosen.pop(self.slot)
        self.kept_bytes -= len(entry.value) + _ENTRY_BYTES
        self.slot += 1
        return entry


class Questions:
    """Asks through `send`; whoever receives hands the answers to `receive`."""

    def __init__(self, send: Callable[[list[tuple[int, Message]]], None]) -> None:
        self._send = send
        self._open: set[_Question] = set()

    async def status(self, node: int, timeout: float) -> dict[str, Any] | None:
        """What `Node.status` says there; `None` if no answer comes within `timeout` seconds."""
        question = _Question(node, secrets.randbits(63))
        self._open.add(question)
        try:
            with trio.move_on_after(timeout):
                while question.status is None:
                    await self._ask(question, StatusRequest(question.nonce))
        finally:
            self._open.discard(question)
        return question.status

    async def log(
        self, node: int, first_slot: int, timeout: float
    ) -> AsyncIterator[tuple[int, list[bytes]]]:
        """The log of `node`, as `Client.log` says."""
        question = _Question(node, slot=first_slot)
        chosen = question.chosen
        self._open.add(question)
        try:
            while True:
                with trio.move_on_after(timeout) as scope:
                    while question.slot not in chosen:
                        await self._ask(question, Learn(question.slot))
                        question.slot = min(chosen, default=question.slot)
                if scope.cancelled_caught:
                    raise NodeSilent(f"node {node} did not answer for {timeout:g} s")
                entry = question.take()
                if checksum(entry.value) == entry.checksum:
                    yield entry.slot, decode_batch(entry.value) or []
                if question.slot >= entry.watermark:
                    return
        finally:
            self._open.discard(question)

    async def _ask(self, question: _Question, message: Message) -> None:
        self._send([(question.node, message)])
        with trio.move_on_after(ASK_SECONDS):
            await question.answered.wait()
        question.answered = trio.Event()

    def receive(self, sender: int, message: StatusReply | Chosen) -> None:
        """An answer; one that nobody waits for any more is ignored."""
        for question in self._open:
            if question.node != sender:
                continue
            match message:
                case StatusReply(nonce, status) if nonce == question.nonce:
                    question.status = _unpack_status(status)
                    question.answered.set()
                case Chosen():
                    question.keep(message)
                    if message.slot + 1 == message.page_end:
                        question.answered.set()


def _unpack_status(data: bytes) -> dict[str, Any] | None:
    try:
        status = msgpack.unpackb(data)
    except (ValueError, TypeError):
        return None
    return status if isinstance(status, dict) else None
