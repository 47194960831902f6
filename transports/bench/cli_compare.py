"""`paxos bench compare`: what has changed between two saved runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from transports.node.cli.failures import FAILED, Misuse
from transports.node.cli.options import JSON, FiniteRange, output_option

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    short_help="Compare two saved runs, cell by cell.",
    epilog="""\b
Example:
  paxos bench compare paxos-bench-before paxos-bench-after
""",
)
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@click.option(
    "--threshold",
    type=FiniteRange(0, 100),
    metavar="PERCENT",
    default=5.0,
    show_default=True,
    help="A change of less than this is none.",
)
@output_option
def compare(before: Path, after: Path, threshold: float, output: str) -> None:
    """Compare two saved runs, cell by cell: each ratio with its interval.

    A regression is a cell whose whole interval is worse by more than the threshold, of at
    least six repeats, or one that failed after. Ends with 0 without one, 1 with one, 2 for
    a folder that cannot be read.
    """
    from transports.bench.reporting.compare import compare_runs
    from transports.bench.saved.files import RunError, read_run

    try:
        found = compare_runs(read_run(before), read_run(after), threshold / 100)
    except RunError as error:
        raise Misuse(str(error)) from error
    if not found.changes:
        raise Misuse("the two runs have no cell in common: compare runs of the same plan")
    if output == JSON:
        from transports.node.cli.output import print_json

        print_json(found.to_json())
    else:
        from transports.node.cli.output import make_console

        found.show(make_console())
    if found.lost or any(change.regression for change in found.changes):
        sys.exit(FAILED)
