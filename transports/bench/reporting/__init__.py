"""From a saved run to a page: what each layer costs, drawn, said and told as data."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from transports.bench.reporting import plots, sentences
from transports.bench.reporting.data import medians_csv, to_csv, to_json
from transports.bench.reporting.html import Drawing, Part, page
from transports.bench.reporting.select import Figures, load_figures
from transports.bench.reporting.style import SETTINGS, to_inline, to_png, to_svg
from transports.bench.saved.files import RunError, read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Figures], "Figure | None"]
Say = Callable[[Figures], str]

PLOTS: Final[dict[str, tuple[str, Draw, Say]]] = {
    "ladder": ("The ladder", plots.ladder, sentences.ladder),
    "throughput": ("Rate against latency", plots.throughput, sentences.throughput),
    "distribution": ("How latencies are distributed", plots.distribution, sentences.distribution),
    "clients": ("Rate against commands outstanding", plots.clients, sentences.clients),
    "parts": ("Where the nodes' time goes", plots.parts, sentences.parts),
    "processors": ("Processor time", plots.processors, sentences.processors),
    "calls": ("System calls and context switches", plots.calls, sentences.calls),
    "cores": ("C core and Python core", plots.cores, sentences.cores),
    "table-one": ("The paper's Table I: an echo", plots.table_one, sentences.table_one),
    "beside": ("Beside others", plots.peers, sentences.peers),
    "failover": ("A leader killed under load", plots.failover, sentences.failover),
}


def write_report(folder: Path, vm: Path | None = None) -> Path:
    """Draw the run in `folder`, with the one in `vm` as a part of its own. Returns the page.

    Raises `RunError` for a folder without a run, or one that cannot be written to.
    """
    host = _part(folder, folder / "plots", "")
    inside = _part(vm, folder / "plots-vm", "vm-") if vm is not None else None
    path = folder / "index.html"
    _write(path, page(host, inside))
    return path


def _part(folder: Path, pictures: Path, prefix: str) -> Part:
    figures = load_figures(read_run(folder))
    if not figures.samples:
        raise RunError(f"{folder} holds no figure yet: measure first, or --resume it")
    _write(folder / "data.json", to_json(figures))
    _write(folder / "data.csv", to_csv(figures))
    _write(folder / "medians.csv", medians_csv(figures))
    drawings = [
        drawing
        for name, (heading, draw, say) in PLOTS.items()
        if (drawing := _draw(figures, pictures, prefix, name, heading, draw, say))
    ]
    return Part(figures, drawings, prefix)


def _draw(
    figures: Figures, pictures: Path, prefix: str, name: str, heading: str, draw: Draw, say: Say
) -> Drawing | None:
    from matplotlib import rc_context

    with rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure = draw(figures)
        if figure is None:
            return None
        sentence = say(figures)
        _write(pictures / f"{name}.svg", to_svg(figure))
        _write(pictures / f"{name}.png", to_png(figure))
        label = escape(f"{heading}: {sentence}", quote=True)
        return Drawing(prefix + name, heading, sentence, to_inline(figure, prefix + name, label))


def _write(path: Path, data: str | bytes) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise RunError(
            f"{path}: {error.strerror}; the report goes into the run's folder"
        ) from error


__all__ = ["PLOTS", "write_report"]
