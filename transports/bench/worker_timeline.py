"""A process of the bench: a client that notes when answers come, while the leader is killed.

Arguments: the configuration file, how many commands are outstanding, and for how many seconds.
It says ``{"running": true}``, takes ``{"killed_ns": n}`` (of the monotonic clock, which all
processes share), and says ``{"result": {...}}``: `begin_ns`, `answers` in each bucket, and
`answered_ns`, when a command that was submitted after the kill was first answered.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import aclosing
from time import monotonic_ns
from typing import Final

import trio

from transports.bench.load import DRAIN_SECONDS, LoadFailed, submit_checked
from transports.bench.wire import Message, read_messages, run_worker, say
from transports.node.client import Client, ClientError, Outcome, open_client
from transports.node.config import load_config

NS: Final = 1_000_000_000
BUCKET_NS: Final = 20_000_000
COMMAND: Final = bytes(64)


class Timeline:
    """Counts answers by the time at which they come."""

    def __init__(self, seconds: float) -> None:
        self.begin_ns = monotonic_ns()
        self._end_ns = self.begin_ns + int(seconds * NS)
        self.answers = [0] * (int(seconds * NS) // BUCKET_NS + 1)
        self.killed_ns = 0
        self.answered_ns = 0
        self.ended = 0
        self.failure = ""
        self._later = -1
        """The first ticket that was submitted after the kill."""

    def commands(self) -> Iterator[bytes]:
        """Until the end."""
        while monotonic_ns() < self._end_ns and not self.failure:
            yield COMMAND

    def left(self, ticket: int, _count: int) -> None:
        """Commands leave."""
        if self.killed_ns and self._later < 0:
            self._later = ticket

    def note(self, ticket: int, outcomes: list[Outcome]) -> None:
        """Answers come."""
        now = monotonic_ns()
        self.ended += len(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, ClientError):
                self.failure = self.failure or f"{type(outcome).__name__}: {outcome}"
        bucket = (now - self.begin_ns) // BUCKET_NS
        if bucket < len(self.answers):
            self.answers[bucket] += len(outcomes)
        if not self.answered_ns and 0 <= self._later <= ticket:
            self.answered_ns = now


async def listen(timeline: Timeline) -> None:
    """Hear of the kill."""
    async with (
        trio.lowlevel.FdStream(os.dup(0)) as stdin,
        aclosing(read_messages(stdin)) as messages,
    ):
        async for message in messages:
            timeline.killed_ns = int(message["killed_ns"])


async def watch(client: Client, outstanding: int, seconds: float) -> Message:
    """The whole load, every command of it checked. Raises `LoadFailed`."""
    before = await submit_checked(client, COMMAND, None)
    timeline = Timeline(seconds)
    say({"running": True})
    with trio.move_on_after(seconds + DRAIN_SECONDS) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, timeline)
            await client.stream(
                timeline.commands(),
                outstanding=outstanding,
                on_submit=timeline.left,
                on_outcomes=timeline.note,
            )
            nursery.cancel_scope.cancel()
    if scope.cancelled_caught:
        raise LoadFailed(f"commands had no outcome {DRAIN_SECONDS:.0f} s after the end of the load")
    if timeline.failure:
        raise LoadFailed(f"a command failed: {timeline.failure}")
    await submit_checked(client, COMMAND, before + timeline.ended + 1)
    if not timeline.answered_ns:
        raise LoadFailed("nothing that was submitted after the kill was answered")
    return {
        "begin_ns": timeline.begin_ns,
        "answers": timeline.answers,
        "answered_ns": timeline.answered_ns,
    }


async def run(path: str, outstanding: int, seconds: float) -> None:
    """Open a client, watch, and say what was seen."""
    async with open_client(load_config(path), timeout=DRAIN_SECONDS, dedicated=True) as client:
        say({"result": await watch(client, outstanding, seconds)})


def main() -> int:
    """Do it."""
    path, outstanding, seconds = sys.argv[1:]
    return run_worker("client", lambda: trio.run(run, path, int(outstanding), float(seconds)))


if __name__ == "__main__":
    sys.exit(main())
