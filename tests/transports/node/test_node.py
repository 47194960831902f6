"""Nodes in one process: agreement, restart, catch-up, bad input, and how a node stops."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from clusters import Recorder, make_config, open_cluster

from paxos_core import CaughtUp, Codec, encode_record
from paxos_core.durable import ChosenUpTo
from paxos_core.messages import Heartbeat, StatusRequest
from transports.node import (
    ClientError,
    ConfigError,
    LeaderGained,
    LeaderLost,
    Node,
    NodeFailed,
    StoreError,
    create_store,
    open_client,
    open_node,
)
from transports.node.store.api import StoreDamaged, StoreIdentity
from transports.node.store.log_open import open_store
from transports.registry import resolve

SMALL_LOG = "[limits]\nlog_bytes_max = 20000\nlog_keep_slots = 2\n"


@pytest.mark.parametrize("store", ["memory", "durable"])
@pytest.mark.parametrize("transport", ["memory", "tcp"])
async def test_three_nodes_apply_every_command_once(
    tmp_path: Path, transport: str, store: str
) -> None:
    config = make_config(tmp_path, transport=transport, store=store)
    commands = [b"command %d" % number for number in range(300)]
    async with open_cluster(config) as cluster, open_client(config) as client:
        outcomes = await client.submit_many(commands, outstanding=50)
        assert sorted(int(outcome) for outcome in outcomes) == list(range(1, 301))
        await cluster.caught_up()
        logs = [cluster.machines[node].commands for node in config.nodes]
    assert logs[0] == logs[1] == logs[2]
    assert sorted(logs[0]) == sorted(commands)


async def test_many_tasks_share_one_client(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path)
    results: list[int] = []
    async with open_cluster(config) as cluster, open_client(config) as client:

        async def submit(number: int) -> None:
            results.append(int(await client.submit(b"%d" % number)))

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(submit, number)
        frames = cluster.nodes[1].status()["frames_received"]
    assert sorted(results) == list(range(1, 101))
    assert frames < 100, "commands submitted together did not share frames"


async def test_a_leader_that_stops_is_replaced_and_nothing_is_lost(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path, store="durable")
    async with open_cluster(config) as cluster, open_client(config) as client:
        await client.submit_many([b"before %d" % n for n in range(20)])
        first = await cluster.leader()
        await cluster.stop(first)
        await client.submit_many([b"after %d" % n for n in range(20)])
        assert await cluster.leader() != first
        await cluster.start(first)
        await cluster.caught_up()
        assert len(set(cluster.machines[first].commands)) == 40
        assert len(cluster.machines[first].commands) == 40


async def test_a_node_far_behind_is_sent_a_snapshot(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path, store="durable", extra=SMALL_LOG)
    async with open_cluster(config) as cluster, open_client(config) as client:
        follower = next(n for n in config.nodes if n != cluster.nodes[1].leader)
        await cluster.leader()
        await cluster.stop(follower)
        for part in range(20):
            await client.submit_many([b"%d %d" % (part, n) * 10 for n in range(40)])
        assert all(node.status()["first_slot"] > 5 for node in cluster.nodes.values())
        await cluster.start(follower)
        await cluster.caught_up()
        logs = [machine.commands for machine in cluster.machines.values()]
    assert logs[0] == logs[1] == logs[2]
    assert len(logs[0]) == 800


async def test_all_nodes_restart_from_their_stores(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path, store="durable", extra=SMALL_LOG)
    for round_number in range(3):
        async with open_cluster(config) as cluster, open_client(config) as client:
            await client.submit_many([b"%d %d" % (round_number, n) * 20 for n in range(100)])
            await cluster.caught_up()
            assert len(cluster.machines[2].commands) == 100 * (round_number + 1)


async def test_a_volatile_node_that_restarts_learns_but_does_not_vote(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config) as cluster, open_client(config, timeout=5) as client:
        await client.submit(b"one")
        leader = await cluster.leader()
        await cluster.stop(leader)
        await client.submit(b"two")
        again = await cluster.start(leader)
        await cluster.caught_up()
        assert not again.status()["voting"]
        assert cluster.machines[leader].commands == [b"one", b"two"]
        # Two of three vote now; without one of them there is no quorum.
        (other,) = set(config.nodes) - {leader, await cluster.leader()}
        await cluster.stop(other)
        with pytest.raises(Exception, match=r"may have been applied|no leader answered"):
            await client.submit(b"three")


async def test_a_node_that_ends_lets_nobody_wait_for_ever(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path, store="memory")
    ended: list[str] = []

    async def watch(node: Node) -> None:
        async for _ in node.events():
            pass
        ended.append("events")

    async def wait(node: Node) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await node.wait_for_leader()
        ended.append("leader")

    with trio.fail_after(60):
        async with (
            trio.open_nursery() as nursery,
            open_node(config, 1, Recorder(), first_start=True) as node,
        ):
            nursery.start_soon(watch, node)
            nursery.start_soon(wait, node)
            await trio.testing.wait_all_tasks_blocked()
    await watch(node)
    assert sorted(ended) == ["events", "events", "leader"]


async def test_events_tell_of_leaders_and_catching_up(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path, store="durable")
    seen: list[object] = []

    async def watch(node: object) -> None:
        async for event in node.events():  # type: ignore[attr-defined]
            seen.append(event)

    async with open_cluster(config) as cluster, open_client(config) as client:
        first = await cluster.leader()
        (watched, *_) = set(config.nodes) - {first}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, cluster.nodes[watched])
            await trio.testing.wait_all_tasks_blocked()
            await cluster.stop(first)
            await client.submit(b"x")
            await cluster.until(lambda: any(isinstance(e, LeaderGained) for e in seen))
            nursery.cancel_scope.cancel()
        assert any(isinstance(event, LeaderLost) for event in seen)
        again = await cluster.start(first)
        seen.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, again)
            await cluster.until(lambda: any(isinstance(e, CaughtUp) for e in seen))
            nursery.cancel_scope.cancel()


async def test_bad_frames_are_dropped_and_counted(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    stranger, other = 70_001, 70_002
    codec = Codec(config.cluster_id, stranger)
    foreign = Codec(config.cluster_id + 1, stranger)
    wrong_version = bytearray(codec.encode(StatusRequest(1)))
    wrong_version[2] = 99
    async with open_cluster(config) as cluster:
        opener = resolve("memory")
        async with opener(stranger, config.nodes) as transport:
            for frame in (
                b"\x00\xff random",
                foreign.encode(StatusRequest(1)),
                bytes(wrong_version),
                Codec(config.cluster_id, other).encode(StatusRequest(1)),
                codec.encode(Heartbeat(1 << 40 | 2, 5, 1)),
                codec.encode(StatusRequest(7)),
            ):
                transport.send([(1, frame)])
            ((_, answer),) = await transport.receive()
        assert codec.decode(answer)[1].nonce == 7  # type: ignore[union-attr]
        dropped = cluster.nodes[1].dropped
    assert dropped == {"malformed": 1, "cluster": 1, "version": 1, "misattributed": 1}


async def test_a_state_machine_that_raises_stops_the_node_with_one_line(tmp_path: Path) -> None:
    class Broken(Recorder):
        def apply(self, command: bytes) -> bytes:
            raise ZeroDivisionError("the application's bug")

    config = make_config(tmp_path, size=1)
    with pytest.raises(  # noqa: PT012
        NodeFailed,
        match=r"^node 1 stops: the state machine failed at slot 1: "
        r"apply raised ZeroDivisionError: the application's bug$",
    ):
        async with (
            open_node(config, 1, Broken(), first_start=True),
            open_client(config, timeout=2) as client,
        ):
            await client.submit(b"x")
            await trio.sleep_forever()


async def test_a_store_that_fails_stops_the_node_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    config = make_config(tmp_path, store="durable", size=1)
    syncs = 0

    def failing(fd: int) -> None:
        nonlocal syncs
        syncs += 1
        raise OSError(5, "Input/output error")

    with pytest.raises(NodeFailed, match=r"node 1 stops: .*"):  # noqa: PT012
        async with open_node(config, 1, Recorder()) as node:
            monkeypatch.setattr(os, "fdatasync", failing)
            await node.wait_for_leader()
            await trio.sleep_forever()
    assert syncs == 1


async def test_a_node_without_a_store_does_not_start(tmp_path: Path) -> None:
    config = make_config(tmp_path, store="durable", make_stores=False)
    with pytest.raises(StoreError, match="paxos init"):
        async with open_node(config, 1, Recorder()):
            pytest.fail("it started")


async def test_a_node_whose_records_contradict_themselves_does_not_start(tmp_path: Path) -> None:
    config = make_config(tmp_path, store="durable")
    store, _ = open_store(config.store_path(1), config.cluster_id, 1)
    store.write([encode_record(ChosenUpTo(3))])
    store.close()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=r"slot 0 is on record.*must not vote.*--non-voting"):
            async with open_node(config, 1, Recorder()):
                pytest.fail("it started")


async def test_a_node_whose_store_was_made_anew_learns_and_never_votes(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path, store="durable", make_stores=False)
    for node in config.nodes:
        identity = StoreIdentity(config.cluster_id, node, voting=node != 3)
        create_store(config.store_path(node), identity)
    async with open_cluster(config) as cluster, open_client(config, timeout=5) as client:
        await client.submit(b"one")
        await cluster.caught_up()
        assert cluster.machines[3].commands == [b"one"]
        assert not cluster.nodes[3].status()["voting"]
        await cluster.stop(2 if await cluster.leader() == 1 else 1)
        with pytest.raises(ClientError, match=r"may have been applied|no leader answered"):
            await client.submit(b"two")


async def test_a_node_that_is_not_configured_does_not_start(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    with pytest.raises(ConfigError, match="node 9 is not in the configuration, which has 1, 2, 3"):
        async with open_node(config, 9, Recorder(), first_start=True):
            pytest.fail("it started")


async def test_the_body_s_own_error_comes_out_as_itself(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    with pytest.raises(KeyError, match="mine"):
        async with open_node(config, 1, Recorder(), first_start=True):
            raise KeyError("mine")


async def test_a_state_machine_that_cannot_replay_stops_the_node_with_one_line(
    tmp_path: Path, autojump_clock: object
) -> None:
    class Forgetful(Recorder):
        def apply(self, command: bytes) -> bytes:
            raise KeyError("what it was")

    config = make_config(tmp_path, store="durable", size=1)
    async with open_cluster(config), open_client(config) as client:
        await client.submit(b"x")
        await client.submit(b"y")
    with pytest.raises(NodeFailed, match=r"^node 1 stops: the state machine failed at slot 1: "):
        async with open_node(config, 1, Forgetful()):
            pytest.fail("it started")


@pytest.mark.parametrize("machine", [object(), Recorder])
async def test_what_is_no_state_machine_is_refused_at_once(tmp_path: Path, machine: object) -> None:
    config = make_config(tmp_path)
    with pytest.raises(TypeError, match=r"state machine .* (has no apply|is a class)"):
        async with open_node(config, 1, machine, first_start=True):  # type: ignore[arg-type]
            pytest.fail("it started")
