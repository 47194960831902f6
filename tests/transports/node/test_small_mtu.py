"""Raw Ethernet with an MTU of 576: everything above keeps to frames of 550 bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import own_network
import trio
from clusters import make_config, open_cluster

from paxos_core import Codec
from paxos_core import messages as m
from transports.api import Frame, Transport
from transports.node import open_client

MTU_BYTES = 576
FRAME_BYTES = MTU_BYTES - 26
WINDOW_SLOTS = 32
SMALL_LOG = f"[limits]\nlog_bytes_max = 20000\nlog_keep_slots = 2\nwindow_slots = {WINDOW_SLOTS}\n"


class Tap:
    """Sees every frame that a node or a client of this process sends."""

    def __init__(self, cluster_id: int) -> None:
        self._codec = Codec(cluster_id, 1)
        self.votes_are_lost = False
        self.frame_bytes_most = 0
        self.voted: dict[int, set[int]] = defaultdict(set)
        """Acceptor -> slots of the votes that were lost."""
        self.pages: dict[tuple[int, int], list[m.Promise]] = defaultdict(list)
        """(acceptor, ballot) -> its Promise."""
        self.chunks: list[m.SnapshotChunk] = []

    def passes(self, frame: bytes) -> bool:
        self.frame_bytes_most = max(self.frame_bytes_most, len(frame))
        sender, message = self._codec.decode(frame)
        if isinstance(message, m.Promise):
            self.pages[sender, message.ballot].append(message)
        elif isinstance(message, m.SnapshotChunk):
            self.chunks.append(message)
        elif isinstance(message, m.Accepted) and self.votes_are_lost:
            self.voted[sender].update(range(message.first_slot, message.last_slot + 1))
            return False
        return True


tap = Tap(0)
"""That of the test that runs: a transport is opened by a name, and given no objects."""


class Tapped(Transport):
    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.stats = inner.stats
        self.frame_bytes_max = inner.frame_bytes_max

    def send(self, batch: Sequence[Frame]) -> None:
        self._inner.send([one for one in batch if tap.passes(one[1])])

    async def receive(self) -> list[Frame]:
        return await self._inner.receive()


@asynccontextmanager
async def open_tapped(
    local: int, peers: Mapping[int, str], **options: object
) -> AsyncIterator[Transport]:
    async with own_network.open_station(local, peers, **options) as inner:
        yield Tapped(inner)


def votes_lost() -> int:
    """Slots that both followers have voted for without the leader's knowing it."""
    return len(set.intersection(*tap.voted.values())) if len(tap.voted) == 2 else 0


def check_pages() -> None:
    """A new leader was told of the open votes, in pages that each fit a frame."""
    told = []
    for pages in tap.pages.values():
        slots = {vote.slot for page in pages for vote in page.votes}
        told.append((len(slots), len(pages)))
    slots_told, pages_sent = max(told)
    assert slots_told >= WINDOW_SLOTS
    assert pages_sent >= WINDOW_SLOTS // 2, "two such votes fill a frame"


async def test_commands_a_change_of_leaders_and_a_snapshot(tmp_path: Path) -> None:
    global tap
    own_network.need_network()
    config = make_config(
        tmp_path,
        transport="test_small_mtu:open_tapped",
        over=own_network.OPENER,
        store="durable",
        extra=SMALL_LOG,
    )
    tap = Tap(config.cluster_id)
    with own_network.own_network(MTU_BYTES):
        async with open_cluster(config) as cluster, open_client(config, timeout=50) as client:
            largest = client.command_bytes_max
            assert 100 < largest < FRAME_BYTES
            first = await cluster.leader()
            few = [b"%d" % number for number in range(500)]
            await client.submit_many(few)
            # So large that no two share a slot.
            large = [b"%02d" % number + bytes(largest - 2) for number in range(2 * WINDOW_SLOTS)]
            async with trio.open_nursery() as nursery:
                tap.votes_are_lost = True
                nursery.start_soon(client.submit_many, large)
                await cluster.until(lambda: votes_lost() >= WINDOW_SLOTS)
                await cluster.stop(first)
                tap.votes_are_lost = False
                await cluster.leader()
            check_pages()
            more = [b"%03d" % number * 50 for number in range(400)]
            await client.submit_many(more)
            assert all(node.status()["first_slot"] > 200 for node in cluster.nodes.values())
            assert not tap.chunks
            await cluster.start(first)
            await cluster.caught_up()
            logs = [machine.commands for machine in cluster.machines.values()]
            dropped = [node.status()["dropped"] for node in cluster.nodes.values()]
    assert len(tap.chunks) > 50
    assert len(logs) == 3
    assert all(log == logs[0] for log in logs)
    assert sorted(logs[0]) == sorted([*few, *large, *more])
    assert FRAME_BYTES - 100 < tap.frame_bytes_most <= FRAME_BYTES
    assert not any("oversized" in causes for causes in dropped)
