"""The client of a cluster of Python nodes, as a process of its own.

It reads a load, says who leads after the warm-up, waits for a line, and says what it measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from statistics import median
from time import monotonic_ns

import trio

from transports.bench.wire import Message, say
from transports.node.client import Client, Outcome, open_client
from transports.node.config import load_config

POLL_SECONDS = 0.05
LEADER_SECONDS = 60.0
LOAD_SECONDS = 200.0


class Timed:
    """Takes the time of each command of a stream."""

    def __init__(self) -> None:
        self._sent: dict[int, int] = {}
        self.took: list[int] = []

    def submitted(self, ticket: int, count: int) -> None:
        """As `Client.stream` says it."""
        self._sent.update(zip(range(ticket, ticket + count), repeat(monotonic_ns())))

    def ended(self, ticket: int, outcomes: list[Outcome]) -> None:
        """Likewise. Raises the error that a command ended with."""
        now = monotonic_ns()
        for number, outcome in enumerate(outcomes, ticket):
            if isinstance(outcome, Exception):
                raise outcome
            self.took.append(now - self._sent.pop(number))


async def load(client: Client, command: bytes, commands: int, outstanding: int) -> Timed:
    """So many commands, one after the other; raises what one of them ended with."""
    timed = Timed()
    source: Iterator[bytes] = repeat(command, commands)
    with trio.fail_after(LOAD_SECONDS):
        await client.stream(
            source,
            outstanding=outstanding,
            on_submit=timed.submitted,
            on_outcomes=timed.ended,
        )
    return timed


async def leader_and_slots(client: Client) -> tuple[int, int]:
    """Who leads, by its own word, and how many slots are chosen."""
    with trio.fail_after(LEADER_SECONDS):
        while True:
            for node in client.config.nodes:
                status = await client.status(node)
                if status and status["role"] == "leader":
                    return node, int(status["chosen"])
            await trio.sleep(POLL_SECONDS)


async def measure(
    client: Client, outstanding: int, commands: int, warm_up: int, size: int
) -> Message:
    """One load, begun when stdin says so; what came out."""
    await load(client, bytes(size), warm_up, outstanding)
    leader, before = await leader_and_slots(client)
    say({"ready": leader})
    # Between two loads nothing is to happen here: this may block.
    sys.stdin.readline()
    began = monotonic_ns()
    timed = await load(client, bytes(size), commands, outstanding)
    ended = monotonic_ns()
    print("done", flush=True)
    still, after = await leader_and_slots(client)
    if still != leader:
        raise RuntimeError(f"node {leader} led, and then node {still}")
    return {
        "commands": len(timed.took),
        "slots": after - before,
        "ns": ended - began,
        "p50_ns": median(timed.took),
    }


async def run(path: Path) -> None:
    """Be the client: each line of stdin is a load, as the numbers that `measure` takes."""
    async with open_client(load_config(path), dedicated=True) as client:
        while line := sys.stdin.readline():
            outstanding, commands, warm_up, size = map(int, line.split())
            say(await measure(client, outstanding, commands, warm_up, size))
