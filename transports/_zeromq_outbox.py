"""What leaves by the ZeroMQ transport: frames joined in messages, and those that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio
import zmq

from transports._zeromq_sockets import ZeroMqOptions, joined_bytes_max
from transports.api import TransportStats
from transports.framing import LENGTH_BYTES, join_frames, joined_bytes

_FLUSH_FIRST_SECONDS = 0.001
_FLUSH_LAST_SECONDS = 0.02
_NOBLOCK = zmq.NOBLOCK
_MORE = zmq.NOBLOCK | zmq.SNDMORE


@dataclass(slots=True)
class Route:
    """The way to one receiver."""

    router: zmq.Socket[bytes]
    identity: bytes
    """The receiver's routing id."""
    hello: bytes
    """What each message begins with."""
    is_client: bool

    @property
    def absence(self) -> str:
        """The cause that is counted when nobody of that routing id is connected."""
        return "unknown_peer" if self.is_client else "disconnected"


@dataclass(slots=True)
class _Waiting:
    """Frames for one receiver that ZeroMQ, whose queue for it is full, did not take yet."""

    route: Route
    frames: deque[bytes] = field(default_factory=deque)
    size_bytes: int = 0


class Outbox:
    """Hands frames to ZeroMQ, and keeps a bounded number of bytes of what it does not take.

    `touched` is called after each use of a socket that no call of `send` began.
    """

    def __init__(
        self,
        stats: TransportStats,
        options: ZeroMqOptions,
        nursery: trio.Nursery,
        touched: Callable[[], None],
    ) -> None:
        self._stats = stats
        self._options = options
        self._message_bytes_max = joined_bytes_max(options)
        self._nursery = nursery
        self._touched = touched
        self._waiting: dict[bytes, _Waiting] = {}

    def send(self, route: Route, frames: list[bytes]) -> None:
        """Send what ZeroMQ takes now; keep the rest, or drop and count it."""
        waiting = self._waiting.get(route.identity)
        if waiting is not None:
            self._keep(waiting, frames)
            return
        while frames:
            piece, rest = self._split(frames)
            try:
                self._put(route, piece)
            except zmq.Again:
                self._keep(self._start_waiting(route), frames)
                return
            except zmq.ZMQError:
                self._stats.dropped[route.absence] += len(frames)
                return
            self._count(piece)
            frames = rest

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def _split(self, frames: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Return the frames that fit in one message, and the others."""
        if joined_bytes(frames) <= self._message_bytes_max:
            return frames, []
        fitting, _ = _fitting(frames, self._message_bytes_max)
        return frames[:fitting], frames[fitting:]

    @staticmethod
    def _put(route: Route, frames: list[bytes]) -> None:
        """Raises `zmq.Again` for a full queue, `zmq.ZMQError` for a peer that is not there."""
        router = route.router
        try:
            router.send(route.identity, _MORE)
        except zmq.Again:
            # A send learns what was taken meanwhile only every millisecond; this does now.
            router.getsockopt(zmq.EVENTS)
            router.send(route.identity, _MORE)
        router.send(route.hello + join_frames(frames), _NOBLOCK)

    def _count(self, frames: Sequence[bytes]) -> None:
        self._stats.frames_sent += len(frames)
        self._stats.bytes_sent += sum(map(len, frames))

    def _start_waiting(self, route: Route) -> _Waiting:
        if not self._waiting:
            self._nursery.start_soon(self._flush)
        self._waiting[route.identity] = waiting = _Waiting(route)
        return waiting

    def _room_bytes(self, waiting: _Waiting) -> int:
        """What may still wait for a receiver: clients share a bound of their own."""
        most = self._options.queue_bytes_max
        if waiting.route.is_client:
            share = self._options.clients_bytes_max // len(self._waiting)
            most = min(most, max(share, self._options.frame_bytes_max + LENGTH_BYTES))
        return most - waiting.size_bytes

    def _keep(self, waiting: _Waiting, frames: list[bytes]) -> None:
        """Put what fits behind what waits already."""
        fitting, size = _fitting(frames, self._room_bytes(waiting))
        if fitting < len(frames):
            self._stats.dropped["queue_full"] += len(frames) - fitting
        waiting.frames.extend(frames[:fitting])
        waiting.size_bytes += size
        self._count(frames[:fitting])

    async def _flush(self) -> None:
        """Send what waits as ZeroMQ takes it, then end.

        By the clock, since a ROUTER does not tell which of its queues has room again.
        """
        pause_seconds = _FLUSH_FIRST_SECONDS
        while self._waiting:
            await trio.sleep(pause_seconds)
            progress = [self._flush_one(waiting) for waiting in list(self._waiting.values())]
            self._touched()
            pause_seconds = min(2 * pause_seconds, _FLUSH_LAST_SECONDS)
            if any(progress):
                pause_seconds = _FLUSH_FIRST_SECONDS

    def _flush_one(self, waiting: _Waiting) -> bool:
        """Send to one receiver; return whether ZeroMQ took anything."""
        progress = False
        while waiting.frames:
            fitting, size = _fitting(waiting.frames, self._message_bytes_max)
            try:
                self._put(waiting.route, [waiting.frames[index] for index in range(fitting)])
            except zmq.Again:
                return progress
            except zmq.ZMQError:
                self._stats.dropped[waiting.route.absence] += len(waiting.frames)
                break
            progress = True
            waiting.size_bytes -= size
            for _ in range(fitting):
                waiting.frames.popleft()
        del self._waiting[waiting.route.identity]
        return progress


def _fitting(frames: Sequence[bytes], room_bytes: int) -> tuple[int, int]:
    """Return how many of `frames`, from the first on, fit, and their size with their lengths."""
    size = 0
    for count, frame in enumerate(frames):
        if size + LENGTH_BYTES + len(frame) > room_bytes:
            return count, size
        size += LENGTH_BYTES + len(frame)
    return len(frames), size


__all__ = ["Outbox", "Route"]
