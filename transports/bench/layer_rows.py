"""The aims of the layers, and whether they are reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transports.bench.layers import LAYERS, LayerResults, Results
from transports.bench.rows import Series
from transports.bench.statistics import median

FLOOR_RATIO_MAX: Final = 2.0
ZEROMQ_RATIO_MAX: Final = 1.5
RATE_MIN: Final = 60_000
ETHERNET_RATE_MIN: Final = 30_000
CALLS_MAX: Final = 0.2
DATAGRAM_CALLS_MAX: Final = 0.6


@dataclass(frozen=True, slots=True)
class Judged:
    """One aim. `reached` is None where what it needs was not measured."""

    title: str
    measured: str
    aim: str
    reached: bool | None


def middle(series: Series, name: str) -> float | None:
    """The median of a figure over the repeats; None if no repeat gave one."""
    return median(series.values(name)) if series.good else None


def floor_ratio(result: LayerResults) -> float | None:
    """The layer's p50 over its floor's."""
    return _over(middle(result.latency, "p50_us"), middle(result.floor, "p50_us"))


def _over(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def judge(results: Results) -> list[Judged]:
    """Every aim of the layers that were asked for."""
    found: list[Judged] = []
    for name in ("tcp", "udp"):
        if name in results:
            found.append(_judge_floor(name, results[name]))
    for title, one, other, most in (
        ("UDP to TCP, loopback, p50", "udp", "tcp", 1.0),
        ("Ethernet to UDP, veth, p50", "ethernet-veth", "udp-veth", 1.0),
        ("ZeroMQ to TCP, loopback, p50", "zeromq", "tcp", ZEROMQ_RATIO_MAX),
    ):
        if one in results:
            found.append(_judge_pair(title, results[one], results.get(other), most))
    found += [_judge_rate(name, result) for name, result in results.items()]
    found += [_judge_calls(name, result) for name, result in results.items()]
    return found


def _at_most(title: str, value: float | None, most: float, missing: str) -> Judged:
    aim = f"at most {most:g}"
    if value is None:
        return Judged(title, missing, aim, None)
    return Judged(title, f"{value:.2f}", aim, value <= most)


def _judge_floor(name: str, result: LayerResults) -> Judged:
    title = f"{LAYERS[name].title}, p50 to its floor"
    return _at_most(title, floor_ratio(result), FLOOR_RATIO_MAX, _missing(result))


def _judge_pair(title: str, one: LayerResults, other: LayerResults | None, most: float) -> Judged:
    theirs = middle(other.latency, "p50_us") if other else None
    missing = _missing(one) if other is None or not one.latency.good else _missing(other)
    return _at_most(title, _over(middle(one.latency, "p50_us"), theirs), most, missing)


def _judge_rate(name: str, result: LayerResults) -> Judged:
    least = ETHERNET_RATE_MIN if LAYERS[name].transport == "ethernet" else RATE_MIN
    title, aim = f"{LAYERS[name].title}, 1,024 outstanding", f"at least {least:,}/s"
    rate = middle(result.throughput, "commands_per_second")
    if rate is None:
        return Judged(title, _missing(result), aim, None)
    return Judged(title, f"{rate:,.0f}/s", aim, rate >= least)


def _judge_calls(name: str, result: LayerResults) -> Judged:
    datagrams = LAYERS[name].transport in ("udp", "ethernet")
    most = DATAGRAM_CALLS_MAX if datagrams else CALLS_MAX
    title, aim = f"{LAYERS[name].title}, system calls per command", f"under {most:g}"
    calls = middle(result.calls, "calls_per_command")
    if calls is None:
        return Judged(title, result.calls_skipped or _missing(result), aim, None)
    return Judged(title, f"{calls:.3f}", aim, calls < most)


def _missing(result: LayerResults) -> str:
    return result.skipped or "not measured"
