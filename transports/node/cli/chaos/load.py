"""Clients that do what they like to a few keys, and write down what they see."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Final

from paxos_core.testing.linearize import Recorder
from transports.node.cli.chaos.keys import encode
from transports.node.cli.chaos.verdict import ANSWERED
from transports.node.client import (
    Client,
    ClientError,
    ClusterUnreachable,
    CommandTooLarge,
    Overloaded,
)

KEYS_AT_ONCE: Final = 5
OPERATIONS_A_KEY: Final = 60
"""Then a new key takes its place: the checker's work grows with what happens to one key."""
NOT_APPLIED: Final = (ClusterUnreachable, Overloaded, CommandTooLarge)


@dataclass
class Load:
    """What all clients of a run share."""

    dice: Random
    recorder: Recorder = field(default_factory=Recorder)
    outcomes: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=monotonic)
    moments: list[float] = field(default_factory=list)
    """When each answer came, in seconds from the beginning."""
    stopped: bool = False
    _begun: int = 0
    _process: int = 0

    async def work(self, client: Client) -> None:
        """One operation after the other, until it is stopped."""
        process = self._next_process()
        while not self.stopped:
            if not await self._one(client, process):
                # Its last operation may still take effect: it is never heard of again.
                process = self._next_process()

    def _next_process(self) -> int:
        self._process += 1
        return self._process

    async def _one(self, client: Client, process: int) -> bool:
        """Whether the process may go on."""
        kind = self.dice.choice(("get", "get", "put", "append", "append"))
        key, value = self._key(), f"{self._begun};"
        self._begun += 1
        self.recorder.call(process, kind, key, None if kind == "get" else value)
        try:
            result = await client.submit(encode(kind, key, "" if kind == "get" else value))
        except NOT_APPLIED as error:
            self.recorder.failed(process)
            self.outcomes[type(error).__name__] += 1
            return True
        except ClientError as error:
            self.outcomes[type(error).__name__] += 1
            return False
        self.recorder.ok(process, result.decode() if kind == "get" else None)
        self.outcomes[ANSWERED] += 1
        self.moments.append(monotonic() - self.began)
        return True

    def _key(self) -> str:
        generation = self._begun // (KEYS_AT_ONCE * OPERATIONS_A_KEY)
        return f"k{generation * KEYS_AT_ONCE + self.dice.randrange(KEYS_AT_ONCE)}"
