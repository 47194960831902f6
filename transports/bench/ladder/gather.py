"""The rung `quorum`: fan-out and gather over the project's transports, without Paxos."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from transports.bench.cluster import START_SECONDS, config_text, make_directory, node_addresses
from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.paxos import make_setup
from transports.bench.ladder.pins import apply_pins
from transports.bench.ladder.plain import PlainRunning
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import Worker, open_worker
from transports.bench.saved.schema import Stand

LEADER = 1


class GatherKind:
    """Opens it, and for the layer that is one process its echo too."""

    def unavailable(self, stand: Stand) -> str:
        """It runs wherever the transport does, except where the kernel decides."""
        if stand.layer == "kmod-replica":
            return "a replica in the kernel decides, or does nothing: it has no such rung"
        return ""

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """A leader, its followers and a client. Raises `MeasureFailed`."""
        return _open(stand, ground)


@asynccontextmanager
async def _open(stand: Stand, ground: Ground) -> AsyncIterator[Running]:
    setup = make_setup(stand, ground)
    one_process = LAYERS[stand.layer].one_process
    base = make_directory(ground.directory)
    try:
        path = base / "paxos.toml"
        addresses = (
            [f"bench/{node}" for node in setup.nodes] if one_process else node_addresses(setup)
        )
        path.write_text(config_text(setup, "memory", addresses))
        async with AsyncExitStack() as stack:

            async def start(role: str, word: str, node: int | None) -> Worker:
                words = [str(path), word] if node is None else [str(path), word, str(node)]
                return await stack.enter_async_context(
                    open_worker(
                        "worker_quorum",
                        *words,
                        name=role,
                        errors=base / f"{role}.err",
                        entering=ground.place.entering(node),
                    )
                )

            workers: dict[str, Worker] = {}
            if one_process:
                word = "echo" if stand.rung == "echo" else "all"
                workers["client"] = await start("all", word, None)
            else:
                for node in setup.nodes:
                    word = "leader" if node == LEADER else "follower"
                    role = word if node == LEADER else f"{word} {node}"
                    workers[role] = await start(role, word, node)
                for worker in workers.values():
                    await worker.read("ready", START_SECONDS)
                workers["client"] = await start("client", "client", None)
            said = await workers["client"].read("ready", START_SECONDS)
            running = GatherRunning(workers, int(said["ready"]["command_bytes_max"]), one_process)
            apply_pins(ground.pins, {**running.pids, "client": workers["client"].pid})
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


class GatherRunning(PlainRunning):
    """Endpoints that hand commands round."""

    def __init__(self, workers: Mapping[str, Worker], largest: int, one_process: bool) -> None:
        super().__init__(workers, largest)
        self._one_process = one_process

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process; `all` where it is one."""
        return {"all": self.client.pid} if self._one_process else super().pids
