"""`paxos view`: a recorded run as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.options import check_stdout, has_display

if TYPE_CHECKING:
    from transports.viewer.sources import Run

SAID_MAX: Final = 3
SUFFIXES: Final = {"page": ".html", "shiviz": ".shiviz.log"}


@click.command(
    epilog="""\b
Examples:
  paxos view
  paxos view run.trace
  paxos view node1.trace node2.trace node3.trace -o cluster.html
"""
)
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path))
@click.option(
    "--file",
    "-o",
    "file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Where it goes; - is standard output.  [default: beside the first RUN]",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open the page in a browser.  [default: where there is a display]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(SUFFIXES)),
    default="page",
    show_default=True,
    help="A page, or a log that ShiViz reads.",
)
def view(runs: tuple[Path, ...], file: Path | None, opens: bool | None, form: str) -> None:
    """Make a page of a recorded run: step by step, what each node did, and why.

    RUN is a trace, as `paxos simulate --trace FILE` and `paxos node --trace FILE`
    write them; several are those of the nodes of one cluster, and make one page
    (node1-and-2-more.html). A file that ends with
    .script is a script for a small cluster: it is run. Without any RUN the page
    shows a story of our own. The page needs no network and no other file. Ends with 1
    for a RUN of which nothing can be shown, 2 for one that cannot be read; what else was
    wrong is said, on the page too.
    """
    from transports.viewer.sources import read_runs

    if file is not None and str(file) == "-":
        check_stdout()
    run = read_runs(runs)
    _say_problems(runs, run)
    target = file or run.folder / f"{run.name}{SUFFIXES[form]}"
    if any(_same(target, path) for path in runs):
        raise Misuse(f"{target}: that is the trace itself: name another file with -o")
    if str(target) != "-" and target.exists() and not target.is_file():
        raise Misuse(f"{target}: this is no regular file: name one, or - for standard output")
    # In UTF-8, whatever the terminal's encoding is. Neither a file's name nor what a trace
    # says need be characters.
    data = _render(run, form).encode(errors="replace")
    if str(target) == "-":
        click.echo(data, nl=False)
        return
    try:
        target.write_bytes(data)
    except OSError as error:
        raise Failure(f"{target}: {error.strerror}") from error
    click.echo(f"{target}")
    if form == "page" and (has_display() if opens is None else opens):
        click.launch(target.resolve().as_uri())


def _say_problems(runs: tuple[Path, ...], run: Run) -> None:
    """Raises `Failure` if there is nothing to show."""
    for path, trace in zip(runs, run.traces, strict=False):
        for problem in trace.problems[:SAID_MAX]:
            where = f"{path}, line {problem.line}" if problem.line else f"{path}"
            click.echo(f"paxos: {where}: {problem.text}", err=True)
        if (more := len(trace.problems) - SAID_MAX) > 0:
            click.echo(f"paxos: {path}: {more:,} more of these", err=True)
    if not any(trace.events for trace in run.traces):
        raise Failure(f"{run.title}: there is no event in it that could be shown")


def _render(run: Run, form: str) -> str:
    if form == "page":
        from transports.viewer.page import render_page

        return render_page(run.traces, run.title, name=run.name)
    from paxos_core.trace import merge_traces, to_shiviz

    return "".join(f"{line}\n" for line in to_shiviz(merge_traces(run.traces)))


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
