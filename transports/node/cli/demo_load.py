"""The demo's client: numbered commands from several tasks, and how long each took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import trio

from transports.node.client import Client, ClientError, Outcome

WORKERS: Final = 8


@dataclass(slots=True)
class Load:
    """`commands` commands, of which the second half waits until `resume` is called.

    Command n is ``b"command <n>"``, from 0: each is told from every other.
    """

    commands: int
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    first_half: list[float] = field(default_factory=list)
    """Seconds from submission to result, of the commands acknowledged before the kill."""
    second_half: list[float] = field(default_factory=list)
    """The same, for those acknowledged after it."""
    longest_pause_s: float = 0.0
    """After the kill, the longest time without any result."""
    halved: trio.Event = field(default_factory=trio.Event)
    """Half of the commands have ended, and none is on its way."""
    loaded: trio.Event = field(default_factory=trio.Event)
    """The second half has begun."""
    ended: trio.Event = field(default_factory=trio.Event)
    _resumed: trio.Event = field(default_factory=trio.Event)
    _begun: int = 0
    _last_end: float = 0.0

    @property
    def half(self) -> int:
        """How many commands come before the kill."""
        return self.commands // 2

    @property
    def acknowledged(self) -> int:
        """Commands with a result."""
        return sum(isinstance(outcome, bytes) for outcome in self.outcomes.values())

    def resume(self) -> None:
        """Let the second half begin, and count time from now."""
        self._last_end = perf_counter()
        self._resumed.set()

    async def run(self, client: Client) -> None:
        """Submit everything; returns when every command has an outcome."""
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work, client)
        self.ended.set()

    async def _work(self, client: Client) -> None:
        while self._begun < self.commands:
            number = self._begun
            if number >= self.half and not self._resumed.is_set():
                await self._resumed.wait()
                continue
            self._begun += 1
            if number >= self.half + min(WORKERS, self.commands - self.half) - 1:
                self.loaded.set()
            await self._submit(client, number)

    async def _submit(self, client: Client, number: int) -> None:
        begun = perf_counter()
        try:
            self.outcomes[number] = await client.submit(command(number))
        except ClientError as error:
            self.outcomes[number] = error
        now = perf_counter()
        if not self._resumed.is_set():
            self.first_half.append(now - begun)
            if len(self.outcomes) == self.half:
                self.halved.set()
            return
        self.second_half.append(now - begun)
        self.longest_pause_s = max(self.longest_pause_s, now - self._last_end)
        self._last_end = now


def command(number: int) -> bytes:
    """What command `number` says."""
    return b"command %d" % number


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The least value that at least `percent` of all do not exceed; None of none."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(0, int(rank) - 1)]
