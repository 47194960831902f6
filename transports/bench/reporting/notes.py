"""What a reader must know beside the figures: what is missing, what is odd, on what it ran."""

from __future__ import annotations

from collections.abc import Mapping

from transports.bench.reporting.select import Figures
from transports.bench.reporting.statistics import OUTLIER_SCORE, outliers
from transports.bench.reporting.words import rate, us
from transports.bench.summary import grouped

OUTLIERS_MAX = 40
NODES = "nodes' "
SAID_APART = ("packages", "date")
"""Of the machine, and of the run: its versions and when it began say the same."""
INTERVAL = (
    "95 %, percentile bootstrap of the median, 2,000 resamples; of fewer than six repeats the "
    "least and the most, and nothing is claimed of them"
)


def skipped(figures: Figures) -> list[str]:
    """What could not run, and why; stands with the same reason share a line."""
    return grouped(figures.saved.skipped().items())


def failures(figures: Figures) -> list[str]:
    """What gave no figure, and why."""
    return grouped(
        (f"{failure.cell}, repeat {failure.repeat + 1}", failure.reason)
        for failure in figures.failures
    )


def odd(figures: Figures) -> list[str]:
    """Repeats that are far from the others of their cell. They are in the medians all the same."""
    lines: list[str] = []
    for cell in figures.samples:
        for metric, show in (("p50_us", us), ("per_second", rate)):
            values = figures.values(cell, metric)
            found = outliers(values)
            if found:
                middle = figures.interval(cell, metric)
                assert middle is not None
                shown = ", ".join(f"{show(values[n])} in repeat {n + 1}" for n in found)
                lines.append(f"{cell}: {shown}; the median is {show(middle.median)}")
    if len(lines) > OUTLIERS_MAX:
        rest = len(lines) - OUTLIERS_MAX
        lines = [*lines[:OUTLIERS_MAX], f"and {rest} more: see data.csv"]
    return lines


def method(figures: Figures) -> list[tuple[str, str]]:
    """How, on what and with what it was measured."""
    head = figures.saved.head
    effort = head.effort
    pins = "; ".join(f"{role}: {', '.join(map(str, on))}" for role, on in head.pins.items())
    unfinished = "" if head.finished else "; it was interrupted, and not finished"
    return [
        (
            "run",
            f"{effort.repeats} interleaved repeats, {effort.seconds:g} s a load after "
            f"{effort.warm_seconds:g} s of warm-up{unfinished}",
        ),
        ("began", head.began),
        *((name, value) for name, value in head.machine.items() if name not in SAID_APART),
        ("versions", ", ".join(f"{name} {found}" for name, found in head.versions.items())),
        ("processors of each role", pins or "any"),
        ("nodes take the time of their parts", "yes" if effort.instrument else "no"),
        *_settings(head.settings),
        ("outlier", f"a modified z-score above {OUTLIER_SCORE:g}, by the median deviation"),
        ("interval", INTERVAL),
        ("repeats it", head.command),
    ]


def _settings(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """Those of the nodes on one line: there are many."""
    of_nodes = {k.removeprefix(NODES): v for k, v in settings.items() if k.startswith(NODES)}
    rows = [(k, str(v)) for k, v in settings.items() if not k.startswith(NODES)]
    if of_nodes:
        rows.append(("nodes", ", ".join(f"{name} {value}" for name, value in of_nodes.items())))
    return rows
