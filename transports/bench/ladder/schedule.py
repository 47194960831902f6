"""Carries a plan out: every stand once in each repeat, one after the other, each alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from transports.bench.ladder.driving import Figure, drive
from transports.bench.ladder.kinds import kind_of, why_no_layer, why_unavailable
from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.stands import Ground
from transports.bench.ladder.trials import Trial, read_trial, take_trial
from transports.bench.places import LOOPBACK, Place
from transports.bench.processes import MeasureFailed
from transports.bench.saved.files import RunWriter
from transports.bench.saved.schema import Cell, Effort, Failure, Skip, Stand
from transports.node.cli.failures import Failure as CommandFailure
from transports.node.cli.lab.network import open_network
from transports.node.config import ConfigError

LAB_NODES: Final = (1, 2, 3, 4, 5)
START_SECONDS: Final = 1.6
"""What putting up and taking down a stand takes, for the estimate of the time left."""
LOAD_SECONDS: Final = 0.15
"""What a load takes beyond its own time."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """One stand in one repeat, and the cells that are still to be measured on it."""

    repeat: int
    stand: Stand
    cells: tuple[Cell, ...]

    def seconds(self, effort: Effort) -> float:
        """About what it takes."""
        window = effort.warm_seconds + effort.seconds + LOAD_SECONDS
        return START_SECONDS + len(self.cells) * window


@dataclass(slots=True)
class Engine:
    """What all turns of a run share."""

    writer: RunWriter
    directory: Path
    progress: Progress
    veth: Place | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    """What was left out before the run went on: it is not written again."""

    @property
    def effort(self) -> Effort:
        """How long figures are taken."""
        return self.writer.head.effort

    def fail(self, subject: str, repeat: int, reason: str) -> None:
        """A cell or a trial gave no figure."""
        self.writer.add(Failure(cell=subject, repeat=repeat, reason=reason))
        self.progress(f"failed: {subject}: {reason}")

    def skip(self, subject: str, reason: str) -> None:
        """Something cannot run here: said once."""
        if subject not in self.skipped:
            self.skipped[subject] = reason
            if self.known.get(subject) != reason:
                self.writer.add(Skip(subject=subject, reason=reason))
            self.progress(f"left out: {subject}: {reason}")


def make_turns(
    cells: Sequence[Cell], repeats: int, tried: set[tuple[str, int]], skipped: Mapping[str, str]
) -> list[Turn]:
    """What is left to do, A B C A B C: each repeat has every stand once, in the plan's order."""
    stands: dict[Stand, list[Cell]] = {}
    for cell in cells:
        if not {cell.layer, cell.stand.id} & set(skipped):
            stands.setdefault(cell.stand, []).append(cell)
    turns: list[Turn] = []
    for repeat in range(repeats):
        for stand, own in stands.items():
            left = tuple(cell for cell in own if (cell.id, repeat) not in tried)
            if left:
                turns.append(Turn(repeat, stand, left))
    return turns


def look_around(engine: Engine, cells: Sequence[Cell]) -> None:
    """Note every layer that is not there, and every stand that cannot be put up."""
    for stand in dict.fromkeys(cell.stand for cell in cells):
        if stand.layer not in engine.skipped and (reason := why_no_layer(stand.layer)):
            engine.skip(stand.layer, reason)
        if stand.layer not in engine.skipped and (reason := why_unavailable(stand)):
            engine.skip(stand.id, reason)


async def run_turns(engine: Engine, tried: set[tuple[str, int]]) -> None:
    """Measure all cells of the head that were not tried. What fails is noted, the rest goes on.

    The laboratory, if one is needed, is gone when this returns or is cancelled.
    """
    head = engine.writer.head
    look_around(engine, head.cells)
    with ExitStack() as stack:
        _open_veth(engine, stack)
        turns = make_turns(head.cells, head.effort.repeats, tried, engine.skipped)
        trials = [read_trial(name) for name in head.trials if (name, 0) not in tried]
        planned = sum(turn.seconds(head.effort) for turn in turns)
        clock = Clock(planned + sum(trial.seconds for trial in trials))
        for number, turn in enumerate(turns):
            left = clock.left_seconds()
            engine.progress(
                f"{number + 1}/{len(turns)}  {turn.stand.id}, "
                f"repeat {turn.repeat + 1} of {head.effort.repeats}  ({describe_left(left)})"
            )
            await _take(engine, turn)
            clock.done(turn.seconds(head.effort))
        for trial in trials:
            engine.progress(f"{trial.id}  ({describe_left(clock.left_seconds())})")
            await _try(engine, trial)
            clock.done(trial.seconds)


async def _try(engine: Engine, trial: Trial) -> None:
    """One trial; what fails is noted under its name."""
    layer = LAYERS[trial.layer]
    if trial.layer in engine.skipped:
        return
    if reason := why_no_layer(trial.layer) or trial.unavailable():
        engine.skip(trial.id, reason)
        return
    place = engine.veth if layer.veth else LOOPBACK
    assert place is not None, "without a laboratory its layers are skipped"
    ground = Ground(engine.directory, place, engine.effort, engine.writer.head.pins)
    try:
        engine.writer.add(await take_trial(trial, ground))
    except (MeasureFailed, ConfigError, OSError) as failure:
        engine.fail(trial.id, 0, str(failure))


class Clock:
    """Guesses the time that is left from how the time so far compared with the plan."""

    def __init__(self, planned_seconds: float) -> None:
        self._left = planned_seconds
        self._done = 0.0
        self._began = time.monotonic()

    def done(self, planned_seconds: float) -> None:
        """So much of the plan is behind us."""
        self._done += planned_seconds
        self._left -= planned_seconds

    def left_seconds(self) -> float:
        """About how long the rest takes."""
        pace = (time.monotonic() - self._began) / self._done if self._done else 1.0
        return self._left * pace


def describe_left(seconds: float) -> str:
    """``about 40 s left``, or minutes when there are several."""
    return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


def _open_veth(engine: Engine, stack: ExitStack) -> None:
    """The laboratory, if a cell or a trial needs it; their layers are skipped if it fails."""
    head = engine.writer.head
    layers = {cell.layer for cell in head.cells if cell.stand.id not in engine.skipped}
    layers |= {read_trial(name).layer for name in head.trials}
    wanted = {
        layer
        for layer in layers - set(engine.skipped)
        if layer in LAYERS and LAYERS[layer].veth and not why_no_layer(layer)
    }
    if not wanted:
        return
    try:
        plan, _claim = stack.enter_context(open_network(LAB_NODES))
    except CommandFailure as error:
        for layer in sorted(wanted):
            engine.skip(layer, str(error))
        return
    engine.veth = Place(plan)


async def _take(engine: Engine, turn: Turn) -> None:
    """One stand with its loads."""
    kind = kind_of(turn.stand)
    assert kind is not None, "a stand that nobody opens was skipped"
    layer = LAYERS.get(turn.stand.layer)
    place = engine.veth if layer is not None and layer.veth else LOOPBACK
    assert place is not None, "without a laboratory its stands are skipped"
    ground = Ground(engine.directory, place, engine.effort, engine.writer.head.pins)
    figures: list[Figure] = []
    began: list[float] = []
    try:
        async with kind.open(turn.stand, ground) as running:
            for cell in turn.cells:
                began.append(time.time())
                figure = await drive(running, cell, turn.repeat, engine.effort, place)
                # A figure counts only if its cluster is whole and of one mind after it.
                await running.settle()
                figures.append(figure)
    except (MeasureFailed, ConfigError, OSError) as failure:
        failed, *rest = turn.cells[len(figures) :] or turn.cells[-1:]
        engine.fail(failed.id, turn.repeat, str(failure))
        # Without one that began it is the stand that failed, for all of them alike.
        why = f"not tried, since {failed.id} failed before it" if began else str(failure)
        for cell in rest:
            engine.fail(cell.id, turn.repeat, why)
    for figure, moment in zip(figures, began, strict=False):
        sample = figure.sample
        # The sample last: where it is, its histogram is too.
        engine.writer.add_histogram(sample.cell, sample.repeat, moment, figure.histogram)
        engine.writer.add(sample)
