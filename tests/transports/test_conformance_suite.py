"""The suite must be able to fail: transports that break one promise each, and are found out."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from transports.api import Frame, OpenTransport, Transport
from transports.memory import MemoryTransport, open_memory
from transports.testing import BrokenPromise, check_transport, free_tcp_addresses

_hub_numbers = itertools.count()


def fresh_hub(n: int) -> dict[int, str]:
    return dict.fromkeys(range(1, n + 1), f"broken-{next(_hub_numbers)}")


class Broken(Transport):
    """Passes everything on; a subclass breaks something."""

    def __init__(self, inner: MemoryTransport) -> None:
        self.inner = inner
        self.frame_bytes_max = inner.frame_bytes_max
        self.stats = inner.stats

    def send(self, batch: Sequence[Frame]) -> None:
        self.inner.send(batch)

    async def receive(self) -> list[Frame]:
        return self.altered(await self.inner.receive())

    def altered(self, frames: list[Frame]) -> list[Frame]:
        return frames


class Corrupts(Broken):
    def altered(self, frames: list[Frame]) -> list[Frame]:
        return [(sender, frame[:-1] + bytes([frame[-1] ^ 1])) for sender, frame in frames]


class CorruptsSeldom(Corrupts):
    count = 0

    def altered(self, frames: list[Frame]) -> list[Frame]:
        self.count += 1
        return super().altered(frames) if self.count % 10 == 0 else frames


class Misattributes(Broken):
    def altered(self, frames: list[Frame]) -> list[Frame]:
        return [(frames[0][0], frame) for _, frame in frames]


class Joins(Broken):
    def altered(self, frames: list[Frame]) -> list[Frame]:
        return [(frames[0][0], b"".join(f for s, f in frames if s == frames[0][0]))]


class Truncates(Broken):
    def send(self, batch: Sequence[Frame]) -> None:
        self.inner.send([(receiver, frame[:4096]) for receiver, frame in batch])


class LosesWhenCancelled(Broken):
    async def receive(self) -> list[Frame]:
        frames = await self.inner.receive()
        await trio.lowlevel.checkpoint()
        return frames


class GoesOnWhenCancelled(Broken):
    async def receive(self) -> list[Frame]:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
        if trio.current_effective_deadline() == -float("inf"):
            return [(1, b"as if nothing had happened")]
        return await self.inner.receive()


class NeverYields(Broken):
    async def receive(self) -> list[Frame]:
        if self.inner._queue:
            frames = list(self.inner._queue)
            self.inner._queue.clear()
            return frames
        return await self.inner.receive()


class DropsUncounted(Broken):
    def send(self, batch: Sequence[Frame]) -> None:
        before = self.stats.dropped.copy()
        self.inner.send(batch)
        self.stats.dropped.clear()
        self.stats.dropped.update(before)


class RaisesOnSend(Broken):
    def send(self, batch: Sequence[Frame]) -> None:
        if any(len(frame) > self.frame_bytes_max for _, frame in batch):
            raise ValueError("too large")
        self.inner.send(batch)


class OneBadSpoilsTheBatch(Broken):
    def send(self, batch: Sequence[Frame]) -> None:
        if all(0 < len(frame) <= self.frame_bytes_max for _, frame in batch):
            self.inner.send(batch)
        else:
            self.stats.dropped["spoilt"] += len(batch)


class ClogsAll(Broken):
    """Keeps the order across receivers, so one that does not read stops the rest."""

    def send(self, batch: Sequence[Frame]) -> None:
        if not any("queue" in cause for cause in self.stats.dropped):
            self.inner.send(batch)


class LetsTwoReceive(Broken):
    async def receive(self) -> list[Frame]:
        while True:
            await trio.sleep(0.001)
            if self.inner._queue:
                return await self.inner.receive()


class SilentWhenClosed(Broken):
    async def receive(self) -> list[Frame]:
        try:
            return await self.inner.receive()
        except trio.ClosedResourceError:
            await trio.sleep_forever()
            raise


class ReturnsNothing(Broken):
    async def receive(self) -> list[Frame]:
        with trio.move_on_after(0.001):
            return await self.inner.receive()
        return []


class NeverAnswersClients(Broken):
    def send(self, batch: Sequence[Frame]) -> None:
        self.inner.send([frame for frame in batch if frame[0] < 1 << 16])


def opener(kind: type[Broken]) -> OpenTransport:
    @asynccontextmanager
    async def open_broken(
        local: int, peers: Mapping[int, str], **options: object
    ) -> AsyncIterator[Transport]:
        async with open_memory(local, peers, queue_frames_max=500, **options) as inner:
            yield kind(inner)

    return open_broken


@pytest.mark.parametrize(
    ("kind", "promise", "message"),
    [
        (Corrupts, "arrival", "a frame of 1 bytes arrived that nobody sent"),
        (CorruptsSeldom, "integrity", "altered, joined or split"),
        (Misattributes, "integrity", "was attributed to"),
        (Joins, "integrity", "altered, joined or split"),
        (Truncates, "arrival", "a frame of 4096 bytes arrived that nobody sent"),
        (LosesWhenCancelled, "cancellation", "frames are lost when cancelled"),
        (GoesOnWhenCancelled, "cancellation", "cancelled, it must not go on"),
        (NeverYields, "checkpoints", "assert_checkpoints|no yield point"),
        (DropsUncounted, "refusal", "a frame above frame_bytes_max was not counted"),
        (RaisesOnSend, "refusal", "ValueError"),
        (OneBadSpoilsTheBatch, "refusal", "took its whole batch with it"),
        (ClogsAll, "clogged", r"Not so within 5 s\. Still waiting for a frame from 1 at 2\."),
        (LetsTwoReceive, "one_receiver", "did not raise BusyResourceError"),
        (SilentWhenClosed, "closing", "did not raise ClosedResourceError"),
        (ReturnsNothing, "absent_peer", "receive returned no frame"),
        (NeverAnswersClients, "clients", r"Still waiting for a frame from 1 at \d+\."),
    ],
)
async def test_a_broken_promise_is_found(
    kind: type[Broken], promise: str, message: str, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(BrokenPromise, match=message) as raised:
        await check_transport(opener(kind), fresh_hub, promises=[promise], within_seconds=5)
    assert str(raised.value).startswith(f"{promise}: ")


async def test_a_closed_address_that_stays_taken_is_found(
    autojump_clock: trio.testing.MockClock,
) -> None:
    opened: set[tuple[int, str]] = set()

    @asynccontextmanager
    async def open_once(
        local: int, peers: Mapping[int, str], **options: object
    ) -> AsyncIterator[Transport]:
        if (local, peers[1]) in opened:
            raise OSError("address in use")
        opened.add((local, peers[1]))
        async with open_memory(local, peers, **options) as inner:
            yield inner

    with pytest.raises(BrokenPromise, match=r"^restart: .* But: OSError\('address in use'\)"):
        await check_transport(open_once, fresh_hub, promises=["restart"])


async def test_an_ignored_option_is_found() -> None:
    @asynccontextmanager
    async def open_lenient(
        local: int, peers: Mapping[int, str], **options: object
    ) -> AsyncIterator[Transport]:
        async with open_memory(local, peers) as inner:
            yield inner

    with pytest.raises(BrokenPromise, match="unknown option"):
        await check_transport(open_lenient, fresh_hub, promises=["options_checked"])


async def test_garbage_that_is_let_in_is_found(autojump_clock: trio.testing.MockClock) -> None:
    hub_of: dict[str, MemoryTransport] = {}

    @asynccontextmanager
    async def open_gullible(
        local: int, peers: Mapping[int, str], **options: object
    ) -> AsyncIterator[Transport]:
        async with open_memory(local, peers, **options) as inner:
            if local == 2:
                hub_of[peers[2]] = inner
            yield inner

    async def inject(address: str, data: bytes) -> None:
        hub_of[address]._take_in(1, data)

    with pytest.raises(BrokenPromise, match=r"^garbage: .*altered"):
        await check_transport(open_gullible, fresh_hub, promises=["garbage"], inject_garbage=inject)


def test_free_addresses_differ() -> None:
    peers = free_tcp_addresses(5)
    assert list(peers) == [1, 2, 3, 4, 5]
    assert len(set(peers.values())) == 5
