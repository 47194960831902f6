"""What a run says: a table for people, JSON for programs, Markdown for the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from transports.bench.measure import Effort
from transports.bench.rows import PEERS, ROWS, Row, Series, Verdict, describe_latency, describe_rate
from transports.bench.run import Results
from transports.node.cli.output import show_table

if TYPE_CHECKING:
    from rich.console import Console

BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"
PEER_LABELS = {
    "latency": "client in its leader",
    "latency-outside": "client outside",
    "throughput": "client in its leader",
}


class MarkersMissing(Exception):
    """The file has no place for the table. The message is one line with the cure."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run and what it was measured on."""

    results: Results
    machine: Mapping[str, str]
    setup: Mapping[str, Any]
    effort: Effort
    command: str
    notes: tuple[str, ...] = ()

    def lines(self) -> list[tuple[str, str, str, str, str]]:
        """Figure, measured, aim, reached, ratio: a line for each row, then for each peer."""
        lines = [self._line(ROWS[row], series) for row, series in self.results.rows.items()]
        for peer, series in self.results.peers.items():
            lines.append((PEERS[peer].title, _peer_text(peer, series), "", "", ""))
        return lines

    def verdict(self, row: str) -> Verdict | None:
        """What a row says; `None` if no repeat of it gave a figure."""
        series = self.results.rows[row]
        return ROWS[row].judge(series, self.results.peers) if series.good else None

    def failures(self) -> list[str]:
        """One line for each row or peer that has failures."""
        named = [(ROWS[row].title, series) for row, series in self.results.rows.items()]
        named += [(PEERS[peer].title, series) for peer, series in self.results.peers.items()]
        return [
            f"{title}: {_failed_share(series)}: {series.failures[0]}"
            for title, series in named
            if series.failures
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, with the raw figures of every repeat."""
        rows: dict[str, Any] = {}
        for row, series in self.results.rows.items():
            verdict = self.verdict(row)
            rows[row] = {
                "title": ROWS[row].title,
                "aim": ROWS[row].aim,
                "measured": verdict.measured if verdict else None,
                "reached": _reached(series, verdict),
                "ratios": verdict.ratios if verdict else {},
                "repeats": series.good,
                "failures": series.failures,
            }
        peers = {
            peer: {
                "title": PEERS[peer].title,
                "settings": PEERS[peer].settings,
                "repeats": series.good,
                "failures": series.failures,
            }
            for peer, series in self.results.peers.items()
        }
        return {
            "format": 1,
            "machine": dict(self.machine),
            "setup": dict(self.setup),
            "effort": asdict(self.effort),
            "command": self.command,
            "notes": list(self.notes),
            "rows": rows,
            "peers": peers,
        }

    def to_markdown(self) -> str:
        """The table, the machine and the command, without the markers around them."""
        head = ("figure", "measured", "aim", "reached", "ratio to PySyncObj")
        table = [" | ".join(cells) for cells in (head, ("---",) * len(head), *self.lines())]
        parts = ["\n".join(f"| {line} |" for line in table)]
        parts += [f"- {name}: {value}" for name, value in self._facts()]
        problems = [*self.failures(), *self.notes]
        parts += [f"- {problem}" for problem in problems]
        body = "\n".join(parts[1:])
        again = f"The command that repeats it:\n\n```console\n$ {self.command}\n```"
        return f"{parts[0]}\n\n{body}\n\n{again}"

    def show(self, console: Console) -> None:
        """Print it for people."""
        columns = ("*figure", "*measured", "*aim", "reached", "*ratio to PySyncObj")
        show_table(console, columns, self.lines())
        console.print()
        for name, value in self._facts():
            console.print(f"{name}: {value}", markup=False, highlight=False)
        for problem in self.failures():
            console.print(f"failed: {problem}", markup=False, highlight=False)
        for note in self.notes:
            console.print(f"note: {note}", markup=False, highlight=False)
        console.print(f"again: {self.command}", markup=False, highlight=False)

    def _line(self, row: Row, series: Series) -> tuple[str, str, str, str, str]:
        verdict = self.verdict(row.id)
        if verdict is None:
            return (row.title, f"failed: {series.failures[0]}", row.aim, "no", "")
        ratios = ", ".join(
            f"{value:.2f} ({PEER_LABELS[peer]})" for peer, value in verdict.ratios.items()
        )
        reached = _reached(series, verdict)
        word = {True: "yes", False: "no", None: "open: the peer was not measured"}[reached]
        if series.failures:
            word = f"no: {_failed_share(series)}"
        return (row.title, verdict.measured, row.aim, word, ratios)

    def _facts(self) -> list[tuple[str, str]]:
        effort = self.effort
        run = (
            f"{effort.repeats} interleaved repeats of {effort.seconds:g} s after "
            f"{effort.warm_seconds:g} s of warm-up, medians; {effort.kills} kills"
        )
        return [*self.machine.items(), ("run", run)]


def _reached(series: Series, verdict: Verdict | None) -> bool | None:
    if verdict is None or series.failures:
        return False
    return verdict.reached


def _failed_share(series: Series) -> str:
    return f"{len(series.failures)} of {len(series.failures) + len(series.good)} runs failed"


def _peer_text(peer: str, series: Series) -> str:
    if not series.good:
        return f"failed: {series.failures[0]}"
    text = describe_latency(series) if PEERS[peer].kind == "latency" else describe_rate(series)
    return f"{text}; {_failed_share(series)}" if series.failures else text


def check_markers(text: str, name: str, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """That `replace_table` finds its place. Raises `MarkersMissing`."""
    begin, end = markers
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise MarkersMissing(
            f"{name}: needs one line {begin} and one line {end} after it; "
            "put them where the table should go"
        )


def replace_table(text: str, table: str, name: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """`text` with `table` between the markers, in place of what was there."""
    check_markers(text, name, markers)
    begin, end = markers
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _match: f"{begin}\n{table}\n{end}", text)
