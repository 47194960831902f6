"""The layer `memory`, where nodes and client are one process and no frame leaves it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from transports.bench.cluster import (
    START_SECONDS,
    config_text,
    make_directory,
    make_stores,
)
from transports.bench.ladder.paxos import AGREE_SECONDS, make_setup
from transports.bench.ladder.pins import apply_pins
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import Worker, open_worker
from transports.bench.saved.schema import Stand
from transports.bench.wire import Message
from transports.node.config import load_config
from transports.node.config.types import StoreKind

ALL = "all"


class MemoryRunning:
    """A process that is everybody. Made by `MemoryKind`."""

    def __init__(self, worker: Worker, largest: int) -> None:
        self.client = worker
        self._largest = largest

    @property
    def pids(self) -> Mapping[str, int]:
        """One role: all."""
        return {ALL: self.client.pid}

    def command_bytes_max(self) -> int:
        """What the nodes' limits allow."""
        return self._largest

    async def ask(self) -> Mapping[str, Message]:
        """Nothing: the client says it, at the ends of its window."""
        return {}

    async def settle(self) -> None:
        """All logs are the same. Raises `MeasureFailed`."""
        await self.client.tell({"agree": AGREE_SECONDS})
        await self.client.read("agreed", AGREE_SECONDS + START_SECONDS)


class MemoryKind:
    """Opens it, for the rungs with Paxos."""

    def unavailable(self, stand: Stand) -> str:
        """Nothing is missing."""
        return ""

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """One process. Raises `MeasureFailed`."""
        return _open(stand, ground)


@asynccontextmanager
async def _open(stand: Stand, ground: Ground) -> AsyncIterator[Running]:
    setup = make_setup(stand, ground)
    store: StoreKind = "durable" if stand.rung == "durable" else "memory"
    base = make_directory(ground.directory)
    try:
        path = base / "paxos.toml"
        path.write_text(config_text(setup, store, [f"bench/{node}" for node in setup.nodes]))
        if store == "durable":
            make_stores(load_config(path))
        async with open_worker(
            "worker_memory", str(path), name="cluster", errors=base / "cluster.err"
        ) as worker:
            said = await worker.read("ready", START_SECONDS)
            running = MemoryRunning(worker, int(said["ready"]["command_bytes_max"]))
            apply_pins(ground.pins, {"leader": worker.pid})
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)
