"""The ladder: what one command takes on every rung of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from transports.bench.reporting.plots.canvas import new_figure, plain_ticks
from transports.bench.reporting.select import Figures
from transports.bench.reporting.style import PALETTE, RUNG_STYLES
from transports.bench.reporting.words import title
from transports.bench.saved.schema import RUNGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNG_WORDS: Final = {
    "echo": "echo, plain sockets",
    "hops": "four hops, plain sockets",
    "quorum": "quorum, no Paxos",
    "paxos": "Paxos, in memory",
    "durable": "Paxos, durable",
}


def ladder(figures: Figures) -> Figure | None:
    """Dots: what one command takes on every rung, a line of dots for each layer."""
    layers = figures.layers()
    if not layers:
        return None
    figure, (panel,) = new_figure(size=(8.6, 1.4 + 0.42 * len(layers)))
    for rung in RUNGS:
        colour, marker = RUNG_STYLES[rung]
        drawn = False
        for place, layer in enumerate(layers):
            variant = "" if rung in ("echo", "hops", "quorum") else _variant(layer)
            found = figures.interval(figures.find(layer, rung, variant), "p50_us")
            if found is None:
                continue
            drawn = True
            panel.plot([found.low, found.high], [place, place], color=colour, linewidth=2, zorder=2)
            panel.plot(found.median, place, marker, color=colour, markersize=8, zorder=3)
        if drawn:
            panel.plot([], [], marker, color=colour, label=RUNG_WORDS[rung])
    _without_python(figures, panel, layers)
    panel.set_xscale("log")
    panel.set_yticks(range(len(layers)), [title(layer) for layer in layers])
    panel.invert_yaxis()
    panel.set_xlabel("one command outstanding, median, microseconds (log)")
    plain_ticks(panel, "x")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _without_python(figures: Figures, panel: Axes, layers: Sequence[str]) -> None:
    """The C core in a plain C loop, where it was measured."""
    colour = PALETTE["kmod"][0]
    label: str | None = "C core, no Python"
    for place, layer in enumerate(layers):
        found = figures.interval(figures.find(layer, "paxos", "plain-c"), "p50_us")
        if found is not None:
            panel.plot(found.median, place, "P", color=colour, markersize=9, label=label)
            label = None


def _variant(layer: str) -> str:
    return "kernel" if layer == "kmod-replica" else "python"
