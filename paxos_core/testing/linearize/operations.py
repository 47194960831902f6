"""What a history is made of: operations, each with its call and its return."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

FOREVER: Final = 1 << 62
"""The return of an operation of unknown outcome: it may take effect at any time, or never."""

Value = int | str | None
Argument = Value | tuple[Value, Value]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one process. Moments are places in the history: only their order counts."""

    process: int
    kind: str
    """`read`, `write`, `cas` of a register; `get`, `put`, `append` of a key-value store."""
    key: str
    """Empty for a register."""
    argument: Argument
    """What was written; for `cas` (expected, new)."""
    result: Value
    """What was read; for `cas` 1 or 0. Meaningless while the outcome is unknown."""
    called: int
    returned: int = FOREVER

    @property
    def known(self) -> bool:
        """Whether the outcome is known."""
        return self.returned != FOREVER


@dataclass
class Recorder:
    """Writes a history down as it happens: one call and at most one end for each operation.

    Operations of one process follow one another. One that fails for certain took no effect
    and is left out; one whose outcome is unknown stays open for ever, and its process must
    not be used again.
    """

    operations: list[Operation] = field(default_factory=list)
    _moment: int = 0
    _open: dict[int, int] = field(default_factory=dict)

    def call(self, process: int, kind: str, key: str = "", argument: Argument = None) -> None:
        """An operation begins. Raises `ValueError` if one of the process is still open."""
        if process in self._open:
            raise ValueError(f"process {process} has an operation that is still open")
        self._open[process] = len(self.operations)
        self.operations.append(Operation(process, kind, key, argument, None, self._tick()))

    def ok(self, process: int, result: Value = None) -> None:
        """Its operation ended with this result."""
        place = self._open.pop(process)
        operation = self.operations[place]
        self.operations[place] = replace(operation, result=result, returned=self._tick())

    def failed(self, process: int) -> None:
        """It took no effect, for certain."""
        place = self._open.pop(process)
        self._tick()
        # Kept as a place, so that those of others stay right; `finish` removes it.
        self.operations[place] = replace(self.operations[place], kind="")

    def finish(self) -> list[Operation]:
        """The history. What is still open has an unknown outcome."""
        return [operation for operation in self.operations if operation.kind]

    def _tick(self) -> int:
        self._moment += 1
        return self._moment
