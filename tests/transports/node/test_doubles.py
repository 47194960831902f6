"""Two processes with one identity: one stops; a restart is never taken for two."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from clusters import make_config, open_cluster

from transports.node import ClusterConfig, Node, NodeFailed, doubles
from transports.node.doubles import ASK_SECONDS, watch_for_doubles

OLD, NEW = 1_000, 2_000
LONG_SECONDS = 30 * ASK_SECONDS


class Processes:
    """Watches as if each ran in a process of its own; all announce themselves as one node."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.stopped: dict[int, str] = {}

    async def run(self, node: Node, incarnation: int, seconds: float = LONG_SECONDS) -> None:
        self._monkeypatch.setattr(doubles, "draw_incarnation", lambda: incarnation)
        with trio.move_on_after(seconds):
            try:
                await watch_for_doubles(node)
            except NodeFailed as failed:
                self.stopped[incarnation] = str(failed)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    return Processes(monkeypatch)


@pytest.mark.parametrize("first", [OLD, NEW])
async def test_of_two_one_stops_and_says_so_in_one_line(
    tmp_path: Path, autojump_clock: object, processes: Processes, first: int
) -> None:
    """Also if the clock of the one that started first is ahead: then that one does."""
    async with open_cluster(make_config(tmp_path)) as cluster, trio.open_nursery() as nursery:
        nursery.start_soon(processes.run, cluster.nodes[1], first)
        await trio.sleep(5 * ASK_SECONDS)
        assert processes.stopped == {}
        nursery.start_soon(processes.run, cluster.nodes[1], OLD + NEW - first)
    ((incarnation, said),) = processes.stopped.items()
    assert incarnation == NEW
    assert said.startswith("node 1 stops: another process runs as node 1, and was there first; ")
    assert "\n" not in said


@pytest.mark.parametrize("second", [OLD, NEW])
async def test_a_restart_is_alone_whatever_its_clock_says(
    tmp_path: Path, autojump_clock: object, processes: Processes, second: int
) -> None:
    async with open_cluster(make_config(tmp_path)) as cluster:
        for incarnation in (OLD + NEW - second, second):
            await cluster.stop(1)
            node = await cluster.start(1)
            await processes.run(node, incarnation)
        heard = cluster.nodes[2].status()["incarnations"]["1"]
    assert processes.stopped == {}
    assert sorted(heard) == [OLD, NEW]


async def test_every_node_of_a_cluster_watches_in_peace(
    tmp_path: Path, autojump_clock: object, processes: Processes
) -> None:
    async with open_cluster(make_config(tmp_path)) as cluster, trio.open_nursery() as nursery:
        for number, node in cluster.nodes.items():
            nursery.start_soon(processes.run, node, number)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(5 * ASK_SECONDS)
        assert cluster.nodes[2].status()["incarnations"] == {"1": [1], "3": [3]}
        await cluster.stop(3)
    assert processes.stopped == {}


async def test_a_node_alone_has_nobody_to_ask(tmp_path: Path) -> None:
    async with open_cluster(make_config(tmp_path, size=1)) as cluster:
        await watch_for_doubles(cluster.nodes[1])


async def test_replicas_in_the_kernel_do_not_watch() -> None:
    """What nodes send one another does not come to user space there."""
    options = {"interface": "eth0", "mode": "replica"}
    nodes = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}
    config = ClusterConfig(nodes, transport="kmod", transport_options=options)
    assert config.kernel_replica
    await watch_for_doubles(cast(Node, SimpleNamespace(config=config, id=1)))


async def test_a_client_that_cannot_be_opened_does_not_stop_the_node(
    tmp_path: Path, autojump_clock: object, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(config: object) -> Any:
        tried.append(config)
        raise OSError("no certificate for a client")

    monkeypatch.setattr(doubles, "open_client", refuse)
    async with open_cluster(make_config(tmp_path)) as cluster:
        await processes.run(cluster.nodes[1], OLD)
    assert len(tried) > 1
    assert processes.stopped == {}
