"""A lock in a program: held for the length of a block, renewed meanwhile."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from examples.lock.machine import Answer, Command
from transports.node import Client

RETRY_SECONDS = 0.05


class LockLost(Exception):
    """The lease ended while its holder thought that it had the lock."""


class LockClient:
    """Locks of one holder, whose name must be nobody else's."""

    def __init__(
        self, client: Client, holder: str, clock_ms: Callable[[], int] | None = None
    ) -> None:
        self._client = client
        self._holder = holder
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)

    async def ask(self, verb: str, lock: str, lease_ms: int = 1) -> Answer:
        """One command, and its answer. Raises what `Client.submit` raises."""
        command = Command(verb, lock, self._holder, self._clock_ms(), lease_ms)  # type: ignore[arg-type]
        return msgspec.msgpack.decode(
            await self._client.submit(msgspec.msgpack.encode(command)), type=Answer
        )

    @asynccontextmanager
    async def hold(self, lock: str, lease_seconds: float) -> AsyncIterator[int]:
        """Wait for the lock, hold it, and give its token: send it along with what you write.

        Raises `LockLost` within the block if the lease was not renewed in time.
        """
        lease_ms = int(1000 * lease_seconds)
        answer = await self.ask("acquire", lock, lease_ms)
        while not answer.done:
            await trio.sleep(min(RETRY_SECONDS, answer.left_ms / 1000))
            answer = await self.ask("acquire", lock, lease_ms)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._renew, lock, lease_ms, answer.token)
            try:
                yield answer.token
            finally:
                nursery.cancel_scope.cancel()
        await self.ask("release", lock)

    async def _renew(self, lock: str, lease_ms: int, token: int) -> None:
        while True:
            await trio.sleep(lease_ms / 3000)
            answer = await self.ask("renew", lock, lease_ms)
            if not answer.done or answer.token != token:
                raise LockLost(f"{lock}: its lease has ended")
