"""Lines: how rate and latency go together, and how latencies are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from transports.bench.reporting.plots.canvas import link_title, new_figure, plain_ticks, sides
from transports.bench.reporting.select import Figures, most_outstanding, paxos
from transports.bench.reporting.style import INK, look
from transports.bench.saved.files import RunError, read_histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUTSTANDING: Final = (1, 8, 64, 256, 1024)


def throughput(figures: Figures) -> Figure | None:
    """Lines: commands a second against the median latency, more outstanding to the right."""
    return _lines(figures, "throughput")


def clients(figures: Figures) -> Figure | None:
    """Lines: commands a second against how many are outstanding."""
    return _lines(figures, "clients")


def _lines(figures: Figures, kind: str) -> Figure | None:
    found = sides(figures)
    if not found or most_outstanding(figures) == 1:
        return None
    figure, panels = new_figure(len(found), sharey=True)
    for panel, (name, layers) in zip(panels, found, strict=True):
        for layer in layers:
            points = [
                (number, rate.median, p50.median / 1000, p99.median / 1000)
                for number in OUTSTANDING
                if (cell := paxos(figures, layer, number))
                and (rate := figures.interval(cell, "per_second"))
                and (p50 := figures.interval(cell, "p50_us"))
                and (p99 := figures.interval(cell, "p99_us"))
            ]
            if not points:
                continue
            numbers, rates, latencies, tails = zip(*points, strict=True)
            style = look(layer)
            across, up = (rates, latencies) if kind == "throughput" else (numbers, rates)
            if kind == "throughput":
                panel.vlines(rates, latencies, tails, colors=style.colour, alpha=0.45, linewidth=1)
            panel.plot(
                across,
                up,
                style.dashes,
                marker=style.marker,
                color=style.colour,
                label=link_title(layer),
            )
        panel.set(xscale="log", yscale="log", title=name)
        plain_ticks(panel, "x")
        plain_ticks(panel, "y")
        if panel.has_data():
            panel.legend()
    if kind == "throughput":
        panels[0].set_ylabel("latency, ms (log): median, and a line up to p99")
        figure.supxlabel("commands a second (log); outstanding: 1 to 1,024", fontsize=10, color=INK)
    else:
        panels[0].set_ylabel("commands a second (log)")
        figure.supxlabel("commands outstanding (log)", fontsize=10, color=INK)
    return figure


def distribution(figures: Figures) -> Figure | None:
    """Lines: what share of commands took at most so long, all repeats together."""
    found = sides(figures)
    if not found:
        return None
    figure, panels = new_figure(len(found), sharey=True)
    drawn = False
    for panel, (name, layers) in zip(panels, found, strict=True):
        for layer in layers:
            cell = paxos(figures, layer)
            curve = cell and _curve(figures, cell)
            if not curve:
                continue
            drawn = True
            across, up = zip(*curve, strict=True)
            style = look(layer)
            label = link_title(layer)
            panel.plot(across, up, style.dashes, color=style.colour, label=label)
            middle = min(range(len(up)), key=lambda at: abs(up[at] - 50))
            panel.plot(across[middle], up[middle], style.marker, color=style.colour)
        panel.set(xscale="log", title=name, ylim=(0, 100))
        plain_ticks(panel, "x")
        if panel.has_data():
            panel.legend(loc="lower right")
    panels[0].set_ylabel("per cent of commands")
    figure.supxlabel("at most so many microseconds (log); one outstanding", fontsize=10, color=INK)
    return figure if drawn else None


def _curve(figures: Figures, cell: str) -> list[tuple[float, float]]:
    from hdrh.histogram import HdrHistogram

    encoded = read_histograms(figures.saved.folder, cell)
    whole: Any = None
    for repeat in figures.samples[cell]:
        if repeat not in encoded:
            continue
        try:
            one = HdrHistogram.decode(encoded[repeat])
        except Exception as error:  # whatever a cut or foreign text does to it
            raise RunError(f"the histograms of {cell} are damaged: measure again") from error
        if whole is None:
            whole = one
        else:
            whole.add(one)
    if whole is None:
        return []
    percents = [0.5, *range(1, 100), 99.5, 99.9]
    return [(whole.get_value_at_percentile(p) / 1000, float(p)) for p in percents]
