"""A run's figures by what is asked of them: a cell, a metric, an interval over the repeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from transports.bench.ladder.layers import LAYERS
from transports.bench.reporting.statistics import Interval, interval, paired_ratio
from transports.bench.saved.files import SavedRun, read_run
from transports.bench.saved.schema import (
    PARTS,
    Calls,
    Cell,
    Closed,
    Failover,
    Failure,
    Growth,
    Rung,
    Sample,
)
from transports.bench.summary import costed, cpu_us, switches

Metric = Callable[[Sample], float]


def per(sample: Sample, total: float) -> float:
    """`total` of the window, for each command."""
    return total / costed(sample)


METRICS: Final[Mapping[str, Metric]] = {
    "p50_us": lambda s: s.latency.p50_us,
    "p90_us": lambda s: s.latency.p90_us,
    "p99_us": lambda s: s.latency.p99_us,
    "p999_us": lambda s: s.latency.p999_us,
    "per_second": lambda s: s.per_second,
    "cpu_us": cpu_us,
    "user_us": lambda s: 1e6 * per(s, sum(p.user_seconds for p in s.processes)),
    "system_us": lambda s: 1e6 * per(s, sum(p.system_seconds for p in s.processes)),
    "softirq_us": lambda s: 1e6 * per(s, s.softirq_seconds),
    "voluntary_switches": switches,
    "involuntary_switches": lambda s: per(s, sum(p.involuntary_switches for p in s.processes)),
    "syncs": lambda s: per(s, sum(p.syncs for p in s.processes)),
    "wire_frames": lambda s: per(s, s.wire_frames),
    "wire_bytes": lambda s: per(s, s.wire_bytes),
}
"""All for each command, but `per_second`."""


@dataclass(slots=True)
class Figures:
    """One saved run, ready to be asked. Made by `load_figures`."""

    saved: SavedRun
    cells: dict[str, Cell] = field(default_factory=dict)
    samples: dict[str, dict[int, Sample]] = field(default_factory=dict)
    """Cell -> repeat -> sample."""
    calls: dict[str, Calls] = field(default_factory=dict)
    failovers: list[Failover] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    _intervals: dict[tuple[str, str], Interval] = field(default_factory=dict)
    """Those that somebody asked for: plots, tables and data ask for the same."""

    def find(
        self,
        layer: str,
        rung: Rung,
        variant: str = "",
        *,
        outstanding: int = 1,
        nodes: int = 3,
        command_bytes: int = 64,
    ) -> str | None:
        """The id of the cell with a closed loop; None if it has no figure."""
        cell = Cell(
            layer=layer,
            rung=rung,
            variant=variant,
            nodes=nodes,
            load=Closed(outstanding=outstanding),
            command_bytes=command_bytes,
        )
        return cell.id if cell.id in self.samples else None

    def values(self, cell: str, metric: str) -> dict[int, float]:
        """Repeat -> figure."""
        read = METRICS[metric]
        return {repeat: read(sample) for repeat, sample in self.samples[cell].items()}

    def interval(self, cell: str | None, metric: str) -> Interval | None:
        """Over the repeats; None for a cell without a figure."""
        if not cell:
            return None
        found = self._intervals.get((cell, metric))
        if found is None:
            found = interval(list(self.values(cell, metric).values()))
            self._intervals[cell, metric] = found
        return found

    def ratio(self, ours: str | None, theirs: str | None, metric: str) -> Interval | None:
        """Of two cells, within the repeats; None if one has no figure."""
        if ours is None or theirs is None:
            return None
        return paired_ratio(self.values(ours, metric), self.values(theirs, metric))

    def layers(self) -> list[str]:
        """Those with a figure, in the order of the table; peers are not among them."""
        found = {self.cells[cell].layer for cell in self.samples}
        return [layer for layer in LAYERS if layer in found]

    def parts_us(self, cell: str) -> dict[str, float]:
        """Part -> microseconds of a command, of all nodes together; empty if nobody looked."""
        repeats = [_parts(sample) for sample in self.samples[cell].values()]
        known = [parts for parts in repeats if parts]
        if not known:
            return {}
        return {part: interval([parts.get(part, 0.0) for parts in known]).median for part in PARTS}

    def calls_per_command(self, layer: str, outstanding: int) -> float | None:
        """System calls of the traced processes (leader, followers, client) for each command."""
        for found in self.calls.values():
            if (found.layer, found.outstanding) == (layer, outstanding):
                total = sum(sum(calls.values()) for calls in found.by_role.values())
                return total / found.commands
        return None


def _parts(sample: Sample) -> dict[str, float]:
    parts: dict[str, float] = defaultdict(float)
    for process in sample.processes:
        for part, seconds in process.parts_seconds.items():
            parts[part] += 1e6 * seconds / costed(sample)
    return dict(parts)


def load_figures(saved: SavedRun) -> Figures:
    """Sort the entries of a run."""
    figures = Figures(saved, {cell.id: cell for cell in saved.head.cells})
    for entry in saved.entries:
        match entry:
            case Sample():
                figures.samples.setdefault(entry.cell, {})[entry.repeat] = entry
            case Calls():
                figures.calls[entry.cell] = entry
            case Failover():
                figures.failovers.append(entry)
            case Growth():
                figures.growths.append(entry)
    figures.failures = saved.failures()
    # Samples of cells that the head does not name are nobody's.
    figures.samples = {c: found for c, found in figures.samples.items() if c in figures.cells}
    return figures


def paxos(figures: Figures, layer: str, outstanding: int = 1) -> str | None:
    """The cell of a layer that stands for it: the rung `paxos`, three nodes, 64 bytes."""
    variant = "kernel" if layer == "kmod-replica" else "python"
    return figures.find(layer, "paxos", variant, outstanding=outstanding)


def most_outstanding(figures: Figures) -> int:
    """The largest closed loop that a layer has a figure of; 1 if there is no other."""
    found = [
        number
        for number in (1024, 256, 64, 8)
        if any(paxos(figures, layer, number) for layer in figures.layers())
    ]
    return max(found, default=1)


__all__ = ["METRICS", "Figures", "load_figures", "most_outstanding", "paxos", "read_run"]
