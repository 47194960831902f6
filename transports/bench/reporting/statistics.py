"""Medians with intervals, ratios within a run, and outliers by a stated rule.

Repeats are few and not normal, so an interval is a percentile bootstrap of the median: it
resamples the repeats, with a seed, so that the same run gives the same interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import median
from typing import Final

RESAMPLES: Final = 2000
REPEATS_MIN: Final = 6
"""Of fewer the interval is no more than the least and the most: two of them miss the true median
half of the time, six miss it 3 times in 100."""
CONFIDENCE: Final = 0.95
SEED: Final = 20180611
OUTLIER_SCORE: Final = 3.5
"""Of the modified z-score, by Iglewicz and Hoaglin's advice."""
_CONSISTENT: Final = 0.6745
"""Makes the median absolute deviation comparable to a standard deviation."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the interval that it lies in with 95 % confidence."""

    median: float
    low: float
    high: float
    count: int

    @property
    def certain(self) -> bool:
        """Whether there are repeats enough to claim anything."""
        return self.count >= REPEATS_MIN

    def excludes(self, value: float) -> bool:
        """Whether `value` is outside: the difference from it is more than noise."""
        return self.certain and (value < self.low or value > self.high)


def interval(values: Sequence[float]) -> Interval:
    """Of repeats; one alone has no width. Raises `ValueError` for none."""
    if not values:
        raise ValueError("no repeats")
    middle = median(values)
    if len(values) == 1:
        return Interval(middle, middle, middle, 1)
    order = sorted(values)
    resampled = sorted((order[a] + order[b]) / 2 for a, b in _middles(len(order)))
    tail = (1 - CONFIDENCE) / 2
    low = resampled[int(tail * RESAMPLES)]
    high = resampled[min(RESAMPLES - 1, int((1 - tail) * RESAMPLES))]
    return Interval(middle, low, high, len(values))


@cache
def _middles(count: int, seed: int = SEED) -> list[tuple[int, int]]:
    """For each resample the two places, among sorted values, whose mean is its median.

    Which places a resample draws has nothing to do with the values: they are drawn once.
    """
    dice = Random(seed)
    low, high = (count - 1) // 2, count // 2
    drawn = (sorted(dice.choices(range(count), k=count)) for _ in range(RESAMPLES))
    return [(places[low], places[high]) for places in drawn]


def paired_ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Interval | None:
    """Of figures by their repeat: each ratio within one repeat, then the median of these.

    A machine that drifts from repeat to repeat cancels out. None where no repeat has both.
    """
    shared = [repeat for repeat in ours if theirs.get(repeat)]
    return interval([ours[repeat] / theirs[repeat] for repeat in shared]) if shared else None


def free_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval | None:
    """Of two runs, whose repeats have nothing to do with one another: both are resampled."""
    if not ours or not theirs or not all(theirs):
        return None
    mine, other = sorted(ours), sorted(theirs)
    drawn = zip(_middles(len(mine)), _middles(len(other), SEED + 1), strict=True)
    ratios = sorted((mine[a] + mine[b]) / (other[c] + other[d]) for (a, b), (c, d) in drawn)
    tail = (1 - CONFIDENCE) / 2
    return Interval(
        median(ours) / median(theirs),
        ratios[int(tail * RESAMPLES)],
        ratios[min(RESAMPLES - 1, int((1 - tail) * RESAMPLES))],
        min(len(ours), len(theirs)),
    )


def outliers(values: Mapping[int, float]) -> list[int]:
    """The repeats whose figure is far from the others: a modified z-score above 3.5."""
    if len(values) < 4:
        return []
    middle = median(values.values())
    deviation = median(abs(value - middle) for value in values.values())
    if deviation == 0:
        return []
    return [
        repeat
        for repeat, value in values.items()
        if _CONSISTENT * abs(value - middle) / deviation > OUTLIER_SCORE
    ]
