"""Run seeds: ``python -m paxos_core.testing --seed 7`` or ``--seeds 0:2000``."""

from __future__ import annotations

import argparse
from collections import Counter

from paxos_core.testing.failure import SimulationFailure
from paxos_core.testing.minimise import minimise
from paxos_core.testing.options import Options
from paxos_core.testing.plan import KINDS
from paxos_core.testing.simulator import simulate


def main() -> int:
    """0 if every seed held, 1 if one did not."""
    arguments = _parser().parse_args()
    seeds = arguments.seeds or range(arguments.seed, arguments.seed + 1)
    counts: Counter[str] = Counter()
    failures = 0
    for seed in seeds:
        options = Options(
            seed,
            frozenset(arguments.without),
            frozenset(arguments.drop),
            arguments.commands,
            arguments.nodes,
            arguments.steps,
        )
        try:
            counts += simulate(options, print if arguments.trace else None).counts
        except SimulationFailure as failure:
            failures += 1
            _report(failure, arguments.minimise)
            if failures >= arguments.failures:
                break
    if arguments.counts:
        for name, count in sorted(counts.items()):
            print(f"{count:10} {name}")
    print(f"{len(seeds)} seeds, {failures} failures" if failures else f"{len(seeds)} seeds hold")
    return 1 if failures else 0


def _report(failure: SimulationFailure, shrink: bool) -> None:
    print(f"FAIL {failure}")
    if shrink:
        least = minimise(failure)
        print(f"minimised: {least}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paxos_core.testing",
        description="Run simulated clusters and check every invariant after every step.",
        epilog="example: python -m paxos_core.testing --seeds 0:2000 --minimise",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="run one seed")
    which.add_argument("--seeds", type=_span, metavar="A:B", help="run seeds A to B - 1")
    parser.add_argument(
        "--without", type=_names, default=(), metavar="KIND,KIND", help="leave out kinds of fault"
    )
    parser.add_argument(
        "--drop", type=_numbers, default=(), metavar="N,N", help="leave out these faults"
    )
    parser.add_argument("--commands", type=int, help="keep only the first so many submissions")
    parser.add_argument("--nodes", type=int, help="the size of the cluster")
    parser.add_argument("--steps", type=int, help="stop after so many steps")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many failing seeds")
    parser.add_argument("--trace", action="store_true", help="print every event")
    parser.add_argument("--minimise", action="store_true", help="shrink what fails")
    parser.add_argument("--counts", action="store_true", help="print how often what was seen")
    return parser


def _span(text: str) -> range:
    first, _, end = text.partition(":")
    return range(int(first), int(end))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(KINDS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no kind of fault: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    raise SystemExit(main())
