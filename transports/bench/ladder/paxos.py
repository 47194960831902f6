"""The rungs `paxos` and `durable`: a cluster of node processes, and a client in its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from transports.bench.cluster import START_SECONDS, Cluster, Setup, open_cluster
from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.pins import apply_pins
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import MeasureFailed, Worker, open_worker
from transports.bench.saved.schema import Stand
from transports.bench.wire import Message
from transports.node.config.types import CoreKind, StoreKind

LOG_BYTES_MAX = 4 << 20
"""A quarter of the default, so that a load of seconds trims the log several times."""
AGREE_SECONDS = 20.0


class PaxosRunning:
    """A cluster and its client. Made by `PaxosKind`."""

    def __init__(self, cluster: Cluster, client: Worker, leader: int, largest: int) -> None:
        self.cluster = cluster
        self.client = client
        self.leader = leader
        self._largest = largest
        self._roles = {
            node: "leader" if node == leader else f"follower {node}" for node in cluster.setup.nodes
        }

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process."""
        nodes = {role: self.cluster.pid(node) for node, role in self._roles.items()}
        return {**nodes, "client": self.client.pid}

    def command_bytes_max(self) -> int:
        """What fits a frame of the transport and the limits of the nodes."""
        return self._largest

    async def ask(self) -> Mapping[str, Message]:
        """What the nodes say of themselves."""
        return {role: await self.cluster.counters(node) for node, role in self._roles.items()}

    async def settle(self) -> None:
        """The same node leads and all logs are the same. Raises `MeasureFailed`."""
        self.cluster.check_alive()
        await self.client.tell({"agree": AGREE_SECONDS})
        await self.client.read("agreed", AGREE_SECONDS + START_SECONDS)
        leader = await ask_leader(self.client)
        if self._roles.get(leader) != "leader":
            raise MeasureFailed(f"node {leader} leads now: what each node did is not known")


class PaxosKind:
    """Opens them, over any layer that joins processes."""

    def unavailable(self, stand: Stand) -> str:
        """Only the C core may be missing: the layer is somebody else's question."""
        if stand.variant != "c":
            return ""
        from transports.node.config import ConfigError
        from transports.node.cores import load_c_core

        try:
            # Built here, where no node waits for it.
            load_c_core()
        except ConfigError as error:
            return str(error)
        return ""

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """Nodes and client. Raises `MeasureFailed`."""
        return _open(stand, ground)


def make_setup(stand: Stand, ground: Ground) -> Setup:
    """The cluster of a stand, as `open_cluster` takes it."""
    core: CoreKind = "c" if stand.variant == "c" else "python"
    return Setup(
        transport=LAYERS[stand.layer].transport,
        directory=ground.directory,
        log_bytes_max=LOG_BYTES_MAX,
        place=ground.place,
        core=core,
        mode=LAYERS[stand.layer].mode,
        nodes=tuple(range(1, stand.nodes + 1)),
        parts=ground.effort.instrument,
    )


@asynccontextmanager
async def _open(stand: Stand, ground: Ground) -> AsyncIterator[Running]:
    setup = make_setup(stand, ground)
    store: StoreKind = "durable" if stand.rung == "durable" else "memory"
    async with (
        open_cluster(setup, store) as cluster,
        open_load_client(cluster) as (client, largest),
    ):
        leader = await ask_leader(client)
        running = PaxosRunning(cluster, client, leader, largest)
        apply_pins(ground.pins, running.pids)
        yield running


@asynccontextmanager
async def open_load_client(cluster: Cluster) -> AsyncIterator[tuple[Worker, int]]:
    """(client, the largest command that fits). Raises `MeasureFailed`."""
    async with open_worker(
        "worker_load",
        str(cluster.path),
        name="client",
        errors=_errors(cluster.directory),
        entering=cluster.setup.place.entering(None),
    ) as client:
        try:
            said = await client.read("ready", START_SECONDS)
        finally:
            # A node that died explains more than what its client says of it.
            cluster.check_alive()
        yield client, int(said["ready"]["command_bytes_max"])


async def ask_leader(client: Worker) -> int:
    """Who leads. Raises `MeasureFailed`."""
    await client.tell({"leader": True})
    return int((await client.read("leader", START_SECONDS))["leader"])


def _errors(directory: Path) -> Path:
    return directory / "client.err"
