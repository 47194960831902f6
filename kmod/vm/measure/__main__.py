"""Runs the rows that are asked for and writes what came out, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import instructions

from transports.node.cli.lab.network import open_network

from . import decisions, echoes

OUTSTANDING = (1, 64)
ECHO_COUNT = 10_000
QUICK_DIVISOR = 50


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; exits with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m measure", description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="where they were built")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file")
    parser.add_argument("--quick", action="store_true", help="few of everything: only a trial")
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="of each decision, keep the quickest"
    )
    known = [*echoes.ECHOES, *decisions.ROWS]
    parser.add_argument("row", nargs="*", metavar="ROW", help=f"of {', '.join(known)}")
    parsed = parser.parse_args(argv)
    if unknown := [row for row in parsed.row if row not in known]:
        parser.error(f"no such row: {unknown[0]}")
    return parsed


def measure_echoes(programs: Path, wanted: Sequence[str], divisor: int) -> dict[str, Any]:
    """By name, what each echo costs with one outstanding and with many."""
    found: dict[str, Any] = {}
    with echoes.two_namespaces():
        for name in wanted:
            echo = echoes.ECHOES[name]
            found[name] = [
                echoes.measure(echo, programs, ECHO_COUNT // divisor, outstanding)
                for outstanding in OUTSTANDING
            ]
            print(f"measured: {echo.title}", flush=True)
    return found


def measure_decisions(
    programs: Path, wanted: Sequence[str], divisor: int, repeats: int
) -> dict[str, Any]:
    """By name, what each kind of decision costs, likewise."""
    found: dict[str, Any] = {}
    with open_network(decisions.NODES) as (plan, _claim):
        for name in wanted:
            row = decisions.ROWS[name]
            loads = [
                decisions.Load(outstanding, commands // divisor)
                for outstanding, commands in row.commands.items()
                for _ in range(repeats)
            ]
            measured = list(row.run(plan, programs, loads))
            found[name] = [
                min(measured[first : first + repeats], key=lambda one: one["ns"] / one["commands"])
                for first in range(0, len(measured), repeats)
            ]
            print(f"measured: {row.title}", flush=True)
    return found


def main(argv: Sequence[str]) -> int:
    """Returns the exit status."""
    options = arguments(argv)
    divisor = QUICK_DIVISOR if options.quick else 1
    some = options.row or [*echoes.ECHOES, *decisions.ROWS]
    found: dict[str, Any] = {
        "kernel": os.uname().release,
        "processors": os.cpu_count(),
        "icount": "KMOD_VM_ICOUNT" in os.environ,
        "instructions_per_ns": instructions.instructions_per_ns(),
    }
    if wanted := [name for name in echoes.ECHOES if name in some]:
        found["echoes"] = measure_echoes(options.programs, wanted, divisor)
    if wanted := [name for name in decisions.ROWS if name in some]:
        found["decisions"] = measure_decisions(options.programs, wanted, divisor, options.repeats)
    options.out.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
