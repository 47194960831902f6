"""Nodes whose core is in the kernel, over a stand-in for it: records, clients, stores, ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgpack
import pytest
from clusters import Cluster, make_config, open_cluster
from fake_device import FakeKernel
from fake_kernel import FakeReplica, fake_kernel

from transports.node import ClusterConfig, NodeFailed, open_client

MODES = '[transport_options]\ninterface = "eth0"\nmode = "{}"\n'
SMALL_LOG = "[limits]\nlog_bytes_max = 20000\nlog_keep_slots = 2\n"


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKernel]:
    with fake_kernel(monkeypatch) as made:
        yield made


def configure(
    base: Path, *, store: str = "memory", mode: str = "replica", extra: str = ""
) -> ClusterConfig:
    options = MODES.format(mode) + extra
    core = None if mode == "replica" else "python"
    return make_config(base, transport="kmod", store=store, extra=options, core=core)


async def check_logs(cluster: Cluster, expected: set[bytes]) -> None:
    await cluster.caught_up()
    logs = [machine.commands for machine in cluster.machines.values()]
    assert all(log == logs[0] for log in logs)
    assert set(logs[0]) == expected
    assert len(logs[0]) == len(expected)


@pytest.mark.parametrize("store", ["memory", "durable"])
@pytest.mark.parametrize("mode", ["relay", "replica"])
async def test_every_command_is_applied_once(tmp_path: Path, mode: str, store: str) -> None:
    config = configure(tmp_path, store=store, mode=mode)
    commands = [b"command %d" % number for number in range(300)]
    async with open_cluster(config) as cluster, open_client(config) as client:
        outcomes = await client.submit_many(commands, outstanding=50)
        assert sorted(map(int, outcomes)) == list(range(1, 301))
        await check_logs(cluster, set(commands))
        for node in config.nodes:
            status = await client.status(node)
            assert status is not None
            assert status["core"] == ("kernel" if mode == "replica" else "python")
            assert status["kernel"]["frames_in"] >= 0
            assert len(msgpack.packb(status)) < 1_000
        slots = [slot async for slot, _ in client.log(1)]
        assert slots == list(range(len(slots)))


async def test_the_leader_is_lost_and_comes_back(tmp_path: Path) -> None:
    config = configure(tmp_path, store="durable")
    submitted: set[bytes] = set()
    async with open_cluster(config) as cluster, open_client(config, timeout=50) as client:
        for turn in range(3):
            leader = await cluster.leader()
            commands = [b"%d %d" % (turn, number) for number in range(40)]
            submitted.update(commands)
            await client.submit_many(commands)
            await cluster.stop(leader)
            assert await cluster.leader() != leader
            await client.submit(b"alone %d" % turn)
            submitted.add(b"alone %d" % turn)
            await cluster.start(leader)
            await check_logs(cluster, submitted)


async def test_a_snapshot_reaches_who_is_far_behind(tmp_path: Path) -> None:
    config = configure(tmp_path, store="durable", extra=SMALL_LOG)
    submitted: set[bytes] = set()
    async with open_cluster(config) as cluster, open_client(config, timeout=50) as client:
        leader = await cluster.leader()
        late = next(node for node in config.nodes if node != leader)
        await cluster.stop(late)
        for part in range(20):
            commands = [b"%d %d " % (part, number) * 10 for number in range(40)]
            submitted.update(commands)
            await client.submit_many(commands)
        await cluster.start(late)
        await check_logs(cluster, submitted)
        assert cluster.nodes[late].status()["first_slot"] > 5
    async with open_cluster(config) as cluster:
        await cluster.leader()
        await check_logs(cluster, submitted)


async def test_a_volatile_replica_that_restarts_does_not_vote(tmp_path: Path) -> None:
    config = configure(tmp_path)
    async with open_cluster(config) as cluster, open_client(config) as client:
        await client.submit(b"one")
        leader = await cluster.leader()
        await cluster.stop(leader)
        running = await cluster.start(leader)
        assert not running.status()["voting"]
        await client.submit(b"two")
        await check_logs(cluster, {b"one", b"two"})


async def test_a_node_whose_interface_goes_away_says_so(tmp_path: Path, kernel: FakeKernel) -> None:
    config = configure(tmp_path)

    async def run() -> None:
        async with open_cluster(config) as cluster:
            await cluster.leader()
            kernel.remove_interface()
            await cluster.until(lambda: False)

    with pytest.raises(BaseExceptionGroup) as caught:
        await run()
    failures = caught.value.subgroup(NodeFailed)
    assert failures is not None
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert "interface eth0 went away" in str(error)


def limits_of(kernel: FakeKernel, node: int) -> Mapping[str, int]:
    device = kernel.endpoint(node)
    assert isinstance(device, FakeReplica)
    return {name: getattr(device.config, name) for name, *_ in device.config._fields_}


async def test_the_kernel_is_told_what_the_configuration_says(
    tmp_path: Path, kernel: FakeKernel
) -> None:
    extra = SMALL_LOG + "[timing]\ntick_ms = 7\n[quorum]\nphase1 = 3\nphase2 = 1\n"
    config = configure(tmp_path, store="durable", extra=extra)
    async with open_cluster(config):
        told = limits_of(kernel, 2)
    assert (told["endpoint"], told["members"], told["cluster"]) == (2, 3, config.cluster_id)
    assert (told["phase1"], told["phase2"], told["tick_us"]) == (3, 1, 7_000)
    assert (told["log_bytes_max"], told["log_keep_slots"]) == (20_000, 2)
    assert told["flags"] == 3
