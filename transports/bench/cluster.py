"""A cluster of node processes, made for one measurement and gone after it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from transports.bench.places import LOOPBACK, Place
from transports.bench.processes import MeasureFailed, Worker, open_worker
from transports.bench.wire import Message
from transports.node.cli.lab.plan import addresses as lab_addresses
from transports.node.config import ClusterConfig, load_config
from transports.node.config.check import LOOPBACK_MAC
from transports.node.config.types import CoreKind, StoreKind
from transports.node.store.api import StoreError, StoreIdentity
from transports.node.store.log_create import create_store

NODES = (1, 2, 3)
START_SECONDS = 60.0
"""For a process to say its first word: emulated, four of Python's need half of it."""
DISK_BYTES_MIN = 1 << 28


@dataclass(frozen=True, slots=True)
class Setup:
    """What all measurements of a run share."""

    transport: str
    directory: Path
    """Where stores and configurations are made, each in a directory of its own."""
    log_bytes_max: int
    place: Place = LOOPBACK
    core: CoreKind = "python"
    nodes: tuple[int, ...] = NODES
    mode: str = ""
    """Of the transport `kmod`."""
    parts: bool = False
    """Whether nodes say where their time goes."""


def loopback_addresses(count: int) -> list[str]:
    """Addresses with ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{sock.getsockname()[1]}" for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def node_addresses(setup: Setup) -> list[str]:
    """An address for each node, in the notation of the transport, where the nodes will run."""
    plan = setup.place.plan
    if plan is not None:
        found = lab_addresses(plan, setup.transport)
        return [found[node] for node in setup.nodes]
    if setup.transport == "ethernet":
        return [LOOPBACK_MAC] * len(setup.nodes)
    scheme = "tcp://" if "zeromq" in setup.transport else ""
    return [f"{scheme}{address}" for address in loopback_addresses(len(setup.nodes))]


def config_text(setup: Setup, store: StoreKind, addresses: list[str]) -> str:
    """The TOML of a cluster: all defaults, but for how soon the log is trimmed."""
    options = dict(setup.place.transport_options(setup.transport))
    if setup.mode:
        options["mode"] = setup.mode
    lines = [
        'cluster = "bench"',
        f"transport = {json.dumps(setup.transport)}",
        f'store = "{store}"',
        # A replica in the kernel has its core there.
        *([f'core = "{setup.core}"'] if setup.mode != "replica" else []),
        "[limits]",
        f"log_bytes_max = {setup.log_bytes_max}",
        "[log]",
        'level = "warning"',
        "[nodes]",
        *(f'{node} = "{address}"' for node, address in zip(setup.nodes, addresses, strict=True)),
        "[transport_options]",
        *(f"{name} = {json.dumps(value)}" for name, value in options.items()),
    ]
    return "\n".join(lines) + "\n"


class Cluster:
    """Running nodes. Made by `open_cluster`."""

    def __init__(self, setup: Setup, config: ClusterConfig, path: Path) -> None:
        self.setup = setup
        self.config = config
        self._path = path
        self._nodes: dict[int, Worker] = {}
        self._stack = AsyncExitStack()

    async def start(self, nodes: tuple[int, ...], *, first: bool) -> None:
        """Start nodes and wait until they are open. Raises `MeasureFailed`."""
        for node in nodes:
            await self._spawn(node, first=first)
        for node in nodes:
            await self._nodes[node].read("ready", START_SECONDS)

    async def _spawn(self, node: int, *, first: bool) -> None:
        worker = await self._stack.enter_async_context(
            open_worker(
                "worker_node",
                str(self._path),
                str(node),
                "first" if first else "again",
                "parts" if self.setup.parts else "plain",
                name=f"node {node}",
                errors=self._errors(f"node-{node}"),
                entering=self.setup.place.entering(node),
            )
        )
        self._nodes[node] = worker

    async def kill(self, node: int) -> None:
        """SIGKILL to one node."""
        await self._nodes[node].kill()

    async def aclose(self) -> None:
        """End all nodes."""
        await self._stack.aclose()

    def check_alive(self) -> None:
        """Raises `MeasureFailed` if a node has ended that nobody killed."""
        for worker in self._nodes.values():
            worker.check_alive()

    @property
    def directory(self) -> Path:
        """Where the cluster's files are, while it lasts."""
        return self._path.parent

    async def counters(self, node: int) -> Message:
        """What a node says of itself: `parts` and `syncs`. Raises `MeasureFailed`."""
        worker = self._nodes[node]
        await worker.tell({"counters": True})
        said: Message = (await worker.read("counters", START_SECONDS))["counters"]
        return said

    @property
    def path(self) -> Path:
        """Of its configuration."""
        return self._path

    def pid(self, node: int) -> int:
        """The process of a node."""
        return self._nodes[node].pid

    def _errors(self, name: str) -> Path:
        return self._path.parent / f"{name}.err"


@asynccontextmanager
async def open_cluster(setup: Setup, store: StoreKind) -> AsyncIterator[Cluster]:
    """Nodes in a new directory, while the context lasts. Raises `MeasureFailed`."""
    base = make_directory(setup.directory)
    try:
        path = base / "paxos.toml"
        path.write_text(config_text(setup, store, node_addresses(setup)))
        config = load_config(path)
        if store == "durable":
            make_stores(config)
        cluster = Cluster(setup, config, path)
        try:
            await cluster.start(setup.nodes, first=True)
            yield cluster
        finally:
            with trio.CancelScope(shield=True):
                await cluster.aclose()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def make_directory(parent: Path) -> Path:
    """A new directory on a disk that has room. Raises `MeasureFailed`."""
    try:
        free = shutil.disk_usage(parent).free
        if free < DISK_BYTES_MIN:
            raise MeasureFailed(
                f"only {free >> 20} MiB are free where the stores go, {DISK_BYTES_MIN >> 20} are "
                "needed: name another --directory"
            )
        return Path(tempfile.mkdtemp(prefix="paxos-bench-", dir=parent))
    except OSError as error:
        reason = error.strerror or str(error)
        raise MeasureFailed(
            f"no directory for the stores: {os.fspath(parent)}: {reason}"
        ) from error


def make_stores(config: ClusterConfig) -> None:
    """A durable store for every node. Raises `MeasureFailed`."""
    for node in config.nodes:
        identity = StoreIdentity(config.cluster_id, node, voting=True)
        try:
            create_store(config.store_path(node), identity)
        except StoreError as error:
            raise MeasureFailed(str(error)) from error
