"""The same cluster over every transport, of each core and of both: loss, a leader killed,
a snapshot, a mixed bag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import own_network
import pytest
import trio
from clusters import Cluster, make_config, open_cluster
from native_kit import need_compiler

from transports.node import Client, CommandTooLarge, open_client
from transports.node.config import CoreKind

LAYERS = {
    "memory": "memory",
    "tcp": "tcp",
    "udp": "udp",
    "zeromq": "zeromq",
    "ethernet": own_network.OPENER,
}
CORES: dict[str, Mapping[int, CoreKind]] = {
    "python": {},
    "c": dict.fromkeys((1, 2, 3), "c"),
    "mixed": {1: "c", 3: "c"},
}
FAULTY = "transports.node.faulty:open_faulty"
FAULTS = """
[transport_options]
over = "{}"
loss = 0.1
duplication = 0.1
reorder = 0.1
delay_ms = 0.5
"""
KEY = '[transport_options]\nkey_file = "right.key"\n'
SMALL_LOG = "[limits]\nlog_bytes_max = 20000\nlog_keep_slots = 2\n"


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name under which the configuration knows the transport."""
    if request.param != "ethernet":
        yield LAYERS[request.param]
        return
    own_network.need_network()
    with own_network.own_network():
        yield LAYERS[request.param]


@pytest.fixture(params=CORES)
def cores(request: pytest.FixtureRequest) -> Mapping[int, CoreKind]:
    """Node -> core."""
    if request.param != "python":
        need_compiler()
    return CORES[request.param]


async def check_logs(cluster: Cluster, expected: set[bytes]) -> None:
    """Wait until all nodes have applied the same; each command must be there once."""
    await cluster.caught_up()
    logs = [machine.commands for machine in cluster.machines.values()]
    assert all(log == logs[0] for log in logs)
    assert set(logs[0]) == expected
    assert len(logs[0]) == len(expected)


async def test_agreement_under_loss(
    tmp_path: Path, layer: str, cores: Mapping[int, CoreKind]
) -> None:
    config = make_config(tmp_path, transport=FAULTY, over=layer, extra=FAULTS.format(layer))
    commands = [b"command %d" % number for number in range(150)]
    async with open_cluster(config, cores) as cluster, open_client(config, timeout=50) as client:
        outcomes = await client.submit_many(commands, outstanding=10)
        assert sorted(map(int, outcomes)) == list(range(1, 151))
        await check_logs(cluster, set(commands))
        dropped = [node.status()["dropped"] for node in cluster.nodes.values()]
    assert all(causes["faulty_loss"] > 0 for causes in dropped)
    assert all(causes.get("malformed", 0) == 0 for causes in dropped)


async def test_the_leader_is_killed_under_load_and_comes_back(
    tmp_path: Path, layer: str, cores: Mapping[int, CoreKind]
) -> None:
    config = make_config(tmp_path, transport=layer, store="durable")
    submitted: set[bytes] = set()

    async with open_cluster(config, cores) as cluster, open_client(config, timeout=50) as client:

        async def work(worker: int, task_status: trio.TaskStatus[None]) -> None:
            for number in range(60):
                command = b"%d.%d" % (worker, number)
                await client.submit(command)
                submitted.add(command)
                if number == 20:
                    task_status.started()

        async with trio.open_nursery() as nursery:
            for worker in range(4):
                await nursery.start(work, worker)
            first = await cluster.leader()
            assert len(submitted) < 240
            await cluster.stop(first)
        assert await cluster.leader() != first
        await cluster.start(first)
        await check_logs(cluster, submitted)
    assert len(submitted) == 240


async def test_a_node_far_behind_is_sent_a_snapshot(
    tmp_path: Path, layer: str, cores: Mapping[int, CoreKind]
) -> None:
    config = make_config(tmp_path, transport=layer, store="durable", extra=SMALL_LOG)
    submitted: set[bytes] = set()
    async with open_cluster(config, cores) as cluster, open_client(config, timeout=50) as client:
        leader = await cluster.leader()
        follower = next(node for node in config.nodes if node != leader)
        await cluster.stop(follower)
        for part in range(20):
            commands = [b"%d %d " % (part, number) * 10 for number in range(40)]
            submitted.update(commands)
            await client.submit_many(commands)
        assert all(node.status()["first_slot"] > 5 for node in cluster.nodes.values())
        # Much larger than a frame of Ethernet: it comes in pieces.
        assert len(b"".join(submitted)) > 30_000
        await cluster.start(follower)
        await check_logs(cluster, submitted)
        assert cluster.nodes[follower].status()["first_slot"] > 5


async def test_a_node_with_another_key_is_not_heard_and_with_the_right_one_catches_up(
    tmp_path: Path, layer: str
) -> None:
    (tmp_path / "right.key").write_text("0123456789abcdef" * 2)
    (tmp_path / "wrong.key").write_text("0123456789abcde0" * 2)
    right = make_config(tmp_path, transport=layer, store="durable", extra=KEY)
    wrong = replace(right, transport_options={"key_file": "wrong.key"})
    async with open_cluster(right) as cluster, open_client(right, timeout=50) as client:
        leader = await cluster.leader()
        follower = next(node for node in right.nodes if node != leader)
        await cluster.stop(follower)
        cluster.config = wrong
        stranger = await cluster.start(follower)
        cluster.config = right
        before = stranger.status()["applied"]
        commands = [b"%d" % number for number in range(100)]
        await client.submit_many(commands)
        # Whoever hears the other drops what he hears, in both directions.
        await cluster.until(
            lambda: all(n.status()["dropped"].get("bad_tag", 0) for n in cluster.nodes.values())
        )
        assert stranger.leader == 0
        assert stranger.status()["applied"] == before
        await cluster.stop(follower)
        await cluster.start(follower)
        await check_logs(cluster, set(commands))
        assert await cluster.leader()


async def test_a_mixed_bag_of_commands(
    tmp_path: Path, layer: str, cores: Mapping[int, CoreKind]
) -> None:
    config = make_config(tmp_path, transport=layer)
    submitted: set[bytes] = set()
    async with (
        open_cluster(config, cores) as cluster,
        open_client(config, timeout=50) as one,
        open_client(config, timeout=50) as other,
    ):

        async def submit(client: Client, commands: list[bytes]) -> None:
            submitted.update(commands)
            async with trio.open_nursery() as nursery:
                for command in commands:
                    nursery.start_soon(client.submit, command)

        largest = one.command_bytes_max
        assert largest >= 1_000
        with pytest.raises(CommandTooLarge):
            await one.submit(b"x" * (largest + 1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(submit, one, [b"", b"\x00", b"\xff" * 3])
            nursery.start_soon(submit, one, [b"%d" % n * (largest // 2) for n in range(2, 9)])
            nursery.start_soon(submit, other, [bytes([n]) * largest for n in range(5)])
            nursery.start_soon(submit, other, [b"tiny %d" % n for n in range(300)])
        many = [b"one of many %d" % n for n in range(2_000)]
        submitted.update(many)
        assert len(await one.submit_many(many)) == len(many)
        await cluster.caught_up()
        logs = [machine.commands for machine in cluster.machines.values()]
        assert all(log == logs[0] for log in logs)
        assert sorted(logs[0]) == sorted(submitted)
