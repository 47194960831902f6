"""ZeroMQ on loopback. The time limits are guards against hanging, nothing is timed."""

from __future__ import annotations

import itertools
import select
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from zeromq_kit import (
    CLIENT,
    draining,
    foreign_socket,
    inject,
    over_tcp,
    port_of,
    until,
    until_received,
)

from transports._zeromq_sockets import endpoint_of, hello, identity_of
from transports.api import FIRST_CLIENT_ID, LAST_CLIENT_ID, Frame
from transports.framing import join_frames
from transports.testing import PROMISES, check_transport
from transports.zeromq import open_zeromq

_numbers = itertools.count()


@pytest.fixture(autouse=True)
async def _guard() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


@pytest.fixture
def over_ipc(tmp_path: Path) -> Callable[[int], dict[int, str]]:
    return lambda n: {i: f"ipc://{tmp_path}/{next(_numbers)}" for i in range(1, n + 1)}


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_over_tcp(promise: str) -> None:
    await check_transport(open_zeromq, over_tcp, promises=[promise], inject_garbage=inject)


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_over_ipc(
    promise: str, over_ipc: Callable[[int], dict[int, str]]
) -> None:
    await check_transport(open_zeromq, over_ipc, promises=[promise], inject_garbage=inject)


@pytest.mark.parametrize("promise", ["arrival", "integrity", "clogged"])
async def test_conformance_with_narrow_bounds(promise: str) -> None:
    options = {"frame_bytes_max": 600, "queue_bytes_max": 700, "queue_messages_max": 1}
    await check_transport(open_zeromq, over_tcp, options=options, promises=[promise])


async def test_identities_name_endpoints_and_nothing_else() -> None:
    for endpoint in (1, 255, 65_535, FIRST_CLIENT_ID, LAST_CLIENT_ID):
        identity = identity_of(endpoint)
        assert len(identity) == 8
        assert identity[0] != 0
        assert endpoint_of(identity) == endpoint
    for foreign in (b"", b"\0" * 5, b"\x80" + bytes(7), b"\x01" * 8, b"\xff" * 9):
        assert endpoint_of(foreign) is None


async def test_frames_to_replicas_that_are_up_are_not_lost_after_opening() -> None:
    peers = over_tcp(2)
    async with open_zeromq(2, peers) as two, open_zeromq(1, peers) as one:
        one.send([(2, b"at once")])
        assert await two.receive() == [(1, b"at once")]


async def test_causes_of_drops_are_counted() -> None:
    peers = over_tcp(2)
    async with open_zeromq(1, peers, frame_bytes_max=10) as one:
        one.send([(2, b""), (2, b"x" * 11), (1, b"me"), (2, b"down"), (CLIENT, b"who")])
        expected = {"empty": 1, "oversized": 1, "unknown_peer": 2, "disconnected": 1}
        assert one.stats.dropped == expected
        assert one.stats.frames_sent == 0
    one.send([(2, b"x")])
    assert one.stats.dropped["closed"] == 1


async def test_no_frame_waits_unseen_while_two_tasks_use_the_socket() -> None:
    """Each send of the client may swallow the edge that its receiver waits for."""
    peers = over_tcp(1)
    total, window = 20_000, 5
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        received = 0

        async def answer() -> None:
            while True:
                one.send(await one.receive())

        async def ask() -> None:
            for number in range(total):
                while number - received >= window:
                    await trio.lowlevel.checkpoint()
                client.send([(1, b"%d" % number)])
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            nursery.start_soon(ask)
            while received < total:
                with trio.fail_after(5):
                    received += len(await client.receive())
            nursery.cancel_scope.cancel()
        assert not one.stats.dropped
        assert not client.stats.dropped


async def test_a_send_that_swallows_the_edge_wakes_the_task_that_waits() -> None:
    peers = over_tcp(1)
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        client.send([(1, b"hello")])
        await one.receive()
        got: list[Frame] = []

        async def wait() -> None:
            got.extend(await client.receive())

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                one.send([(CLIENT, b"unseen")])
                # No await from here on: trio itself must not see the edge.
                assert select.select([client._inbound_fd], [], [], 5)[0]
                while select.select([client._inbound_fd], [], [], 0)[0]:
                    client.send([(1, b"swallows it")])
        assert got == [(1, b"unseen")]


@pytest.mark.parametrize("lingering", [False, True])
async def test_what_one_turn_leaves_is_read_in_the_next(
    lingering: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor tells of arrivals once, also of more than are read in one go."""
    monkeypatch.setattr("transports.zeromq._MESSAGES_MAX", 2)
    peers = over_tcp(2)
    async with open_zeromq(2, peers) as two, open_zeromq(1, peers) as one:
        for _ in range(100):
            for number in range(5):
                one.send([(2, b"%d" % number)])
            got: list[Frame] = []
            with trio.fail_after(1):
                while len(got) < 5:
                    got += two.receive_soon(0.1) if lingering else await two.receive()
                    await trio.lowlevel.checkpoint()
            assert got == [(1, b"%d" % number) for number in range(5)]


async def test_a_cancelled_receive_whose_edge_a_send_swallowed_loses_nothing() -> None:
    peers = over_tcp(1)
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        for turn in range(100):
            client.send([(1, b"%d" % turn)])
            one.send(await one.receive())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.receive)
                for _ in range(turn % 4):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
                client.send([(1, b"swallows")])
            await one.receive()
            one.send([(CLIENT, b"last")])
            got: list[Frame] = []
            while (1, b"last") not in got:
                with trio.fail_after(5):
                    got += await client.receive()


async def test_a_batch_is_one_message_and_keeps_its_order() -> None:
    peers = over_tcp(2)
    frames = [b"%d" % n for n in range(1000)]
    async with open_zeromq(1, peers) as one, open_zeromq(2, peers) as two:
        await until_received(one, two, (2, b"contact"))
        one.send([(2, frame) for frame in frames])
        assert await two.receive() == [(1, frame) for frame in frames]


async def test_what_zeromq_does_not_take_waits_and_is_sent_whole_and_in_order() -> None:
    peers = over_tcp(2)
    options = {"queue_bytes_max": 1 << 26, "queue_messages_max": 1}
    async with open_zeromq(1, peers, **options) as one, open_zeromq(2, peers, **options) as two:
        await until_received(one, two, (2, b"contact"))
        frames = [(2, bytes([n]) * 500_000) for n in range(80)]
        for frame in frames:
            one.send([frame])
        assert one._outbox._waiting
        got: list[Frame] = []
        while len(got) < 80:
            got += [frame for frame in await two.receive() if len(frame[1]) == 500_000]
        assert got == [(1, frame) for _, frame in frames]
        await until(lambda: not one._outbox._waiting)
        assert "queue_full" not in one.stats.dropped


async def test_a_full_queue_drops_whole_frames_and_the_rest_arrives_in_order() -> None:
    peers = over_tcp(2)
    options = {"frame_bytes_max": 100_000, "queue_bytes_max": 200_000, "queue_messages_max": 2}
    async with open_zeromq(1, peers, **options) as one, open_zeromq(2, peers, **options) as two:
        await until_received(one, two, (2, b"contact"))
        for number in range(400):
            one.send([(2, b"%06d" % number + bytes(50_000))])
        dropped = one.stats.dropped["queue_full"]
        assert dropped > 0
        got: list[int] = []
        while len(got) < 400 - dropped:
            for _, frame in await two.receive():
                if frame != b"contact":
                    assert len(frame) == 50_006
                    got.append(int(frame[:6]))
        assert got == sorted(set(got))


async def test_what_waits_for_a_peer_that_leaves_is_counted() -> None:
    peers = over_tcp(2)
    async with open_zeromq(1, peers, queue_messages_max=1) as one:
        async with open_zeromq(2, peers, queue_messages_max=1) as two:
            await until_received(one, two, (2, b"contact"))
            while not one._outbox._waiting:
                one.send([(2, bytes(1 << 20))])
        await until(lambda: not one._outbox._waiting)
        assert one.stats.dropped["disconnected"] > 0


@pytest.mark.parametrize(
    ("identity", "parts", "cause"),
    [
        (None, [b"hello"], "unknown_sender"),
        (b"somebody", [b"hello"], "unknown_sender"),
        (identity_of(1), [hello(1, 1) + join_frames([b"x"])], "unknown_sender"),
        (identity_of(9), [hello(9, 1) + join_frames([b"x"])], "unknown_sender"),
        (identity_of(CLIENT), [b"no hello"], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT + 1, 1) + join_frames([b"x"])], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 2) + join_frames([b"x"])], "misdirected"),
        (identity_of(CLIENT), [hello(CLIENT, 1)], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + b"\0\0\0\0"], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + b"\x7f\0\0\0"], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + join_frames([b"abc"])[:-1]], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + join_frames([b"x"]), b"more"], "malformed"),
    ],
)
async def test_a_foreign_message_is_dropped_and_counted(
    identity: bytes | None, parts: list[bytes], cause: str
) -> None:
    peers = over_tcp(2)
    async with open_zeromq(1, peers) as one, draining(one) as arrived:
        with foreign_socket(peers[1], identity) as stranger:
            stranger.send_multipart(parts)
            await until(lambda: one.stats.dropped[cause] == 1)
        async with open_zeromq(CLIENT, peers) as client:
            client.send([(1, b"unharmed")])
            await until(lambda: bool(arrived))
        assert arrived == [(CLIENT, b"unharmed")]


async def test_a_message_above_the_bound_ends_its_connection_only() -> None:
    peers = over_tcp(2)
    async with (
        open_zeromq(1, peers, frame_bytes_max=1000) as one,
        draining(one) as arrived,
        open_zeromq(2, peers) as two,
    ):
        await until(lambda: two._is_reachable(1))
        two.send([(1, bytes(200_000))])
        await until(lambda: not two._is_reachable(1))
        two.send([(1, b"dropped with it")])
        with foreign_socket(peers[1], identity_of(CLIENT)) as stranger:
            stranger.send(hello(CLIENT, 1) + join_frames([b"unharmed"]))
            await until(lambda: bool(arrived))
        assert arrived == [(CLIENT, b"unharmed")]


async def test_a_peer_that_broke_the_protocol_is_dialled_again() -> None:
    """libzmq itself would never do so."""
    peers = over_tcp(2)
    async with open_zeromq(1, peers, connect_seconds=0.1) as one:
        listeners = await trio.open_tcp_listeners(port_of(peers[2]), host="127.0.0.1")
        async with listeners[0] as stranger:
            stream = await stranger.accept()
            await stream.send_all(b"\xff" * 64)
            await until(lambda: one.stats.dropped.total() > 0)
            # Ended by a reset, the connection does not keep the port.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
        async with open_zeromq(2, peers) as two:
            await until_received(one, two, (2, b"found"))


async def test_a_replica_that_answers_at_anothers_address_gets_nothing() -> None:
    peers = over_tcp(3)
    crossed = {1: peers[1], 2: peers[3], 3: peers[2]}
    async with (
        open_zeromq(1, crossed) as one,
        open_zeromq(3, peers) as three,
        draining(three) as arrived,
    ):
        await until(lambda: one._is_reachable(3))
        one.send([(2, b"for two"), (3, b"for three")])
        await until(lambda: bool(arrived))
        assert arrived == [(1, b"for three")]
        assert one.stats.dropped == {"disconnected": 1}


async def test_a_second_process_of_a_replica_does_not_silence_the_first() -> None:
    peers = over_tcp(2)
    elsewhere = {1: peers[1], 2: over_tcp(1)[1]}
    async with (
        open_zeromq(1, peers) as one,
        draining(one) as arrived,
        open_zeromq(2, peers) as first,
    ):
        await until(lambda: first._is_reachable(1))
        async with open_zeromq(2, elsewhere) as second:
            await until(lambda: second._is_reachable(1))
            for sender, frame in ((second, b"second"), (first, b"first"), (second, b"again")):
                sender.send([(1, frame)])
            await until(lambda: len(arrived) == 3)
        first.send([(1, b"still here")])
        await until(lambda: len(arrived) == 4)
    assert {frame for _, frame in arrived} == {b"second", b"first", b"again", b"still here"}
    assert {sender for sender, _ in arrived} == {2}
