"""Nodes over the device, in a real kernel: relays, replicas in the kernel, and mixed clusters.

All nodes are tasks of one process, each on an interface of its own, and so is the client. The
machine is emulated and slow: ticks are long, and no step has a time of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import own_network
import pytest
from clusters import Cluster, make_config, open_cluster
from native_kit import need_compiler

from paxos_core.trace import merge_traces, read_trace
from transports.api import FIRST_CLIENT_ID, Transport, TransportError
from transports.chardev import open_kmod
from transports.ethernet import open_ethernet
from transports.node import Client, ClusterConfig, open_client, open_node
from transports.node.machines import Journal
from transports.testing import PROMISES, check_transport

pytestmark = pytest.mark.timeout(280)

CLIENT = own_network.STATIONS
SLOW = "[timing]\ntick_ms = 50\n"
SMALL_LOG = "[limits]\nlog_bytes_max = 20000\nlog_keep_slots = 2\n"
KINDS = {
    "relay": dict.fromkeys((1, 2, 3), ("kmod", "relay", "python")),
    "replica": dict.fromkeys((1, 2, 3), ("kmod", "replica", "python")),
    "mixed": {
        1: ("kmod", "replica", "python"),
        2: ("ethernet", "", "python"),
        3: ("ethernet", "", "c"),
    },
}


@pytest.fixture(autouse=True, scope="module")
def network() -> Iterator[None]:
    """Made once: in an emulated machine that takes seconds."""
    with own_network.own_network():
        yield


# The transport's promises, over the real device


@asynccontextmanager
async def open_station(
    local: int, peers: Mapping[int, str], **options: object
) -> AsyncIterator[Transport]:
    """The relay, on the interface that is the endpoint's own."""
    station = CLIENT if local >= FIRST_CLIENT_ID else local
    async with open_kmod(local, peers, interface=f"p{station}", **options) as transport:
        yield transport


def fresh_peers(n: int) -> dict[int, str]:
    return {node: own_network.mac(node) for node in range(1, n + 1)}


async def inject(address: str, data: bytes) -> None:
    own_network.send_raw(address, data)


@pytest.mark.parametrize("promise", PROMISES)
async def test_the_relay_keeps_each_promise(promise: str) -> None:
    await check_transport(
        open_station, fresh_peers, promises=[promise], inject_garbage=inject, within_seconds=120
    )


async def test_relay_and_raw_ethernet_hear_one_another() -> None:
    peers = fresh_peers(2)
    async with open_station(1, peers) as one, open_ethernet(2, peers, interface="p2") as two:
        one.send([(2, b"to the socket")])
        assert await two.receive() == [(1, b"to the socket")]
        two.send([(1, b"to the module")])
        assert await one.receive() == [(2, b"to the module")]


async def test_an_endpoint_is_open_once() -> None:
    async with open_station(1, fresh_peers(2)):
        with pytest.raises(TransportError, match="endpoint 1 is open already on interface p1"):
            async with open_station(1, fresh_peers(2)):
                pass
    async with open_station(1, fresh_peers(2)):
        pass


# Clusters


def configure(base: Path, kind: str, store: str = "memory", extra: str = "") -> Configs:
    if kind == "mixed":
        need_compiler()
    return Configs(make_config(base, transport="kmod", store=store, extra=SLOW + extra), kind)


class Configs:
    """A cluster's configuration, as each of its nodes and the client have it."""

    def __init__(self, config: ClusterConfig, kind: str) -> None:
        self.kind = kind
        self.client = replace(config, transport_options={"interface": f"p{CLIENT}"})
        self.nodes: dict[int, ClusterConfig] = {}
        for node, (transport, mode, core) in KINDS[kind].items():
            options = {"interface": f"p{node}"} | ({"mode": mode} if mode else {})
            self.nodes[node] = replace(
                config, transport=transport, transport_options=options, core=core
            )


@asynccontextmanager
async def running(configs: Configs) -> AsyncIterator[tuple[Cluster, Client]]:
    async with (
        open_cluster(configs.client, configs=configs.nodes) as cluster,
        open_client(configs.client, timeout=120) as client,
    ):
        yield cluster, client


async def check_logs(cluster: Cluster, expected: set[bytes]) -> None:
    await cluster.caught_up()
    logs = [machine.commands for machine in cluster.machines.values()]
    assert all(log == logs[0] for log in logs)
    assert set(logs[0]) == expected
    assert len(logs[0]) == len(expected)


@pytest.mark.parametrize(
    ("kind", "store"), [("relay", "durable"), ("replica", "memory"), ("mixed", "durable")]
)
async def test_every_command_is_applied_once(tmp_path: Path, kind: str, store: str) -> None:
    configs = configure(tmp_path, kind, store)
    commands = [b"command %d" % number for number in range(200)]
    async with running(configs) as (cluster, client):
        outcomes = await client.submit_many(commands, outstanding=50)
        assert sorted(map(int, outcomes)) == list(range(1, 201))
        await check_logs(cluster, set(commands))
        for node, (transport, mode, core) in KINDS[kind].items():
            status = await client.status(node, timeout=20)
            assert status is not None
            assert status["core"] == ("kernel" if mode == "replica" else core)
            assert ("kernel" in status) == (transport == "kmod")
            if mode == "replica":
                assert status["kernel"]["decisions"] == status["chosen"] > 0
        leader = cluster.nodes[await cluster.leader()].status()
        if leader["core"] == "kernel":
            assert (
                0 < leader["kernel"]["latency_us"]["p50"] <= leader["kernel"]["latency_us"]["p99"]
            )
        slots = [slot async for slot, _ in client.log(1, timeout=20)]
        assert slots == list(range(len(slots)))


@pytest.mark.parametrize("kind", ["mixed", "replica"])
async def test_each_leads_is_lost_and_comes_back(tmp_path: Path, kind: str) -> None:
    """The others go on without it; it continues on its store with all that was decided."""
    configs = configure(tmp_path, kind, "durable")
    submitted: set[bytes] = set()
    led: set[int] = set()
    async with running(configs) as (cluster, client):
        while len(led) < 3:
            leader = await cluster.leader()
            led.add(leader)
            commands = {b"%d %d" % (len(submitted), number) for number in range(20)}
            submitted |= commands
            await client.submit_many(commands)
            await cluster.stop(leader)
            assert await cluster.leader() != leader
            alone = b"alone %d" % len(submitted)
            submitted.add(alone)
            await client.submit(alone)
            await cluster.start(leader)
            await check_logs(cluster, submitted)


@pytest.mark.parametrize("kind", ["mixed", "replica"])
async def test_a_snapshot_reaches_who_is_far_behind(tmp_path: Path, kind: str) -> None:
    configs = configure(tmp_path, kind, "durable", SMALL_LOG)
    submitted: set[bytes] = set()
    async with running(configs) as (cluster, client):
        for late in (1, 2):
            await cluster.stop(late)
            for part in range(12):
                commands = [b"%d %d %d " % (late, part, number) * 10 for number in range(40)]
                submitted.update(commands)
                await client.submit_many(commands)
            assert min(node.status()["first_slot"] for node in cluster.nodes.values()) > 5
            await cluster.start(late)
            await check_logs(cluster, submitted)
            assert cluster.nodes[late].status()["first_slot"] > 5


async def test_a_volatile_replica_that_restarts_does_not_vote(tmp_path: Path) -> None:
    async with running(configure(tmp_path, "replica")) as (cluster, client):
        await client.submit(b"one")
        leader = await cluster.leader()
        await cluster.stop(leader)
        running_again = await cluster.start(leader)
        assert not running_again.status()["voting"]
        await client.submit(b"two")
        await check_logs(cluster, {b"one", b"two"})


async def test_each_kind_of_core_tells_its_steps(tmp_path: Path) -> None:
    configs = configure(tmp_path, "mixed", "durable")
    paths = {node: tmp_path / f"node{node}.trace" for node in configs.nodes}
    async with AsyncExitStack() as stack:
        for node, config in configs.nodes.items():
            opened = open_node(config, node, Journal(), trace=paths[node])
            await stack.enter_async_context(opened)
        async with open_client(configs.client, timeout=120) as client:
            commands = [f"command {number}" for number in range(10)]
            for command in commands:
                await client.submit(command.encode())
    traces = {node: read_trace(path.read_text().splitlines()) for node, path in paths.items()}
    for node, trace in traces.items():
        assert not trace.problems
        kinds = {event["kind"] for event in trace.events}
        # What the others say to a replica in the kernel never comes to user space.
        assert ("receive" in kinds) == (node != 1)
        chosen: dict[str, str] = {}
        for event in trace.events:
            assert event["why"]
            chosen |= event["state"].get("chosen", {}) if "state" in event else {}
        assert set(commands[:-1]) <= set(chosen.values())
        assert any(e.get("state", {}).get("leader") for e in trace.events)
        assert any(
            record["kind"] == "Voted" for e in trace.events for record in e.get("records", ())
        )
    merged = merge_traces(list(traces.values()))
    assert len(merged.events) == sum(len(trace.events) for trace in traces.values())


async def test_a_replica_is_open_once(tmp_path: Path) -> None:
    configs = configure(tmp_path, "replica")
    async with running(configs):
        with pytest.raises(TransportError, match="endpoint 1 is open already on interface p1"):
            async with open_node(configs.nodes[1], 1, Journal()):
                pass


@pytest.mark.parametrize("mode", ["relay", "replica"])
def test_the_demo_passes(tmp_path: Path, mode: str) -> None:
    """Three processes in namespaces of their own; the leader's is killed with SIGKILL."""
    paxos = [sys.executable, "-m", "transports.node.cli"]
    options = ["--transport", "kmod", "--mode", mode, "--commands", "60"]
    keep = tmp_path / "demo"
    done = subprocess.run(
        [*paxos, "demo", *options, "--keep", str(keep)], capture_output=True, text=True
    )
    logs = [path.read_text() for path in keep.glob("*.log")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    assert "PASS" in done.stdout
