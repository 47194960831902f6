"""Whole clusters for tests: in one process over any transport, or as real processes."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import own_network
import trio

from transports.node import ClusterConfig, Node, create_store, open_node, parse_config
from transports.node.config import CoreKind
from transports.node.machines import Journal
from transports.node.store.api import StoreIdentity
from transports.testing import free_tcp_addresses

_hubs = count()
T = TypeVar("T")


class Recorder(Journal):
    """A journal that remembers what it was told; the whole list is its state."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[bytes] = []

    def apply(self, command: bytes) -> bytes:
        self.commands.append(command)
        return super().apply(command)

    def snapshot(self) -> bytes:
        return b"\n".join(self.commands)

    def restore(self, snapshot: bytes) -> None:
        self.commands = snapshot.split(b"\n") if snapshot else []
        self.count = len(self.commands)


def addresses(transport: str, size: int) -> dict[int, str]:
    if transport == "memory":
        hub = next(_hubs)
        return {node: f"hub{hub}/{node}" for node in range(1, size + 1)}
    if transport in (own_network.OPENER, "kmod"):
        return {node: own_network.mac(node) for node in range(1, size + 1)}
    if transport == "udp":
        return free_udp_addresses(size)
    if transport == "zeromq":
        return {node: f"tcp://{address}" for node, address in free_tcp_addresses(size).items()}
    return dict(enumerate(free_tcp_addresses(size).values(), 1))


def free_udp_addresses(size: int) -> dict[int, str]:
    with ExitStack() as held:
        sockets = [
            held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for _ in range(size)
        ]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return {node: f"127.0.0.1:{sock.getsockname()[1]}" for node, sock in enumerate(sockets, 1)}


def make_config(
    base: Path,
    *,
    transport: str = "memory",
    store: str = "memory",
    size: int = 3,
    extra: str = "",
    over: str = "",
    make_stores: bool = True,
    core: str | None = "python",
) -> ClusterConfig:
    """`over` tells whose addresses the nodes have, if not those of `transport`."""
    lines = [f'cluster = "test"\ntransport = "{transport}"\nstore = "{store}"']
    lines += [f'core = "{core}"'] if core else []
    lines += ["[nodes]"]
    placed = addresses(over or transport, size)
    lines += [f'{node} = "{address}"' for node, address in placed.items()]
    config = parse_config("\n".join([*lines, extra]), source="test", base=base)
    if store == "durable" and make_stores:
        for node in config.nodes:
            create_store(config.store_path(node), StoreIdentity(config.cluster_id, node, True))
    return config


@dataclass
class Cluster:
    """Nodes as tasks; each can be stopped and started again."""

    config: ClusterConfig
    nursery: trio.Nursery
    cores: Mapping[int, CoreKind] = field(default_factory=dict)
    """Those that are not as the configuration says."""
    configs: Mapping[int, ClusterConfig] = field(default_factory=dict)
    """Of nodes that have one of their own."""
    nodes: dict[int, Node] = field(default_factory=dict)
    machines: dict[int, Recorder] = field(default_factory=dict)
    _scopes: dict[int, trio.CancelScope] = field(default_factory=dict)
    _ended: dict[int, trio.Event] = field(default_factory=dict)

    async def start(self, node: int, *, first_start: bool = False) -> Node:
        await self.nursery.start(self._run, node, first_start)
        return self.nodes[node]

    async def stop(self, node: int) -> None:
        self._scopes[node].cancel()
        await self._ended[node].wait()

    async def leader(self) -> int:
        """Wait until every running node agrees on a running leader."""
        return await self.until(lambda: self._agreed_leader())

    async def caught_up(self) -> None:
        """Wait until all running nodes have applied the same log."""
        await self.until(lambda: len({n.status()["digest"] for n in self.nodes.values()}) == 1)

    async def until(self, condition: Callable[[], T]) -> T:
        with trio.fail_after(60):
            while not (value := condition()):
                await trio.sleep(0.02)
        return value

    def _agreed_leader(self) -> int:
        leaders = {node.leader for node in self.nodes.values()}
        (leader,) = leaders if len(leaders) == 1 else (0,)
        return leader if leader in self.nodes else 0

    async def _run(self, node: int, first_start: bool, task_status: trio.TaskStatus[None]) -> None:
        self._ended[node] = trio.Event()
        machine = Recorder()
        config = self.configs.get(node, self.config)
        config = replace(config, core=self.cores.get(node, config.core))
        try:
            with trio.CancelScope() as self._scopes[node]:
                async with open_node(config, node, machine, first_start=first_start) as running:
                    self.nodes[node], self.machines[node] = running, machine
                    task_status.started()
                    await trio.sleep_forever()
        finally:
            self.nodes.pop(node, None)
            self._ended[node].set()


@asynccontextmanager
async def open_cluster(
    config: ClusterConfig,
    cores: Mapping[int, CoreKind] = MappingProxyType({}),
    configs: Mapping[int, ClusterConfig] = MappingProxyType({}),
) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        cluster = Cluster(config, nursery, cores, configs)
        for node in config.nodes:
            await cluster.start(node, first_start=True)
        yield cluster
        nursery.cancel_scope.cancel()
