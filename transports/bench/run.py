"""One run: the rows and the peers, interleaved, so that a drifting machine hurts all alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from transports.bench import measure
from transports.bench.cluster import Setup
from transports.bench.measure import Effort
from transports.bench.processes import MeasureFailed
from transports.bench.rows import PEERS, ROWS, Series
from transports.bench.wire import Message

OVERHEAD_SECONDS = 3.0
"""What starting and ending a cluster takes, for the estimate of the time left."""
KILL_SECONDS = 2.5
GROWTH_SECONDS = 15.0

FULL = Effort(repeats=5, warm_seconds=1.0, seconds=4.0, kills=20)
QUICK = Effort(repeats=2, warm_seconds=0.3, seconds=1.2, kills=4)

Progress = Callable[[str], None]
Measure = Callable[[], Awaitable[Message]]


@dataclass(slots=True)
class Results:
    """Everything that was measured."""

    rows: dict[str, Series] = field(default_factory=dict)
    peers: dict[str, Series] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether any measurement of ours or of a peer has no figure."""
        return any(series.failures for series in (*self.rows.values(), *self.peers.values()))


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement in the plan."""

    title: str
    series: Series
    measure: Measure
    seconds: float


def make_plan(
    setup: Setup,
    effort: Effort,
    rows: list[str],
    results: Results,
    *,
    peers: bool,
    progress: Progress,
) -> list[Step]:
    """The steps in order: each repeat measures every row and peer once, then the rows apart."""
    wanted = [peer for peer in PEERS if peers and any(peer in ROWS[row].peers for row in rows)]
    results.rows = {row: Series() for row in rows}
    results.peers = {peer: Series() for peer in wanted}
    timed = effort.window_seconds + OVERHEAD_SECONDS
    ours = {
        "memory-latency": partial(measure.latency, setup, effort, "memory"),
        "memory-throughput": partial(measure.throughput, setup, effort, "memory"),
        "durable-throughput": partial(measure.throughput, setup, effort, "durable"),
        "durable-latency": partial(measure.latency, setup, effort, "durable"),
        "failover": partial(measure.failover, setup, effort, progress),
        "growth": partial(measure.growth, setup, effort),
    }
    alone = {
        "failover": OVERHEAD_SECONDS + effort.kills * KILL_SECONDS,
        "growth": GROWTH_SECONDS,
    }
    steps: list[Step] = []
    for _ in range(effort.repeats):
        for row in rows:
            if not ROWS[row].repeated:
                continue
            steps.append(Step(ROWS[row].title, results.rows[row], ours[row], timed))
            # Right after the row that is compared with it.
            for peer in ROWS[row].peers:
                if peer in wanted:
                    theirs = _measure_peer(setup, effort, peer)
                    steps.append(Step(PEERS[peer].title, results.peers[peer], theirs, timed))
    for row in rows:
        if not ROWS[row].repeated:
            steps.append(Step(ROWS[row].title, results.rows[row], ours[row], alone[row]))
    return steps


def _measure_peer(setup: Setup, effort: Effort, peer: str) -> Measure:
    chosen = PEERS[peer]
    job: Message = {"kind": chosen.kind, **effort.window()}
    if chosen.kind == "throughput":
        job["outstanding"] = setup.outstanding
    return partial(measure.peer, setup, chosen.role, dict(chosen.settings), job)


async def run_plan(steps: list[Step], progress: Progress) -> None:
    """One after the other; one that fails is noted, and the rest goes on."""
    pace, spent, planned = 1.0, 0.0, 0.0
    for number, step in enumerate(steps):
        left = pace * sum(each.seconds for each in steps[number:])
        progress(f"{number + 1}/{len(steps)}  {step.title}  (about {left:.0f} s left)")
        began = monotonic()
        try:
            step.series.good.append(await step.measure())
        except MeasureFailed as failure:
            step.series.failures.append(str(failure))
            progress(f"failed: {failure}")
        spent += monotonic() - began
        planned += step.seconds
        pace = spent / planned
