"""Long campaigns: ``python -m tests.differential --seeds 0:1000``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .build import BuildError
from .campaign import KINDS, run_one, runs
from .pair import Difference, MakeSide, Pair
from .shrink import shrink
from .twin import Twin


def main() -> int:
    """0 if every seed agreed, 1 if one did not, 2 without a compiler."""
    arguments = _parser().parse_args()
    path = arguments.library
    make: MakeSide = (lambda setup: Twin(setup, path)) if path else Twin
    differences = 0
    for seed in arguments.seeds:
        for kind, part in runs(seed, arguments.kinds):
            try:
                run_one(kind, part, make)
            except BuildError as error:
                print(error, file=sys.stderr)
                return 2
            except Difference as found:
                differences += 1
                print(f"FAIL {kind} {part}: {found}")
                if arguments.minimise:
                    print(shrink(found, make).program)
                if differences >= arguments.failures:
                    return 1
        if arguments.progress and seed % arguments.progress == 0:
            print(f"seed {seed}: {Pair.compared} steps", flush=True)
    print(f"{len(arguments.seeds)} seeds, {Pair.compared} steps, {differences} differences")
    return 1 if differences else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.differential",
        description="Drive the Python core and its C twin with the same inputs, compare each step.",
        epilog="example: python -m tests.differential --seeds 0:1000 --minimise",
    )
    parser.add_argument("--seeds", type=_span, required=True, metavar="A:B", help="A to B - 1")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="which traces; both by default"
    )
    parser.add_argument("--library", type=Path, help="another build of the twin; ours by default")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many differences")
    parser.add_argument("--minimise", action="store_true", help="print the least program")
    parser.add_argument("--progress", type=int, default=0, metavar="N", help="a line every N seeds")
    return parser


def _span(text: str) -> range:
    first, _, end = text.partition(":")
    return range(int(first), int(end))


if __name__ == "__main__":
    raise SystemExit(main())
