"""Why a history is not linearizable: the least of it that still is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from paxos_core.testing.linearize.models import Model, State
from paxos_core.testing.linearize.operations import FOREVER, Operation, Value
from paxos_core.testing.linearize.search import STATES_MAX, SearchTooLarge, check_part, split

ANSWERS_MAX: Final = 8
ANSWER_STATES_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Window:
    """Operations that no order explains, while any part of them can be explained."""

    operations: list[Operation]
    key: str
    prefix: int
    """How many events of its part the shortest prefix has that is not linearizable."""
    answers: list[list[Value] | None] = field(default_factory=list)
    """Of each operation the results that it could have had, the others being as they are: at
    most `ANSWERS_MAX`; none for one that gives no result; None if the search was given up."""


def explain(
    history: Sequence[Operation], model: Model, *, states_max: int = STATES_MAX
) -> Window | None:
    """A smallest window of a history that is not linearizable; None if it is.

    First the shortest prefix of one part that cannot be ordered, then as few of its
    operations as still cannot: taking any one of them away makes it linearizable. Only what a
    result of the others tells of is never taken away, since then it would be missed.
    Raises `SearchTooLarge`, and `ValueError` for an operation that the model does not have.
    """
    for part in split(history, model):
        if check_part(part, model, states_max=states_max) is None:
            prefix, events = _shortest_prefix(part, model, states_max)
            least = sorted(_least(prefix, model, states_max), key=lambda o: o.called)
            answers = [could_return(least, o, model) for o in least]
            return Window(least, part[0].key, events, answers)
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
    """Leave out what is not needed: first halves, then quarters, then single operations.

    Single ones again and again until none can go: a write may go when its last reader went.
    """
    size = max(1, len(operations) // 2)
    while size:
        fewer = _without_blocks(operations, size, model, states_max)
        if size > 1 or len(fewer) == len(operations):
            size //= 2
        operations = fewer
    return operations


def _without_blocks(
    operations: list[Operation], size: int, model: Model, states_max: int
) -> list[Operation]:
    """Without those blocks of `size` that can go, tried from the end: readers before writers."""
    place = (len(operations) - 1) // size * size
    while place >= 0:
        fewer = operations[:place] + operations[place + size :]
        if _still_fails(fewer, operations[place : place + size], model, states_max):
            operations = fewer
        place -= size
    return operations


def _still_fails(
    fewer: list[Operation], without: list[Operation], model: Model, states_max: int
) -> bool:
    """Whether it fails for its own sake, and not because what somebody read was left out."""
    if not any(operation.known for operation in fewer):
        return False
    if any(is_told(gone, fewer) for gone in without):
        return False
    return check_part(fewer, model, states_max=states_max) is None


def is_told(gone: Operation, others: Sequence[Operation]) -> bool:
    """Whether somebody else's result tells of this operation."""
    match gone.kind:
        case "write" | "put":
            told = gone.argument
        case "cas" if gone.result or not gone.known:
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


def could_return(
    operations: Sequence[Operation], asked: Operation, model: Model
) -> list[Value] | None:
    """The results with which one of the operations would make them linearizable.

    At most `ANSWERS_MAX`; none if it has no result or none would help; None if the search for
    them was given up.
    """
    if not (asked.known and asked.kind in ("read", "get", "cas")):
        return []
    free = _Free(model, asked)
    try:
        while len(free.answers) < ANSWERS_MAX:
            order = check_part(operations, free, states_max=ANSWER_STATES_MAX)
            if order is None:
                break
            free.answers.append(free.answer_in(order))
    except SearchTooLarge:
        return None
    return free.answers


class _Free:
    """The model, but one operation may have any result that was not found yet."""

    def __init__(self, model: Model, asked: Operation) -> None:
        self._model = model
        self._asked = asked
        self._unknown = replace(asked, returned=FOREVER)
        self.answers: list[Value] = []

    def initial(self) -> State:
        return self._model.initial()

    def step(self, state: Any, operation: Operation) -> tuple[bool, State]:
        if operation is not self._asked:
            return self._model.step(state, operation)
        new = self._model.answer(state, operation) not in self.answers
        return new, self._model.step(state, self._unknown)[1]

    def answer_in(self, order: Sequence[Operation]) -> Value:
        """The result that it has in this order."""
        state: State = self.initial()
        for operation in order:
            if operation is self._asked:
                break
            _right, state = self.step(state, operation)
        return self._model.answer(state, self._asked)
