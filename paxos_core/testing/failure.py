"""What a broken invariant looks like, from inside a run and from outside."""

from __future__ import annotations

from paxos_core.testing.options import Options


class Violation(Exception):
    """An invariant broke; `invariant` is its name."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


class SimulationFailure(AssertionError):
    """A run broke an invariant. Its text ends in the command that replays it."""

    def __init__(self, options: Options, step: int, violation: Violation) -> None:
        self.options = options
        self.seed = options.seed
        self.step = step
        self.invariant = violation.invariant
        self.detail = violation.detail
        super().__init__(
            f"seed {options.seed}, step {step}: {violation}\nreplay: {options.command()}"
        )
