"""A closed loop of commands: as some of them end, the next ones leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import trio

from paxos_core.client import Completion, Outcome

Listener = Callable[[Completion], None]


class Stream:
    """The commands of one `Client.stream`, which see.

    ``leave(commands, listener)`` has commands leave, and returns the ticket of the first;
    the listener is called as they end.
    """

    __slots__ = (
        "_idle", "_leave", "_listener", "_on_outcomes", "_on_submit", "_on_their_way", "_over",
        "_refusal", "_room", "_source",
    )  # fmt: skip

    def __init__(
        self,
        commands: Iterable[bytes],
        outstanding: int,
        leave: Callable[[list[bytes], Listener], int],
        on_submit: Callable[[int, int], None],
        on_outcomes: Callable[[int, list[Outcome]], None],
    ) -> None:
        self._source = iter(commands)
        self._room = outstanding
        self._leave = leave
        self._on_submit = on_submit
        self._on_outcomes = on_outcomes
        self._on_their_way = 0
        self._idle = trio.Event()
        self._over = False
        self._refusal: Exception | None = None
        # One object for all commands: the client parts what ends by who listens to it.
        self._listener: Listener = self._ended

    def fill(self) -> None:
        """Have as many leave as there is room for. Raises what the client refuses."""
        batch = list(islice(self._source, self._room))
        if not batch:
            return
        count = len(batch)
        ticket = self._leave(batch, self._listener)
        self._on_their_way += count
        self._room -= count
        self._on_submit(ticket, count)

    def _ended(self, completion: Completion) -> None:
        if self._over:
            return
        count = len(completion.outcomes)
        self._on_their_way -= count
        self._room += count
        try:
            self._on_outcomes(completion.ticket, completion.outcomes)
            # The next ones leave within the drain that brought these answers.
            self.fill()
        except Exception as error:
            # Not here, where it would end the receiving of everybody's answers.
            self._refusal = self._refusal or error
            self._source = iter(())
        if self._on_their_way == 0:
            self._idle.set()

    async def wait(self) -> None:
        """Wait for what is on its way. Raises what ended the stream before its commands did."""
        if self._on_their_way:
            await self._idle.wait()
        if self._on_their_way:
            raise trio.ClosedResourceError
        if self._refusal is not None:
            raise self._refusal

    def close(self) -> None:
        """Nothing more leaves, and nobody is told of anything any more."""
        self._over = True
        self._idle.set()
