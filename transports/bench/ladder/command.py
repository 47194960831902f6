"""A run from its beginning to its end: makes or resumes its folder, measures, sums up."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from paxos_core.config import Limits, SessionLimits, Timing
from transports.bench.ladder.pins import choose_pins
from transports.bench.ladder.schedule import Engine, Progress, run_turns
from transports.bench.machine import describe_machine, differences, versions
from transports.bench.saved.files import (
    RunError,
    RunWriter,
    SavedRun,
    create_run,
    read_run,
    resume_run,
)
from transports.bench.saved.schema import Cell, Effort, Head
from transports.node.cli.failures import Interrupted
from transports.node.cli.running import run

DEFAULTS: Final = (Timing(), Limits(), SessionLimits())
"""Of the nodes: so that a run before a default was changed can be told from one after."""
WHEN: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Order:
    """What a new run is to measure."""

    cells: list[Cell]
    trials: list[str]
    effort: Effort
    command: str
    pinned: bool
    place: str


def default_folder() -> Path:
    """A name for a run that begins now."""
    return Path(datetime.now().strftime("paxos-bench-%Y%m%d-%H%M%S"))


def make_head(order: Order, directory: Path) -> Head:
    """What the run says of itself."""
    return Head(
        place="vm" if order.place == "vm" else "host",
        began=datetime.now(UTC).strftime(WHEN),
        command=order.command,
        machine=describe_machine(directory),
        versions=versions(),
        effort=order.effort,
        settings=_settings(),
        pins=choose_pins() if order.pinned else {},
        cells=order.cells,
        trials=order.trials,
    )


def _settings() -> dict[str, str | int | float | bool]:
    from transports.bench.ladder.paxos import LOG_BYTES_MAX

    return {
        "log_bytes_max": LOG_BYTES_MAX,
        "batch": "whatever one drain yields",
        **{f"nodes' {name}": value for part in DEFAULTS for name, value in asdict(part).items()},
    }


def start(order: Order, folder: Path, directory: Path | None, progress: Progress) -> SavedRun:
    """A new run in `folder`. Raises `RunError`, and `Interrupted` when all processes have ended."""
    where = directory or Path(tempfile.gettempdir())
    with create_run(folder, make_head(order, where)) as writer:
        _carry_out(writer, set(), where, progress)
    return read_run(folder)


def go_on(folder: Path, directory: Path | None, progress: Progress) -> SavedRun:
    """Go on with the run in `folder`, from where it ended. Raises as `start`."""
    saved = read_run(folder)
    if saved.head.finished and not saved.failures():
        progress("nothing is left to measure")
        return saved
    where = directory or Path(tempfile.gettempdir())
    _refuse_another(saved, where)
    with resume_run(saved) as writer:
        _carry_out(writer, saved.tried(), where, progress, saved.skipped())
    return read_run(folder)


def _refuse_another(saved: SavedRun, directory: Path) -> None:
    """Raises `RunError` where figures of here would share a median with those of elsewhere."""
    found = differences(saved.head, describe_machine(directory), versions())
    if found:
        name, before, now = found[0]
        raise RunError(
            f"{saved.folder} was begun with {name} {before}, and here it is {now}: "
            "begin a run of its own, and compare the two"
        )


def _carry_out(
    writer: RunWriter,
    tried: set[tuple[str, int]],
    directory: Path,
    progress: Progress,
    known: Mapping[str, str] = MappingProxyType({}),
) -> None:
    engine = Engine(writer, directory, progress, known=known)
    try:
        run(lambda: run_turns(engine, tried))
    except Interrupted:
        progress(f"what was measured is kept; go on with: paxos bench --resume {writer.folder}")
        raise
    writer.finish()


__all__ = ["Order", "default_folder", "go_on", "start"]
