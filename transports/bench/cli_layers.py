"""`paxos bench transports`: what each layer costs, beside plain sockets in the same run."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from transports.bench.cli_common import check_page, print_report, repeat_command, say, write_page
from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.options import core_option, output_option

if TYPE_CHECKING:
    from transports.bench.layer_report import LayerReport
    from transports.bench.measure import Effort
    from transports.node.config import CoreKind

LAYER_IDS = ("tcp", "udp", "zeromq", "tcp-veth", "udp-veth", "ethernet-veth")


@click.command()
@click.option("--quick", is_flag=True, help="A rough answer in about three minutes.")
@click.option(
    "--layers",
    default=",".join(LAYER_IDS),
    show_default=True,
    help="Which layers, comma-separated.",
)
@core_option
@click.option("--repeats", type=click.IntRange(1, 100), help="Interleaved repeats.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="How long a load is measured.")
@output_option
@click.option(
    "--write",
    "page",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    help="Also put the tables into this page, between its markers.",
)
def transports(
    *,
    quick: bool,
    layers: str,
    core: CoreKind | None,
    repeats: int | None,
    seconds: float | None,
    output: str,
    page: Path | None,
) -> None:
    """Measure the layers: the same nodes, client and commands over each.

    Beside each layer its floor: the same four hops between plain processes. The
    layers over veth need root and the command ip; system calls are counted by
    strace. What is missing is said and left out. Ends with 0 when all that can
    run here was measured, 1 when a measurement failed, 2 for wrong use.

    \b
    Example:
      paxos bench transports --quick --layers tcp,udp
    """
    from transports.bench.layer_report import MARKERS
    from transports.bench.layers import FULL, QUICK, has_failed

    if seconds is not None and math.isnan(seconds):
        raise Misuse("--seconds: nan is no length of time")
    chosen = read_layers(layers)
    if page is not None:
        check_page(page, MARKERS)
    effort = QUICK if quick else FULL
    effort = replace(effort, repeats=repeats or effort.repeats, seconds=seconds or effort.seconds)
    report = _run(effort, chosen, core or "python")
    if page is not None:
        write_page(page, report.to_markdown(), MARKERS)
    print_report(report, output)
    if has_failed(report.results):
        raise Failure("not everything could be measured; the report says what, and why")


def read_layers(text: str) -> list[str]:
    """The ids in `text`, in the order of the table. Raises `Misuse`."""
    asked = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in asked if word not in LAYER_IDS]
    if unknown or not asked:
        problem = f"no layer is called {unknown[0]!r}" if unknown else "no layer is named"
        raise Misuse(f"--layers: {problem}; there are {', '.join(LAYER_IDS)}")
    return [layer for layer in LAYER_IDS if layer in asked]


def _run(effort: Effort, chosen: list[str], core: CoreKind) -> LayerReport:
    """Raises `Interrupted` when every process that was started has ended."""
    from transports.bench.cli import LOG_BYTES_MAX
    from transports.bench.cluster import Setup
    from transports.bench.layer_report import LayerReport
    from transports.bench.layer_run import look_around, run_layers
    from transports.bench.machine import describe_machine
    from transports.node.cli.running import run
    from transports.node.cores import load_c_core

    if core == "c":
        # Built here, where no node waits for it, and a missing compiler is told at once.
        load_c_core()
    directory = Path(tempfile.gettempdir())
    machine = describe_machine(directory)
    # Nothing is stored in this run.
    del machine["stores"]
    results = look_around(chosen)
    setup = Setup("tcp", directory, LOG_BYTES_MAX, core=core)
    run(lambda: run_layers(setup, effort, results, say))
    command = " ".join(repeat_command(click.get_current_context(), ("output", "page")))
    described = {
        "core": setup.core,
        "nodes": 3,
        "command_bytes": setup.command_bytes,
        "outstanding": setup.outstanding,
        "log_bytes_max": setup.log_bytes_max,
    }
    return LayerReport(results, machine, described, effort, command)
