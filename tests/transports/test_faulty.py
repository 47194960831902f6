from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from transports.api import Frame, Transport
from transports.faulty import Faults, faulty
from transports.memory import open_memory
from transports.testing import PROMISES, check_transport

_hub_numbers = itertools.count()


def fresh_hub(n: int) -> dict[int, str]:
    return dict.fromkeys(range(1, n + 1), f"faulty-{next(_hub_numbers)}")


@asynccontextmanager
async def pair(
    faults: Faults, seed: int = 1, delayed_frames_max: int = 100
) -> AsyncIterator[tuple[Transport, Transport]]:
    """A plain endpoint 1 and a faulty endpoint 2."""
    peers = fresh_hub(2)
    async with open_memory(1, peers) as one, open_memory(2, peers) as inner:
        yield one, faulty(inner, 2, faults, seed, delayed_frames_max=delayed_frames_max)


async def collect(transport: Transport, seconds: float = 100.0) -> list[tuple[float, bytes]]:
    """Return what arrives, each with the time that has passed."""
    start = trio.current_time()
    arrived: list[tuple[float, bytes]] = []
    with trio.move_on_after(seconds):
        while True:
            frames = await transport.receive()
            arrived += [(round(trio.current_time() - start, 6), frame) for _, frame in frames]
    return arrived


def numbered(n: int) -> list[Frame]:
    return [(2, b"%d" % i) for i in range(n)]


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_under_faults(
    promise: str, autojump_clock: trio.testing.MockClock
) -> None:
    faults = Faults(loss=0.2, duplication=0.2, reorder=0.3, delay_seconds=(0.0, 0.004))

    @asynccontextmanager
    async def open_faulty(
        local: int, peers: Mapping[int, str], **options: object
    ) -> AsyncIterator[Transport]:
        async with open_memory(local, peers, **options) as inner:
            yield faulty(inner, local, faults, seed=local)

    await check_transport(open_faulty, fresh_hub, promises=[promise], within_seconds=1000)


async def test_without_faults_nothing_changes(autojump_clock: trio.testing.MockClock) -> None:
    async with pair(Faults()) as (one, two):
        one.send(numbered(5))
        assert await two.receive() == [(1, frame) for _, frame in numbered(5)]
        assert two.stats.dropped.total() == 0


async def test_loss_and_duplication_are_drawn_and_counted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pair(Faults(loss=0.3, duplication=0.3)) as (one, two):
        one.send(numbered(1000))
        arrived = await collect(two)
        lost = two.stats.dropped["faulty_loss"]
        assert 200 < lost < 400
        assert len({frame for _, frame in arrived}) == 1000 - lost
        assert 100 < len(arrived) - (1000 - lost) < 300


async def test_the_same_seed_meets_the_same_fate(autojump_clock: trio.testing.MockClock) -> None:
    runs = []
    for seed in (1, 1, 2):
        faults = Faults(loss=0.2, duplication=0.2, reorder=0.2, delay_seconds=(0.0, 0.5))
        async with pair(faults, seed) as (one, two):
            one.send(numbered(50))
            runs.append(await collect(two))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


async def test_delays_lie_in_their_range(autojump_clock: trio.testing.MockClock) -> None:
    async with pair(Faults(delay_seconds=(1.0, 3.0))) as (one, two):
        one.send(numbered(50))
        times = [time for time, _ in await collect(two)]
        assert len(times) == 50
        assert times == sorted(times)
        assert 1.0 <= times[0] < 1.5
        assert 2.5 < times[-1] <= 3.0


async def test_reordering_lets_later_frames_overtake(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pair(Faults(reorder=0.5)) as (one, two):
        one.send(numbered(20))
        arrived = [frame for _, frame in await collect(two)]
        sent = [frame for _, frame in numbered(20)]
        assert sorted(arrived) == sorted(sent)
        assert arrived != sent


async def test_frames_held_back_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    faults = Faults(delay_seconds=(1.0, 1.0))
    async with pair(faults, delayed_frames_max=10) as (one, two):
        one.send(numbered(15))
        assert len(await collect(two)) == 10
        assert two.stats.dropped["faulty_queue_full"] == 5


async def test_a_cancelled_receive_keeps_what_is_held_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with pair(Faults(delay_seconds=(1.0, 1.0))) as (one, two):
        one.send(numbered(5))
        for _ in range(4):
            assert await collect(two, seconds=0.2) == []
        assert len(await collect(two, seconds=0.5)) == 5


async def test_partitions_are_directed_and_change_while_running(
    autojump_clock: trio.testing.MockClock,
) -> None:
    faults = Faults()
    async with pair(faults) as (one, two):
        faults.partitions.add((1, 2))
        one.send([(2, b"lost")])
        assert await collect(two, seconds=1) == []
        two.send([(1, b"other way")])
        assert await one.receive() == [(2, b"other way")]
        faults.isolate(2, [1])
        two.send([(1, b"lost too")])
        assert two.stats.dropped["faulty_partition"] == 2
        faults.heal()
        one.send([(2, b"healed")])
        assert await two.receive() == [(1, b"healed")]
