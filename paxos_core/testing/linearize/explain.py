"""Why a history is not linearizable: the least of it that still is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from paxos_core.testing.linearize.models import Model
from paxos_core.testing.linearize.operations import FOREVER, Operation
from paxos_core.testing.linearize.search import STATES_MAX, check_part, split


@dataclass(frozen=True, slots=True)
class Window:
    """Operations that no order explains, while any part of them can be explained."""

    operations: list[Operation]
    key: str
    prefix: int
    """How many events of its part the shortest prefix has that is not linearizable."""


def explain(
    history: Sequence[Operation], model: Model, *, states_max: int = STATES_MAX
) -> Window | None:
    """The smallest window of a history that is not linearizable; None if it is.

    First the shortest prefix of one part that cannot be ordered, then as few of its
    operations as still cannot: taking any one of them away makes it linearizable. A write
    is left out only together with nothing that reads it, since then it would be missed.
    Raises `SearchTooLarge`.
    """
    for part in split(history, model):
        if check_part(part, model, states_max=states_max) is None:
            prefix, events = _shortest_prefix(part, model, states_max)
            least = _least(prefix, model, states_max)
            return Window(sorted(least, key=lambda o: o.called), part[0].key, events)
    return None


def _prefix(part: Sequence[Operation], moment: int) -> list[Operation]:
    """What was known at `moment`: later calls were not made, later returns not seen."""
    return [
        operation if operation.returned <= moment else replace(operation, returned=FOREVER)
        for operation in part
        if operation.called <= moment
        and (operation.returned <= moment or operation.kind not in ("read", "get"))
    ]


def _shortest_prefix(
    part: Sequence[Operation], model: Model, states_max: int
) -> tuple[list[Operation], int]:
    """By halving: a longer prefix of one that cannot be ordered cannot be ordered either."""
    moments = sorted(o.returned for o in part if o.known)
    low, high = 0, len(moments) - 1
    while low < high:
        middle = (low + high) // 2
        if check_part(_prefix(part, moments[middle]), model, states_max=states_max) is None:
            high = middle
        else:
            low = middle + 1
    events = sum(o.called <= moments[low] for o in part)
    events += sum(o.known and o.returned <= moments[low] for o in part)
    return _prefix(part, moments[low]), events


def _least(operations: list[Operation], model: Model, states_max: int) -> list[Operation]:
    """Leave out what is not needed: first halves, then quarters, then single operations."""
    size = max(1, len(operations) // 2)
    while size:
        place = 0
        while place < len(operations):
            fewer = operations[:place] + operations[place + size :]
            if _still_fails(fewer, operations[place : place + size], model, states_max):
                operations = fewer
            else:
                place += size
        size //= 2
    return operations


def _still_fails(
    fewer: list[Operation], without: list[Operation], model: Model, states_max: int
) -> bool:
    """Whether it fails for its own sake, and not because what somebody read was left out."""
    if not any(operation.known for operation in fewer):
        return False
    if any(_is_needed(gone, fewer) for gone in without):
        return False
    return check_part(fewer, model, states_max=states_max) is None


def _is_needed(gone: Operation, others: list[Operation]) -> bool:
    """Whether somebody else's result tells of this operation."""
    match gone.kind:
        case "write" | "put":
            told = gone.argument
        case "cas":
            assert isinstance(gone.argument, tuple)
            told = gone.argument[1]
        case "append":
            text = str(gone.argument)
            return any(o.kind == "get" and text in str(o.result) for o in others)
        case _:
            return False
    return any(_tells(other, told) for other in others)


def _tells(other: Operation, value: object) -> bool:
    if other.kind in ("read", "get"):
        return other.result == value or (other.kind == "get" and str(value) in str(other.result))
    if other.kind == "cas" and other.known and other.result:
        assert isinstance(other.argument, tuple)
        return other.argument[0] == value
    return False
