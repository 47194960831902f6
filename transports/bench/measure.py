"""The measurements: each makes its own cluster, loads it, and returns raw figures.

All raise `MeasureFailed` when there is no figure, whatever the reason.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic_ns

import trio

from transports.bench.cluster import (
    LOAD_SPARE_SECONDS,
    NODES,
    START_SECONDS,
    Cluster,
    Setup,
    loopback_addresses,
    make_directory,
    open_cluster,
)
from transports.bench.processes import MeasureFailed, Worker, open_worker
from transports.bench.wire import Message
from transports.node.client import open_client
from transports.node.config.types import StoreKind

NS = 1_000_000_000
ANSWER_SECONDS = 15.0
SETTLE_SECONDS = 0.5
"""Between a restarted node's catching up and the next kill."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a run takes its figures."""

    repeats: int
    warm_seconds: float
    seconds: float
    kills: int
    growth_commands: tuple[int, int] = (200_000, 2_000_000)

    def window(self) -> dict[str, float]:
        """The times of one timed load, as `worker_client` takes them."""
        return {"warm_seconds": self.warm_seconds, "seconds": self.seconds}

    @property
    def window_seconds(self) -> float:
        """How long one timed load lasts."""
        return self.warm_seconds + self.seconds


async def latency(setup: Setup, effort: Effort, store: StoreKind) -> Message:
    """One command outstanding: `p50_us`, `p90_us`, `p99_us`, `p999_us`, `samples`."""
    async with open_cluster(setup, store) as cluster:
        raw = await cluster.load("latency", effort.window_seconds, **effort.window())
        await cluster.agree()
        return raw


async def throughput(setup: Setup, effort: Effort, store: StoreKind) -> Message:
    """Many commands outstanding: `commands_per_second`."""
    async with open_cluster(setup, store) as cluster:
        raw = await cluster.load(
            "throughput",
            effort.window_seconds,
            **effort.window(),
            outstanding=setup.outstanding,
        )
        await cluster.agree()
        return raw


async def failover(
    setup: Setup, effort: Effort, progress: Callable[[str], None] = lambda _text: None
) -> Message:
    """Kill the leader `kills` times: `seconds`, each until the client's next answer."""
    limit = effort.kills * (ANSWER_SECONDS + 60)
    async with open_cluster(setup, "durable") as cluster:
        load_kind = cluster.open_load("failover", limit_seconds=limit)
        async with load_kind as load, open_client(cluster.config) as control:
            await load.read("running", START_SECONDS)
            seconds: list[float] = []
            for number in range(effort.kills):
                progress(f"kill {number + 1} of {effort.kills}")
                leader = await cluster.leader(control)
                seconds.append(await _kill(cluster, leader, load))
                successor = next(node for node in NODES if node != leader)
                await cluster.start((leader,), first=False)
                await cluster.caught_up(control, leader, successor)
                await trio.sleep(SETTLE_SECONDS)
            await load.tell({"stop": True})
            result = await load.read("result", ANSWER_SECONDS)
        await cluster.agree()
        return {"seconds": seconds, "commands": result["result"]["commands"]}


async def _kill(cluster: Cluster, leader: int, load: Worker) -> float:
    killed_ns = monotonic_ns()
    await cluster.kill(leader)
    await load.tell({"killed_ns": killed_ns})
    answer = await load.read("answered_ns", ANSWER_SECONDS)
    return float(answer["answered_ns"] - killed_ns) / NS


async def growth(setup: Setup, effort: Effort) -> Message:
    """The memory of every node after few and after many commands: `few_kib`, `many_kib`."""
    few, many = effort.growth_commands
    async with open_cluster(setup, "memory") as cluster:
        sizes: list[list[int]] = []
        for commands in (few, many - few):
            limit = 30 + commands / 10_000
            await cluster.load(
                "count",
                limit,
                commands=commands,
                outstanding=setup.outstanding,
                limit_seconds=limit,
            )
            await cluster.agree()
            sizes.append(cluster.resident_kib())
        return {"few": few, "many": many, "few_kib": sizes[0], "many_kib": sizes[1]}


async def peer(setup: Setup, role: str, settings: Message, job: Message) -> Message:
    """PySyncObj under the same load: what `latency` or `throughput` returns."""
    job = {"command_bytes": setup.command_bytes, **job}
    members = range(3) if role == "outside" else range(1, 3)
    base = make_directory(setup.directory)
    try:
        async with AsyncExitStack() as stack:
            addresses = ",".join(loopback_addresses(3))

            async def start(its_role: str, number: int) -> Worker:
                return await stack.enter_async_context(
                    open_worker(
                        "worker_peer",
                        its_role,
                        str(number),
                        addresses,
                        json.dumps(settings),
                        json.dumps(job if its_role == role else None),
                        name=f"PySyncObj {its_role} {number}",
                        errors=base / f"{its_role}-{number}.err",
                    )
                )

            others = [await start("member", number) for number in members]
            for other in others:
                await other.read("ready", START_SECONDS)
            client = await start(role, 0)
            limit = job["warm_seconds"] + job["seconds"] + LOAD_SPARE_SECONDS
            message = await client.read("result", limit)
            result: Message = message["result"]
            return result
    finally:
        shutil.rmtree(base, ignore_errors=True)


__all__ = ["Effort", "MeasureFailed", "failover", "growth", "latency", "peer", "throughput"]
