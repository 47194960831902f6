"""The tables of a report, as rows of text: the page and the docs show the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transports.bench.reporting.aims import judge
from transports.bench.reporting.select import METRICS, Figures, most_outstanding, paxos
from transports.bench.reporting.words import PEERS, few, rate, spread, times, title, us
from transports.bench.saved.schema import RUNGS, Closed, Open
from transports.bench.summary import costed

NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, a head, and rows as long as the head."""

    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def layers(figures: Figures) -> Table:
    """The answer: what each layer costs."""
    many = most_outstanding(figures)
    rows = []
    for layer in figures.layers():
        cell, loaded = paxos(figures, layer), paxos(figures, layer, many)
        if cell is None and loaded is None:
            continue
        beside = "tcp-veth" if layer.endswith("-veth") or "kmod" in layer else "tcp"
        ratio = figures.ratio(cell, paxos(figures, beside), "p50_us")
        variant = "kernel" if layer == "kmod-replica" else "python"
        durable = figures.interval(figures.find(layer, "durable", variant), "p50_us")
        values = {
            metric: figures.interval(cell, metric)
            for metric in ("p50_us", "p99_us", "cpu_us", "voluntary_switches")
        }
        loaded_rate = figures.interval(loaded, "per_second")
        calls = figures.calls_per_command(layer, 1)
        rows.append(
            (
                title(layer),
                spread(p50, us) if (p50 := values["p50_us"]) else NONE,
                "1" if layer == beside else times(ratio) if ratio else NONE,
                us(p99.median) if (p99 := values["p99_us"]) else NONE,
                us(durable.median) if durable else NONE,
                spread(loaded_rate, rate) if loaded_rate else NONE,
                us(cpu.median) if (cpu := values["cpu_us"]) else NONE,
                few(calls) if calls else NONE,
                few(found.median) if (found := values["voluntary_switches"]) else NONE,
            )
        )
    return Table(
        "What each layer costs: three nodes, 64-byte commands, the Python core. Medians, with "
        "95 % intervals in parentheses (of fewer than six repeats: the least and the most).",
        (
            "layer",
            "alone, median",
            "to TCP",
            "alone, p99",
            "alone, durable",
            f"{many:,} outstanding",
            "processor time",
            "system calls",
            "switches",
        ),
        rows,
    )


def rungs(figures: Figures) -> Table:
    """The ladder as numbers: each layer on each of its rungs."""
    rows = []
    for layer in figures.layers():
        core = "kernel" if layer == "kmod-replica" else "python"
        cells = [
            figures.find(layer, rung, core if rung in ("paxos", "durable") else "")
            for rung in RUNGS
        ]
        found = [figures.interval(cell, "p50_us") for cell in cells]
        rows.append((title(layer), *(spread(value, us) if value else NONE for value in found)))
    return Table(
        "The ladder: one 64-byte command alone on each rung, median.", ("layer", *RUNGS), rows
    )


def peers(figures: Figures) -> Table:
    """Others in the same run, and ours where it does the same."""
    rows = []
    ours = [
        cell
        for rung in ("durable", "paxos")
        for number in (1, 64, 1024)
        if (cell := figures.find("tcp", rung, "python", outstanding=number))
    ]
    theirs = [cell for cell in figures.samples if figures.cells[cell].layer in PEERS]
    for cell in (*ours, *theirs) if theirs else ():
        found = figures.cells[cell]
        p50, per_second = (figures.interval(cell, metric) for metric in ("p50_us", "per_second"))
        client = [
            1e6 * (p.user_seconds + p.system_seconds) / costed(sample)
            for sample in figures.samples[cell].values()
            for p in sample.processes
            if p.role == "client"
        ]
        assert p50 is not None
        assert per_second is not None
        assert isinstance(found.load, Closed)
        rows.append(
            (
                title(found.layer) if cell in theirs else "this project, TCP",
                found.variant,
                "yes" if found.rung == "durable" else "no",
                f"{found.load.outstanding:,}",
                us(p50.median),
                spread(per_second, rate),
                us(sorted(client)[len(client) // 2]) if client else NONE,
            )
        )
    return Table(
        "Peers in the same run, three members each, 64 bytes, loopback; the last column is their "
        "client's processor time for a command.",
        (
            "system",
            "settings",
            "synced",
            "outstanding",
            "median",
            "rate",
            "its client",
        ),
        rows,
    )


CELL_HEAD: Final = (
    "layer",
    "rung",
    "core",
    "nodes",
    "load",
    "bytes",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "rate",
    "processor",
    "softirq",
    "switches",
    "syncs",
    "wire frames",
    "wire bytes",
    "repeats",
)


def cells(figures: Figures) -> Table:
    """Everything that was measured."""
    return Table(
        "All cells: medians over the repeats. Costs are for a command, of all processes together.",
        CELL_HEAD,
        [_cell(figures, name) for name in figures.cells if name in figures.samples],
    )


def _cell(figures: Figures, name: str) -> tuple[str, ...]:
    cell, load = figures.cells[name], figures.cells[name].load
    found = {metric: figures.interval(name, metric) for metric in METRICS}
    medians = {metric: value.median for metric, value in found.items() if value}
    size = next(iter(figures.samples[name].values())).command_bytes
    return (
        title(cell.layer),
        cell.rung,
        cell.variant or NONE,
        str(cell.nodes),
        f"{load.outstanding:,}" if isinstance(load, Closed) else _plan(load),
        f"{size:,}",
        *(us(medians[metric]) for metric in ("p50_us", "p90_us", "p99_us", "p999_us")),
        rate(medians["per_second"]),
        us(medians["cpu_us"]),
        us(medians["softirq_us"]),
        *(few(medians[metric]) for metric in ("voluntary_switches", "syncs", "wire_frames")),
        f"{medians['wire_bytes']:,.0f}",
        str(len(figures.samples[name])),
    )


def _plan(load: Open) -> str:
    return f"by plan, {load.per_second:,.0f}/s"


def aims(figures: Figures) -> Table:
    """What was to be reached."""
    words = {True: "yes", False: "no", None: "too few repeats to say"}
    return Table(
        "The aims of this project, judged by this run.",
        ("figure", "aim", "measured", "reached"),
        [(aim.what, aim.aim, aim.measured, words[aim.reached]) for aim in judge(figures)],
    )
