"""Faulty: wraps any transport and loses, delays, duplicates or reorders its frames, on purpose.

Frames are troubled where they arrive, so wrap every endpoint whose incoming frames
shall suffer; a partition also stops what the wrapped endpoint sends. It draws
from one seeded generator: the same arrivals in the same order meet the same fate.
Nothing is ever corrupted: no transport may do that.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from transports.api import Frame, NodeId, Transport


@dataclass(slots=True)
class Faults:
    """What goes wrong. May be shared by many endpoints and changed while they run."""

    loss: float = 0.0
    """The probability that a frame is lost."""
    duplication: float = 0.0
    """The probability that a frame arrives twice; each copy has a delay of its own."""
    reorder: float = 0.0
    """The probability that a frame is held back a while, so that later ones overtake it."""
    reorder_seconds: float = 0.01
    """The longest that a frame is held back for that, on top of its delay."""
    delay_seconds: tuple[float, float] = (0.0, 0.0)
    """The least and the greatest delay; each frame's is drawn from between them."""
    partitions: set[tuple[NodeId, NodeId]] = field(default_factory=set)
    """Pairs (from, to): nothing goes that way."""

    def isolate(self, node: NodeId, others: Sequence[NodeId]) -> None:
        """Cut `node` off from `others`, both ways."""
        for other in others:
            self.partitions |= {(node, other), (other, node)}

    def heal(self) -> None:
        """End every partition."""
        self.partitions.clear()


class FaultyTransport(Transport):
    """The wrapper. Adds to the inner transport's `stats.dropped`.

    Causes: `faulty_loss`, `faulty_partition`, and `faulty_queue_full` for a frame
    that came while `delayed_frames_max` others were being held back.
    """

    def __init__(
        self,
        inner: Transport,
        local: NodeId,
        faults: Faults,
        seed: int,
        delayed_frames_max: int,
    ) -> None:
        self.frame_bytes_max = inner.frame_bytes_max
        self.stats = inner.stats
        self._inner = inner
        self._local = local
        self._faults = faults
        self._random = random.Random(seed)
        self._delayed_frames_max = delayed_frames_max
        self._delayed: list[tuple[float, int, Frame]] = []
        self._drawn = 0

    def send(self, batch: Sequence[Frame]) -> None:
        """Pass on what no partition stops."""
        partitions = self._faults.partitions
        if partitions:
            whole = len(batch)
            batch = [frame for frame in batch if (self._local, frame[0]) not in partitions]
            self._count("faulty_partition", whole - len(batch))
        if batch:
            self._inner.send(batch)

    async def receive(self) -> list[Frame]:
        """Return what has arrived, or whose delay has passed; see `Transport.receive`."""
        while True:
            arrived: list[Frame] = []
            due = self._delayed[0][0] if self._delayed else float("inf")
            with trio.move_on_at(due):
                arrived = await self._inner.receive()
            # No await from here on: a cancelled call has taken nothing out.
            ready = self._trouble(arrived)
            ready.extend(self._take_due())
            if ready:
                return ready

    def describe(self) -> Mapping[str, Any]:
        """What the inner transport says."""
        return self._inner.describe()

    def _trouble(self, arrived: list[Frame]) -> list[Frame]:
        """Return those frames that come through at once; hold back the delayed ones."""
        faults, draw = self._faults, self._random
        ready: list[Frame] = []
        for frame in arrived:
            if (frame[0], self._local) in faults.partitions:
                self._count("faulty_partition", 1)
                continue
            if draw.random() < faults.loss:
                self._count("faulty_loss", 1)
                continue
            copies = 2 if draw.random() < faults.duplication else 1
            for _ in range(copies):
                self._place(frame, ready)
        return ready

    def _place(self, frame: Frame, ready: list[Frame]) -> None:
        faults, draw = self._faults, self._random
        delay_seconds = draw.uniform(*faults.delay_seconds)
        if draw.random() < faults.reorder:
            delay_seconds += draw.uniform(0, faults.reorder_seconds)
        if delay_seconds > 0:
            self._hold_back(frame, delay_seconds)
        else:
            ready.append(frame)

    def _hold_back(self, frame: Frame, delay_seconds: float) -> None:
        if len(self._delayed) >= self._delayed_frames_max:
            self._count("faulty_queue_full", 1)
            return
        self._drawn += 1
        due = trio.current_time() + delay_seconds
        heapq.heappush(self._delayed, (due, self._drawn, frame))

    def _take_due(self) -> list[Frame]:
        due: list[Frame] = []
        now = trio.current_time()
        while self._delayed and self._delayed[0][0] <= now:
            due.append(heapq.heappop(self._delayed)[2])
        return due

    def _count(self, cause: str, frames: int) -> None:
        if frames:
            self.stats.dropped[cause] += frames


def faulty(
    transport: Transport,
    local: NodeId,
    faults: Faults,
    seed: int,
    *,
    delayed_frames_max: int = 65_536,
) -> FaultyTransport:
    """Wrap `transport`, an open endpoint `local`. It stays open as long as the inner one is."""
    return FaultyTransport(transport, local, faults, seed, delayed_frames_max)


__all__ = ["Faults", "FaultyTransport", "faulty"]
