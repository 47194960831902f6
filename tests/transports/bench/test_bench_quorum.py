"""The rung without Paxos: a majority is awaited, and what a layer loses leaves again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import trio
import trio.testing

from transports.api import FIRST_CLIENT_ID, Frame, Transport
from transports.bench.meter import Job
from transports.bench.saved.schema import Closed, Open
from transports.bench.worker_quorum import HEADER, LEADER, Loader, follow, lead

CLIENT = FIRST_CLIENT_ID


class Recorder(Transport):
    """Keeps what is sent; `lose` says which of the client's frames never arrive."""

    frame_bytes_max = 1000

    def __init__(self) -> None:
        self.sent: list[Frame] = []

    def send(self, batch: Sequence[Frame]) -> None:
        self.sent += batch

    async def receive(self) -> list[Frame]:
        raise NotImplementedError

    def describe(self) -> Mapping[str, Any]:
        return {}


def command(first: int, count: int = 1) -> bytes:
    return HEADER.pack(first, count) + bytes(count * 64)


@pytest.mark.parametrize(("nodes", "answers"), [(3, 1), (5, 2)])
def test_the_leader_answers_when_a_majority_has_it(nodes: int, answers: int) -> None:
    transport = Recorder()
    followers = list(range(2, nodes + 1))
    feed = lead(transport, followers)
    feed([(CLIENT, command(0))])
    assert [to for to, _ in transport.sent] == followers
    transport.sent.clear()
    head = command(0)[: HEADER.size]
    for follower in followers[: answers - 1]:
        feed([(follower, head), (follower, head)])
    assert transport.sent == [], "one follower that says it twice is one"
    feed([(followers[answers - 1], head)])
    assert [to for to, _ in transport.sent] == [CLIENT]


def test_a_follower_says_that_it_has_a_batch() -> None:
    transport = Recorder()
    follow(transport)([(LEADER, command(3, 2))])
    assert transport.sent == [(LEADER, command(3, 2)[: HEADER.size])]


class Lossy(Recorder):
    """Loses every third frame, and gives the others back to the loader as answers."""

    def __init__(self, answers: trio.MemorySendChannel[Frame]) -> None:
        super().__init__()
        self._answers = answers
        self.count = self.lost = 0

    def send(self, batch: Sequence[Frame]) -> None:
        for frame in batch:
            self.count += 1
            if self.count % 3 == 0:
                self.lost += 1
            else:
                self._answers.send_nowait(frame)


@pytest.mark.parametrize("load", [Closed(outstanding=4), Open(per_second=200.0)])
async def test_what_is_lost_leaves_again(load: Closed | Open, capfd: Any) -> None:
    send, receive = trio.open_memory_channel[Frame](10_000)
    transport = Lossy(send)
    loader = Loader(transport)
    job = Job(load=load, command_bytes=64, warm_seconds=0.05, seconds=0.6)

    async def answer() -> None:
        async for frame in receive:
            await trio.lowlevel.checkpoint()
            loader.feed([frame])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        result = await loader.run(job)
        nursery.cancel_scope.cancel()
    assert transport.lost > 0
    assert result["commands"] > 0
    assert not loader._begun
