"""Whether a seed has the faults that ``--drop`` leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paxos_core.testing import Options
from paxos_core.testing.plan import (
    ROUND_INDICES,
    TICK_UNITS,
    UNITS_PER_SECOND,
    draw_plan,
    redraw_plan,
)
from transports.node.cli.failures import Misuse

ROUND_UNITS_MIN: Final = 80 * TICK_UNITS
"""The faults of a round last so long at least."""


def check_drop(options: Options, seeds: int) -> None:
    """That each is of the seed, in a round that its time may reach. Raises `Misuse`.

    A fault of a kind that ``--without`` leaves out is one too: a minimised run names both.
    """
    if not options.drop:
        return
    if seeds != 1:
        raise Misuse("--drop names faults of one seed: give --seed")
    whole = replace(options, drop=frozenset(), without=frozenset())
    for index in sorted(options.drop):
        if index not in _indices(whole, index // ROUND_INDICES):
            first = sorted(_indices(whole, 0))
            known = f"{', '.join(map(str, first))} in its first round" if first else "none"
            raise Misuse(f"--drop: seed {options.seed} has no fault {index}; there are {known}")


def _indices(options: Options, number: int) -> set[int]:
    """Of the faults in this round, 0 and up; none if no run gets there."""
    plan = draw_plan(options)
    if number:
        # Each round before it took as long as the shortest there is, or longer.
        if number * ROUND_UNITS_MIN >= (options.seconds or 0) * UNITS_PER_SECOND:
            return set()
        redraw_plan(plan, number)
    return {fault.index for fault in plan.faults}
