"""The command line `paxos`.

Each command lives in a module of its own and is loaded when it is asked for, so
that `paxos --help` needs neither trio nor rich. `docs/command-line.md` has the
commands, their exit statuses and their JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `paxos` with `arguments` (the process's own if None) and return its exit status.

    What can go wrong is told in one line on standard error; only a defect of
    this program leaves a traceback.
    """
    try:
        # Loaded here, so that Ctrl-C is answered in order while that takes its time.
        from transports.node.cli.program import run_program

        return run_program(arguments)
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("paxos: interrupted\n")
        return 130
