"""`paxos bench commit`: what a commit costs here, beside PySyncObj in the same run."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from transports.bench.cli_common import check_page, print_report, repeat_command, say, write_page
from transports.bench.cli_core import core
from transports.bench.cli_layers import transports
from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.options import check_transport_name, output_option

if TYPE_CHECKING:
    from transports.bench.measure import Effort
    from transports.bench.report import Report

ROW_IDS = (
    "memory-latency",
    "memory-throughput",
    "durable-throughput",
    "durable-latency",
    "failover",
    "growth",
)
LOG_BYTES_MAX = 4 << 20
"""A quarter of the default, so that 200,000 commands trim the log several times."""


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="A rough answer in about a minute.")
@click.option("--report", is_flag=True, help="Also make a page with plots, in the run's folder.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    help="The run's folder, a new one.  [default: paxos-bench-DATE-TIME]",
)
@click.option(
    "--resume",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Go on with the run in this folder, from where it ended.",
)
@click.option("--layers", help="Which layers, comma-separated.  [default: all user-space ones]")
@click.option("--rungs", help="Which rungs: echo,hops,quorum,paxos,durable.  [default: all]")
@click.option("--variants", help="Which cores: python,c,kernel.  [default: all]")
@click.option("--nodes", help="Clusters of how many: 3,5.  [default: the plan's]")
@click.option("--loads", help="So many outstanding, or open-RATE: 1,64,open-5000.")
@click.option("--payloads", help="Bytes of a command, or max: 64,1000,max.")
@click.option("--repeats", type=click.IntRange(1, 1000), help="Interleaved repeats.")
@click.option("--seconds", type=click.FloatRange(0.05, 600), help="How long a load is measured.")
@click.option("--pin/--no-pin", default=True, help="Keep processes on processors of their own.")
@click.option("--instrument/--no-instrument", default=True, help="Take the time of a node's parts.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where stores are made, and removed again.  [default: the temporary directory]",
)
@click.option("--place", type=click.Choice(["host", "vm"]), default="host", hidden=True)
@output_option
@click.pass_context
def bench(context: click.Context, /, **options: object) -> None:
    """Measure what each layer costs: the same load on every rung of every layer.

    The rungs: echo (plain sockets), hops (client, leader, follower and back), quorum
    (two followers, the project's transports, no Paxos), paxos (nothing is stored),
    durable. Progress goes to stderr, all figures into the run's folder. Ends with 0
    when all that can run here was measured, 1 when a measurement failed, 2 for wrong
    use, 130 after Ctrl-C: then --resume goes on.

    \b
    Examples:
      paxos bench --quick --report
      paxos bench --layers tcp,udp --rungs paxos --loads 1,1024
    """
    if context.invoked_subcommand is None:
        from transports.bench.cli_run import measure

        measure(context)


@bench.command()
@click.option("--quick", is_flag=True, help="A rough answer in about a minute and a half.")
@click.option(
    "--rows",
    default=",".join(ROW_IDS),
    show_default=True,
    help="Which rows, comma-separated.",
)
@click.option("--repeats", type=click.IntRange(1, 100), help="Interleaved repeats of a row.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="How long a load is measured.")
@click.option("--kills", type=click.IntRange(1, 1000), help="How often the leader is killed.")
@click.option("--transport", default="tcp", show_default=True, help="What carries the frames.")
@click.option(
    "--peers/--no-peers",
    default=None,
    help="Measure PySyncObj in the same run.  [default: if it is installed]",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where stores are made, and removed again.  [default: the temporary directory]",
)
@output_option
@click.option(
    "--write",
    "page",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    help="Also put the table into this page, between its markers.",
)
def commit(
    *,
    quick: bool,
    rows: str,
    repeats: int | None,
    seconds: float | None,
    kills: int | None,
    transport: str,
    peers: bool | None,
    directory: Path | None,
    output: str,
    page: Path | None,
) -> None:
    """Measure commits: three nodes and a client as processes, 64-byte commands.

    Progress goes to stderr, and all raw figures go into the JSON. Ends with 0 when
    all was measured, whether or not the aims are reached; 1 when a measurement
    failed; 2 when it was called wrongly.

    \b
    Example:
      paxos bench commit --quick --rows memory-latency,memory-throughput
    """
    from transports.bench.report import BEGIN, END
    from transports.bench.run import FULL, QUICK

    if seconds is not None and math.isnan(seconds):
        raise Misuse("--seconds: nan is no length of time")
    chosen = _read_rows(rows)
    _check_transport(transport)
    notes: list[str] = []
    with_peers = _read_peers(peers, notes)
    markers = (BEGIN, END)
    if page is not None:
        check_page(page, markers)
    effort = QUICK if quick else FULL
    effort = replace(
        effort,
        repeats=repeats or effort.repeats,
        seconds=seconds or effort.seconds,
        kills=kills or effort.kills,
    )
    where = directory or Path(tempfile.gettempdir())
    report = _run(effort, chosen, transport, with_peers, where, notes)
    if page is not None:
        write_page(page, report.to_markdown(), markers)
    print_report(report, output)
    if report.results.failed:
        raise Failure("not everything could be measured; the report says what, and why")


def _run(
    effort: Effort,
    rows: list[str],
    transport: str,
    peers: bool,
    directory: Path,
    notes: list[str],
) -> Report:
    """Measure `rows`, and describe with what and on what that was done.

    Raises `Interrupted` when every process that was started has ended.
    """
    from transports.bench.cluster import Setup
    from transports.bench.machine import describe_machine
    from transports.bench.report import Report
    from transports.bench.run import Results, make_plan, run_plan
    from transports.node.cli.running import run

    setup = Setup(transport, directory, LOG_BYTES_MAX)
    machine = describe_machine(directory)
    durable = any(row.startswith("durable") for row in rows)
    if durable and machine["stores"] == "on tmpfs":
        notes.append("the stores are on tmpfs, which never syncs: name a --directory on a disk")
    results = Results()
    steps = make_plan(setup, effort, rows, results, peers=peers, progress=say)
    run(lambda: run_plan(steps, say))
    command = _command(click.get_current_context())
    described = {
        "transport": setup.transport,
        "nodes": 3,
        "command_bytes": setup.command_bytes,
        "outstanding": setup.outstanding,
        "log_bytes_max": setup.log_bytes_max,
    }
    return Report(results, machine, described, effort, command, tuple(notes))


def _read_rows(text: str) -> list[str]:
    asked = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in asked if word not in ROW_IDS]
    if unknown or not asked:
        problem = f"no row is called {unknown[0]!r}" if unknown else "no row is named"
        raise Misuse(f"--rows: {problem}; there are {', '.join(ROW_IDS)}")
    return [row for row in ROW_IDS if row in asked]


def _check_transport(name: str) -> None:
    from transports.api import TransportError

    if name == "memory":
        raise Misuse("--transport: memory joins tasks of one process, and the nodes are processes")
    try:
        check_transport_name(name)
    except TransportError as error:
        raise Misuse(f"--transport: {error}") from error


def _read_peers(asked: bool | None, notes: list[str]) -> bool:
    if asked is False:
        return False
    if find_spec("pysyncobj") is not None:
        return True
    missing = "PySyncObj is not installed: pip install 'pluggable-paxos[peers]'"
    if asked:
        raise Misuse(f"--peers: {missing}")
    notes.append(f"no peer was measured: {missing}")
    return False


def _command(context: click.Context) -> str:
    """The call that measures the same again, wherever its result goes."""
    words = repeat_command(context, ("output", "page", "directory"))
    if context.params["peers"] is False:
        words.append("--no-peers")
    return " ".join(words)


bench.add_command(core)
bench.add_command(transports)
