"""Nodes over the record layer: the core is the C library, or the Python one behind records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from clusters import Cluster, make_config, open_cluster
from fake_core import FakeChannel
from native_kit import need_compiler

from transports.node import open_client
from transports.node.config import CoreKind

SMALL_LOG = "[limits]\nlog_bytes_max = 20000\nlog_keep_slots = 2\n"
CORES: dict[str, Mapping[int, CoreKind]] = {
    "all": {1: "c", 2: "c", 3: "c"},
    "one": {1: "c"},
    "two": {2: "c", 3: "c"},
}


@pytest.fixture(autouse=True, params=["library", "played"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "library":
        need_compiler()
        return
    monkeypatch.setattr("transports.node.native.library.LibraryChannel", FakeChannel)
    monkeypatch.setattr("transports.node.cores.load_c_core", lambda: None)


@pytest.fixture(params=CORES)
def cores(request: pytest.FixtureRequest) -> Mapping[int, CoreKind]:
    return CORES[request.param]


async def check_logs(cluster: Cluster, expected: set[bytes]) -> None:
    await cluster.caught_up()
    logs = [machine.commands for machine in cluster.machines.values()]
    assert all(log == logs[0] for log in logs)
    assert set(logs[0]) == expected
    assert len(logs[0]) == len(expected)


@pytest.mark.parametrize("store", ["memory", "durable"])
async def test_every_command_is_applied_once(
    tmp_path: Path, cores: Mapping[int, CoreKind], store: str, autojump_clock: object
) -> None:
    config = make_config(tmp_path, store=store)
    commands = [b"command %d" % number for number in range(300)]
    async with open_cluster(config, cores) as cluster, open_client(config) as client:
        outcomes = await client.submit_many(commands, outstanding=50)
        assert sorted(map(int, outcomes)) == list(range(1, 301))
        await check_logs(cluster, set(commands))
        for node, running in cluster.nodes.items():
            assert running.status()["core"] == cores.get(node, "python")


async def test_each_leads_is_lost_and_comes_back(
    tmp_path: Path, cores: Mapping[int, CoreKind], autojump_clock: object
) -> None:
    config = make_config(tmp_path, store="durable")
    submitted: set[bytes] = set()
    led: set[int] = set()
    async with open_cluster(config, cores) as cluster, open_client(config, timeout=50) as client:
        while len(led) < 3:
            leader = await cluster.leader()
            led.add(leader)
            commands = [b"%d %d" % (len(submitted), number) for number in range(20)]
            submitted.update(commands)
            await client.submit_many(commands)
            await cluster.stop(leader)
            await cluster.leader()
            await client.submit(b"alone %d" % len(submitted))
            submitted.add(b"alone %d" % (len(submitted)))
            await cluster.start(leader)
            await check_logs(cluster, submitted)


async def test_a_snapshot_reaches_who_is_far_behind(
    tmp_path: Path, cores: Mapping[int, CoreKind], autojump_clock: object
) -> None:
    config = make_config(tmp_path, store="durable", extra=SMALL_LOG)
    submitted: set[bytes] = set()
    async with open_cluster(config, cores) as cluster, open_client(config, timeout=50) as client:
        for late in config.nodes:
            await cluster.stop(late)
            for part in range(20):
                commands = [b"%d %d %d " % (late, part, number) * 10 for number in range(40)]
                submitted.update(commands)
                await client.submit_many(commands)
            before = min(node.status()["first_slot"] for node in cluster.nodes.values())
            assert before > 5
            await cluster.start(late)
            await check_logs(cluster, submitted)
            assert cluster.nodes[late].status()["first_slot"] > 5
    async with open_cluster(config, cores) as cluster:
        await cluster.leader()
        await check_logs(cluster, submitted)
