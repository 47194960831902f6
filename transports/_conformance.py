"""The checks behind `transports.testing.check_transport`: one for each promise of the contract."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio
import trio.testing

from transports.api import (
    FIRST_CLIENT_ID,
    Frame,
    NodeId,
    OpenTransport,
    Transport,
    TransportError,
)

FreshPeers = Callable[[int], Mapping[NodeId, str]]
"""n -> addresses of n replicas, with the ids 1..n, that nothing has used before."""

InjectGarbage = Callable[[str, bytes], Awaitable[None]]
"""(a replica's address, bytes) -> bring the bytes there, past the transport's own sending."""

_TAG = struct.Struct(">QQQI")
_RETRY_SECONDS = 0.02
_CLIENT = FIRST_CLIENT_ID + 7
_NOBODY = FIRST_CLIENT_ID + 8


class BrokenPromise(AssertionError):
    """A transport does not do what `transports.api` says. The message names the promise."""


@dataclass(slots=True)
class Subject:
    open_transport: OpenTransport
    fresh_peers: FreshPeers
    options: Mapping[str, object]
    inject_garbage: InjectGarbage | None
    random: random.Random
    waiting_for: str = ""
    """What the check waits for; after a time-out it tells more than where it was."""

    def open(
        self, local: NodeId, peers: Mapping[NodeId, str]
    ) -> AbstractAsyncContextManager[Transport]:
        return self.open_transport(local, peers, **self.options)

    @asynccontextmanager
    async def station(self, local: NodeId, peers: Mapping[NodeId, str]) -> AsyncIterator[_Station]:
        """An endpoint that is read all the time."""
        async with self.open(local, peers) as transport:
            station = _Station(local, transport)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(station.read)
                yield station
                nursery.cancel_scope.cancel()

    async def deliver(self, origin: _Station, target: _Station, frames: Sequence[bytes]) -> None:
        """Send until each has arrived, since any may be lost."""
        self.waiting_for = f"a frame from {origin.local} at {target.local}"
        while True:
            seen = set(target.arrived)
            missing = [frame for frame in frames if (origin.local, frame) not in seen]
            if not missing:
                self.waiting_for = ""
                return
            origin.transport.send([(target.local, frame) for frame in missing])
            await trio.sleep(_RETRY_SECONDS)


@dataclass(slots=True)
class _Station:
    local: NodeId
    transport: Transport
    arrived: list[Frame] = field(default_factory=list)
    tagged_only: bool = False
    """Whether every frame that arrives must be a tagged one."""
    known: frozenset[Frame] | None = None
    """If given, the only frames that may arrive."""
    serial: int = 0

    async def read(self) -> None:
        while True:
            frames = await self.transport.receive()
            _require(bool(frames), "receive returned no frame")
            if self.tagged_only:
                for sender, frame in frames:
                    _verify(sender, self.local, frame)
            if self.known is not None:
                for sender, frame in frames:
                    _require((sender, frame) in self.known, _altered(frame))
            self.arrived += frames

    def tag(self, receiver: NodeId, size: int, source: random.Random) -> Frame:
        """Make a frame that says where it comes from and goes to, with a checksum."""
        self.serial += 1
        body = source.randbytes(max(0, size - _TAG.size))
        head = (self.local, receiver, self.serial)
        return receiver, _TAG.pack(*head, zlib.crc32(repr(head).encode() + body)) + body


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenPromise(otherwise)


def _altered(frame: bytes) -> str:
    return f"a frame of {len(frame)} bytes arrived that nobody sent: altered, joined or split"


def _verify(sender: NodeId, local: NodeId, frame: bytes) -> None:
    _require(type(frame) is bytes, f"a frame is bytes, not {type(frame).__name__}")
    _require(len(frame) >= _TAG.size, _altered(frame))
    *head, checksum = _TAG.unpack_from(frame)
    body = frame[_TAG.size :]
    _require(zlib.crc32(repr(tuple(head)).encode() + body) == checksum, _altered(frame))
    _require(head[0] == sender, f"a frame of {head[0]} was attributed to {sender}")
    _require(head[1] == local, f"a frame for {head[1]} arrived at {local}")


async def _until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(_RETRY_SECONDS)


async def _any_arrives(target: _Station, frames: Sequence[Frame]) -> bool:
    expected = set(frames)
    with trio.move_on_after(20 * _RETRY_SECONDS):
        await _until(lambda: not expected.isdisjoint(target.arrived))
    return not expected.isdisjoint(target.arrived)


async def _until_dropped(transport: Transport, drops: int) -> None:
    await _until(lambda: transport.stats.dropped.total() >= drops)


async def _arrival(subject: Subject) -> None:
    """A frame arrives with its bytes, its length and its sender, up to frame_bytes_max."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.station(2, peers) as two:
        largest = one.transport.frame_bytes_max
        sizes = sorted({1, 2, 64, 1000, largest - 1, largest})
        frames = [subject.random.randbytes(size) for size in sizes if size <= largest]
        one.known = frozenset((2, frame) for frame in frames)
        two.known = frozenset((1, frame) for frame in frames)
        await subject.deliver(one, two, frames)
        await subject.deliver(two, one, frames)
        for station in (one, two):
            stats = station.transport.stats
            _require(stats.frames_sent >= len(frames), "frames sent are counted")
            _require(stats.frames_received >= len(frames), "frames received are counted")
            _require(stats.bytes_sent >= sum(map(len, frames)), "bytes sent are counted")
            _require(stats.bytes_received >= sum(map(len, frames)), "bytes received are counted")


async def _integrity(subject: Subject) -> None:
    """Under load no frame is altered, joined, split, misdirected or misattributed."""
    peers = subject.fresh_peers(3)
    async with AsyncExitStack() as stack:
        stations = [
            await stack.enter_async_context(subject.station(local, peers))
            for local in (*peers, _CLIENT)
        ]
        for station in stations:
            station.tagged_only = True
        pairs = {
            (a.local, b.local)
            for a in stations
            for b in stations
            if a is not b  # a client, too, is answered by each replica
        }
        rounds = 0
        while rounds < 60 or (unheard := pairs - _heard(stations)):
            rounds += 1
            if rounds > 60:
                sender, receiver = min(unheard)
                subject.waiting_for = f"a frame from {sender} at {receiver}"
            for station in stations:
                station.transport.send(_random_batch(subject, station, stations))
            await trio.sleep(_RETRY_SECONDS if rounds > 60 else 0)


def _heard(stations: Sequence[_Station]) -> set[tuple[NodeId, NodeId]]:
    return {(sender, station.local) for station in stations for sender, _ in station.arrived}


def _random_batch(subject: Subject, station: _Station, stations: Sequence[_Station]) -> list[Frame]:
    largest = min(station.transport.frame_bytes_max, 8192)
    batch = []
    for _ in range(subject.random.choice((1, 3, 30))):
        other = subject.random.choice([other for other in stations if other is not station])
        size = subject.random.choice((0, 64, subject.random.randrange(largest)))
        batch.append(station.tag(other.local, size, subject.random))
    return batch


async def _refusal(subject: Subject) -> None:
    """What cannot be sent is dropped and counted, without an error, and alone."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.station(2, peers) as two:
        two.tagged_only = True
        _, greeting = one.tag(2, 64, subject.random)
        await subject.deliver(one, two, [greeting])
        for frame, what in (
            ((2, bytes(one.transport.frame_bytes_max + 1)), "a frame above frame_bytes_max"),
            ((2, b""), "an empty frame"),
            ((_NOBODY, b"lost"), "a frame to an unknown endpoint"),
            ((1, b"to myself"), "a frame to the endpoint itself"),
        ):
            dropped = one.transport.stats.dropped
            before = dropped.total()
            good = [one.tag(2, 64, subject.random) for _ in range(8)]
            for companion in good:
                one.transport.send([frame, companion])
            _require(dropped.total() >= before + 8, f"{what} was not counted in stats.dropped")
            spared = await _any_arrives(two, [(1, companion) for _, companion in good])
            _require(spared, f"{what} took its whole batch with it")


async def _absent_peer(subject: Subject) -> None:
    """A replica that is not up is no error, and is reached once it is."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one:
        one.transport.send([(2, b"too early")])
        async with subject.station(2, peers) as two:
            await subject.deliver(one, two, [b"in time"])


async def _clients(subject: Subject) -> None:
    """A client's endpoint, which has no address, is answered, also when it came back."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.station(2, peers) as two:
        for turn in (b"first", b"again"):
            async with subject.station(_CLIENT, peers) as client:
                for replica in (one, two):
                    await subject.deliver(client, replica, [b"question " + turn])
                    await subject.deliver(replica, client, [b"answer " + turn])


async def _restart(subject: Subject) -> None:
    """A replica that closed opens again on its address, and both ways work again."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one:
        for turn in (b"first", b"second", b"third"):
            async with subject.station(2, peers) as two:
                await subject.deliver(one, two, [turn])
                await subject.deliver(two, one, [turn])


async def _clogged(subject: Subject) -> None:
    """A peer that does not read delays nobody, and its frames stay whole when it reads again."""
    peers = subject.fresh_peers(3)
    async with (
        subject.station(1, peers) as one,
        subject.station(2, peers) as two,
        subject.open(3, peers) as deaf,
    ):
        await trio.testing.wait_all_tasks_blocked()
        size = min(one.transport.frame_bytes_max, 32 * 1024)
        for turn in range(16):
            one.transport.send([one.tag(3, size, subject.random) for _ in range(64)])
            await subject.deliver(one, two, [b"turn %d" % turn])
        three = _Station(3, deaf, tagged_only=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(three.read)
            _, last = one.tag(3, size, subject.random)
            await subject.deliver(one, three, [last])
            nursery.cancel_scope.cancel()


async def _cancellation(subject: Subject) -> None:
    """Receive can be cancelled at once, and then has lost nothing."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.open(2, peers) as two:
        await _first_contact(subject, one, two)
        with trio.CancelScope() as scope:
            scope.cancel()
            await two.receive()
        _require(scope.cancelled_caught, "receive is a checkpoint: cancelled, it must not go on")
        for passes in range(6):
            survived = [await _survives(subject, one, two, passes) for _ in range(8)]
            # A transport may lose a frame; losing each one that met a cancellation is no chance.
            _require(any(survived), f"frames are lost when cancelled {passes} passes after sending")


async def _survives(subject: Subject, one: _Station, two: Transport, passes: int) -> bool:
    _, frame = one.tag(2, 64, subject.random)
    arrived: list[Frame] = []

    async def receive() -> None:
        arrived.extend(await two.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        one.transport.send([(2, frame)])
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    with trio.move_on_after(10 * _RETRY_SECONDS):
        while (1, frame) not in arrived:
            await receive()
    return (1, frame) in arrived


async def _first_contact(subject: Subject, one: _Station, two: Transport) -> None:
    """Wait until a frame has come from `one` to the endpoint 2, then until none is left."""
    subject.waiting_for = f"a frame from {one.local} at 2"
    arrived: list[Frame] = []
    while not arrived:
        one.transport.send([(2, b"hello")])
        with trio.move_on_after(_RETRY_SECONDS):
            arrived = await two.receive()
    subject.waiting_for = ""
    with trio.move_on_after(5 * _RETRY_SECONDS):
        while True:
            await two.receive()


async def _checkpoints(subject: Subject) -> None:
    """Receive yields to other tasks even when frames are ready."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.open(2, peers) as two:
        await _first_contact(subject, one, two)
        for _ in range(3):
            _, frame = one.tag(2, 64, subject.random)
            while True:
                one.transport.send([(2, frame)])
                with trio.move_on_after(_RETRY_SECONDS) as scope, trio.testing.assert_checkpoints():
                    await two.receive()
                if not scope.cancelled_caught:
                    break


async def _one_receiver(subject: Subject) -> None:
    """A second task in receive gets BusyResourceError, and the first goes on."""
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.station(2, peers) as two:
        await trio.testing.wait_all_tasks_blocked()
        busy = False
        with trio.move_on_after(_RETRY_SECONDS):
            try:
                await one.transport.receive()
            except trio.BusyResourceError:
                busy = True
        _require(busy, "a second receive did not raise BusyResourceError")
        await subject.deliver(two, one, [b"still received"])


async def _closing(subject: Subject) -> None:
    """Closed, a waiting receive ends with ClosedResourceError, and send drops and counts."""
    peers = subject.fresh_peers(2)
    outcomes: list[str] = []

    async def wait(transport: Transport) -> None:
        try:
            await transport.receive()
            outcomes.append("a frame")
        except trio.ClosedResourceError:
            outcomes.append("closed")

    async with trio.open_nursery() as nursery:
        async with subject.open(1, peers) as transport:
            nursery.start_soon(wait, transport)
            await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(50 * _RETRY_SECONDS):
            await _until(lambda: bool(outcomes))
        _require(outcomes == ["closed"], "the waiting receive did not raise ClosedResourceError")
        nursery.cancel_scope.cancel()
    with trio.move_on_after(_RETRY_SECONDS):
        await wait(transport)
    _require(outcomes == ["closed"] * 2, "receive after closing did not raise ClosedResourceError")
    before = transport.stats.dropped.total()
    transport.send([(2, b"too late")])
    _require(transport.stats.dropped.total() > before, "send after closing was not counted")


async def _options_checked(subject: Subject) -> None:
    """An unknown option is a TransportError."""
    options = {**subject.options, "no_such_option_exists": 1}
    refused = False
    with suppress(TypeError):
        try:
            async with subject.open_transport(1, subject.fresh_peers(2), **options):
                pass
        except TransportError as error:
            refused = "\n" not in str(error)
    _require(refused, "no TransportError of one line for an unknown option")


async def _garbage(subject: Subject) -> None:
    """Bytes that are not the transport's own are dropped and counted, and harm nobody."""
    if subject.inject_garbage is None:
        return
    peers = subject.fresh_peers(2)
    async with subject.station(1, peers) as one, subject.station(2, peers) as two:
        two.tagged_only = True
        injected = 0
        for garbage in (b"\0" * 64, b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", b"", None):
            data = subject.random.randbytes(5000) if garbage is None else garbage
            await subject.inject_garbage(peers[2], data)
            injected += bool(data)
            subject.waiting_for = f"the bytes {data[:16]!r} to be counted in stats.dropped"
            await _until_dropped(two.transport, injected)
            await subject.deliver(one, two, [one.tag(2, 64, subject.random)[1]])


CHECKS: dict[str, Callable[[Subject], Awaitable[None]]] = {
    "arrival": _arrival,
    "integrity": _integrity,
    "refusal": _refusal,
    "absent_peer": _absent_peer,
    "clients": _clients,
    "restart": _restart,
    "clogged": _clogged,
    "cancellation": _cancellation,
    "checkpoints": _checkpoints,
    "one_receiver": _one_receiver,
    "closing": _closing,
    "options_checked": _options_checked,
    "garbage": _garbage,
}
