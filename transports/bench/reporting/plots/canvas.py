"""What every plot is drawn on: panels, ticks that people can read, and short numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transports.bench.reporting.select import Figures
from transports.bench.reporting.style import SETTINGS, SIZE_INCHES
from transports.bench.reporting.words import title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def new_figure(
    columns: int = 1, rows: int = 1, *, size: tuple[float, float] = SIZE_INCHES, **options: Any
) -> tuple[Figure, list[Axes]]:
    """An empty drawing, and its panels in reading order."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [panel for row in panels for panel in row]


def sides(figures: Figures) -> list[tuple[str, list[str]]]:
    """(what they have in common, layers): links are compared with their like."""
    layers = figures.layers()
    near = [layer for layer in layers if not layer.endswith("-veth") and "kmod" not in layer]
    far = [layer for layer in layers if layer not in near]
    return [(name, found) for name, found in (("loopback", near), ("veth", far)) if found]


def link_title(layer: str) -> str:
    """Where the panel names the link."""
    return title(layer).removesuffix(", loopback").removesuffix(", veth")


def plain_ticks(panel: Axes, axis: str) -> None:
    """Numbers as people write them, not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    which = panel.xaxis if axis == "x" else panel.yaxis
    low, high = which.get_view_interval()
    # Few decades need ticks between them; many have no room for these.
    which.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 500 * low else (1,)))
    which.set_major_formatter(FuncFormatter(plain))
    which.set_minor_formatter(NullFormatter())


def short(value: float) -> str:
    """Three digits at most, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plain(value: float, _place: float | None = None) -> str:
    """As a tick has it."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    if value >= 10_000:
        return f"{value / 1000:g} k"
    return f"{value:,g}"
