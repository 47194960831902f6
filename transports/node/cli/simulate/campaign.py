"""Runs seeds in worker processes and adds up, in their order, what came of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from typing import Final

from paxos_core.testing import Options, Simulation, SimulationFailure, minimise
from paxos_core.testing.cores import PYTHON, MakeCore
from paxos_core.testing.plan import UNITS_PER_SECOND
from transports.node.cli.failures import Failure
from transports.node.cli.simulate.cores import make_of
from transports.node.dedicated import collect_less

CHUNK: Final = 20
"""Seeds that a worker is given at a time."""
CHUNK_SECONDS: Final = 200
"""No more simulated time than this, but for one seed."""
AHEAD: Final = 3
"""Chunks that wait for each worker, so that none is idle and Ctrl-C loses little."""
SECONDS_PER_HOUR: Final = 3600


class WorkerDied(Failure):
    """A process of the campaign ended, and no seed ends it again."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the campaign was ended from outside, or had no memory left; "
            "run it again, with fewer --jobs"
        )


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
        return self.units / UNITS_PER_SECOND / SECONDS_PER_HOUR

    @property
    def speed(self) -> float:
        """How much faster than real time one processor simulates."""
        return self.hours * SECONDS_PER_HOUR / self.seconds if self.seconds else 0.0

    def plus(self, other: Totals) -> Totals:
        """With those of some more seeds."""
        return Totals(
            self.seeds + other.seeds,
            self.steps + other.steps,
            self.units + other.units,
            self.seconds + other.seconds,
            self.counts + other.counts,
            self.failures + other.failures,
        )


def counted(number: int, thing: str) -> str:
    """``1 seed``, ``2,000 seeds``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


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
        totals.counts += simulation.monitor.counts
    totals.seconds = time.process_time() - began
    return totals


def describe_failure(
    failure: SimulationFailure, make_core: MakeCore | None, *, shrink: bool
) -> str:
    """What broke and how it is repeated, and the least that still breaks it."""
    if not shrink:
        return _two_lines(failure)
    return f"{_two_lines(failure)}\nminimised: {_two_lines(minimise(failure, make_core=make_core))}"


def _two_lines(failure: SimulationFailure) -> str:
    """As its text is, though an exception that the core raised may have lines of its own."""
    told, _, command = str(failure).rpartition("\n")
    told = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in told)
    return f"{told}\n{command}"


def run_campaign(
    base: Options,
    seeds: Sequence[int],
    jobs: int,
    *,
    shrink: bool,
    failures_max: int,
    progress: Callable[[Totals], None],
    totals: Totals | None = None,
) -> Totals:
    """All of `seeds` with the options of `base`, or as many as come before `failures_max` failures.

    `progress` is called as chunks end, with the totals of the first so many seeds,
    added to `totals` of earlier runs if they are given. They are new ones each time, so that
    an exception from a signal finds none half added. Whatever ends this ends the
    workers too. Raises `ConfigError` for a core that cannot be had, and `WorkerDied`.
    """
    make_of(base.core)  # Once, and here: workers find the library built.
    totals = totals or Totals()
    if len(totals.failures) >= failures_max:
        return totals
    chunks = _chunks(base, seeds)
    # A core in C may end the process it is in: it gets one that can be spared.
    inside = jobs == 1 and base.core == PYTHON
    results = (run_chunk(c, shrink) for c in chunks) if inside else _results(chunks, jobs, shrink)
    with closing(results):
        for found in results:
            totals = totals.plus(found)
            progress(totals)
            if len(totals.failures) >= failures_max:
                break
    return totals


def _chunks(base: Options, seeds: Sequence[int]) -> Iterator[list[Options]]:
    size = CHUNK if base.seconds is None else max(1, min(CHUNK, CHUNK_SECONDS // base.seconds))
    for start in range(0, len(seeds), size):
        yield [replace(base, seed=seed) for seed in seeds[start : start + size]]


def _results(
    chunks: Iterator[list[Options]], jobs: int, shrink: bool
) -> Generator[Totals, None, None]:
    """Of one chunk after the other, whoever is done first."""
    with _pool(jobs) as pool:
        waiting: deque[tuple[list[Options], Future[Totals]]] = deque()
        while True:
            for chunk in islice(chunks, jobs * AHEAD - len(waiting)):
                waiting.append((chunk, pool.submit(run_chunk, chunk, shrink)))
            if not waiting:
                return
            try:
                found = waiting[0][1].result()
            except BrokenProcessPool:
                yield _find_deadly([options for chunk, _ in waiting for options in chunk])
                return
            waiting.popleft()
            yield found


def _find_deadly(runs: Sequence[Options]) -> Totals:
    """Which of these seeds ends the process it runs in: those before it, and its failure.

    Raises `WorkerDied` if none of them does.
    """
    totals = Totals()
    for options in runs:
        with _pool(1) as pool:
            try:
                totals = totals.plus(pool.submit(run_chunk, [options], shrink=False).result())
            except BrokenProcessPool:
                totals.seeds += 1
                totals.failures.append(
                    f"seed {options.seed}: its process died\nreplay: {options.command()}"
                )
                return totals
    raise WorkerDied


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    others = set(active_children())
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        # A seed may take hours, and nobody waits for it.
        for worker in set(active_children()) - others:
            worker.kill()


def _start_worker() -> None:
    """Signals to the whole group are for the parent, which then ends the workers."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_less()


def _end_with_parent() -> None:
    """However the parent ends: a worker that waits for work does not see it."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
