"""A process of the bench: an endpoint of the rung `quorum`, fan-out and gather without Paxos.

The project's own transports, its loop and its batches (one drain is one batch), but nobody
promises, remembers or decides anything: the client sends commands, the leader hands them to
its followers, and answers when a majority has said that it has them.

Arguments: the configuration file and a role: `leader`, `follower` and its node, `client`, or
`all` and `echo`, which are everybody in one process. The client speaks the protocol of `meter`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from struct import Struct
from time import perf_counter_ns
from typing import Final

import trio

from transports.api import FIRST_CLIENT_ID, Frame, Transport
from transports.bench.load import DRAIN_SECONDS, PLAN_NS_MIN, Plan
from transports.bench.meter import Job, Meter, read_job
from transports.bench.saved.schema import Closed
from transports.bench.timer import open_timer
from transports.bench.wire import Message, read_messages, run_worker, say, wait_for_end
from transports.node.config import ClusterConfig, load_config
from transports.node.dedicated import collect_less, feed_drains, open_more_files
from transports.node.opening import open_endpoint

HEADER: Final = Struct(">QI12x")
"""First command's number, how many; padded to about what Paxos puts before a value."""
ANSWER_BYTES: Final = 10
"""Of a command's result, in a reply."""
LEADER: Final = 1
RESEND_SECONDS: Final = 0.25


class QuorumFailed(Exception):
    """The load did not come about. One line."""


def lead(transport: Transport, followers: list[int]) -> Callable[[list[Frame]], None]:
    """What the leader does with a drain. A majority is itself and half of its followers."""
    waiting: dict[bytes, tuple[int, set[int]]] = {}
    most = (len(followers) + 1) // 2

    def feed(frames: list[Frame]) -> None:
        out: list[Frame] = []
        for sender, frame in frames:
            head = frame[: HEADER.size]
            if sender >= FIRST_CLIENT_ID:
                waiting[head] = (sender, set())
                out += [(follower, frame) for follower in followers]
            elif (found := waiting.get(head)) is not None:
                client, answered = found
                answered.add(sender)
                if len(answered) >= most:
                    del waiting[head]
                    _first, count = HEADER.unpack(head)
                    out.append((client, head + bytes(count * ANSWER_BYTES)))
        transport.send(out)

    return feed


def follow(transport: Transport) -> Callable[[list[Frame]], None]:
    """What a follower does with a drain: say for each batch that it has it."""

    def feed(frames: list[Frame]) -> None:
        transport.send([(sender, frame[: HEADER.size]) for sender, frame in frames])

    return feed


def give_back(transport: Transport) -> Callable[[list[Frame]], None]:
    """An echo, for the layer that has no sockets."""
    return transport.send


class Loader:
    """The client's side: keeps commands on their way and takes their time."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.busy = False
        self._begun: dict[int, tuple[int, int]] = {}
        """First command's number -> (when it began, how many)."""
        self._resent_ns = 0
        self._next = 0
        self._meter: Meter | None = None
        self._job: Job | None = None
        self._plan: Plan | None = None
        self._idle = trio.Event()

    @property
    def command_bytes_max(self) -> int:
        """The largest command that fits a frame."""
        return self.transport.frame_bytes_max - HEADER.size

    async def run(self, job: Job) -> Message:
        """One load. Raises `QuorumFailed` and `ValueError`."""
        self._job, self._meter, self._idle = job, Meter(job), trio.Event()
        self.busy = True
        limit = job.warm_seconds + job.seconds + DRAIN_SECONDS
        with trio.move_on_after(limit) as scope:
            if isinstance(job.load, Closed):
                self._send(job.load.outstanding, perf_counter_ns())
                await self._wait_idle()
            else:
                await self._follow(Plan(job.load, self._meter.begin_ns))
        self.busy = False
        if scope.cancelled_caught:
            raise QuorumFailed(f"no answer for {DRAIN_SECONDS:.0f} s")
        return self._meter.result()

    async def _wait_idle(self) -> None:
        """Until all is answered. What a layer lost is sent again."""
        while not self._idle.is_set():
            before = self._next
            with trio.move_on_after(RESEND_SECONDS):
                await self._idle.wait()
            if before == self._next and not self._idle.is_set():
                self._again(list(self._begun))

    async def _follow(self, plan: Plan) -> None:
        assert self._meter is not None
        self._plan = plan
        async with open_timer(max(PLAN_NS_MIN, int(plan.interval_ns))) as timer:
            while self._meter.is_open(now := perf_counter_ns()):
                if (count := plan.due(now)) > 0:
                    self._send(count, plan.planned_ns(plan.left))
                    plan.left += count
                self._mend(now)
                await timer.wait()
        if (count := plan.due(self._meter.end_ns - 1)) > 0:
            self._send(count, plan.planned_ns(plan.left))
            plan.left += count
        self._plan = None
        if self._begun:
            self._idle = trio.Event()
            await self._wait_idle()

    def _mend(self, now_ns: int) -> None:
        """What is on its way for long was lost: it leaves again, and counts from its plan."""
        if now_ns - self._resent_ns < RESEND_SECONDS * 1e9:
            return
        self._resent_ns = now_ns
        late_ns = now_ns - int(RESEND_SECONDS * 1e9)
        self._again([first for first, (begun, _) in self._begun.items() if begun < late_ns])

    def _send(self, count: int, begun_ns: int) -> None:
        assert self._job is not None
        size = self._job.command_bytes
        most = max(1, (self.transport.frame_bytes_max - HEADER.size) // size)
        out: list[Frame] = []
        while count > 0:
            number = min(count, most)
            self._begun[self._next] = (begun_ns, number)
            out.append((LEADER, HEADER.pack(self._next, number) + bytes(number * size)))
            self._next += number
            count -= number
        self.transport.send(out)

    def _again(self, firsts: list[int]) -> None:
        """Groups of commands leave once more, in one send."""
        assert self._job is not None
        size = self._job.command_bytes
        groups = [(first, self._begun[first][1]) for first in firsts]
        self.transport.send(
            [(LEADER, HEADER.pack(first, n) + bytes(n * size)) for first, n in groups]
        )

    def feed(self, frames: list[Frame]) -> None:
        """Answers of one drain; in a closed loop as many leave anew, at once."""
        assert self._meter is not None
        now, ended = perf_counter_ns(), 0
        for _sender, frame in frames:
            begun = self._begun.pop(HEADER.unpack_from(frame)[0], None)
            if begun is None:
                continue
            self._note(begun, now)
            ended += begun[1]
        if self._plan is None and ended and self._closed() and self._meter.is_open(now):
            self._send(ended, now)
        if not self._begun and self._plan is None:
            self._idle.set()

    def _closed(self) -> bool:
        return self._job is not None and isinstance(self._job.load, Closed)

    def _note(self, begun: tuple[int, int], now_ns: int) -> None:
        assert self._meter is not None
        assert self._job is not None
        began_ns, count = begun
        if isinstance(self._job.load, Closed):
            self._meter.ended(began_ns, count, now_ns)
            return
        interval_ns = 1e9 / self._job.load.per_second
        for number in range(count):
            self._meter.ended(began_ns + int(number * interval_ns), 1, now_ns)


async def serve_jobs(loader: Loader) -> None:
    """Do the jobs on stdin, until it ends."""
    say({"ready": {"command_bytes_max": loader.command_bytes_max}})
    async with (
        trio.lowlevel.FdStream(os.dup(0)) as stdin,
        aclosing(read_messages(stdin)) as messages,
    ):
        async for message in messages:
            say({"result": await loader.run(read_job(message["job"]))})


@asynccontextmanager
async def open_role(
    config: ClusterConfig, endpoint: int, *, lingers: bool, echo: bool = False
) -> AsyncIterator[Loader | None]:
    """One endpoint at its work, while the context lasts; the loader if it is the client."""
    async with open_endpoint(config, endpoint) as transport, trio.open_nursery() as nursery:
        loader: Loader | None = None
        feed: Callable[[list[Frame]], None]
        if endpoint >= FIRST_CLIENT_ID:
            loader = Loader(transport)
            feed = loader.feed
        elif echo:
            feed = give_back(transport)
        elif endpoint == LEADER:
            feed = lead(transport, [node for node in config.nodes if node != LEADER])
        else:
            feed = follow(transport)
        busy = partial(_lingers, loader) if lingers else (lambda: False)
        nursery.start_soon(feed_drains, transport, feed, busy)
        yield loader
        nursery.cancel_scope.cancel()


def _lingers(loader: Loader | None) -> bool:
    return loader is None or loader.busy


async def run(path: str, role: str, node: int) -> None:
    """Be one endpoint, or all of them, until stdin ends."""
    config = load_config(path)
    open_more_files()
    if role in ("all", "echo"):
        await _run_all(config, echo=role == "echo")
        return
    endpoint = FIRST_CLIENT_ID if role == "client" else node
    async with open_role(config, endpoint, lingers=True) as loader:
        collect_less()
        if loader is not None:
            await serve_jobs(loader)
        else:
            say({"ready": node})
            await wait_for_end()


async def _run_all(config: ClusterConfig, *, echo: bool) -> None:
    async with AsyncExitStack() as stack:
        nodes = [LEADER] if echo else list(config.nodes)
        for node in nodes:
            await stack.enter_async_context(open_role(config, node, lingers=False, echo=echo))
        loader = await stack.enter_async_context(open_role(config, FIRST_CLIENT_ID, lingers=False))
        assert loader is not None
        collect_less()
        await serve_jobs(loader)


def main() -> int:
    """Play the role."""
    path, role, *rest = sys.argv[1:]
    node = int(rest[0]) if rest else LEADER
    return run_worker(role, lambda: trio.run(run, path, role, node))


if __name__ == "__main__":
    sys.exit(main())
