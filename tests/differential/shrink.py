"""Makes a difference smaller: the fewest steps and records that still show one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .pair import Difference, MakeSide, run
from .setup import Setup, Step
from .sides import BadRecords
from .twin import Twin

T = TypeVar("T")
RUNS_MAX = 1500


class _Shrinker:
    def __init__(self, found: Difference, make: MakeSide, runs_max: int) -> None:
        self.best = found
        self._make = make
        self._runs_left = runs_max
        self._name = _kind(found)

    def fails(self, setup: Setup, steps: Sequence[Step]) -> bool:
        """Whether this still shows the same kind of difference; keeps it if it does."""
        if self._runs_left <= 0:
            return False
        self._runs_left -= 1
        try:
            run(setup, list(steps), self._make)
        except Difference as difference:
            if _kind(difference) == self._name:
                self.best = difference
                return True
        except BadRecords:
            pass
        return False


def _kind(difference: Difference) -> str:
    """What differs, without which slot or which message."""
    return difference.findings[0][0].partition("[")[0]


def shrink(found: Difference, make: MakeSide = Twin, runs_max: int = RUNS_MAX) -> Difference:
    """A difference of the same kind after fewer steps; at worst `found` itself."""
    shrinker = _Shrinker(found, make, runs_max)
    before = -1
    while before != len(shrinker.best.steps):
        before = len(shrinker.best.steps)
        setup = shrinker.best.setup
        _without_chunks(shrinker.best.steps, lambda steps, s=setup: shrinker.fails(s, steps))
    steps = shrinker.best.steps
    records = shrinker.best.setup.records
    _without_chunks(
        list(records),
        lambda kept: shrinker.fails(replace(found.setup, records=tuple(kept)), steps),
    )
    return shrinker.best


def _without_chunks(items: list[T], fails: Callable[[list[T]], bool]) -> None:
    """Take pieces out, large ones first (delta debugging: Zeller, Hildebrandt, 2002)."""
    size = max(1, len(items) // 2)
    while True:
        at = len(items)
        while at > 0:
            start = max(0, at - size)
            kept = items[:start] + items[at:]
            if fails(kept):
                items = kept
            at = start
        if size == 1:
            return
        size //= 2
