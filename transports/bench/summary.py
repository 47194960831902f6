"""A run in one table for a terminal: what each layer costs, rung by rung."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from transports.bench.ladder.layers import LAYERS
from transports.bench.saved.files import SavedRun
from transports.bench.saved.schema import Cell, Closed, Failure, Sample

if TYPE_CHECKING:
    from rich.console import Console

US_PER_MS = 1000
SUBJECTS_MAX = 6


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians over the repeats. Made by `summarise_run`."""

    saved: SavedRun
    samples: dict[str, list[Sample]]
    """By cell."""

    def show(self, console: Console) -> None:
        """For people."""
        from rich.table import Table

        table = Table(title=None, box=None, pad_edge=False, header_style="bold")
        for name in ("layer", "rung", "core", "nodes"):
            table.add_column(name)
        for name in ("load", "bytes", "p50 ms", "p99 ms", "commands/s", "CPU us", "switches"):
            table.add_column(name, justify="right")
        for cell in self.saved.head.cells:
            if found := self.samples.get(cell.id):
                table.add_row(*_row(cell, found))
        console.print(table)
        for line in self._notes():
            console.print(line, soft_wrap=True)

    def _notes(self) -> list[str]:
        lines = [f"left out: {line}" for line in grouped(self.saved.skipped().items())]
        failures = [entry for entry in self.saved.entries if isinstance(entry, Failure)]
        named = [(f"{f.cell}, repeat {f.repeat + 1}", f.reason) for f in failures]
        lines += [f"no figure: {line}" for line in grouped(named)]
        effort = self.saved.head.effort
        lines.append(
            f"Medians of {effort.repeats} interleaved repeats of {effort.seconds:g} s; CPU and "
            "voluntary context switches are per command, of all processes together."
        )
        lines.append(f"Saved in {self.saved.folder}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "folder": str(self.saved.folder),
            "head": msgspec.to_builtins(self.saved.head),
            "cells": {
                name: {
                    "repeats": len(found),
                    "p50_us": median(s.latency.p50_us for s in found),
                    "p99_us": median(s.latency.p99_us for s in found),
                    "per_second": median(s.per_second for s in found),
                    "cpu_us": median(cpu_us(s) for s in found),
                }
                for name, found in self.samples.items()
            },
            "skipped": self.saved.skipped(),
            "failures": [msgspec.to_builtins(failure) for failure in self.saved.failures()],
        }


def grouped(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """(subject, reason) as lines; subjects with the same reason share one, the many cut short."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for subject, reason in reasons:
        by_reason[reason].append(subject)
    return [f"{_some(subjects)}: {reason}" for reason, subjects in by_reason.items()]


def _some(subjects: list[str]) -> str:
    rest = len(subjects) - SUBJECTS_MAX
    shown = "; ".join(subjects[:SUBJECTS_MAX])
    return f"{shown} and {rest} more" if rest > 0 else shown


def summarise_run(saved: SavedRun) -> Summary:
    """The samples of each cell."""
    by_cell: dict[str, list[Sample]] = defaultdict(list)
    for sample in saved.samples():
        by_cell[sample.cell].append(sample)
    return Summary(saved, dict(by_cell))


def costed(sample: Sample) -> int:
    """Of how many commands a sample's costs are. Of an old run that did not say: of all."""
    return sample.costed or sample.commands


def cpu_us(sample: Sample) -> float:
    """Processor time of a command, of all processes, in microseconds."""
    spent = sum(p.user_seconds + p.system_seconds for p in sample.processes)
    return 1e6 * spent / costed(sample)


def switches(sample: Sample) -> float:
    """Voluntary context switches of a command, of all processes."""
    return sum(p.voluntary_switches for p in sample.processes) / costed(sample)


def _row(cell: Cell, found: Sequence[Sample]) -> list[str]:
    load = cell.load
    title = LAYERS[cell.layer].title if cell.layer in LAYERS else cell.layer
    return [
        title,
        cell.rung,
        cell.variant or "-",
        str(cell.nodes) if cell.variant else "-",
        str(load.outstanding) if isinstance(load, Closed) else f"{load.per_second:,.0f}/s",
        f"{found[0].command_bytes:,}",
        f"{median(s.latency.p50_us for s in found) / US_PER_MS:.3f}",
        f"{median(s.latency.p99_us for s in found) / US_PER_MS:.3f}",
        f"{median(s.per_second for s in found):,.0f}",
        f"{median(map(cpu_us, found)):.1f}",
        f"{median(map(switches, found)):.2f}",
    ]
