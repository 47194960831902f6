"""The paper's Table I, ours beside theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from transports.bench.reporting.plots.canvas import new_figure
from transports.bench.reporting.select import Figures
from transports.bench.reporting.style import INK, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIRST: Final = ("UDP", "user space")
"""What the others are told as multiples of."""


def table_one(figures: Figures) -> Figure | None:
    """A heat map: the paper's Table I, ours beside theirs, each shaded within its own machine."""
    ours = {
        (row, column): found
        for row, column, layer in (
            ("UDP", "user space", "udp-veth"),
            ("Ethernet", "user space", "ethernet-veth"),
            ("Ethernet", "kernel", "kmod-relay"),
        )
        if (found := _echo(figures, layer))
    }
    if not ours:
        return None
    theirs = {
        ("UDP", "user space"): 120_000.0,
        ("UDP", "kernel"): 135_000.0,
        ("Ethernet", "user space"): 318_000.0,
        ("Ethernet", "kernel"): 520_000.0,
    }
    figure, panels = new_figure(2, size=(8.6, 2.6))
    here = "ours: this machine, veth, Python echo"
    there = "the paper: other hardware, real cards, C"
    _heat(panels[0], here, ours)
    _heat(panels[1], there, {at: (rate, rate / theirs[FIRST]) for at, rate in theirs.items()})
    return figure


def _echo(figures: Figures, layer: str) -> tuple[float, float] | None:
    """(rate, times UDP's within the same repeats)."""
    for outstanding in (64, 1):
        cell = figures.find(layer, "echo", outstanding=outstanding)
        first = figures.find("udp-veth", "echo", outstanding=outstanding)
        found, times = (
            figures.interval(cell, "per_second"),
            figures.ratio(cell, first, "per_second"),
        )
        if found and times:
            return found.median, times.median
    return None


def _heat(panel: Axes, name: str, table: dict[tuple[str, str], tuple[float, float]]) -> None:
    rows, columns = ("UDP", "Ethernet"), ("user space", "kernel")
    least = min(times for _, times in table.values())
    most = max(times for _, times in table.values())
    for across, column in enumerate(columns):
        for up, row in enumerate(rows):
            found = table.get((row, column))
            share = 0.0 if not found or most == least else (found[1] - least) / (most - least)
            alpha = 0.18 + 0.55 * share if found else 0.0
            panel.add_patch(_square(across, up, alpha))
            text = f"{found[0]:,.0f}/s\n{found[1]:.2f} x" if found else "not in this run"
            panel.text(across + 0.5, up + 0.5, text, ha="center", va="center", color=INK)
    panel.set(xlim=(0, 2), ylim=(2, 0), title=name)
    panel.set_xticks([0.5, 1.5], columns)
    panel.set_yticks([0.5, 1.5], rows)
    panel.grid(visible=False)
    panel.tick_params(length=0)


def _square(across: int, up: int, alpha: float) -> Any:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    return Rectangle(
        (across, up), 1, 1, facecolor=to_rgba(PALETTE["tcp"][0], alpha), edgecolor="#c9ced6"
    )
