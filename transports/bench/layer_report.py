"""What a run over the layers says: for people, for programs, and for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from transports.bench.layer_rows import Judged, floor_ratio, judge, middle
from transports.bench.layers import LAYERS, LayerResults, Results
from transports.bench.measure import Effort
from transports.bench.rows import Series
from transports.node.cli.output import show_table

if TYPE_CHECKING:
    from rich.console import Console

MARKERS: Final = ("<!-- layers: begin -->", "<!-- layers: end -->")
HEAD: Final = (
    "layer",
    "one outstanding, p50 / p99",
    "its floor, p50 / p99",
    "ratio",
    "1,024 outstanding",
    "calls per command",
)
AIMS_HEAD: Final = ("figure", "measured", "aim", "reached")


@dataclass(frozen=True, slots=True)
class LayerReport:
    """A finished run and what it was measured on."""

    results: Results
    machine: Mapping[str, str]
    setup: Mapping[str, Any]
    effort: Effort
    command: str

    def lines(self) -> list[tuple[str, ...]]:
        """As `HEAD` says, a line for each layer."""
        return [_line(LAYERS[name].title, result) for name, result in self.results.items()]

    def aims(self) -> list[tuple[str, ...]]:
        """As `AIMS_HEAD` says."""
        return [_aim_line(judged) for judged in judge(self.results)]

    def problems(self) -> list[str]:
        """One line for each series with failures, and for what was left out."""
        found: list[str] = []
        for name, result in self.results.items():
            title = LAYERS[name].title
            if result.skipped:
                found.append(f"{title}: not measured: {result.skipped}")
            elif result.calls_skipped:
                found.append(f"{title}, system calls: not measured: {result.calls_skipped}")
            for what, series in result.series().items():
                if series.failures:
                    runs = len(series.failures) + len(series.good)
                    share = f"{len(series.failures)} of {runs} runs failed"
                    found.append(f"{title}, {what}: {share}: {series.failures[0]}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything, with the raw figures of every repeat."""
        layers = {
            name: {
                "title": LAYERS[name].title,
                "skipped": result.skipped or None,
                "calls_skipped": result.calls_skipped or None,
                "floor_ratio": floor_ratio(result),
                **{
                    key: {"repeats": series.good, "failures": series.failures}
                    for key, series in (
                        ("latency", result.latency),
                        ("floor", result.floor),
                        ("throughput", result.throughput),
                        ("calls", result.calls),
                    )
                },
            }
            for name, result in self.results.items()
        }
        return {
            "format": 1,
            "machine": dict(self.machine),
            "setup": dict(self.setup),
            "effort": asdict(self.effort),
            "command": self.command,
            "layers": layers,
            "aims": [asdict(judged) for judged in judge(self.results)],
        }

    def to_markdown(self) -> str:
        """The tables, the machine and the command, without the markers around them."""
        facts = [f"- {name}: {value}" for name, value in self._facts()]
        facts += [f"- {problem}" for problem in self.problems()]
        again = f"The command that repeats it:\n\n```console\n$ {self.command}\n```"
        tables = (_markdown(HEAD, self.lines()), _markdown(AIMS_HEAD, self.aims()))
        return "\n\n".join((*tables, "\n".join(facts), again))

    def show(self, console: Console) -> None:
        """Print it for people."""
        for head, lines in ((HEAD, self.lines()), (AIMS_HEAD, self.aims())):
            show_table(console, [f"*{name}" for name in head], lines)
            console.print()
        for name, value in self._facts():
            console.print(f"{name}: {value}", markup=False, highlight=False)
        for problem in self.problems():
            console.print(f"note: {problem}", markup=False, highlight=False)
        console.print(f"again: {self.command}", markup=False, highlight=False)

    def _facts(self) -> list[tuple[str, str]]:
        effort = self.effort
        run = (
            f"{effort.repeats} interleaved repeats of {effort.seconds:g} s after "
            f"{effort.warm_seconds:g} s of warm-up, medians"
        )
        return [*self.machine.items(), ("run", run)]


def _line(title: str, result: LayerResults) -> tuple[str, ...]:
    if result.skipped:
        return (title, f"not measured: {result.skipped}", "", "", "", "")
    ratio = floor_ratio(result)
    rate = middle(result.throughput, "commands_per_second")
    calls = middle(result.calls, "calls_per_command")
    return (
        title,
        _latency(result.latency),
        _latency(result.floor),
        "" if ratio is None else f"{ratio:.2f}",
        _or_failed(result.throughput, "" if rate is None else f"{rate:,.0f}/s"),
        result.calls_skipped or _or_failed(result.calls, "" if calls is None else f"{calls:.3f}"),
    )


def _latency(series: Series) -> str:
    p50, p99 = middle(series, "p50_us"), middle(series, "p99_us")
    if p50 is None or p99 is None:
        return _or_failed(series, "")
    return _or_failed(series, f"{p50 / 1000:.3f} / {p99 / 1000:.3f} ms")


def _or_failed(series: Series, text: str) -> str:
    if not series.failures:
        return text
    return f"{text} ({len(series.failures)} failed)" if text else f"failed: {series.failures[0]}"


def _aim_line(judged: Judged) -> tuple[str, ...]:
    word = {True: "yes", False: "no", None: "open"}[judged.reached]
    return (judged.title, judged.measured, judged.aim, word)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = (head, ["---"] * len(head), *lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
