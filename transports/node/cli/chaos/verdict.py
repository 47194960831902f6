"""What was asked of a chaos run, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from paxos_core.testing.linearize import Operation, Window
from transports.node.cli.chaos.nemesis import TRACED

ANSWERED: Final = "answered"
"""The outcome of an operation that has a result."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    transport: str
    mode: str | None
    """`relay` or `replica`, with `kmod` alone."""
    seconds: float
    seed: int
    kinds: tuple[str, ...]
    core: str
    """What decides: `python`, `c` or `kernel`."""
    directory: Path
    laboratory: bool


@dataclass
class Verdict:
    """What came of it."""

    wish: Wish
    history: list[Operation] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    came_true: dict[str, int] = field(default_factory=dict)
    """Of the failing calls, those that a node came upon."""
    silence_seconds: float = 0.0
    """The longest time between two answers, from the first to the last."""
    trims: int = 0
    """How often a node was seen to have trimmed its log behind a snapshot: at least so often."""
    window: Window | None = None
    fault: str = ""
    """What else is wrong, in one line."""
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether something was checked, and all of it holds."""
        return self.answered and not self.failed

    @property
    def failed(self) -> bool:
        """Whether something does not hold. One that was interrupted at once did neither."""
        return self.window is not None or bool(self.fault)

    @property
    def answered(self) -> bool:
        """Whether a client got an answer while things went wrong."""
        return self.outcomes.get(ANSWERED, 0) > 0

    @property
    def unreached(self) -> list[str]:
        """The kinds of failing call that were begun, and that no node came upon."""
        return [
            kind for kind in TRACED if self.faults.get(kind, 0) and not self.came_true.get(kind, 0)
        ]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "passed": self.passed,
            "transport": self.wish.transport,
            "mode": self.wish.mode,
            "core": self.wish.core,
            "seed": self.wish.seed,
            "seconds": self.wish.seconds,
            "interrupted": self.interrupted,
            "operations": len(self.history),
            "outcomes": self.outcomes,
            "faults": self.faults,
            "came_true": self.came_true,
            "unreached": self.unreached,
            "silence_seconds": round(self.silence_seconds, 3),
            "trims": self.trims,
            "linearizable": self.window is None,
            "window": [asdict(o) for o in self.window.operations] if self.window else [],
            "fault": self.fault,
        }
