"""A transport of one's own: an address is a directory, a frame is a file in it.

With this file on the path: transport = "directories:open_directories".
"""

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import trio

from transports import api


@dataclass(frozen=True)
class DirectoryOptions:
    """What `open_directories` takes; `frames_max` may wait in a directory."""

    frame_bytes_max: int = 64 << 10
    frames_max: int = 1024


class DirectoryTransport(api.Transport):
    """An open endpoint."""

    def __init__(self, local: int, inboxes: Mapping[int, Path], options: DirectoryOptions) -> None:
        self.frame_bytes_max = options.frame_bytes_max
        self.stats = api.TransportStats()
        self.closed = False
        self._local, self._options, self._numbers = local, options, count()
        self._inbox = inboxes[local]
        self._outboxes = {node: inbox for node, inbox in inboxes.items() if node != local}
        self._lock = trio.Lock()

    def send(self, batch: Sequence[api.Frame]) -> None:
        """Write each frame; what cannot be taken now is dropped and counted."""
        for receiver, frame in batch:
            if cause := self._why_not(receiver, frame):
                self.stats.dropped[cause] += 1
                continue
            part = self._outboxes[receiver] / f".{self._local}-{next(self._numbers)}"
            part.write_bytes(frame)
            part.rename(part.with_name(part.name[1:]))  # all at once: nobody reads half a frame
            self.stats.frames_sent += 1
            self.stats.bytes_sent += len(frame)

    def _why_not(self, receiver: int, frame: bytes) -> str | None:
        if self.closed or receiver not in self._outboxes:
            return "closed" if self.closed else "unknown_peer"
        if not 0 < len(frame) <= self.frame_bytes_max:
            return "oversized" if frame else "empty"
        if not self._outboxes[receiver].is_dir():
            return "disconnected"
        waiting = sum(1 for _ in self._outboxes[receiver].iterdir())
        return "queue_full" if waiting >= self._options.frames_max else None

    async def receive(self) -> list[api.Frame]:
        """Look until something is there, then take all of it."""
        if self._lock.locked():
            raise trio.BusyResourceError
        async with self._lock:
            while not self.closed:
                # No wait between taking the frames and handing them over: cancelled, none is lost.
                if frames := self._take():
                    return frames
                await trio.sleep(0.001)
            raise trio.ClosedResourceError

    def _take(self) -> list[api.Frame]:
        frames: list[api.Frame] = []
        for path in sorted(self._inbox.glob("[0-9]*-*")):
            sender = int(path.name.partition("-")[0])
            frames.append((sender, path.read_bytes()))
            path.unlink()
            if sender >= api.FIRST_CLIENT_ID:  # the way back to a client is learnt from its frames
                self._outboxes[sender] = self._inbox.parent / f"client-{sender}"
        self.stats.frames_received += len(frames)
        self.stats.bytes_received += sum(len(frame) for _, frame in frames)
        return frames


@asynccontextmanager
async def open_directories(
    local: int, peers: Mapping[int, str], **options: object
) -> AsyncIterator[DirectoryTransport]:
    """Open endpoint `local`: make its directory, empty. Raises `TransportError`."""
    chosen = api.read_options(DirectoryOptions, "directories", options)
    inboxes = {node: Path(address) for node, address in peers.items()}
    inboxes.setdefault(local, next(iter(inboxes.values())).parent / f"client-{local}")
    shutil.rmtree(inboxes[local], ignore_errors=True)  # what a crash left
    try:
        inboxes[local].mkdir(parents=True)
    except OSError as error:
        raise api.TransportError(f"{error.filename}: {error.strerror}; take another") from error
    transport = DirectoryTransport(local, inboxes, chosen)
    try:
        yield transport
    finally:
        transport.closed = True
        shutil.rmtree(inboxes[local], ignore_errors=True)
