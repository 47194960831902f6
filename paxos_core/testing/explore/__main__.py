"""Explore from the command line: ``python -m paxos_core.testing.explore --states 40000``."""

from __future__ import annotations

import argparse
import sys

from paxos_core.testing.explore.abstract import AbstractPaxos
from paxos_core.testing.explore.cluster import QUIET, SILENT, ClusterModel, Scope
from paxos_core.testing.explore.search import Exploration, Model, Search

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """0 if every state held, 1 if one did not, 130 after Ctrl-C."""
    given = _parser().parse_args(arguments)
    model = _model(given)
    search = Search(model)
    status = 0
    try:
        search.run(given.states, _say_progress)
    except KeyboardInterrupt:
        status = INTERRUPTED
        search.count()
        print("interrupted; up to here:")
    print(search.seen)
    if isinstance(model, ClusterModel):
        print(f"{sum(node.core_steps for node in model.nodes):,} steps of the real core")
    return 1 if search.seen.violation is not None else status


def _model(given: argparse.Namespace) -> Model:
    if given.abstract:
        return AbstractPaxos(given.ballots)
    return ClusterModel(
        Scope(
            stands=given.ballots,
            commands=given.commands,
            ticks=given.ticks,
            crashes=given.crashes,
            compactions=given.compactions,
            slow_disks=not given.fast_disks,
            silent=QUIET if given.quiet else SILENT,
        )
    )


def _say_progress(seen: Exploration, waiting: int) -> None:
    print(f"depth {seen.depth}: {seen.states:,} states, {waiting:,} of them new", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paxos_core.testing.explore",
        description="Visit every state that 3 nodes of the real core can reach, and check each.",
        epilog="example: python -m paxos_core.testing.explore --crashes 1 --states 2000000",
    )
    parser.add_argument("--states", type=_count, help="stop after so many states")
    parser.add_argument("--ballots", type=_count, default=2, help="phases 1 that may begin (2)")
    parser.add_argument("--commands", type=_count, default=1, help="for each of 2 proposers (1)")
    parser.add_argument("--ticks", type=_count, default=0, help="heartbeats and resends (0)")
    parser.add_argument("--crashes", type=_count, default=0, help="crashes with a restart (0)")
    parser.add_argument("--compactions", type=_count, default=0, help="snapshots taken (0)")
    parser.add_argument("--fast-disks", action="store_true", help="every write ends at once")
    parser.add_argument("--quiet", action="store_true", help="heartbeats, Nacks, Learns are lost")
    parser.add_argument("--abstract", action="store_true", help="Lamport's Paxos instead")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
