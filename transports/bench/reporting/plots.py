"""The plots. Each takes the figures of one run and gives a drawing, or None without data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from transports.bench.reporting.select import Figures
from transports.bench.reporting.sentences import most_outstanding, paxos
from transports.bench.reporting.style import (
    HATCHES,
    INK,
    PALETTE,
    RUNG_STYLES,
    SETTINGS,
    SIZE_INCHES,
    STEPS,
    look,
)
from transports.bench.reporting.words import title
from transports.bench.saved.files import read_histograms
from transports.bench.saved.schema import PARTS, RUNGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUTSTANDING: Final = (1, 8, 64, 256, 1024)
CORES: Final = {
    "python": "Python core",
    "c": "C core in the Python node",
    "plain-c": "C core, no Python, client in the leader",
}
RUNG_WORDS: Final = {
    "echo": "echo, plain sockets",
    "hops": "four hops, plain sockets",
    "quorum": "quorum, no Paxos",
    "paxos": "Paxos, in memory",
    "durable": "Paxos, durable",
}


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


def ladder(figures: Figures) -> Figure | None:
    """Dots: what one command takes on every rung, a line of dots for each layer."""
    layers = figures.layers()
    if not layers:
        return None
    figure, (panel,) = new_figure(size=(8.6, 1.4 + 0.42 * len(layers)))
    for rung in RUNGS:
        colour, marker = RUNG_STYLES[rung]
        for place, layer in enumerate(layers):
            variant = "" if rung in ("echo", "hops", "quorum") else _variant(layer)
            found = figures.interval(figures.find(layer, rung, variant), "p50_us")
            if found is None:
                continue
            panel.plot([found.low, found.high], [place, place], color=colour, linewidth=2, zorder=2)
            panel.plot(found.median, place, marker, color=colour, markersize=8, zorder=3)
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
                (number, rate.median, p50.median / 1000)
                for number in OUTSTANDING
                if (cell := paxos(figures, layer, number))
                and (rate := figures.interval(cell, "per_second"))
                and (p50 := figures.interval(cell, "p50_us"))
            ]
            if not points:
                continue
            numbers, rates, latencies = zip(*points, strict=True)
            style = look(layer)
            across, up = (rates, latencies) if kind == "throughput" else (numbers, rates)
            panel.plot(
                across,
                up,
                style.dashes,
                marker=style.marker,
                color=style.colour,
                label=title(layer).removesuffix(", loopback").removesuffix(", veth"),
            )
        panel.set(xscale="log", yscale="log", title=name)
        plain_ticks(panel, "x")
        plain_ticks(panel, "y")
        if panel.has_data():
            panel.legend()
    if kind == "throughput":
        panels[0].set_ylabel("median latency, ms (log)")
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
            label = title(layer).removesuffix(", loopback").removesuffix(", veth")
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
        one = HdrHistogram.decode(encoded[repeat])
        if whole is None:
            whole = one
        else:
            whole.add(one)
    if whole is None:
        return []
    percents = [0.5, *range(1, 100), 99.5, 99.9]
    return [(whole.get_value_at_percentile(p) / 1000, float(p)) for p in percents]


def parts(figures: Figures) -> Figure | None:
    """Stacked bars: what the nodes work for a command, alone and with many."""
    busy = [part for part in PARTS if part != "idle"]
    return _stacked(
        figures,
        "the nodes' work for a command, us",
        busy,
        lambda cell: figures.parts_us(cell),
    )


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
            panel.text(left, place, f" {short(left)}", va="center", fontsize=9, color=INK)
        panel.margins(x=0.12)
        panel.set_title(f"{number:,} outstanding")
        panel.set_xlabel(label)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(rows[1])), [title(layer) for layer, _ in rows[1]])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(names), frameon=False, fontsize=9
    )
    return figure


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
        panel.xaxis.set_major_formatter(_plain)
        panel.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(layers)), [title(layer) for layer in layers])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def table_one(figures: Figures) -> Figure | None:
    """A heat map: the paper's Table I, ours beside theirs, each shaded within its own machine."""
    ours = {
        (row, column): _echo_rate(figures, layer)
        for row, column, layer in (
            ("UDP", "user space", "udp-veth"),
            ("Ethernet", "user space", "ethernet-veth"),
            ("Ethernet", "kernel", "kmod-relay"),
        )
    }
    if not any(ours.values()):
        return None
    theirs: dict[tuple[str, str], float | None] = {
        ("UDP", "user space"): 120_000.0,
        ("UDP", "kernel"): 135_000.0,
        ("Ethernet", "user space"): 318_000.0,
        ("Ethernet", "kernel"): 520_000.0,
    }
    figure, panels = new_figure(2, size=(8.6, 2.6))
    here = "ours: this machine, veth, Python echo"
    there = "the paper: other hardware, real cards, C"
    for panel, (name, table) in zip(panels, ((here, ours), (there, theirs)), strict=True):
        _heat(panel, name, table)
    return figure


def _echo_rate(figures: Figures, layer: str) -> float | None:
    for outstanding in (64, 1):
        cell = figures.find(layer, "echo", outstanding=outstanding)
        if found := figures.interval(cell, "per_second"):
            return found.median
    return None


def _heat(panel: Axes, name: str, table: dict[tuple[str, str], float | None]) -> None:
    rows, columns = ("UDP", "Ethernet"), ("user space", "kernel")
    least = min(value for value in table.values() if value)
    most = max(value for value in table.values() if value)
    for across, column in enumerate(columns):
        for up, row in enumerate(rows):
            value = table.get((row, column))
            share = 0.0 if not value or most == least else (value - least) / (most - least)
            alpha = 0.18 + 0.55 * share if value else 0.0
            panel.add_patch(_square(across, up, alpha))
            text = f"{value:,.0f}/s\n{value / least:.2f} x" if value else "not in this run"
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


def plain_ticks(panel: Axes, axis: str) -> None:
    """Numbers as people write them, not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    which = panel.xaxis if axis == "x" else panel.yaxis
    low, high = which.get_view_interval()
    # Few decades need ticks between them; many have no room for these.
    which.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 500 * low else (1,)))
    which.set_major_formatter(FuncFormatter(_plain))
    which.set_minor_formatter(NullFormatter())


def short(value: float) -> str:
    """Three digits at most, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _plain(value: float, _place: float | None = None) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    if value >= 10_000:
        return f"{value / 1000:g} k"
    return f"{value:,g}"
