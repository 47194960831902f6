"""Intervals, ratios and outliers: known values, and an interval that covers what it says."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest

from transports.bench.reporting.statistics import (
    free_ratio,
    interval,
    outliers,
    paired_ratio,
)


def test_one_repeat_has_no_width() -> None:
    found = interval([3.0])
    assert (found.median, found.low, found.high, found.count) == (3.0, 3.0, 3.0, 1)


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no repeats"):
        interval([])


def test_an_interval_is_the_same_each_time_and_holds_the_median() -> None:
    values = [9.0, 10.0, 10.5, 11.0, 12.0, 30.0]
    first, second = interval(values), interval(values)
    assert first == second
    assert first.low <= first.median == 10.75 <= first.high
    assert first.excludes(8.0)
    assert not first.excludes(10.9)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """400 runs of ten normal repeats; nominal 95 %, and a bootstrap of few repeats is narrow."""
    dice = Random(7)
    covered = 0
    for _ in range(400):
        found = interval([dice.gauss(100, 10) for _ in range(10)])
        covered += not found.excludes(100)
    assert 0.88 <= covered / 400 <= 0.99


def test_a_drift_cancels_out_of_a_paired_ratio() -> None:
    drift = [1.0, 2.0, 5.0, 9.0]
    ours = dict(enumerate(2.0 * value for value in drift))
    theirs = dict(enumerate(drift))
    found = paired_ratio(ours, theirs)
    assert found is not None
    assert (found.median, found.low, found.high) == (2.0, 2.0, 2.0)
    unpaired = free_ratio(list(ours.values()), list(theirs.values()))
    assert unpaired is not None
    assert unpaired.low < 1 < unpaired.high


def test_only_repeats_with_both_are_compared() -> None:
    found = paired_ratio({0: 2.0, 1: 100.0}, {0: 1.0, 2: 1.0})
    assert found is not None
    assert (found.median, found.count) == (2.0, 1)
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None
    assert paired_ratio({0: 1.0}, {0: 0.0}) is None


def test_outliers_are_far_from_the_others() -> None:
    values = dict(enumerate([10.0, 10.1, 9.9, 10.2, 9.8, 30.0]))
    assert outliers(values) == [5]
    assert outliers(dict(enumerate([10.0, 10.1, 9.9, 10.2, 9.8, 10.4]))) == []
    assert outliers({0: 1.0, 1: 1.0, 2: 99.0}) == []
    assert outliers(dict.fromkeys(range(9), 5.0) | {9: 6.0}) == []


def test_the_median_of_a_ratio_is_that_of_the_medians_between_runs() -> None:
    found = free_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found is not None
    assert found.median == median([2.0, 4.0, 6.0]) / 2.0
    assert free_ratio([], [1.0]) is None
    assert free_ratio([1.0], [0.0]) is None
