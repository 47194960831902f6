"""``paxos status``: ask every node how it is, and check that a leader is agreed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import trio

from transports.node.cli.answers import (
    Answers,
    KernelCounters,
    NodeAnswer,
    agreed_leader,
    ask,
    diverged,
)
from transports.node.cli.failures import FAILED, Interrupted
from transports.node.cli.hosts import why_silent
from transports.node.cli.options import (
    JSON,
    FiniteRange,
    check_joins_processes,
    config_option,
    output_option,
    read_config,
    timeout_option,
)
from transports.node.cli.output import (
    HASH_CHARACTERS,
    make_console,
    make_table,
    print_json,
    table_lines,
)
from transports.node.cli.running import run
from transports.node.client import Client, open_client
from transports.node.config import ClusterConfig

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

COLUMNS = (
    ">node", "role", ">leader", ">ballot", ">chosen", ">applied", "log hash", ">sessions",
    ">dropped",
)  # fmt: skip
KERNEL_COLUMNS = (
    ">in the kernel: node", "core", ">frames in", ">out", ">dropped", ">decisions", ">p50", ">p99",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What the answers of all nodes together say."""

    answers: Answers
    leader: int | None
    problem: str | None
    """Why the status is 1, or None."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "leader": self.leader,
            "problem": self.problem,
            "nodes": [
                {"node": node, "reachable": False}
                if answer is None
                else {"node": node, "reachable": True, **answer.as_dict()}
                for node, answer in self.answers.items()
            ],
        }

    @property
    def line(self) -> str:
        """The one line under the table."""
        if self.problem is not None:
            return self.problem
        agreeing = sum(a is not None and a.leader == self.leader for a in self.answers.values())
        return f"node {self.leader} leads, as {agreeing} of {len(self.answers)} nodes say"


@click.command(
    epilog="""\b
Examples:
  paxos status
  paxos status --watch
  paxos status --output json
"""
)
@config_option
@click.option("--watch", is_flag=True, help="Ask again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=FiniteRange(0.1, 3600),
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="With --watch: the time between two questions.",
)
@timeout_option(1.0, "How long to wait for a node's answer.")
@output_option
def status(config_path: str, watch: bool, interval: float, timeout: float, output: str) -> int:
    """Ask every node how it is.

    The exit status is 0 if a majority agrees on who leads, else 1; and 1 if two
    nodes applied equally many slots and their logs differ, which must never be.
    With --watch it is 0 when Ctrl-C ends it.
    """
    config = read_config(config_path)
    check_joins_processes(config, config_path)
    if not watch:
        finding = run(lambda: _once(config, timeout))
        _show(finding, output, lines=False)
        return FAILED if finding.problem is not None else 0
    try:
        run(lambda: _watch(config, timeout, interval, output))
    except Interrupted:
        return 0
    return 0


async def _once(config: ClusterConfig, timeout: float) -> Finding:
    async with open_client(config) as client:
        return await _find(client, config, timeout)


async def _find(client: Client, config: ClusterConfig, timeout: float) -> Finding:
    answers = await ask(client, config.nodes, timeout)
    leader = agreed_leader(answers)
    problem = None
    if leader is None:
        answered = sum(answer is not None for answer in answers.values())
        problem = (
            f"no leader that a majority agrees on: "
            f"{answered} of {len(answers)} nodes answered within {timeout:g} s"
        )
        problem += await _hint(config, answers)
    if (pair := diverged(answers)) is not None:
        problem = f"the logs of nodes {pair[0]} and {pair[1]} differ: this must never be"
    return Finding(answers, leader, problem)


async def _hint(config: ClusterConfig, answers: Answers) -> str:
    """What may be wrong where nodes do not answer."""
    silent = [node for node, answer in answers.items() if answer is None]
    if 2 * len(silent) < len(answers):
        return ""
    if why := await why_silent(config, silent):
        return f". {why}"
    return ". Do the others run, and is `cluster` in their configuration the same?"


async def _watch(config: ClusterConfig, timeout: float, interval: float, output: str) -> None:
    console = make_console()
    async with open_client(config) as client:
        if output == JSON or not console.is_terminal:
            while True:
                _show(await _find(client, config, timeout), output, lines=True)
                await trio.sleep(interval)
        from rich.live import Live

        with Live(console=console, auto_refresh=False, screen=False) as live:
            while True:
                live.update(_render(await _find(client, config, timeout)), refresh=True)
                await trio.sleep(interval)


def _show(finding: Finding, output: str, *, lines: bool) -> None:
    if output == JSON:
        print_json(finding.as_dict(), lines=lines)
        return
    console = make_console()
    for table in _tables(finding):
        for line in table_lines(table, console):
            console.print(line)
    console.print(_verdict(finding))


def _render(finding: Finding) -> RenderableType:
    from rich.console import Group

    return Group(*_tables(finding), _verdict(finding))


def _verdict(finding: Finding) -> RenderableType:
    from rich.text import Text

    return Text(finding.line, "red" if finding.problem else "green")


def _tables(finding: Finding) -> list[Table]:
    tables = [make_table(COLUMNS, [_row(finding, node) for node in finding.answers])]
    rows = [
        _kernel_row(answer, answer.kernel)
        for answer in finding.answers.values()
        if answer is not None and answer.kernel is not None
    ]
    if rows:
        tables.append(make_table(KERNEL_COLUMNS, rows))
    return tables


def _kernel_row(answer: NodeAnswer, kernel: KernelCounters) -> Sequence[object]:
    return (
        answer.node,
        answer.core,
        kernel.frames_in,
        kernel.frames_out,
        sum(kernel.dropped.values()),
        kernel.decisions,
        _microseconds(kernel.p50_us),
        _microseconds(kernel.p99_us),
    )


def _microseconds(time_us: float | None) -> str:
    return "-" if time_us is None else f"{time_us:.0f} µs"


def _row(finding: Finding, node: int) -> Sequence[object]:
    from rich.text import Text

    answer = finding.answers[node]
    if answer is None:
        return (node, Text("unreachable", "red"), *["-"] * 7)
    role = Text(answer.role, "bold green") if node == finding.leader else answer.role
    return (
        node,
        role,
        answer.leader or "-",
        answer.ballot,
        answer.chosen,
        answer.applied,
        answer.digest[:HASH_CHARACTERS],
        answer.sessions,
        answer.dropped_total,
    )
