"""What this project set out to reach, judged by one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from transports.bench.reporting.select import Figures
from transports.bench.reporting.statistics import REPEATS_MIN, Interval
from transports.bench.reporting.words import rate, times, us
from transports.bench.saved.schema import Rung

MISSING = "not in this run"
SOCKETS = ("tcp", "udp", "zeromq", "ethernet", "tcp-veth", "udp-veth", "zeromq-veth")
SOCKETS_ALL = (*SOCKETS, "ethernet-veth")
ETCD_LOADS = (1, 64, 256, 1024)


@dataclass(frozen=True, slots=True)
class Aim:
    """One line: what was measured, and whether it is enough; None where the run cannot tell."""

    what: str
    aim: str
    measured: str
    reached: bool | None


def judge(figures: Figures) -> list[Aim]:
    """Those that the run has figures of, in the order in which they were set."""
    few = figures.saved.head.effort.repeats < REPEATS_MIN
    found = [aim for aim in _all(figures) if aim.measured != MISSING]
    return [replace(aim, reached=None) if few else aim for aim in found]


def _all(figures: Figures) -> list[Aim]:
    return [
        _most(figures, 250_000),
        _durable_to_etcd(figures),
        _alone_to_etcd(figures),
        _c_core(figures),
        *(_floor(figures, layer) for layer in ("tcp", "udp")),
        _ratio(figures, "udp", "tcp", 1.0, "UDP to TCP, loopback, alone"),
        _ratio(figures, "ethernet-veth", "udp-veth", 1.0, "Ethernet to UDP, veth, alone"),
        _ratio(figures, "zeromq", "tcp", 1.5, "ZeroMQ to TCP, loopback, alone"),
        *(_rate(figures, layer) for layer in SOCKETS_ALL),
        _failover(figures),
        _growth(figures),
    ]


def _p50(figures: Figures, cell: str | None) -> Interval | None:
    return figures.interval(cell, "p50_us")


def _open(what: str, aim: str) -> Aim:
    return Aim(what, aim, MISSING, None)


def _best(
    figures: Figures, rung: Rung, outstanding: int, metric: str, pick: Callable[..., float]
) -> tuple[str, Interval] | None:
    found = {
        layer: value
        for layer in SOCKETS_ALL
        if (cell := figures.find(layer, rung, "python", outstanding=outstanding))
        and (value := figures.interval(cell, metric))
    }
    if not found:
        return None
    layer = next(
        name for name in found if found[name].median == pick(v.median for v in found.values())
    )
    return layer, found[layer]


def _most(figures: Figures, least: float) -> Aim:
    what = "best layer between processes, nothing stored, 1,024 outstanding"
    aim = f"at least {rate(least)}"
    best = _best(figures, "paxos", 1024, "per_second", max)
    if best is None:
        return _open(what, aim)
    return Aim(what, aim, f"{rate(best[1].median)}, {best[0]}", best[1].median >= least)


def _etcd(figures: Figures, metric: str, pick: Callable[..., str]) -> str | None:
    cells = [
        cell
        for variant in ("default", "best")
        for number in ETCD_LOADS
        if (cell := figures.find("etcd", "durable", variant, outstanding=number))
    ]
    if not cells:
        return None
    return pick(cells, key=lambda cell: _median(figures, cell, metric))


def _median(figures: Figures, cell: str, metric: str) -> float:
    found = figures.interval(cell, metric)
    return found.median if found else 0.0


def _durable_to_etcd(figures: Figures) -> Aim:
    what, aim = (
        "best layer between processes, durable, 1,024 outstanding",
        "at least 8 x etcd's best",
    )
    ours, theirs = (
        _best(figures, "durable", 1024, "per_second", max),
        _etcd(figures, "per_second", max),
    )
    if ours is None or theirs is None:
        return _open(what, aim)
    cell = figures.find(ours[0], "durable", "python", outstanding=1024)
    value = figures.ratio(cell, theirs, "per_second")
    if value is None:
        return _open(what, aim)
    return Aim(what, aim, f"{times(value)}, {ours[0]}", value.median >= 8)


def _alone_to_etcd(figures: Figures) -> Aim:
    what, aim = "TCP, durable, alone, median", "at most etcd's"
    ours, theirs = figures.find("tcp", "durable", "python"), _etcd(figures, "p50_us", min)
    value = figures.ratio(ours, theirs, "p50_us")
    if value is None:
        return _open(what, aim)
    return Aim(what, aim, times(value), value.median <= 1)


def _c_core(figures: Figures) -> Aim:
    what, aim = "Ethernet or UDP with the C core, alone, median", "at most 150 us"
    found = [
        (value.median, layer)
        for layer in ("udp", "ethernet", "udp-veth", "ethernet-veth")
        if (value := _p50(figures, figures.find(layer, "paxos", "c")))
    ]
    plain = _p50(figures, figures.find("ethernet-veth", "paxos", "plain-c"))
    if not found:
        return _open(what, aim)
    least, layer = min(found)
    beside = f"; without Python {us(plain.median)}" if plain else ""
    return Aim(what, aim, f"{us(least)}, {layer}{beside}", least <= 150)


def _floor(figures: Figures, layer: str) -> Aim:
    what, aim = f"{layer}, alone, to four hops of plain sockets", "at most 2 x"
    ours, floor = figures.find(layer, "paxos", "python"), figures.find(layer, "hops")
    value = figures.ratio(ours, floor, "p50_us")
    if value is None:
        return _open(what, aim)
    return Aim(what, aim, times(value), value.median <= 2)


def _ratio(figures: Figures, first: str, second: str, most: float, what: str) -> Aim:
    aim = f"at most {most:g} x"
    ours, theirs = (figures.find(layer, "paxos", "python") for layer in (first, second))
    value = figures.ratio(ours, theirs, "p50_us")
    if value is None:
        return _open(what, aim)
    return Aim(what, aim, times(value), value.median <= most)


def _rate(figures: Figures, layer: str) -> Aim:
    least = 30_000 if layer == "ethernet-veth" else 60_000
    what, aim = f"{layer}, nothing stored, 1,024 outstanding", f"at least {rate(least)}"
    cell = figures.find(layer, "paxos", "python", outstanding=1024)
    value = figures.interval(cell, "per_second")
    if value is None:
        return _open(what, aim)
    return Aim(what, aim, rate(value.median), value.median >= least)


def _failover(figures: Figures) -> Aim:
    what, aim = "leader killed, until the next answer, every layer", "at most 1 s"
    pauses = [entry.pause_seconds for entry in figures.failovers]
    if not pauses:
        return _open(what, aim)
    return Aim(what, aim, f"at most {max(pauses):.2f} s", max(pauses) <= 1)


def _growth(figures: Figures) -> Aim:
    what, aim = "memory of each node, 200,000 to 2,000,000 commands", "within 30 %"
    if not figures.growths:
        return _open(what, aim)
    grown = figures.growths[-1]
    shares = [many / few for few, many in zip(grown.few_kib, grown.many_kib, strict=True)]
    return Aim(what, aim, f"{max(shares):.2f} x at most", max(shares) <= 1.3)
