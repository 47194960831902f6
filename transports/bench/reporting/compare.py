"""Two saved runs beside one another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from transports.bench.machine import differences
from transports.bench.reporting.select import Figures, load_figures
from transports.bench.reporting.statistics import REPEATS_MIN, Interval, free_ratio
from transports.bench.reporting.words import times
from transports.bench.saved.files import SavedRun
from transports.bench.saved.schema import Effort

if TYPE_CHECKING:
    from rich.console import Console

COMPARED: Final = {"p50_us": "median latency", "per_second": "commands a second"}
NAMED_MAX: Final = 4
MORE_IS_BETTER: Final = ("per_second",)


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of one cell: after over before."""

    cell: str
    metric: str
    ratio: Interval
    regression: bool
    improvement: bool

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.regression:
            return "worse"
        return "better" if self.improvement else "no clear change"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All cells that both runs have, and what makes them hard to compare."""

    changes: list[Change]
    warnings: list[str]
    lost: list[str]
    """Cells that had a figure before and failed after."""

    def show(self, console: Console) -> None:
        """For people: regressions first."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("cell")
        table.add_column("what")
        table.add_column("after / before", justify="right")
        table.add_column("verdict")
        order = sorted(self.changes, key=lambda c: (not c.regression, not c.improvement, c.cell))
        for change in order:
            what = COMPARED[change.metric]
            table.add_row(change.cell, what, times(change.ratio), change.verdict)
        console.print(table)
        for warning in self.warnings:
            console.print(warning, soft_wrap=True)
        for cell in self.lost:
            console.print(f"{cell} failed in the run after", soft_wrap=True)
        worse = sum(change.regression for change in self.changes)
        console.print(f"{worse} of {len(self.changes)} figures are worse")

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "changes": [asdict(c) | {"verdict": c.verdict} for c in self.changes],
            "warnings": self.warnings,
            "lost": self.lost,
        }


def compare_runs(before: SavedRun, after: SavedRun, threshold: float) -> Comparison:
    """`threshold` is a share: a change is one if the whole interval is farther than it from 1."""
    old, new = load_figures(before), load_figures(after)
    changes = [
        change
        for cell in new.samples
        if cell in old.samples
        for metric in COMPARED
        if (change := _change(old, new, cell, metric, threshold))
    ]
    failed = {failure.cell for failure in new.failures} - set(new.samples)
    lost = sorted(failed & set(old.samples))
    return Comparison(changes, _warnings(before, after, new, old), lost)


def _change(old: Figures, new: Figures, cell: str, metric: str, threshold: float) -> Change | None:
    after, before = new.values(cell, metric), old.values(cell, metric)
    ratio = free_ratio(list(after.values()), list(before.values()))
    if ratio is None:
        return None
    more, less = ratio.low > 1 + threshold, ratio.high < 1 / (1 + threshold)
    worse, better = (less, more) if metric in MORE_IS_BETTER else (more, less)
    return Change(cell, metric, ratio, worse and ratio.certain, better and ratio.certain)


def _times(effort: Effort) -> tuple[int, float, float]:
    return effort.repeats, effort.warm_seconds, effort.seconds


def _sizes(old: Figures, new: Figures) -> list[str]:
    """The cells, such as `largest`, whose commands have other sizes in the other run."""
    return [
        cell
        for cell, samples in new.samples.items()
        if cell in old.samples
        and {s.command_bytes for s in samples.values()}
        != {s.command_bytes for s in old.samples[cell].values()}
    ]


def _warnings(before: SavedRun, after: SavedRun, new: Figures, old: Figures) -> list[str]:
    warnings: list[str] = []
    first, second = before.head, after.head
    warnings += [
        f"{name} differs: {old_one} before, {new_one} after"
        for name, old_one, new_one in differences(first, second.machine, second.versions)
    ]
    if sizes := _sizes(old, new):
        warnings.append(f"commands of {len(sizes)} cells differ in size, as of {sizes[0]}")
    if first.place != second.place:
        warnings.append("one run is from inside an emulated machine: the two cannot be compared")
    if first.effort.instrument != second.effort.instrument:
        warnings.append("in one of the runs nodes took the time of their parts, in the other not")
    if _times(first.effort) != _times(second.effort):
        warnings.append("the two runs took their figures for different times")
    if first.pins != second.pins or first.settings != second.settings:
        warnings.append("the nodes' settings or pins differ")
    counts = (len(repeats) for run in (old, new) for repeats in run.samples.values())
    few = min(counts, default=REPEATS_MIN)
    if few < REPEATS_MIN:
        warnings.append(
            f"some cells have {few} repeats: with fewer than {REPEATS_MIN} no change is certain"
        )
    warnings += _alone("before", set(old.samples) - set(new.samples))
    warnings += _alone("after", set(new.samples) - set(old.samples))
    return warnings


def _alone(run: str, cells: set[str]) -> list[str]:
    """A line for the cells that one run has and the other has not."""
    if not cells:
        return []
    rest = ", ..." if len(cells) > NAMED_MAX else ""
    shown = ", ".join(sorted(cells)[:NAMED_MAX]) + rest
    return [f"{len(cells)} cells are in the run {run} alone: {shown}"]
