from __future__ import annotations

import itertools

import pytest
import trio

from transports.api import TransportError
from transports.memory import open_memory
from transports.testing import PROMISES, check_transport

_hub_numbers = itertools.count()


def fresh_hub(n: int) -> dict[int, str]:
    return dict.fromkeys(range(1, n + 1), f"hub-{next(_hub_numbers)}")


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(promise: str, autojump_clock: trio.testing.MockClock) -> None:
    await check_transport(open_memory, fresh_hub, promises=[promise])


async def test_frames_arrive_in_order_and_all_at_once() -> None:
    peers = fresh_hub(2)
    async with open_memory(1, peers) as one, open_memory(2, peers) as two:
        one.send([(2, b"a"), (2, b"b")])
        one.send([(2, b"c")])
        assert await two.receive() == [(1, b"a"), (1, b"b"), (1, b"c")]
        assert (one.stats.frames_sent, one.stats.bytes_sent) == (3, 3)
        assert (two.stats.frames_received, two.stats.bytes_received) == (3, 3)


async def test_causes_of_drops_are_counted() -> None:
    peers = fresh_hub(3)
    options = {"frame_bytes_max": 10, "queue_frames_max": 2}
    async with open_memory(1, peers, **options) as one, open_memory(2, peers, **options):
        one.send([(2, b""), (2, b"x" * 11), (1, b"me"), (3, b"down"), (70_000, b"who")])
        one.send([(2, b"a"), (2, b"b"), (2, b"c")])
        assert one.stats.dropped == {
            "empty": 1, "oversized": 1, "unknown_peer": 2, "disconnected": 1, "queue_full": 1,
        }  # fmt: skip
        assert one.stats.frames_sent == 2


async def test_the_way_back_to_a_client_is_learnt_from_its_frames() -> None:
    peers = fresh_hub(1)
    async with open_memory(1, peers) as one, open_memory(70_000, peers) as client:
        one.send([(70_000, b"who are you?")])
        assert one.stats.dropped["unknown_peer"] == 1
        client.send([(1, b"hello")])
        await one.receive()
        one.send([(70_000, b"hello yourself")])
        assert await client.receive() == [(1, b"hello yourself")]


async def test_hubs_are_apart() -> None:
    here, there = fresh_hub(2), fresh_hub(2)
    async with open_memory(1, here) as one, open_memory(2, there):
        one.send([(2, b"x")])
        assert one.stats.dropped["disconnected"] == 1


@pytest.mark.parametrize(
    ("local", "peers", "message"),
    [
        (4, {1: "a"}, "endpoint 4 has no address"),
        (1, {1: "a", 2: "b"}, r"begin with one hub's name, as in hub/1, not with \['a', 'b'\]"),
        (1, {1: ""}, "one hub's name"),
        (70_000, {}, "one hub's name"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    local: int, peers: dict[int, str], message: str
) -> None:
    with pytest.raises(TransportError, match=message):
        async with open_memory(local, peers):
            pass


async def test_one_endpoint_opens_once_at_a_time() -> None:
    peers = fresh_hub(1)
    async with open_memory(1, peers):
        with pytest.raises(TransportError, match="open already"):
            async with open_memory(1, peers):
                pass
    async with open_memory(1, peers):
        pass
