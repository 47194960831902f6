"""The client over real nodes: how each command ends, and what can be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing
from clusters import make_config, open_cluster

from paxos_core.session import decode_group
from transports.node import (
    ClientError,
    ClusterUnreachable,
    CommandTooLarge,
    ConfigError,
    NodeSilent,
    OutcomeUnknown,
    Overloaded,
    open_client,
)


async def test_without_a_cluster_a_command_ends_in_cluster_unreachable(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    async with open_client(config, timeout=3) as client:
        begun = trio.current_time()
        with pytest.raises(ClusterUnreachable, match="asked nodes 1, 2, 3"):
            await client.submit(b"x")
        assert trio.current_time() - begun == pytest.approx(3, abs=0.1)
        assert await client.status(1) is None


async def test_a_command_sent_to_a_cluster_that_dies_ends_in_outcome_unknown(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config) as cluster, open_client(config, timeout=3) as client:
        await client.submit(b"x")
        for node in config.nodes:
            await cluster.stop(node)
        with pytest.raises(OutcomeUnknown, match="may have been applied"):
            await client.submit(b"y")


async def test_a_command_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    async with open_client(config) as client:
        with pytest.raises(CommandTooLarge, match=f"at most {client.command_bytes_max} are taken"):
            await client.submit(bytes(client.command_bytes_max + 1))


async def test_the_largest_command_is_taken(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config) as cluster, open_client(config) as client:
        command = b"x" * client.command_bytes_max
        assert await client.submit(command) == b"1"
        await cluster.caught_up()
        assert all(machine.commands == [command] for machine in cluster.machines.values())


async def test_small_frames_carry_every_command(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path, extra="[transport_options]\nframe_bytes_max = 1500\n")
    async with open_cluster(config) as cluster, open_client(config) as client:
        commands = [bytes([n]) * (1 + n * 37 % 1000) for n in range(256)]
        outcomes = await client.submit_many(commands, outstanding=100)
        assert sorted(map(int, outcomes)) == list(range(1, 257))
        dropped = cluster.nodes[1].status()["dropped"]
    assert "oversized" not in dropped


async def test_frames_too_small_for_the_largest_command_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="command_bytes_max"):
        make_config(
            tmp_path,
            extra="[transport_options]\nframe_bytes_max = 1500\n"
            "[limits]\ncommand_bytes_max = 2000\n",
        )


async def test_a_client_that_floods_is_refused_by_its_own_queue(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    async with open_client(config) as client:
        with pytest.raises(Overloaded, match="wait for an answer already"):
            await client.submit_many([b"x"] * 20_000, outstanding=20_000)


async def test_a_cluster_with_full_queues_refuses_and_recovers(
    tmp_path: Path, autojump_clock: object
) -> None:
    limits = "[limits]\npending_bytes_max = 2000\ncommand_bytes_max = 500\n"
    config = make_config(tmp_path, extra=limits)
    async with open_cluster(config), open_client(config, timeout=5) as client:
        outcomes = await client.submit_many([b"x" * 500] * 200, outstanding=200)
        refused = [outcome for outcome in outcomes if isinstance(outcome, ClientError)]
        assert refused
        assert {type(outcome) for outcome in refused} == {Overloaded}
        assert int(await client.submit(b"after")) == len(outcomes) - len(refused) + 1


async def test_a_cancelled_submit_leaves_the_client_usable(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config), open_client(config) as client:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.submit(b"perhaps")
        assert await client.submit(b"surely") in (b"1", b"2")


async def test_a_cancelled_stream_takes_no_more_commands_and_calls_nobody(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    source = iter([b"x"] * 1000)
    told: list[object] = []
    async with open_cluster(config) as cluster, open_client(config) as client:
        await client.submit(b"there is a leader")
        with trio.CancelScope() as scope:
            await client.stream(
                source,
                outstanding=4,
                on_submit=lambda ticket, count: scope.cancel(),
                on_outcomes=lambda ticket, outcomes: told.append(outcomes),
            )
        assert scope.cancelled_caught
        assert await client.submit(b"after") == b"6"
        assert (told, len(list(source))) == ([], 996)
        await cluster.caught_up()


async def test_what_a_stream_s_callback_raises_is_its_caller_s(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)

    def fail(ticket: int, outcomes: list[object]) -> None:
        raise ZeroDivisionError

    async with open_cluster(config), open_client(config) as client:
        with pytest.raises(ZeroDivisionError):
            await client.stream(
                [b"x"] * 9,
                outstanding=2,
                on_submit=lambda ticket, count: None,
                on_outcomes=fail,
            )
        assert await client.submit(b"after") == b"3"


async def test_a_client_that_is_closed_lets_nobody_wait_for_ever(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    ended: list[str] = []

    async def closed(submit: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await submit()
        ended.append("closed")

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, open_client(config) as client:
            nursery.start_soon(closed, lambda: client.submit(b"alone"))
            nursery.start_soon(closed, lambda: client.submit_many([b"one", b"two"]))
            await trio.testing.wait_all_tasks_blocked()
    assert ended == ["closed", "closed"]


async def test_the_log_can_be_read_from_every_node(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config) as cluster, open_client(config) as client:
        await client.submit_many([b"%d" % n for n in range(50)], outstanding=7)
        await cluster.caught_up()
        logs = []
        for node in config.nodes:
            groups = [
                decode_group(command)
                async for _, commands in client.log(node)
                for command in commands
            ]
            logs.append([c for group in groups if group is not None for c in group[3]])
    assert logs[0] == logs[1] == logs[2]
    assert sorted(logs[0], key=int) == [b"%d" % n for n in range(50)]


async def test_a_trimmed_log_is_read_from_where_it_begins(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path, extra="[limits]\nlog_bytes_max = 5000\nlog_keep_slots = 2\n")
    async with open_cluster(config) as cluster, open_client(config) as client:
        for number in range(60):
            await client.submit(b"%d" % number * 50)
        first_slot = cluster.nodes[1].status()["first_slot"]
        slots = [slot async for slot, _ in client.log(1)]
    assert first_slot > 0
    assert slots[0] >= first_slot
    assert slots == list(range(slots[0], slots[0] + len(slots)))


async def test_a_command_too_large_in_a_stream_ends_it_after_the_others(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    ended: list[object] = []
    async with open_cluster(config), open_client(config) as client:
        commands = [b"a", b"b", bytes(1 << 20), b"c"]
        with pytest.raises(CommandTooLarge):
            await client.stream(
                commands,
                outstanding=2,
                on_submit=lambda ticket, count: None,
                on_outcomes=lambda ticket, outcomes: ended.extend(outcomes),
            )
        assert sorted(map(str, ended)) == ["b'1'", "b'2'"]
        assert await client.submit(b"d") == b"3"


async def test_the_log_of_a_node_that_is_down_is_no_log(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    async with open_client(config) as client:
        with pytest.raises(NodeSilent, match=r"^node 2 did not answer for 1 s$"):
            [entry async for entry in client.log(2)]


async def test_two_tasks_read_the_log_of_one_node_at_once(
    tmp_path: Path, autojump_clock: object
) -> None:
    config = make_config(tmp_path)
    slots: list[list[int]] = []

    async def read() -> None:
        slots.append([slot async for slot, _ in client.log(1)])

    async with open_cluster(config), open_client(config) as client:
        for number in range(300):
            await client.submit(b"%d" % number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(read)
    assert slots[0] == slots[1] == list(range(len(slots[0])))
    assert len(slots[0]) >= 300


async def test_one_caller_s_mistake_is_its_own(tmp_path: Path, autojump_clock: object) -> None:
    config = make_config(tmp_path)
    async with open_cluster(config), open_client(config) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.submit, b"good")
            await trio.lowlevel.checkpoint()
            with pytest.raises(TypeError, match=r"^a command is bytes, not str$"):
                await client.submit("text")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"^a command is bytes, not int$"):
                await client.submit_many([b"first", 2], outstanding=1)  # type: ignore[list-item]
        with pytest.raises(ValueError, match="at least 1, not 0"):
            await client.submit_many([b"x"], outstanding=0)
        assert await client.submit(b"after") == b"3"
    with pytest.raises(trio.ClosedResourceError):
        await client.submit(b"late")


async def test_a_cluster_key_admits_who_has_it_and_nobody_else(
    tmp_path: Path, autojump_clock: object
) -> None:
    (tmp_path / "cluster.key").write_text("00112233445566778899aabbccddeeff")
    (tmp_path / "other.key").write_text("ff112233445566778899aabbccddeeff")
    keyed = '[transport_options]\nkey_file = "{}.key"\n'
    config = make_config(tmp_path, extra=keyed.format("cluster"))
    stranger = replace(config, transport_options={"key_file": "other.key"})
    async with open_cluster(config) as cluster:
        async with open_client(config) as client:
            assert await client.submit(b"in") == b"1"
        async with open_client(stranger, timeout=3) as client:
            with pytest.raises(ClusterUnreachable):
                await client.submit(b"out")
        dropped = [node.status()["dropped"] for node in cluster.nodes.values()]
    assert sum(causes.get("bad_tag", 0) for causes in dropped) > 0


async def test_a_dedicated_client_answers_streams_and_tasks_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.node.client.collect_less", lambda: None)
    config = make_config(tmp_path)
    async with open_cluster(config), open_client(config, dedicated=True) as client:
        outcomes: list[object] = []

        async def alone() -> None:
            for _ in range(3):
                outcomes.append(await client.submit(b"alone"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(alone)
            outcomes += await client.submit_many([b"streamed"] * 20, outstanding=2)
        assert len(outcomes) == 23
        assert all(isinstance(outcome, bytes) for outcome in outcomes)
