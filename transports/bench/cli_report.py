"""`paxos bench report`: draws the page of a saved run, again or for the first time."""

from __future__ import annotations

from pathlib import Path

import click

from transports.bench.cli_common import check_page, say, write_page
from transports.node.cli.failures import Failure, Misuse

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    short_help="Draw the report of the run in FOLDER.",
    epilog="""\b
Example:
  paxos bench report paxos-bench-20261126-080000
""",
)
@click.argument("folder", type=FOLDER)
@click.option(
    "--vm",
    type=FOLDER,
    metavar="FOLDER",
    help="A run inside the emulated machine, for a part of its own.",
)
@click.option(
    "--write",
    "page",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Also put the tables into this page, between its markers; with --vm those of both.",
)
def report(folder: Path, vm: Path | None, page: Path | None) -> None:
    """Draw the report of the run in FOLDER: index.html, plots, data.json, data.csv.

    The page needs no network and no other file. Ends with 2 for a folder that holds
    no run, or one of another version.
    """
    from transports.bench.saved.files import RunError

    try:
        say(f"report: {draw(folder, vm)}")
        if page is not None:
            _write(folder, vm, page)
    except RunError as error:
        raise Misuse(str(error)) from error


def draw(folder: Path, vm: Path | None = None) -> Path:
    """The page that was made. Raises `Failure` where plots cannot be drawn, and `RunError`."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise Failure(
            "the report draws its plots with matplotlib, which is not installed; "
            "in a clone: pip install '.[bench]'"
        )
    from transports.bench.reporting import write_report

    return write_report(folder, vm)


def _write(folder: Path, vm: Path | None, page: Path) -> None:
    from transports.bench.reporting.markdown import MARKERS, VM_MARKERS, to_markdown
    from transports.bench.reporting.select import load_figures
    from transports.bench.saved.files import read_run

    check_page(page, MARKERS)
    if vm is not None:
        check_page(page, VM_MARKERS)
        inside = to_markdown(load_figures(read_run(vm)), inside=True)
        write_page(page, inside, VM_MARKERS)
    write_page(page, to_markdown(load_figures(read_run(folder))), MARKERS)
