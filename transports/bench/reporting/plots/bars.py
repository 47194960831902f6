"""Bars: what a command costs, by part, by kind, by core, and beside peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from transports.bench.reporting.plots.canvas import new_figure, plain, plain_ticks, short
from transports.bench.reporting.select import Figures, most_outstanding, paxos
from transports.bench.reporting.style import HATCHES, INK, STEPS, look
from transports.bench.reporting.words import PEERS, title
from transports.bench.saved.schema import PARTS, Closed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMAND_BYTES: Final = 64
CORES: Final = {
    "python": "Python core",
    "c": "C core in the Python node",
    "plain-c": "C core, no Python, client in the leader",
}


def parts(figures: Figures) -> Figure | None:
    """Stacked bars: what the nodes work for a command, alone and with many."""
    busy = [part for part in PARTS if part != "idle"]
    label = "the nodes' work for a command, us; idle: of their time"
    return _stacked(figures, label, busy, figures.parts_us)


def processors(figures: Figures) -> Figure | None:
    """Stacked bars: processor time in user space, in the system, in softirqs."""
    metrics = {"user": "user_us", "system": "system_us", "softirq, whole machine": "softirq_us"}

    def found(cell: str) -> dict[str, float]:
        return {
            name: value.median
            for name, metric in metrics.items()
            if (value := figures.interval(cell, metric))
        }

    return _stacked(figures, "processor time for a command, us", list(metrics), found)


def _stacked(
    figures: Figures,
    label: str,
    names: Sequence[str],
    read: Callable[[str], dict[str, float]],
) -> Figure | None:
    many = most_outstanding(figures)
    loads = [1, many] if many > 1 else [1]
    rows = {
        number: [
            (layer, found)
            for layer in figures.layers()
            if (cell := paxos(figures, layer, number)) and (found := read(cell))
        ]
        for number in loads
    }
    if not rows[1]:
        return None
    figure, panels = new_figure(len(loads), size=(8.6, 1.6 + 0.36 * len(rows[1])), sharey=True)
    for panel, number in zip(panels, loads, strict=True):
        for place, (_layer, found) in enumerate(rows[number]):
            left = 0.0
            for index, name in enumerate(names):
                width = found.get(name, 0.0)
                panel.barh(
                    place,
                    width,
                    left=left,
                    color=STEPS[index],
                    hatch=HATCHES[index],
                    edgecolor="white",
                    linewidth=0.5,
                    label=name if place == 0 else None,
                )
                left += width
            words = f" {short(left)}{_idle(found, left)}"
            panel.text(left, place, words, va="center", fontsize=9, color=INK)
        panel.margins(x=0.25 if "idle" in rows[number][0][1] else 0.12)
        panel.set_title(f"{number:,} outstanding")
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(rows[1])), [title(layer) for layer, _ in rows[1]])
    panels[0].invert_yaxis()
    figure.supxlabel(label, fontsize=10, color=INK)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(names), frameon=False, fontsize=9
    )
    return figure


def _idle(found: dict[str, float], busy: float) -> str:
    """How much of the time nobody worked: a bar of it would dwarf all others."""
    idle = found.get("idle", 0.0)
    return f", idle {100 * idle / (idle + busy):.0f} %" if idle else ""


def peers(figures: Figures) -> Figure | None:
    """Bars: this project over TCP beside others, alone and with as many as each was given."""
    rows = [(name, cells) for name, cells in peer_rows(figures) if cells]
    if not any(PEERS.get(figures.cells[cells[0]].layer) for _, cells in rows):
        return None
    figure, panels = new_figure(2, size=(8.6, 1.4 + 0.42 * len(rows)), sharey=True)
    wanted = (("p50_us", "alone, median, microseconds", min),
              ("per_second", "at its best load, commands a second", max))  # fmt: skip
    for panel, (metric, name, pick) in zip(panels, wanted, strict=True):
        for place, (_, cells) in enumerate(rows):
            found = pick(
                (value for cell in cells if (value := figures.interval(cell, metric))),
                key=lambda value: value.median,
            )
            style = look(figures.cells[cells[0]].layer)
            error = [[found.median - found.low], [found.high - found.median]]
            hatch = "///" if figures.cells[cells[0]].rung == "durable" else ""
            panel.barh(
                place, found.median, xerr=error, color=style.colour, hatch=hatch,
                edgecolor="white", ecolor=INK,
            )  # fmt: skip
            words = f" {short(found.median)}"
            panel.text(found.high, place, words, va="center", fontsize=9, color=INK)
        panel.set(title=name, xscale="log")
        plain_ticks(panel, "x")
        panel.margins(x=0.2)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(rows)), [name for name, _ in rows])
    panels[0].invert_yaxis()
    return figure


def peer_rows(figures: Figures) -> list[tuple[str, list[str]]]:
    """(what it is called, its cells of all loads): ours over TCP, then every peer's settings."""
    kinds = [("tcp", "durable", "python"), ("tcp", "paxos", "python")]
    kinds += sorted({(c.layer, c.rung, c.variant) for c in figures.cells.values()
                     if c.layer in PEERS})  # fmt: skip
    found = []
    for layer, rung, variant in kinds:
        ours = layer not in PEERS
        synced = ", synced" if rung == "durable" else ", in memory"
        name = "this project, TCP" if ours else f"{title(layer)}, {variant}"
        cells = [
            cell
            for cell in figures.samples
            if (c := figures.cells[cell]).layer == layer and c.rung == rung
            and c.variant == variant and c.nodes == 3 and c.command_bytes == COMMAND_BYTES
            and isinstance(c.load, Closed)
        ]  # fmt: skip
        found.append((name + synced, cells))
    return found


def calls(figures: Figures) -> Figure | None:
    """Bars: system calls and context switches of a command, alone."""
    layers = [layer for layer in figures.layers() if paxos(figures, layer)]
    if not layers:
        return None
    columns: list[tuple[str, Callable[[str], float | None]]] = [
        ("system calls", lambda layer: figures.calls_per_command(layer, 1)),
        ("voluntary switches", lambda layer: _median(figures, layer, "voluntary_switches")),
        ("involuntary switches", lambda layer: _median(figures, layer, "involuntary_switches")),
    ]
    if not figures.calls:
        columns = columns[1:]
    size = (8.6, 1.6 + 0.34 * len(layers))
    figure, panels = new_figure(len(columns), size=size, sharey=True)
    for panel, (name, read) in zip(panels, columns, strict=True):
        for place, layer in enumerate(layers):
            value = read(layer)
            if value is None:
                panel.text(0, place, " not counted", va="center", fontsize=9, color=INK)
                continue
            style = look(layer)
            hatch = "///" if style.dashes == "--" else ""
            panel.barh(place, value, color=style.colour, hatch=hatch, edgecolor="white")
            panel.text(value, place, f" {short(value)}", va="center", fontsize=9, color=INK)
        panel.set_title(name)
        panel.margins(x=0.18)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(layers)), [title(layer) for layer in layers])
    panels[0].invert_yaxis()
    figure.supxlabel("for a command, one outstanding, all processes", fontsize=10, color=INK)
    return figure


def _median(figures: Figures, layer: str, metric: str) -> float | None:
    found = figures.interval(paxos(figures, layer), metric)
    return found.median if found else None


def cores(figures: Figures) -> Figure | None:
    """Bars: the C core against Python's, under the same driver."""
    layers = [
        layer
        for layer in figures.layers()
        if figures.find(layer, "paxos", "c") and paxos(figures, layer)
    ]
    if not layers:
        return None
    many = (
        64 if figures.find(layers[0], "paxos", "c", outstanding=64) else most_outstanding(figures)
    )
    figure, panels = new_figure(2, size=(8.6, 1.8 + 0.6 * len(layers)), sharey=True)
    for panel, (number, metric, name) in zip(
        panels,
        (
            (1, "p50_us", "alone, median, microseconds"),
            (many, "per_second", f"{many} outstanding, commands a second"),
        ),
        strict=True,
    ):
        for index, (variant, label) in enumerate(CORES.items()):
            for place, layer in enumerate(layers):
                cell = figures.find(layer, "paxos", variant, outstanding=number)
                found = figures.interval(cell, metric)
                if found is None:
                    continue
                panel.barh(
                    place + 0.28 * (index - 1),
                    found.median,
                    height=0.26,
                    xerr=[[found.median - found.low], [found.high - found.median]],
                    color=STEPS[(0, 3, 5)[index]],
                    hatch=HATCHES[index],
                    edgecolor="white",
                    ecolor=INK,
                )
                if number == 1:
                    panel.text(
                        found.high, place + 0.28 * (index - 1), f" {short(found.median)}",
                        va="center", fontsize=8.5, color=INK,
                    )  # fmt: skip
            panel.barh([0], [0], color=STEPS[(0, 3, 5)[index]], hatch=HATCHES[index], label=label)
        panel.set_title(name)
        panel.xaxis.set_major_formatter(plain)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(layers)), [title(layer) for layer in layers])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure
