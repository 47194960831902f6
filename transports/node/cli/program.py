"""The program `paxos`: its commands, and what becomes of their results and errors."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

from transports.node.cli.failures import FAILED, INTERRUPTED, MISUSED, READER_GONE, explain
from transports.node.cli.group import LazyGroup

WRITERS: Final = ("click.utils", "rich.console", __name__)
"""The modules that write to standard output, this one by its last flush."""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
    epilog="""\b
Three nodes on this machine:
  paxos init --example && paxos init --all
  paxos node 1      (and 2 and 3, each in a terminal of its own)
  paxos submit "hello" && paxos status

Exit status: 0 it holds, 1 it does not hold or it failed, 2 wrong use.""",
)
@click.version_option(package_name="pluggable-paxos", prog_name="paxos")
def paxos() -> None:
    """A replicated log by Multi-Paxos, over interchangeable transports."""


def run_program(arguments: Sequence[str] | None) -> int:
    """Run `paxos`, tell in one line what went wrong, and return the exit status."""
    if not __debug__:
        _complain("the core relies on its assertions; start Python without -O, or PYTHONOPTIMIZE")
        return MISUSED
    output = sys.stdout
    _have_all_characters(output)
    try:
        status = paxos.main(arguments, prog_name="paxos", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except SystemExit as end:
        # After a broken pipe Click puts something else there, and rich raises this for it.
        if sys.stdout is output and not isinstance(end.__context__, BrokenPipeError):
            raise
        _give_output_up()
        return READER_GONE
    except BrokenPipeError:
        _give_output_up()
        return READER_GONE
    except Exception as error:
        told = explain(error)
        if told is not None:
            message, status = told
        elif isinstance(error, OSError) and _is_of_output(error):
            message, status = f"the output cannot be written ({error.strerror})", FAILED
            _give_output_up()
        else:
            raise
        _complain(message)
    return status if isinstance(status, int) else 0


def _complain(message: str) -> None:
    # If standard error is broken too, the status has to say it alone.
    with suppress(OSError):
        click.echo(f"paxos: {message}", err=True)


def _have_all_characters(output: object) -> None:
    """Write as an escape what the terminal's encoding lacks: what was done is told in any case."""
    if isinstance(output, io.TextIOWrapper) and output.errors == "strict":
        output.reconfigure(errors="backslashreplace")


def _is_of_output(error: OSError) -> bool:
    """Whether it was raised where output is written."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return innermost.f_globals.get("__name__") in WRITERS


def _give_output_up() -> None:
    """Send the rest nowhere: Python would complain again when it flushes at exit."""
    if sys.stdout is None:
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
