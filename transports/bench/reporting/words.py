"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Callable

from transports.bench.ladder.layers import LAYERS
from transports.bench.reporting.statistics import Interval

PEERS = {"etcd": "etcd", "pysyncobj": "PySyncObj"}


def title(layer: str) -> str:
    """What a layer or a peer is called."""
    return LAYERS[layer].title if layer in LAYERS else PEERS.get(layer, layer)


def us(value: float) -> str:
    """Microseconds, or milliseconds where there are many: ``41 us``, ``1.32 ms``."""
    if value >= 10_000:
        return f"{value / 1000:.1f} ms"
    if value >= 1000:
        return f"{value / 1000:.2f} ms"
    return f"{value:.0f} us" if value >= 10 else f"{value:.1f} us"


def rate(value: float) -> str:
    """Commands a second: ``882 k/s``, ``3,120/s``."""
    return f"{value / 1000:,.0f} k/s" if value >= 100_000 else f"{value:,.0f}/s"


def times(value: Interval) -> str:
    """A ratio with its interval: ``1.31 x (1.25 to 1.38)``."""
    if value.count == 1:
        return f"{value.median:.2f} x"
    return f"{value.median:.2f} x ({value.low:.2f} to {value.high:.2f})"


def spread(value: Interval, show: Callable[[float], str]) -> str:
    """A median with its interval, both shown by `show`; a unit that both ends have is said once."""
    if value.count == 1:
        return show(value.median)
    low, high = show(value.low), show(value.high)
    number, space, unit = low.partition(" ")
    if space and high.endswith(f" {unit}"):
        low = number
    return f"{show(value.median)} ({low} to {high})"


def few(value: float) -> str:
    """A count for each command: ``11``, ``0.62``, ``0.004``."""
    if value >= 10:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
