"""Quantiles and medians of plain lists: a run has few enough samples to keep and sort them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

QUANTILES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999}


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all do not exceed (nearest rank).

    `ordered` ascends and is not empty; `share` is in (0, 1]. Raises `ValueError`.
    """
    if not ordered:
        raise ValueError("no samples")
    if not 0 < share <= 1:
        raise ValueError(f"a share is in (0, 1], not {share}")
    return ordered[math.ceil(share * len(ordered)) - 1]


def summarise_ns(samples_ns: Sequence[int]) -> dict[str, float]:
    """Count, quantiles, least and largest of latencies in nanoseconds, as microseconds."""
    ordered = sorted(samples_ns)
    summary: dict[str, float] = {"samples": len(ordered)}
    for name, share in QUANTILES.items():
        summary[name] = quantile(ordered, share) / 1000
    return summary | {"min_us": ordered[0] / 1000, "max_us": ordered[-1] / 1000}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Median of ours over median of theirs; `None` where one is missing or theirs is zero."""
    if not ours or not theirs or median(theirs) == 0:
        return None
    return median(ours) / median(theirs)


__all__ = ["QUANTILES", "median", "quantile", "ratio", "summarise_ns"]
