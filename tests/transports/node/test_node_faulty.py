"""The faulty transport as a configuration names it."""

from __future__ import annotations

import pytest
import trio

from transports.api import TransportError
from transports.memory import open_memory
from transports.node.faulty import open_faulty

PEERS = {1: "faulty/1", 2: "faulty/2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "the option over is missing"),
        ({"over": "pigeon"}, "no transport is called 'pigeon'"),
        ({"over": "memory", "loss": 1.0}, "option loss is a probability, below 1, not 1.0"),
        ({"over": "memory", "reorder": 1.5}, "option reorder is a probability"),
        ({"over": "memory", "loss": -0.1}, "option loss must be above zero"),
        ({"over": "memory", "delay_ms": "5"}, "option delay_ms takes float, not '5'"),
        ({"over": "memory", "losss": 0.1}, "memory has no option 'losss'"),
    ],
)
async def test_what_it_refuses(options: dict[str, object], message: str) -> None:
    with pytest.raises(TransportError, match=message):
        async with open_faulty(1, PEERS, **options):
            pytest.fail("it was opened")


async def test_without_faults_it_is_the_transport_underneath(autojump_clock: object) -> None:
    options = {"over": "memory", "frame_bytes_max": 1_000}
    async with open_faulty(1, PEERS, **options) as one, open_faulty(2, PEERS, **options) as two:
        assert one.frame_bytes_max == 1_000
        frames = [b"%d" % number for number in range(200)]
        one.send([(2, frame) for frame in frames])
        assert await two.receive() == [(1, frame) for frame in frames]


async def test_faults_happen_where_frames_arrive(autojump_clock: object) -> None:
    async with (
        open_memory(1, PEERS) as one,
        open_faulty(2, PEERS, over="memory", loss=0.5, duplication=0.5, delay_ms=20) as two,
    ):
        began = trio.current_time()
        one.send([(2, b"%d" % number) for number in range(400)])
        arrived = [frame for _, frame in await two.receive()]
        assert trio.current_time() - began == pytest.approx(0.02)
        assert 100 < two.stats.dropped["faulty_loss"] < 300
        assert len(set(arrived)) + two.stats.dropped["faulty_loss"] == 400
        assert len(set(arrived)) < len(arrived)


async def test_endpoints_lose_different_frames(autojump_clock: object) -> None:
    lost = []
    peers = {1: "seeds/1", 2: "seeds/2", 3: "seeds/3"}
    for local in (2, 3):
        async with (
            open_memory(1, peers) as one,
            open_faulty(local, peers, over="memory", loss=0.5) as two,
        ):
            one.send([(local, b"%d" % number) for number in range(100)])
            lost.append([frame for _, frame in await two.receive()])
    assert lost[0] != lost[1]
