"""A process of the bench: a client of etcd, over gRPC, that speaks the protocol of `meter`.

Arguments: the endpoints, comma-separated, and how many connections to use. Every put goes to
the leader, to one of a thousand keys. etcd counts puts in its revision: what is acknowledged
must add up.
"""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter_ns
from typing import Any, Final

import grpc.aio

from transports.bench.meter import Job, Meter, read_job
from transports.bench.peers.protobuf import put_request, read_header, read_leader
from transports.bench.saved.schema import Closed
from transports.bench.wire import Message, parse, say

PUT: Final = "/etcdserverpb.KV/Put"
STATUS: Final = "/etcdserverpb.Maintenance/Status"
KEYS: Final = 1000
READY_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05
COMMAND_BYTES_MAX: Final = 1 << 20
REVISION: Final = 3
OPTIONS: Final = [("grpc.use_local_subchannel_pool", 1)]
"""Or all channels of a process to one address share a connection."""


class EtcdFailed(Exception):
    """A put failed, or was lost. One line."""


async def find_leader(endpoints: list[str]) -> str:
    """The endpoint of who leads. Raises `EtcdFailed`."""
    end = perf_counter_ns() + int(READY_SECONDS * 1e9)
    while perf_counter_ns() < end:
        for endpoint in endpoints:
            async with grpc.aio.insecure_channel(endpoint, options=OPTIONS) as channel:
                try:
                    answer = await channel.unary_unary(STATUS)(b"", timeout=1.0)
                except grpc.aio.AioRpcError:
                    continue
            member, leader = read_leader(answer)
            if leader and member == leader:
                return endpoint
        await asyncio.sleep(POLL_SECONDS)
    raise EtcdFailed(f"no leader after {READY_SECONDS:.0f} s")


class Load:
    """A closed loop: so many tasks, each of which puts one value after the other."""

    def __init__(self, channels: list[grpc.aio.Channel]) -> None:
        self._puts: list[Any] = [channel.unary_unary(PUT) for channel in channels]
        self.ended = 0

    async def revision(self) -> int:
        """The number of the last change, after one more put."""
        answer = await self._puts[0](put_request(b"k0", b""), timeout=ANSWER_SECONDS)
        return read_header(answer)[REVISION]

    async def run(self, job: Job) -> Message:
        """One load. Raises `EtcdFailed` and `ValueError`."""
        if not isinstance(job.load, Closed):
            raise EtcdFailed("it is loaded in closed loops alone")
        before, self.ended = await self.revision(), 0
        meter = Meter(job)
        async with asyncio.TaskGroup() as tasks:
            for number in range(job.load.outstanding):
                tasks.create_task(self._put(number, meter, bytes(job.command_bytes)))
        found = await self.revision() - before - 1
        if found != self.ended:
            raise EtcdFailed(f"{found} puts were applied of {self.ended} that were acknowledged")
        return meter.result()

    async def _put(self, number: int, meter: Meter, value: bytes) -> None:
        put = self._puts[number % len(self._puts)]
        request = put_request(b"k%d" % (number % KEYS), value)
        while meter.is_open(begun := perf_counter_ns()):
            await put(request, timeout=ANSWER_SECONDS)
            self.ended += 1
            meter.ended(begun, 1, perf_counter_ns())


async def run(endpoints: list[str], connections: int) -> None:
    """Do the jobs on stdin, until it ends."""
    leader = await find_leader(endpoints)
    channels = [grpc.aio.insecure_channel(leader, options=OPTIONS) for _ in range(connections)]
    load = Load(channels)
    await load.revision()
    say({"ready": {"command_bytes_max": COMMAND_BYTES_MAX, "leader": endpoints.index(leader)}})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        say({"result": await load.run(read_job(parse(line)["job"]))})


def main() -> int:
    """Serve; 1 if something failed, with the reason on stdout."""
    endpoints, connections = sys.argv[1:]
    try:
        asyncio.run(run(endpoints.split(","), int(connections)))
    except Exception as error:
        say({"error": f"etcd: {_reason(error)}"})
        return 1
    return 0


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
