"""The command line `paxos`.

Each command lives in a module of its own and is loaded when it is asked for, so
that `paxos --help` needs neither trio nor rich. `docs/command-line.md` has the
commands, their exit statuses and their JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from transports.node.cli.failures import INTERRUPTED, explain
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `paxos` with `arguments` (the process's own if None) and return its exit status.

    What can go wrong is told in one line on standard error; only a defect of
    this program leaves a traceback.
    """
    try:
        status = paxos.main(arguments, prog_name="paxos", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader has had enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        told = explain(error)
        if told is None:
            raise
        message, status = told
        _complain(message)
    return status if isinstance(status, int) else 0


def _complain(message: str) -> None:
    click.echo(f"paxos: {message}", err=True)
