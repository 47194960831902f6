"""The program `paxos`: its commands, and what becomes of their results and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from transports.node.cli.failures import FAILED, INTERRUPTED, READER_GONE, explain
from transports.node.cli.group import LazyGroup


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
        # Click's way of telling a broken pipe from other errors.
        if not isinstance(end.__context__, BrokenPipeError):
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
        elif isinstance(error, OSError) and _output_is_broken():
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


def _output_is_broken() -> bool:
    """Whether standard output fails again: what a failed write left in its buffer is still there.

    Without a buffer nothing is left, and the error is taken to be the output's.
    """
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return bool(getattr(sys.stdout, "write_through", False))


def _give_output_up() -> None:
    """Send the rest nowhere: Python would complain again when it flushes at exit."""
    if sys.stdout is None:
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
