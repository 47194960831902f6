"""A leader killed under load: answers over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transports.bench.reporting.plots.canvas import new_figure
from transports.bench.reporting.select import Figures
from transports.bench.reporting.style import INK, look
from transports.bench.reporting.words import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def failover(figures: Figures) -> Figure | None:
    """Small panels: answers over time, the leader killed and started again."""
    found = figures.failovers
    if not found:
        return None
    columns = 2
    rows = (len(found) + 1) // columns
    figure, panels = new_figure(
        columns, rows, size=(8.6, 0.8 + 1.5 * rows), sharex=True, sharey=True
    )
    for panel, entry in zip(panels, found, strict=False):
        style = look(entry.layer)
        scale = 1000 / entry.bucket_ms
        times = [(number + 0.5) * entry.bucket_ms / 1000 for number in range(len(entry.answers))]
        panel.step(
            times[:-1],
            [count * scale / 1000 for count in entry.answers[:-1]],
            where="mid",
            color=style.colour,
            linewidth=1.2,
        )
        panel.axvline(entry.killed_ms / 1000, color=INK, linestyle=":", linewidth=1)
        if entry.restarted_ms is not None:
            panel.axvline(entry.restarted_ms / 1000, color=INK, linestyle="-.", linewidth=1)
        panel.set_title(f"{title(entry.layer)}: {entry.pause_seconds:.2f} s", fontsize=10)
        panel.set_ylim(bottom=0)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    figure.supxlabel(
        "seconds; dotted: the leader is killed; dash-dotted: it is back", fontsize=10, color=INK
    )
    figure.supylabel("thousand answers a second", fontsize=10, color=INK)
    return figure
