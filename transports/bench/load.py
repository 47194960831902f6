"""Loads a cluster through its client, in a closed loop or by plan, and checks every answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import repeat
from time import perf_counter_ns
from typing import Final

import trio

from transports.bench.meter import NS, Job, Meter
from transports.bench.saved.schema import Closed, Open
from transports.bench.timer import open_timer
from transports.bench.wire import Message
from transports.node.client import Client, ClientError, Outcome

DRAIN_SECONDS: Final = 20.0
LEADER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01
CHUNK: Final = 64
"""Commands between two looks at the clock, where so many are on their way: a look costs what
a tenth of a command does."""
PLAN_NS_MIN: Final = 100_000
"""How often at most the plan is looked at: what is due within that time leaves together."""


class LoadFailed(Exception):
    """A command failed, was lost, or was applied twice."""


async def run_job(client: Client, job: Job, tell: Callable[[], Message] = dict) -> Message:
    """One load; what `Meter.result` says. `tell` is the `Meter`'s. Raises `LoadFailed`."""
    command = bytes(job.command_bytes)
    if job.command_bytes > client.command_bytes_max:
        raise LoadFailed(f"a command of {job.command_bytes} bytes does not fit this layer")
    before = await submit_checked(client, command, None)
    meter = Meter(job, tell)
    run = _closed if isinstance(job.load, Closed) else _planned
    limit = job.warm_seconds + job.seconds + DRAIN_SECONDS
    with trio.move_on_after(limit) as scope:
        ended = await run(client, job, command, meter)
    if scope.cancelled_caught:
        raise LoadFailed(f"commands had no outcome {DRAIN_SECONDS:.0f} s after the end of the load")
    await submit_checked(client, command, before + ended + 1)
    try:
        return meter.result()
    except ValueError as error:
        raise LoadFailed(str(error)) from error


async def submit_checked(client: Client, command: bytes, expected: int | None) -> int:
    """Submit one command; its number in the journal, which must be `expected` if that is given.

    Raises `LoadFailed`.
    """
    try:
        number = int(await client.submit(command))
    except ClientError as error:
        raise LoadFailed(f"a command failed: {type(error).__name__}: {error}") from error
    if expected is not None and number != expected:
        raise LoadFailed(f"the journal counted {number} where {expected} was due: lost or repeated")
    return number


class _Begun:
    """When each command began, by its ticket: commands that left together share an entry."""

    def __init__(self) -> None:
        self._tickets: list[int] = []
        self._times_ns: list[int] = []
        self._next = 0

    def left(self, ticket: int, count: int, now_ns: int) -> None:
        self._tickets.append(ticket)
        self._times_ns.append(now_ns)
        self._next = ticket + count

    def groups(self, ticket: int, count: int) -> Iterator[tuple[int, int]]:
        """(began, how many) of the commands from `ticket` on."""
        end = ticket + count
        index = bisect_right(self._tickets, ticket) - 1
        while ticket < end:
            following = index + 1
            limit = self._tickets[following] if following < len(self._tickets) else self._next
            upto = min(end, limit)
            yield self._times_ns[index], upto - ticket
            ticket, index = upto, following


async def _closed(client: Client, job: Job, command: bytes, meter: Meter) -> int:
    """So many on their way at all times; the next leave in the call-back of the last."""
    assert isinstance(job.load, Closed)
    chunk = CHUNK if job.load.outstanding >= CHUNK else 1
    begun = _Begun()
    pulled_ns = ended = 0
    failure = ""

    def commands() -> Iterator[bytes]:
        nonlocal pulled_ns
        while not failure and meter.is_open(now_ns := perf_counter_ns()):
            # The first of a batch counts: the client's own work belongs to the command.
            pulled_ns = pulled_ns or now_ns
            yield from repeat(command, chunk)

    def left(ticket: int, count: int) -> None:
        nonlocal pulled_ns
        begun.left(ticket, count, pulled_ns or perf_counter_ns())
        pulled_ns = 0

    def note(ticket: int, outcomes: list[Outcome]) -> None:
        nonlocal ended, failure
        now_ns = perf_counter_ns()
        failure = failure or _first_failure(outcomes)
        ended += len(outcomes)
        for began_ns, count in begun.groups(ticket, len(outcomes)):
            meter.ended(began_ns, count, now_ns)

    await client.stream(
        commands(), outstanding=job.load.outstanding, on_submit=left, on_outcomes=note
    )
    if failure:
        raise LoadFailed(failure)
    return ended


def _first_failure(outcomes: list[Outcome]) -> str:
    if set(map(type, outcomes)) == {bytes}:
        return ""
    error = next(outcome for outcome in outcomes if isinstance(outcome, ClientError))
    return f"a command failed: {type(error).__name__}: {error}"


class Plan:
    """When commands of an open loop are due: one every `interval_ns`, the first at the begin."""

    def __init__(self, load: Open, begin_ns: int) -> None:
        self.begin_ns = begin_ns
        self.interval_ns = NS / load.per_second
        self.left = 0

    def due(self, now_ns: int) -> int:
        """How many are due by now that have not left."""
        return int((now_ns - self.begin_ns) / self.interval_ns) + 1 - self.left

    def planned_ns(self, number: int) -> int:
        """When the command of this number, from 0, was to leave."""
        return self.begin_ns + int(number * self.interval_ns)


async def _planned(client: Client, job: Job, command: bytes, meter: Meter) -> int:
    """Commands leave when they are due, whatever has become of those before them."""
    assert isinstance(job.load, Open)
    plan = Plan(job.load, meter.begin_ns)
    ended, failure, first = 0, "", -1
    changed = trio.Event()

    def note(ticket: int, outcomes: list[Outcome]) -> None:
        nonlocal ended, failure
        now_ns = perf_counter_ns()
        failure = failure or _first_failure(outcomes)
        ended += len(outcomes)
        for number in range(ticket - first, ticket - first + len(outcomes)):
            meter.ended(plan.planned_ns(number), 1, now_ns)
        if ended == plan.left:
            changed.set()

    async with open_timer(max(PLAN_NS_MIN, int(plan.interval_ns))) as timer:
        while not failure and meter.is_open(now_ns := perf_counter_ns()):
            count = plan.due(now_ns)
            if count > 0:
                first = _post(client, [command] * count, note, first)
                plan.left += count
            await timer.wait()
    if not failure and (count := plan.due(meter.end_ns - 1)) > 0:
        # Whoever was kept from sending is charged with it as well.
        first = _post(client, [command] * count, note, first)
        plan.left += count
    while ended < plan.left and not failure:
        changed = trio.Event()
        await changed.wait()
    if failure:
        raise LoadFailed(failure)
    return ended


def _post(
    client: Client,
    commands: list[bytes],
    note: Callable[[int, list[Outcome]], None],
    first: int,
) -> int:
    """Have commands leave; the ticket of the first of all. Raises `LoadFailed`."""
    try:
        ticket = client.post(commands, note)
    except ClientError as error:
        raise LoadFailed(f"the plan asks for too much: {type(error).__name__}: {error}") from error
    return ticket if first < 0 else first


async def wait_agreed(client: Client, seconds: float) -> None:
    """Until all nodes have applied the same log. Raises `LoadFailed`."""
    with trio.move_on_after(seconds):
        while True:
            found = [await client.status(node) for node in client.config.nodes]
            logs = {(s["applied"], s["digest"]) if s else None for s in found}
            if len(logs) == 1 and None not in logs:
                return
            await trio.sleep(POLL_SECONDS)
    raise LoadFailed(f"the nodes' logs were not the same after {seconds:.0f} s")


async def find_leader(client: Client) -> int:
    """Who leads, once all nodes say the same. Raises `LoadFailed`."""
    with trio.move_on_after(LEADER_SECONDS):
        while True:
            found = [await client.status(node) for node in client.config.nodes]
            leaders = {s["leader"] if s else 0 for s in found}
            if len(leaders) == 1 and 0 not in leaders:
                return int(leaders.pop())
            await trio.sleep(POLL_SECONDS)
    raise LoadFailed(f"no leader that all nodes know after {LEADER_SECONDS:.0f} s")
