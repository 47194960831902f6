"""What the demo tells: its steps while it runs, and a table at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

from transports.node.cli.answers import NodeAnswer
from transports.node.cli.demo_load import Load, percentile
from transports.node.cli.options import JSON
from transports.node.cli.output import (
    HASH_CHARACTERS,
    make_console,
    milliseconds,
    print_json,
    print_table,
)

COLUMNS = (
    ">node", "role", ">ballot", ">chosen", ">applied", "log hash", ">p50", ">p99", "led",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """What the demo found."""

    transport: str
    store: str
    load: Load
    answers: Mapping[int, NodeAnswer | None]
    first_leader: int | None
    second_leader: int | None
    fault: str | None
    """Why it failed, or None."""

    @property
    def unknown(self) -> int:
        """Commands of which the client never learnt whether they were applied."""
        return self._counted("OutcomeUnknown")

    def _counted(self, name: str) -> int:
        return sum(type(outcome).__name__ == name for outcome in self.load.outcomes.values())

    def latencies(self, node: int) -> tuple[list[float], str]:
        """The latencies while `node` led, and whether that was before the kill or after it."""
        if node == self.first_leader:
            return self.load.first_half, "before"
        if node == self.second_leader:
            return self.load.second_half, "after"
        return [], "-"

    @property
    def all_latencies(self) -> list[float]:
        """The latencies of the whole run."""
        return self.load.first_half + self.load.second_half

    def as_dict(self) -> dict[str, Any]:
        """For JSON; latencies and pauses in milliseconds."""
        everything = self.all_latencies
        return {
            "pass": self.fault is None,
            "reason": self.fault,
            "transport": self.transport,
            "store": self.store,
            "commands": self.load.commands,
            "acknowledged": self.load.acknowledged,
            "unknown": self.unknown,
            "killed": self.first_leader,
            "longest_pause_ms": _ms(self.load.longest_pause_s),
            "p50_ms": _ms(percentile(everything, 50)),
            "p99_ms": _ms(percentile(everything, 99)),
            "nodes": [
                {
                    "node": node,
                    **(answer.as_dict() if answer is not None else {}),
                    "p50_ms": _ms(percentile(self.latencies(node)[0], 50)),
                    "p99_ms": _ms(percentile(self.latencies(node)[0], 99)),
                }
                for node, answer in self.answers.items()
            ],
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def print_report(report: Report, output: str) -> None:
    """The table and the verdict, on standard output."""
    if output == JSON:
        print_json(report.as_dict())
        return
    from rich.text import Text

    rows = [_row(report, node, answer) for node, answer in report.answers.items()]
    if any(report.answers.values()):
        print_table(COLUMNS, rows)
    console = make_console()
    console.print(Text(_summary(report)))
    if report.fault is None:
        console.print(Text("PASS", "bold green"))
    else:
        console.print(Text(f"FAIL: {report.fault}", "bold red"))


def _row(report: Report, node: int, answer: NodeAnswer | None) -> tuple[object, ...]:
    if answer is None:
        return (node, "unreachable", *["-"] * 7)
    latencies, led = report.latencies(node)
    return (
        node,
        answer.role,
        answer.ballot,
        answer.chosen,
        answer.applied,
        answer.digest[:HASH_CHARACTERS],
        milliseconds(percentile(latencies, 50)),
        milliseconds(percentile(latencies, 99)),
        led,
    )


def _summary(report: Report) -> str:
    load = report.load
    everything = report.all_latencies
    unknown = f", {report.unknown} of unknown outcome" if report.unknown else ""
    lines = [
        f"{load.acknowledged} of {load.commands} commands acknowledged{unknown}; "
        f"p50 {milliseconds(percentile(everything, 50))}, "
        f"p99 {milliseconds(percentile(everything, 99))}; "
        f"longest pause after the kill {milliseconds(load.longest_pause_s)}"
    ]
    if report.fault is None:
        lines.append("the logs are identical, and apply every acknowledged command exactly once")
    return "\n".join(lines)


class Narrator:
    """Tells the demo's steps on standard error; on a terminal with a bar under them."""

    def __init__(self, commands: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self._console = make_console(stderr=True)
        self._begun = perf_counter()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("commands", total=commands)

    def __enter__(self) -> Narrator:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, step: str) -> None:
        """One step, with the seconds since the beginning."""
        self._console.print(f"{perf_counter() - self._begun:6.2f} s  {step}")

    def count(self, ended: int) -> None:
        """So many commands have ended."""
        self._progress.update(self._task, completed=ended)
