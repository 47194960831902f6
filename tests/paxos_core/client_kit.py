"""A client driven by hand, for the tests of the client."""

from __future__ import annotations

from typing import Any

from paxos_core import Client, ClientConfig, Completion
from paxos_core import messages as m
from paxos_core.batch import decode_batch
from paxos_core.client import (
    ClientError,
)
from paxos_core.session import pack_results

ME = 70000
SESSION = 5 << 16


class Bench:
    """A client, and the nodes' side of its conversation by hand."""

    def __init__(
        self,
        session: int | None = SESSION,
        nodes: tuple[int, ...] = (1, 2, 3),
        **settings: Any,
    ) -> None:
        self.client = Client(ClientConfig(ME, nodes, **settings))
        self.completions: list[Completion] = []
        self.sent: list[tuple[int, m.Message]] = []
        if session is not None:
            # A session is opened for the first command only; this one is answered at once.
            self.client.submit([b"hello"])
            self.take()
            self.client.receive(1, m.SessionOpened(ME, session))
            ((_, hello),) = self.requests()
            self.answer(hello)
            self.take()
            self.completions.clear()
            self.sent.clear()

    def take(self) -> list[tuple[int, m.Message]]:
        ready = self.client.take()
        self.completions += ready.completions
        self.sent += ready.messages
        return ready.messages

    def requests(self) -> list[tuple[int, m.Request]]:
        return [(to, x) for to, x in self.take() if isinstance(x, m.Request)]

    def submit(self, *commands: bytes) -> tuple[int, list[tuple[int, m.Request]]]:
        ticket = self.client.submit(commands)
        return ticket, self.requests()

    def answer(self, request: m.Request, sender: int = 1) -> None:
        commands = decode_batch(request.commands)
        assert commands is not None
        results = pack_results([b"re:" + command for command in commands])
        reply = m.Reply(request.session, request.first, request.count, results)
        self.client.receive(sender, reply)

    def refuse(
        self, request: m.Request, reason: m.Reason, sender: int = 1, leader: int = 0
    ) -> None:
        refusal = m.Refused(request.session, request.first, request.count, reason, leader)
        self.client.receive(sender, refusal)

    def ticks(self, count: int) -> list[tuple[int, m.Message]]:
        found = []
        for _ in range(count):
            self.client.tick()
            found += self.take()
        return found

    def outcomes(self) -> dict[int, bytes | ClientError]:
        """Every outcome by ticket; a ticket has one."""
        self.take()
        found: dict[int, bytes | ClientError] = {}
        for completion in self.completions:
            for ticket, outcome in enumerate(completion.outcomes, completion.ticket):
                assert ticket not in found, "a command has two outcomes"
                found[ticket] = outcome
        return found

    def kinds(self) -> dict[int, type]:
        return {ticket: type(outcome) for ticket, outcome in self.outcomes().items()}
