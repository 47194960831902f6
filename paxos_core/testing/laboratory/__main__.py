"""Prove the puzzles from the command line: ``python -m paxos_core.testing.laboratory``."""

from __future__ import annotations

import argparse
import sys

from paxos_core.testing.laboratory.puzzles import PUZZLES, Puzzle

SLICE_TRANSITIONS = 500_000
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """0 if every proof came to its end, 1 if one did not, 130 after Ctrl-C."""
    names = _parser().parse_args(arguments).puzzle or list(PUZZLES)
    try:
        proved = [prove(PUZZLES[name]) for name in names]
    except KeyboardInterrupt:
        print("interrupted: nothing is proved of the puzzle in hand")
        return INTERRUPTED
    return 0 if all(proved) else 1


def prove(puzzle: Puzzle) -> bool:
    """See every run of `puzzle` with its rule, and say what came of it."""
    search = puzzle.proof()
    report = search.report
    while not report.ended:
        search.advance(SLICE_TRANSITIONS)
        print(f"{puzzle.name}: {report.states:,} states so far", file=sys.stderr)
    if report.path is not None:
        print(f"{puzzle.name}: IT CAN BE DONE: {'; '.join(report.path)}")
        return False
    seen = f"{report.states:,} states, {report.transitions:,} transitions"
    if not report.complete:
        print(f"{puzzle.name}: not proved: {seen}, and there are more")
        return False
    print(f"{puzzle.name}: proved: {seen}, {search.core_steps:,} steps of the real core")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paxos_core.testing.laboratory",
        description="Prove that the puzzles of paxos play cannot be solved with the rule on: "
        "visit every state that their allowance leaves.",
        epilog="example: python -m paxos_core.testing.laboratory blue-and-red",
    )
    parser.add_argument(
        "puzzle", nargs="*", type=_name, help=f"of {', '.join(PUZZLES)}; all if none is named"
    )
    return parser


def _name(text: str) -> str:
    if text not in PUZZLES:
        raise argparse.ArgumentTypeError(f"there is no puzzle {text!r}; see --help")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
