"""Runs seeds in worker processes and adds up what came of them."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from typing import Final

from paxos_core.testing import Options, Simulation, SimulationFailure, minimise
from paxos_core.testing.cores import MakeCore
from paxos_core.testing.plan import TICK_UNITS
from transports.node.cli.simulate.cores import make_of

TICK_SECONDS: Final = 0.02
"""What a tick is by default; a simulated hour is so many of them."""
CHUNK: Final = 20
"""Seeds that a worker is given at a time."""
AHEAD: Final = 3
"""Chunks that wait for each worker, so that none is idle and Ctrl-C loses little."""
SECONDS_PER_HOUR: Final = 3600


@dataclass(slots=True)
class Totals:
    """What all seeds so far come to."""

    seeds: int = 0
    steps: int = 0
    units: int = 0
    seconds: float = 0.0
    """Of processor time, of all workers."""
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def hours(self) -> float:
        """Simulated hours of one cluster."""
        return self.units / TICK_UNITS * TICK_SECONDS / SECONDS_PER_HOUR

    @property
    def speed(self) -> float:
        """How much faster than real time one processor simulates."""
        return self.hours * SECONDS_PER_HOUR / self.seconds if self.seconds else 0.0

    def add(self, other: Totals) -> None:
        """Those of some more seeds."""
        self.seeds += other.seeds
        self.steps += other.steps
        self.units += other.units
        self.seconds += other.seconds
        self.counts += other.counts
        self.failures += other.failures


def run_chunk(runs: Sequence[Options], shrink: bool) -> Totals:
    """Some seeds, one after the other."""
    totals = Totals()
    make_core = make_of(runs[0].core)
    began = time.process_time()
    for options in runs:
        simulation = Simulation(options, make_core=make_core)
        try:
            simulation.run()
        except SimulationFailure as failure:
            totals.failures.append(describe_failure(failure, make_core, shrink=shrink))
        totals.seeds += 1
        totals.steps += simulation.step
        totals.units += simulation.now
        totals.counts += simulation.history.counts
    totals.seconds = time.process_time() - began
    return totals


def describe_failure(
    failure: SimulationFailure, make_core: MakeCore | None, *, shrink: bool
) -> str:
    """What broke and how it is repeated, and the least that still breaks it."""
    if not shrink:
        return str(failure)
    return f"{failure}\nminimised: {minimise(failure, make_core=make_core)}"


def run_campaign(
    base: Options,
    seeds: Sequence[int],
    jobs: int,
    *,
    shrink: bool,
    failures_max: int,
    progress: Callable[[Totals], None],
) -> Totals:
    """All seeds with the options of `base`, or as many as come before `failures_max` failures.

    `progress` is called as chunks end. Raises `KeyboardInterrupt` at Ctrl-C; what was done
    until then `progress` has seen. Raises `ConfigError` for a core that cannot be had.
    """
    make_of(base.core)  # Once, and here: workers find the library built.
    chunks = _chunks(base, seeds)
    totals = Totals()
    if jobs == 1:
        for chunk in chunks:
            totals.add(run_chunk(chunk, shrink))
            progress(totals)
            if len(totals.failures) >= failures_max:
                break
        return totals
    with _pool(jobs) as pool:
        waiting = {pool.submit(run_chunk, c, shrink) for c in islice(chunks, jobs * AHEAD)}
        while waiting and len(totals.failures) < failures_max:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                totals.add(_result(future))
            progress(totals)
            waiting |= {pool.submit(run_chunk, c, shrink) for c in islice(chunks, len(done))}
    return totals


def _chunks(base: Options, seeds: Sequence[int]) -> Iterator[list[Options]]:
    for start in range(0, len(seeds), CHUNK):
        yield [replace(base, seed=seed) for seed in seeds[start : start + CHUNK]]


def _result(future: Future[Totals]) -> Totals:
    return future.result()


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _ignore_interrupt)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupt() -> None:
    """Ctrl-C is for the parent, which then ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
