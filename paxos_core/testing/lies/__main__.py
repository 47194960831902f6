"""``python -m paxos_core.testing.lies``: what every lie does, over many seeds."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from paxos_core.testing.lies import LIES, Harm, Outcome, run, smallest


def _holds(harm: Harm, seen: Counter[str], seeds: int) -> bool:
    """Whether the runs are what the table claims: no worse, and as bad as that."""
    match harm:
        case Harm.NONE:
            return seen["decided"] == seeds and not seen["disagreed"] and not seen["stopped"]
        case Harm.STALLS:
            return not seen["disagreed"] and seen["decided"] < seeds == seen["decided after"]
        case Harm.LASTS:
            return not seen["disagreed"] and seen["decided after"] < seeds
        case Harm.BREAKS:
            return seen["disagreed"] > 0


def _count(seen: Counter[str], outcome: Outcome) -> None:
    seen["disagreed"] += bool(outcome.disagreement)
    seen["decided"] += outcome.decided_while_lying
    seen["decided after"] += outcome.decided_after
    seen["stopped"] += bool(outcome.stopped)
    seen["lies"] += len(outcome.told)


def main() -> int:
    """Print the table; 1 if a line of it is not what its lie is known for."""
    parser = argparse.ArgumentParser(prog="python -m paxos_core.testing.lies", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="0 to so many, for each lie")
    parser.add_argument("--nodes", type=int, default=3, choices=(3, 5))
    parser.add_argument("--script", choices=list(LIES), metavar="LIE", help="its smallest script")
    given = parser.parse_args()
    if given.script:
        return _script(given.script, given.seeds)
    print(f"{'lie':34} {'known for':9} disagreed decided   after stopped    lies")
    wrong = 0
    for name, kind in LIES.items():
        seen: Counter[str] = Counter()
        for seed in range(given.seeds):
            _count(seen, run(name, seed, given.nodes))
        good = given.nodes == 5 or _holds(kind.harm, seen, given.seeds)
        wrong += not good
        print(
            f"{name:34} {kind.harm.value:9} {seen['disagreed']:9} {seen['decided']:7}"
            f" {seen['decided after']:7} {seen['stopped']:7} {seen['lies']:7,}"
            f"{'' if good else '  not so'}",
            flush=True,
        )
    return 1 if wrong else 0


def _script(name: str, seeds: int) -> int:
    found = [small for seed in range(seeds) if (small := smallest(name, seed))]
    if not found:
        print(f"{name}: no disagreement in {seeds} seeds", file=sys.stderr)
        return 1
    shortest = min(found, key=lambda outcome: len(outcome.told))
    print("\n".join([*shortest.told, shortest.disagreement]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
