"""Plays nodes 2 and 3 to one real node, step by step, and remembers what it has promised.

Over any transport on one machine, where no frame is lost once both peers have had an answer.
Every step waits for its answer, so that the same run makes the same system calls each time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

from paxos_core import Codec
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import DurableState
from paxos_core.messages import (
    NO_MORE,
    Accept,
    Accepted,
    Chosen,
    Heartbeat,
    Learn,
    Message,
    Nack,
    Prepare,
    Promise,
    StatusReply,
    StatusRequest,
)
from paxos_core.types import NO_BALLOT, make_ballot
from transports.api import Transport
from transports.node.config import ClusterConfig
from transports.node.opening import open_endpoint

NODE: Final = 1
PEERS: Final = (2, 3)
FIRST: Final = make_ballot(1, 2)
SECOND: Final = make_ballot(2, 3)
THIRD: Final = make_ballot(3, 2)
LAST: Final = make_ballot(9, 2)
POLL_SECONDS: Final = 0.002
ANSWER_SECONDS: Final = 60.0


def value_of(text: str) -> bytes:
    return encode_batch([text.encode() * 250])


PROPOSED: Final = {
    (FIRST, 0): value_of("a"),
    (FIRST, 1): value_of("b"),
    (SECOND, 0): value_of("a"),
    (SECOND, 1): value_of("b"),
    (SECOND, 2): value_of("lost"),
    (THIRD, 3): value_of("d"),
    (THIRD, 4): value_of("e"),
}
"""What each leader proposed where. The vote in (SECOND, 2) was the only one there."""
CHOSEN: Final = [*(value_of(text) for text in ("a", "b", "c", "d", "e"))]


class Gone(Exception):
    """The node has ended."""


@dataclass
class Said:
    """What the node has bound itself to, by what came from it."""

    promised: int = NO_BALLOT
    votes: dict[int, int] = field(default_factory=dict)
    """Slot -> the ballot of its last vote."""

    def hear(self, message: Message) -> None:
        match message:
            case Promise(ballot=ballot):
                self.promised = max(self.promised, ballot)
            case Accepted(ballot, first, last):
                self.promised = max(self.promised, ballot)
                for slot in range(first, last + 1):
                    self.votes[slot] = max(self.votes.get(slot, NO_BALLOT), ballot)

    def check(self, state: DurableState) -> None:
        """Fails unless a node that starts from `state` keeps to it, and has made nothing up."""
        assert state.promised >= self.promised, "a promise is forgotten"
        for slot, ballot in self.votes.items():
            if slot >= state.watermark:
                assert slot in state.votes, f"the vote in slot {slot} is forgotten"
                assert state.votes[slot].ballot >= ballot, f"an older vote in slot {slot}"
        for slot, vote in state.votes.items():
            assert PROPOSED[vote.ballot, slot] == vote.value, f"a vote for something else in {slot}"
        for slot, (crc, value) in state.log.items():
            assert (crc, value) == (checksum(CHOSEN[slot]), CHOSEN[slot])


@dataclass
class Peers:
    """Both of them. `is_gone` tells whether the node has ended."""

    codecs: dict[int, Codec]
    transports: dict[int, Transport]
    is_gone: Callable[[], bool]
    said: Said = field(default_factory=Said)
    heard: list[tuple[int, Message]] = field(default_factory=list)

    async def listen(self, peer: int) -> None:
        while True:
            for sender, frame in await self.transports[peer].receive():
                if sender == NODE:
                    _, message = self.codecs[peer].decode(frame)
                    self.said.hear(message)
                    self.heard.append((peer, message))

    def tell(self, peer: int, message: Message) -> None:
        self.heard.clear()
        self.transports[peer].send([(NODE, self.codecs[peer].encode(message))])

    async def wait_for(self, peer: int, kind: type[Message]) -> Message:
        with trio.fail_after(ANSWER_SECONDS):
            while True:
                for to, message in self.heard:
                    if to == peer and type(message) is kind:
                        return message
                if self.is_gone():
                    await trio.sleep(POLL_SECONDS)
                    raise Gone
                await trio.sleep(POLL_SECONDS)

    async def ask(self, peer: int, message: Message, kind: type[Message]) -> Message:
        """Send `message` as `peer`; returns the answer of that kind. Raises `Gone`."""
        self.tell(peer, message)
        return await self.wait_for(peer, kind)

    async def wait_until_up(self) -> None:
        """Both peers are heard, and hear the node. Raises `Gone`."""
        with trio.fail_after(ANSWER_SECONDS):
            for peer in PEERS:
                while not await self._is_answered(peer):
                    pass

    async def _is_answered(self, peer: int) -> bool:
        self.tell(peer, StatusRequest(1))
        with trio.move_on_after(0.1):
            await self.wait_for(peer, StatusReply)
            return True
        return False


@asynccontextmanager
async def open_peers(config: ClusterConfig, is_gone: Callable[[], bool]) -> AsyncIterator[Peers]:
    async with (
        open_endpoint(config, 2) as second,
        open_endpoint(config, 3) as third,
        trio.open_nursery() as nursery,
    ):
        codecs = {peer: Codec(config.cluster_id, peer) for peer in PEERS}
        peers = Peers(codecs, {2: second, 3: third}, is_gone)
        for peer in PEERS:
            nursery.start_soon(peers.listen, peer)
        yield peers
        nursery.cancel_scope.cancel()


async def play(peers: Peers) -> None:
    """Three leaders after one another; every kind of record, and a checkpoint. Raises `Gone`."""

    async def accept(ballot: int, slot: int, watermark: int) -> None:
        value = PROPOSED[ballot, slot]
        message = Accept(ballot, slot, watermark, checksum(value), value)
        await peers.ask(ballot & 0xFFFF, message, Accepted)

    await peers.wait_until_up()
    await peers.ask(2, Prepare(FIRST, 0), Promise)
    await accept(FIRST, 0, 0)
    await accept(FIRST, 1, 0)
    await peers.ask(3, Prepare(SECOND, 0), Promise)
    await accept(SECOND, 0, 0)
    await accept(SECOND, 1, 1)
    await accept(SECOND, 2, 2)
    await peers.ask(2, Prepare(THIRD, 2), Promise)
    # Slot 2 was decided without the node, on another value than it has voted for.
    await peers.ask(2, Heartbeat(THIRD, 3, 1), Learn)
    value = CHOSEN[2]
    peers.tell(2, Chosen(2, 3, 3, checksum(value), value))
    await accept(THIRD, 3, 3)
    await accept(THIRD, 4, 4)


async def check_restarted(peers: Peers, said: Said) -> None:
    """The node, started again, keeps to all that it `said` before, and takes part."""
    await peers.wait_until_up()
    if said.promised > FIRST:
        nack = await peers.ask(2, Prepare(FIRST, 0), Nack)
        assert isinstance(nack, Nack)
        assert nack.promised >= said.promised, "a promise is forgotten"
    promise = await peers.ask(2, Prepare(LAST, 0), Promise)
    assert isinstance(promise, Promise)
    assert promise.next_slot == NO_MORE
    state = DurableState(LAST, promise.watermark, {vote.slot: vote for vote in promise.votes})
    said.check(state)
    slot = promise.watermark
    value = CHOSEN[slot] if slot < len(CHOSEN) else value_of("f")
    await peers.ask(2, Accept(LAST, slot, slot, checksum(value), value), Accepted)
