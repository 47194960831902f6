"""The figures as data: one JSON document, one CSV with a row for each cell and repeat."""

from __future__ import annotations

import csv
import json
from io import StringIO
from statistics import median
from typing import Any, Final

import msgspec

from transports.bench.reporting.select import METRICS, Figures
from transports.bench.saved.schema import PARTS, Cell, Closed
from transports.bench.summary import costed


def to_json(figures: Figures) -> str:
    """The head, every cell with its intervals, and the entries beside the cells."""
    cells: dict[str, Any] = {}
    for name in figures.samples:
        found = {metric: figures.interval(name, metric) for metric in METRICS}
        cells[name] = {
            "cell": msgspec.to_builtins(figures.cells[name]),
            "repeats": len(figures.samples[name]),
            "parts_us": figures.parts_us(name),
            "by_role": by_role(figures, name),
            **{
                metric: {"median": value.median, "low": value.low, "high": value.high}
                for metric, value in found.items()
                if value
            },
        }
    document = {
        "head": msgspec.to_builtins(figures.saved.head),
        "cells": cells,
        "calls": [msgspec.to_builtins(entry) for entry in figures.calls.values()],
        "failovers": [msgspec.to_builtins(entry) for entry in figures.failovers],
        "growths": [msgspec.to_builtins(entry) for entry in figures.growths],
        "failures": [msgspec.to_builtins(entry) for entry in figures.failures],
        "skipped": figures.saved.skipped(),
    }
    return json.dumps(document, indent=1)


def by_role(figures: Figures, cell: str) -> dict[str, dict[str, float]]:
    """Role -> what its process takes for a command, the median over the repeats."""
    found: dict[str, dict[str, list[float]]] = {}
    for sample in figures.samples[cell].values():
        for process in sample.processes:
            costs = found.setdefault(process.role, {})
            for name, value in (
                ("user_us", 1e6 * process.user_seconds),
                ("system_us", 1e6 * process.system_seconds),
                ("voluntary_switches", process.voluntary_switches),
                ("involuntary_switches", process.involuntary_switches),
                ("syncs", process.syncs),
            ):
                costs.setdefault(name, []).append(value / costed(sample))
    return {
        role: {name: median(values) for name, values in costs.items()}
        for role, costs in found.items()
    }


NAMED: Final = ("layer", "rung", "variant", "nodes", "load", "command_bytes")


def _names(cell: Cell, command_bytes: int) -> tuple[str | int, ...]:
    """What `NAMED` says of a cell."""
    load = cell.load
    word = load.outstanding if isinstance(load, Closed) else f"open-{load.per_second:g}"
    return cell.layer, cell.rung, cell.variant, cell.nodes, word, command_bytes


def medians_csv(figures: Figures) -> str:
    """A row a cell; of each metric its median and the ends of its interval."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    writer.writerow([*NAMED, "repeats", *ends])
    for name, repeats in figures.samples.items():
        size = next(iter(repeats.values())).command_bytes
        found = [figures.interval(name, metric) for metric in METRICS]
        values = [end for v in found if v for end in (v.median, v.low, v.high)]
        writer.writerow(
            [
                *_names(figures.cells[name], size),
                len(repeats),
                *(f"{value:.6g}" for value in values),
            ]
        )
    return out.getvalue()


def to_csv(figures: Figures) -> str:
    """Tidy: a row a cell and repeat, a column a metric; costs are for a command."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*NAMED, "repeat", "commands", *METRICS, *(f"{part}_us" for part in PARTS)])
    for name, repeats in figures.samples.items():
        for repeat, sample in sorted(repeats.items()):
            parts = {
                part: sum(p.parts_seconds.get(part, 0.0) for p in sample.processes)
                for part in PARTS
            }
            writer.writerow(
                [
                    *_names(figures.cells[name], sample.command_bytes),
                    repeat,
                    sample.commands,
                    *(f"{read(sample):.6g}" for read in METRICS.values()),
                    *(f"{1e6 * seconds / costed(sample):.6g}" for seconds in parts.values()),
                ]
            )
    return out.getvalue()
