"""Clients that do what they like to a few keys, and write down what they see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
READ_AGAIN: Final = "read again"
"""The outcome of a read after the storm: it alone is no answer while things went wrong."""
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
    keys: dict[str, None] = field(default_factory=dict)
    """Every key that was ever used, in the order of first use."""
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

    async def read_again(self, client: Client, keys: Iterator[str]) -> None:
        """Read `keys` until none is left, each until there is an answer: all is healed.

        A key that is no longer drawn would show nothing of what was lost under it.
        """
        process = self._next_process()
        for key in keys:
            while (error := await self._submit(client, process, "get", key, "")) is not None:
                self.outcomes[type(error).__name__] += 1
                if not isinstance(error, NOT_APPLIED):
                    process = self._next_process()
            self.outcomes[READ_AGAIN] += 1

    def _next_process(self) -> int:
        self._process += 1
        return self._process

    async def _one(self, client: Client, process: int) -> bool:
        """Whether the process may go on."""
        kind = self.dice.choice(("get", "get", "put", "append", "append"))
        key, value = self._key(), f"{self._begun};"
        self._begun += 1
        error = await self._submit(client, process, kind, key, value)
        if error is not None:
            self.outcomes[type(error).__name__] += 1
            return isinstance(error, NOT_APPLIED)
        self.outcomes[ANSWERED] += 1
        self.moments.append(monotonic() - self.began)
        return True

    async def _submit(
        self, client: Client, process: int, kind: str, key: str, value: str
    ) -> ClientError | None:
        """One operation, written down; what it failed with."""
        reads = kind == "get"
        self.keys[key] = None
        self.recorder.call(process, kind, key, None if reads else value)
        try:
            result = await client.submit(encode(kind, key, "" if reads else value))
        except NOT_APPLIED as error:
            self.recorder.failed(process)
            return error
        except ClientError as error:
            return error
        self.recorder.ok(process, result.decode() if reads else None)
        return None

    def _key(self) -> str:
        generation = self._begun // (KEYS_AT_ONCE * OPERATIONS_A_KEY)
        return f"k{generation * KEYS_AT_ONCE + self.dice.randrange(KEYS_AT_ONCE)}"
