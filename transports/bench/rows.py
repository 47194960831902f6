"""The rows of the table: what each measures, its aim, and whether the aim is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from transports.bench.statistics import QUANTILES, median, ratio
from transports.bench.wire import Message

MIB: Final = 1024
FLAT_PERCENT: Final = 30


@dataclass(slots=True)
class Series:
    """The raw figures of one row or peer over the repeats, and why the others are missing."""

    good: list[Message] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[float]:
        """One figure of every repeat that gave one."""
        return [float(raw[name]) for raw in self.good]


Peers = dict[str, Series]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one row says. `reached` is `None` where the peer that the aim names is missing."""

    measured: str
    reached: bool | None
    ratios: dict[str, float] = field(default_factory=dict)
    """Peer -> our median over its, in the same run."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `judge` is only called with at least one good repeat."""

    id: str
    title: str
    aim: str
    judge: Callable[[Series, Peers], Verdict]
    peers: tuple[str, ...] = ()
    repeated: bool = True
    """Whether it is measured anew in each interleaved repeat."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to set PySyncObj up, and where its client is."""

    id: str
    title: str
    role: str
    kind: str
    settings: dict[str, float | bool]


LATENCY_SETTINGS: Final[dict[str, float | bool]] = {"appendEntriesUseBatch": False}
THROUGHPUT_SETTINGS: Final[dict[str, float | bool]] = {
    "appendEntriesUseBatch": True,
    "appendEntriesPeriod": 0.001,
    "autoTickPeriod": 0.001,
}
PEERS: Final = {
    peer.id: peer
    for peer in (
        Peer(
            "latency",
            "PySyncObj set for latency, client inside the leader",
            "leader",
            "latency",
            LATENCY_SETTINGS,
        ),
        Peer(
            "latency-outside",
            "PySyncObj set for latency, client in a process of its own",
            "outside",
            "latency",
            LATENCY_SETTINGS,
        ),
        Peer(
            "throughput",
            "PySyncObj set for throughput, client inside the leader",
            "leader",
            "throughput",
            THROUGHPUT_SETTINGS,
        ),
    )
}


def describe_latency(series: Series) -> str:
    """The medians of the quantiles over the repeats, in milliseconds."""
    p50, p90, p99, p999 = (median(series.values(name)) / 1000 for name in QUANTILES)
    return f"{p50:.3f} ms (p90 {p90:.3f}, p99 {p99:.3f}, p99.9 {p999:.3f})"


def describe_rate(series: Series) -> str:
    """The median over the repeats."""
    return f"{median(series.values('commands_per_second')):,.0f} commands/s"


def _ratios(series: Series, peers: Peers, wanted: Sequence[str], name: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for peer in wanted:
        theirs = peers.get(peer)
        value = ratio(series.values(name), theirs.values(name)) if theirs else None
        if value is not None:
            found[peer] = value
    return found


def _judge_memory_latency(series: Series, peers: Peers) -> Verdict:
    ratios = _ratios(series, peers, ("latency", "latency-outside"), "p50_us")
    # Like is compared with like: our client is a process of its own too.
    share = ratios.get("latency-outside")
    return Verdict(describe_latency(series), None if share is None else share <= 0.5, ratios)


def _judge_memory_throughput(series: Series, peers: Peers) -> Verdict:
    ratios = _ratios(series, peers, ("throughput",), "commands_per_second")
    times = ratios.get("throughput")
    reached: bool | None = median(series.values("commands_per_second")) >= 150_000
    if reached:
        reached = None if times is None else times >= 3
    return Verdict(describe_rate(series), reached, ratios)


def _judge_durable_throughput(series: Series, peers: Peers) -> Verdict:
    ratios = _ratios(series, peers, ("throughput",), "commands_per_second")
    reached = median(series.values("commands_per_second")) >= 60_000
    return Verdict(describe_rate(series), reached, ratios)


def _judge_durable_latency(series: Series, peers: Peers) -> Verdict:
    ratios = _ratios(series, peers, ("latency", "latency-outside"), "p50_us")
    return Verdict(describe_latency(series), median(series.values("p50_us")) <= 1400, ratios)


def _judge_failover(series: Series, _peers: Peers) -> Verdict:
    seconds = [value for raw in series.good for value in raw["seconds"]]
    measured = f"{median(seconds):.2f} s, longest {max(seconds):.2f} s, of {len(seconds)}"
    return Verdict(measured, median(seconds) <= 1.0 and max(seconds) <= 3.0)


def _judge_growth(series: Series, _peers: Peers) -> Verdict:
    (raw,) = series.good[-1:]
    few, many = raw["few_kib"], raw["many_kib"]
    texts = [
        f"{before / MIB:.0f} -> {after / MIB:.0f} MiB ({after / before:.2f})"
        for before, after in zip(few, many, strict=True)
    ]
    pairs = zip(few, many, strict=True)
    flat = all(100 * abs(after - before) <= FLAT_PERCENT * before for before, after in pairs)
    return Verdict("; ".join(texts), flat)


ROWS: Final = {
    row.id: row
    for row in (
        Row(
            "memory-latency",
            "memory store, one outstanding, p50",
            "at most 0.5 x PySyncObj set for latency, its client outside too",
            _judge_memory_latency,
            ("latency", "latency-outside"),
        ),
        Row(
            "memory-throughput",
            "memory store, 1,024 outstanding",
            "at least 150,000 commands/s and 3 x PySyncObj set for throughput",
            _judge_memory_throughput,
            ("throughput",),
        ),
        Row(
            "durable-throughput",
            "durable store, 1,024 outstanding",
            "at least 60,000 commands/s",
            _judge_durable_throughput,
        ),
        Row(
            "durable-latency",
            "durable store, one outstanding, p50",
            "at most 1.4 ms",
            _judge_durable_latency,
        ),
        Row(
            "failover",
            "leader killed, until the client's next answer",
            "median at most 1.0 s, none above 3 s",
            _judge_failover,
            repeated=False,
        ),
        Row(
            "growth",
            "memory of each node after 200,000 and after 2,000,000 commands",
            "within 30 %",
            _judge_growth,
            repeated=False,
        ),
    )
}
