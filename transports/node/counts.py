"""What a node counts of itself: additions in the loop, sums when they are asked for."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

WRITE_BOUNDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
"""Upper ends of the classes of durations, in seconds; what took longer has one class more."""


@dataclass(slots=True)
class LoopCounts:
    """Counted since the node was opened."""

    drains: int = 0
    """How often everything that was readable was taken in."""
    slots: int = 0
    """Slots of the log that were applied one by one, not by a snapshot."""
    leader_changes: int = 0
    """How often a leader was heard of that had not been known, or its new ballot."""
    checkpoints: int = 0
    """Snapshots after which the log was trimmed: the node's own and those from others."""
    installs: int = 0
    """Snapshots that took the place of the state; the one found at the start is one."""
    write_seconds: float = 0.0
    """Spent in writing to the store, its syncs included."""
    writes: list[int] = field(default_factory=lambda: [0] * (len(WRITE_BOUNDS) + 1))
    """Writes by class of duration."""

    def note_write(self, seconds: float) -> None:
        """A write that has returned took so long."""
        self.write_seconds += seconds
        self.writes[bisect_left(WRITE_BOUNDS, seconds)] += 1

    def writes_within(self) -> list[tuple[float, int]]:
        """(upper end in seconds, writes that took no longer), the last without an end."""
        return list(zip((*WRITE_BOUNDS, float("inf")), accumulate(self.writes), strict=True))
