"""A process of the bench: the client that loads the cluster and takes the time.

Arguments: the configuration file and a job as JSON. A job names its `kind`; its
other entries are the arguments of the function for that kind. Every kind checks,
with the journal's running number as witness, that each acknowledged command was
applied once: a run that lost or repeated one raises `LoadFailed`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from itertools import repeat
from time import perf_counter_ns

import trio

from transports.bench.statistics import summarise_ns
from transports.bench.wire import Message, read_messages, say
from transports.node.client import Client, ClientError, Outcome, open_client
from transports.node.config import load_config

NS = 1_000_000_000
DRAIN_SECONDS = 20.0
LEADER_SECONDS = 10.0
POLL_SECONDS = 0.02


class LoadFailed(Exception):
    """A command failed, was lost, or was applied twice."""


async def submit_checked(client: Client, command: bytes, expected: int | None) -> int:
    """Submit one command; its number in the journal, which must be `expected` if that is given."""
    try:
        number = int(await client.submit(command))
    except ClientError as error:
        raise LoadFailed(f"a command failed: {type(error).__name__}: {error}") from error
    if expected is not None and number != expected:
        raise LoadFailed(f"the journal counted {number} where {expected} was due: lost or repeated")
    return number


async def latency(
    client: Client, *, warm_seconds: float, seconds: float, command_bytes: int
) -> Message:
    """One command outstanding: the quantiles of the time from submission to result.

    The next command leaves in the call-back of the last, as PySyncObj's do: no
    task hands over to another between them.
    """
    command = bytes(command_bytes)
    number = await submit_checked(client, command, None)
    begin = perf_counter_ns()
    warm_until = begin + int(warm_seconds * NS)
    end = warm_until + int(seconds * NS)
    samples: list[int] = []
    start = 0
    failure: LoadFailed | None = None

    def commands() -> Iterator[bytes]:
        nonlocal start
        while failure is None and (start := perf_counter_ns()) < end:
            yield command

    def ended(_ticket: int, outcomes: list[Outcome]) -> None:
        nonlocal number, failure
        if start >= warm_until:
            samples.append(perf_counter_ns() - start)
        (outcome,) = outcomes
        number += 1
        if outcome != b"%d" % number:
            failure = LoadFailed(
                f"the journal answered {outcome!r:.80} where {number} was due: lost or repeated"
            )

    await client.stream(
        commands(), outstanding=1, on_submit=lambda _ticket, _count: None, on_outcomes=ended
    )
    if failure is not None:
        raise failure
    if not samples:
        raise LoadFailed("no command ended within the time: give it more")
    return summarise_ns(samples) | {"seconds": seconds}


class Window:
    """Counts outcomes, and takes the time between the first and last after the warm-up."""

    def __init__(self, warm_seconds: float, seconds: float) -> None:
        self.failure = ""
        self.ended = 0
        self.counted = 0
        self.began_ns = 0
        self.last_ns = 0
        self._warm_until = perf_counter_ns() + int(warm_seconds * NS)
        self._end = self._warm_until + int(seconds * NS)

    def open(self) -> bool:
        """Whether more commands should be submitted."""
        return perf_counter_ns() < self._end and not self.failure

    def note(self, _ticket: int, outcomes: list[Outcome]) -> None:
        """Take outcomes as `Client.stream` hands them over."""
        self.ended += len(outcomes)
        if set(map(type, outcomes)) != {bytes}:
            error = next(outcome for outcome in outcomes if isinstance(outcome, ClientError))
            self.failure = f"{type(error).__name__}: {error}"
        now = perf_counter_ns()
        if now < self._warm_until or now > self._end:
            return
        if self.began_ns:
            self.counted += len(outcomes)
        else:
            self.began_ns = now
        self.last_ns = now

    def per_second(self) -> float:
        """Outcomes per second within the window. Raises `LoadFailed` if it saw too few."""
        if self.counted == 0:
            raise LoadFailed("too few commands ended within the time: give it more")
        return self.counted * NS / (self.last_ns - self.began_ns)


async def throughput(
    client: Client, *, warm_seconds: float, seconds: float, command_bytes: int, outstanding: int
) -> Message:
    """`outstanding` commands on their way at all times: how many end per second."""
    command = bytes(command_bytes)
    before = await submit_checked(client, command, None)
    window = Window(warm_seconds, seconds)

    def commands() -> Iterator[bytes]:
        # The clock is looked at once per 64: it costs what a tenth of a command does.
        while window.open():
            yield from repeat(command, 64)

    await _stream(client, commands(), window, outstanding, warm_seconds + seconds)
    await submit_checked(client, command, before + window.ended + 1)
    return {
        "commands_per_second": window.per_second(),
        "commands": window.counted,
        "seconds": (window.last_ns - window.began_ns) / NS,
    }


async def count(
    client: Client, *, commands: int, command_bytes: int, outstanding: int, limit_seconds: float
) -> Message:
    """Exactly `commands` commands, as fast as they go."""
    command = bytes(command_bytes)
    before = await submit_checked(client, command, None)
    window = Window(0.0, limit_seconds)
    await _stream(client, repeat(command, commands - 2), window, outstanding, limit_seconds)
    await submit_checked(client, command, before + commands - 1)
    return {"commands": commands}


async def _stream(
    client: Client, commands: Iterator[bytes], window: Window, outstanding: int, seconds: float
) -> None:
    with trio.move_on_after(seconds + DRAIN_SECONDS) as scope:
        await client.stream(
            commands,
            outstanding=outstanding,
            on_submit=lambda _ticket, _count: None,
            on_outcomes=window.note,
        )
    if window.failure:
        raise LoadFailed(f"a command failed: {window.failure}")
    if scope.cancelled_caught:
        raise LoadFailed(f"commands had no outcome {DRAIN_SECONDS:.0f} s after the end of the load")


class Kills:
    """When the bench killed a leader, as told over stdin; None between kills."""

    def __init__(self) -> None:
        self.killed_ns: int | None = None
        self.stop = False

    async def listen(self) -> None:
        """Follow stdin; its end is the end of the load."""
        async with (
            trio.lowlevel.FdStream(os.dup(0)) as stdin,
            aclosing(read_messages(stdin)) as messages,
        ):
            async for message in messages:
                self.killed_ns = message.get("killed_ns")
                if "stop" in message:
                    break
        self.stop = True


async def failover(client: Client, *, command_bytes: int, limit_seconds: float) -> Message:
    """Keep one command outstanding; after each kill, say when the next one was answered.

    The one on its way when the leader died may have been answered by the dead, so
    it is the first that was submitted after the kill that counts.
    """
    command = bytes(command_bytes)
    kills = Kills()
    number = await submit_checked(client, command, None)
    first = number
    end = perf_counter_ns() + int(limit_seconds * NS)
    say({"running": True})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kills.listen)
        while not kills.stop:
            start = perf_counter_ns()
            if start > end:
                raise LoadFailed(f"not done after {limit_seconds:.0f} s")
            number = await submit_checked(client, command, number + 1)
            if kills.killed_ns is not None and start >= kills.killed_ns:
                kills.killed_ns = None
                say({"answered_ns": perf_counter_ns()})
        nursery.cancel_scope.cancel()
    return {"commands": number - first}


async def agree(client: Client, *, command_bytes: int, limit_seconds: float) -> Message:
    """Wait until all nodes have applied the same log."""
    with trio.move_on_after(limit_seconds):
        while True:
            found = [await client.status(node) for node in client.config.nodes]
            logs = {(s["applied"], s["digest"]) if s else None for s in found}
            if len(logs) == 1 and None not in logs:
                return {"commands": 0, "command_bytes": command_bytes}
            await trio.sleep(POLL_SECONDS)
    raise LoadFailed(f"the nodes' logs were not the same after {limit_seconds:.0f} s")


async def traced(
    client: Client, *, command_bytes: int, seconds: float, outstanding: int
) -> Message:
    """`throughput`, begun when stdin says so: the bench first traces the leader it is told of."""
    command = bytes(command_bytes)
    before = await submit_checked(client, command, None)
    leader = await _find_leader(client)
    say({"leading": leader})
    async with (
        trio.lowlevel.FdStream(os.dup(0)) as stdin,
        aclosing(read_messages(stdin)) as messages,
    ):
        await anext(messages)
    window = Window(0.0, seconds)

    def commands() -> Iterator[bytes]:
        while window.open():
            yield from repeat(command, 64)

    await _stream(client, commands(), window, outstanding, seconds)
    await submit_checked(client, command, before + window.ended + 1)
    if await _find_leader(client) != leader:
        raise LoadFailed("another node leads after the load, so its calls were not counted")
    return {"commands": window.ended, "commands_per_second": window.per_second()}


async def _find_leader(client: Client) -> int:
    with trio.move_on_after(LEADER_SECONDS):
        while True:
            found = [await client.status(node) for node in client.config.nodes]
            leaders = {s["leader"] if s else 0 for s in found}
            if len(leaders) == 1 and 0 not in leaders:
                return int(leaders.pop())
            await trio.sleep(POLL_SECONDS)
    raise LoadFailed(f"no leader that all nodes know after {LEADER_SECONDS:.0f} s")


JOBS: dict[str, Callable[..., Awaitable[Message]]] = {
    "latency": latency,
    "throughput": throughput,
    "count": count,
    "failover": failover,
    "agree": agree,
    "traced": traced,
}


async def run(path: str, job: Message) -> Message:
    """Open a client and do the job."""
    kind = job.pop("kind")
    async with open_client(load_config(path), dedicated=True) as client:
        return await JOBS[kind](client, **job)


def main() -> int:
    """Do the job and say its result, or why there is none (then 1)."""
    path, job = sys.argv[1:]
    try:
        result = trio.run(run, path, json.loads(job))
    except Exception as error:
        say({"error": f"client: {_reason(error)}"})
        return 1
    say({"result": result})
    return 0


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
