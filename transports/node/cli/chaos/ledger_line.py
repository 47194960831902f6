"""A run's line in the ledger: what may stand in it, and what must fit together."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from transports.node.cli.chaos.verdict import ANSWERED, Verdict

SEED_MAX: Final = (1 << 63) - 1
RUNS_MAX: Final = 1_000_000
"""Of a campaign."""
DERIVED: Final = ("window", "unreached")
"""What a verdict has beside: the one is large, the other follows from the rest."""

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class RunLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `Verdict.to_json` has it."""

    passed: bool
    transport: str
    mode: str | None
    core: str
    seed: Annotated[int, msgspec.Meta(ge=0, le=SEED_MAX)]
    seconds: Seconds
    interrupted: bool
    operations: Count
    outcomes: dict[str, Count]
    faults: dict[str, Count]
    came_true: dict[str, Count]
    silence_seconds: Seconds
    trims: Count
    linearizable: bool
    fault: str


def describe_run_line(verdict: Verdict) -> dict[str, Any]:
    """The line of a run."""
    return {key: value for key, value in verdict.to_json().items() if key not in DERIVED}


def read_run_line(line: dict[str, Any], head: dict[str, Any], first_seed: int) -> RunLine:
    """The line of a run of the campaign that `head` describes. Raises `ValueError` if it is none.

    `msgspec.ValidationError`, for a wrong type or range, is a `ValueError` too.
    """
    run = msgspec.convert(line, RunLine)
    for name in ("transport", "mode", "core", "seconds"):
        if line[name] != head[name]:
            raise ValueError(f"{name} is {line[name]!r}, the campaign's {head[name]!r}")
    if (run.seed - first_seed) % (SEED_MAX + 1) >= RUNS_MAX:
        raise ValueError(f"seed {run.seed} is not of a campaign from {first_seed} on")
    if run.passed != (run.linearizable and not run.fault):
        raise ValueError("passed does not fit what was found")
    answered = run.outcomes.get(ANSWERED, 0)
    if run.passed and not answered:
        raise ValueError("it passed, and nothing was answered")
    if answered > run.operations:
        raise ValueError(f"{answered} answers to {run.operations} operations")
    for kind, count in run.faults.items():
        if kind not in head["kinds"]:
            raise ValueError(f"the campaign has no fault {kind!r}")
        if run.came_true.get(kind, 0) > count:
            raise ValueError(f"more calls failed ({kind}) than were to fail")
    if not run.came_true.keys() <= run.faults.keys():
        raise ValueError("calls failed of a kind that was not begun")
    return run
