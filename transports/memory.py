"""Memory: endpoints of one process, joined by a named hub; no sockets; runs anywhere.

For tests, simulations and examples. A replica's address is the hub's name, any word,
with whatever follows a slash to tell it from others, as in `hub/1`. A hub lasts as
long as the trio run in which it is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from transports.api import (
    FIRST_CLIENT_ID,
    LAST_CLIENT_ID,
    Frame,
    NodeId,
    Transport,
    TransportError,
    TransportStats,
    read_options,
)

_Hub = dict[NodeId, "MemoryTransport"]

_hubs: trio.lowlevel.RunVar[dict[str, _Hub]] = trio.lowlevel.RunVar("memory hubs")


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """What `open_memory` takes."""

    frame_bytes_max: int = 1 << 20
    queue_frames_max: int = 65_536
    """Frames waiting at an endpoint; one more is dropped, counted by its sender."""


class MemoryTransport(Transport):
    """An endpoint of a hub. Frames arrive at once, in the order in which they were sent."""

    def __init__(
        self, local: NodeId, peers: Mapping[NodeId, str], hub: _Hub, options: MemoryOptions
    ) -> None:
        self.frame_bytes_max = options.frame_bytes_max
        self.stats = TransportStats()
        self._local = local
        self._peers = peers
        self._hub = hub
        self._known = set(peers) - {local}
        self._queue: deque[Frame] = deque()
        self._queue_frames_max = options.queue_frames_max
        self._lot = trio.lowlevel.ParkingLot()
        self._receiving = False
        self._closed = False

    def send(self, batch: Sequence[Frame]) -> None:
        """Put each frame in its receiver's queue; see `Transport.send`."""
        for receiver, frame in batch:
            cause = self._hand_over(receiver, frame)
            if cause is not None:
                self.stats.dropped[cause] += 1
                continue
            self.stats.frames_sent += 1
            self.stats.bytes_sent += len(frame)

    def _hand_over(self, receiver: NodeId, frame: bytes) -> str | None:
        """Deliver one frame, or return the cause why not."""
        if self._closed:
            return "closed"
        if not frame:
            return "empty"
        if len(frame) > self.frame_bytes_max:
            return "oversized"
        if receiver not in self._known:
            return "unknown_peer"
        endpoint = self._hub.get(receiver)
        if endpoint is None:
            return "disconnected"
        return endpoint._take_in(self._local, frame)

    def _take_in(self, sender: NodeId, frame: bytes) -> str | None:
        if len(frame) > self.frame_bytes_max:
            return "oversized"
        if len(self._queue) >= self._queue_frames_max:
            return "queue_full"
        if sender >= FIRST_CLIENT_ID:
            self._known.add(sender)
        self._queue.append((sender, frame))
        self._lot.unpark()
        return None

    async def receive(self) -> list[Frame]:
        """Return all that is in the queue; see `Transport.receive`."""
        if self._receiving:
            raise trio.BusyResourceError("another task is in receive")
        self._receiving = True
        try:
            if self._queue or self._closed:
                await trio.lowlevel.checkpoint()
            while not (self._queue or self._closed):
                await self._lot.park()
        finally:
            self._receiving = False
        if self._closed:
            raise trio.ClosedResourceError
        frames = list(self._queue)
        self._queue.clear()
        self.stats.frames_received += len(frames)
        self.stats.bytes_received += sum(len(frame) for _, frame in frames)
        return frames

    def close(self) -> None:
        """Leave the hub; a task that waits in `receive` gets `ClosedResourceError`."""
        self._closed = True
        self._queue.clear()
        self._lot.unpark_all()


def _find_hub(local: NodeId, peers: Mapping[NodeId, str]) -> _Hub:
    if local not in peers and not FIRST_CLIENT_ID <= local <= LAST_CLIENT_ID:
        raise TransportError(
            f"endpoint {local} has no address: add it to the peers, "
            f"or take a client's id, from {FIRST_CLIENT_ID} up"
        )
    names = {address.partition("/")[0] for address in peers.values()}
    if len(names) != 1 or "" in names:
        raise TransportError(
            f"memory: all replicas' addresses begin with one hub's name, as in hub/1, "
            f"not with {sorted(names)}"
        )
    try:
        hubs = _hubs.get()
    except LookupError:
        hubs = {}
        _hubs.set(hubs)
    return hubs.setdefault(names.pop(), {})


@asynccontextmanager
async def open_memory(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[MemoryTransport]:
    """Open endpoint `local` of the hub that `peers` names. Options: `MemoryOptions`.

    Raises `TransportError`, also when `local` is open in that hub already.
    """
    chosen = read_options(MemoryOptions, "memory", options)
    hub = _find_hub(local, peers)
    if local in hub:
        raise TransportError(
            f"memory: endpoint {local} is open already; close it or take another id or hub"
        )
    transport = hub[local] = MemoryTransport(local, dict(peers), hub, chosen)
    try:
        await trio.lowlevel.checkpoint()
        yield transport
    finally:
        del hub[local]
        transport.close()


__all__ = ["MemoryOptions", "MemoryTransport", "open_memory"]
