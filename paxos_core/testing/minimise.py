"""Makes a failing run smaller: fewer kinds of fault, fewer faults, commands, nodes, steps.

Greedy: take something out, keep it out if the same invariant still breaks. As
the dice of each fault and link are its own, what is left behaves much as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from paxos_core.testing.cores import MakeCore
from paxos_core.testing.failure import SimulationFailure
from paxos_core.testing.options import Options
from paxos_core.testing.plan import KINDS, draw_plan, faults_of
from paxos_core.testing.simulator import simulate

RUNS_MAX = 400


def minimise(
    failure: SimulationFailure, runs_max: int = RUNS_MAX, make_core: MakeCore | None = None
) -> SimulationFailure:
    """A failure of the same invariant in a smaller run; at worst `failure` itself."""
    shrinker = _Shrinker(failure, runs_max, make_core)
    while shrinker.round():
        pass
    return shrinker.stop_at_failure()


class _Shrinker:
    def __init__(
        self, failure: SimulationFailure, runs_max: int, make_core: MakeCore | None
    ) -> None:
        self.best = failure
        self._make_core = make_core
        self._runs_left = runs_max

    def round(self) -> bool:
        """Try every way to shrink once; whether one helped."""
        before = self.best.options
        for candidates in CANDIDATES:
            for change in candidates(self.best.options):
                self._try(change(self.best.options))
        return self.best.options != before and self._runs_left > 0

    def _try(self, options: Options) -> None:
        if self._runs_left <= 0 or options == self.best.options:
            return
        self._runs_left -= 1
        try:
            simulate(options, make_core=self._make_core)
        except SimulationFailure as failure:
            if failure.invariant == self.best.invariant:
                self.best = failure

    def stop_at_failure(self) -> SimulationFailure:
        """The same run, cut after the step that failed."""
        self._runs_left = 1
        self._try(replace(self.best.options, steps=self.best.step))
        return self.best


Change = Callable[[Options], Options]


def _fewer_seconds(options: Options) -> Iterator[Change]:
    if options.seconds is not None:
        yield partial(_with_seconds, None)
        yield partial(_with_seconds, options.seconds // 2)
        yield partial(_with_seconds, options.seconds * 3 // 4)


def _with_seconds(seconds: int | None, options: Options) -> Options:
    return replace(options, seconds=seconds)


def _fewer_kinds(options: Options) -> Iterator[Change]:
    present = draw_plan(options).kinds | {fault.kind for fault in faults_of(options)}
    for kind in KINDS:
        if kind in present:
            yield partial(_without_kind, kind)


def _without_kind(kind: str, options: Options) -> Options:
    return replace(options, without=options.without | {kind})


def _fewer_nodes(options: Options) -> Iterator[Change]:
    size = len(draw_plan(options).quorums.members)
    for fewer in (5, 3):
        if fewer < size:
            yield partial(_with_nodes, fewer)


def _with_nodes(count: int, options: Options) -> Options:
    return replace(options, nodes=count)


def _fewer_faults(options: Options) -> Iterator[Change]:
    for fault in sorted(faults_of(options), key=lambda fault: -fault.start):
        yield partial(_without_fault, fault.index)


def _without_fault(index: int, options: Options) -> Options:
    return replace(options, drop=options.drop | {index})


def _fewer_commands(options: Options) -> Iterator[Change]:
    step = len(draw_plan(options).submissions)
    while step:
        yield partial(_with_fewer, step)
        step //= 2


def _with_fewer(step: int, options: Options) -> Options:
    count = len(draw_plan(options).submissions)
    return replace(options, commands=max(0, count - step))


CANDIDATES = (_fewer_seconds, _fewer_kinds, _fewer_nodes, _fewer_faults, _fewer_commands)
