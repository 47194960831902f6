"""Random histories, and a slow checker that shares nothing with the one under test."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from paxos_core.testing.linearize import MODELS, Model, Operation, Recorder
from paxos_core.testing.linearize.operations import FOREVER

REGISTER, KV = MODELS["register"], MODELS["kv"]
EMPTY = {"register": None, "kv": ""}


def op(kind: str, argument: Any, result: Any, called: int, returned: int = FOREVER) -> Operation:
    """An operation of a process of its own, on a register."""
    return Operation(called, kind, "", argument, result, called, returned)


def right_result(state: Any, operation: Operation) -> Any:
    """What the operation gives: written once more, so that a broken model is noticed too."""
    match operation.kind:
        case "read" | "get":
            return state
        case "cas":
            assert isinstance(operation.argument, tuple)
            return int(state == operation.argument[0])
    return None


def state_after(state: Any, operation: Operation) -> Any:
    match operation.kind:
        case "write" | "put":
            return operation.argument
        case "append":
            return state + operation.argument
        case "cas":
            assert isinstance(operation.argument, tuple)
            return operation.argument[1] if state == operation.argument[0] else state
    return state


def tells_wrong(state: Any, operation: Operation) -> bool:
    tells = operation.known and operation.kind in ("read", "get", "cas")
    return tells and right_result(state, operation) != operation.result


def ordered(order: list[Operation], model: Model) -> bool:
    """Whether each result is right when they come one after the other."""
    states: dict[str, Any] = {}
    for operation in order:
        state = states.get(operation.key, EMPTY[model.name])
        if tells_wrong(state, operation):
            return False
        states[operation.key] = state_after(state, operation)
    return True


def in_time(order: list[Operation]) -> bool:
    """Whether, key by key, nothing stands before what had ended when it began."""
    return all(
        later.key != earlier.key or not later.returned < earlier.called
        for place, earlier in enumerate(order)
        for later in order[place + 1 :]
    )


def by_brute_force(history: list[Operation], model: Model) -> bool:
    """All orders, of all keys together, of all known operations and of any of the unknown."""
    return _has_order(history, {}, model)


def _has_order(left: list[Operation], states: dict[str, Any], model: Model) -> bool:
    if not any(operation.known for operation in left):
        return True
    for place, operation in enumerate(left):
        if any(other.returned < operation.called for other in left):
            continue
        state = states.get(operation.key, EMPTY[model.name])
        if tells_wrong(state, operation):
            continue
        after = {**states, operation.key: state_after(state, operation)}
        if _has_order(left[:place] + left[place + 1 :], after, model):
            return True
    return False


def random_histories(number: int, model: Model) -> Iterator[list[Operation]]:
    """The first so many: of one register, or of two keys."""
    for seed in range(number):
        yield RandomHistory(Random(seed), model).record()


class RandomHistory:
    """Up to nine operations, three at once, right or with results spoilt.

    Outcomes stay unknown here and there: such an operation has taken effect, or will, or never
    does, and another process takes the place of its own.
    """

    def __init__(self, dice: Random, model: Model) -> None:
        self._dice = dice
        self._model = model
        self._recorder = Recorder()
        self._states: dict[str, Any] = {}
        self._late: list[Operation] = []
        self._processes = [0, 1, 2]
        self._open: dict[int, tuple[Operation, Any, bool]] = {}
        """By process: what it does, the result if it has taken effect, whether it has."""

    def record(self) -> list[Operation]:
        to_begin = self._dice.randint(4, 9)
        while to_begin or self._open:
            place = self._dice.randrange(3)
            process = self._processes[place]
            if process in self._open:
                self._end(place, process)
            elif to_begin:
                self._begin(process)
                to_begin -= 1
            if self._late and self._dice.random() < 0.3:
                self._apply(self._late.pop())
        return self._recorder.finish()

    def _begin(self, process: int) -> None:
        dice = self._dice
        kind = dice.choice(list(self._model.kinds))
        key = dice.choice("ab") if self._model.by_key else ""
        argument: Any = dice.choice("xy") if self._model.by_key else dice.randrange(3)
        if kind == "cas":
            argument = (dice.randrange(3), argument)
        elif kind in ("read", "get"):
            argument = None
        self._recorder.call(process, kind, key, argument)
        operation = Operation(process, kind, key, argument, None, 0, 1)
        early = dice.random() < 0.5
        self._open[process] = operation, self._apply(operation) if early else None, early

    def _end(self, place: int, process: int) -> None:
        operation, result, applied = self._open.pop(process)
        end = self._dice.random()
        if end < 0.2 and operation.kind not in ("read", "get"):
            if not applied:
                self._late.append(operation)
            self._processes[place] = max(self._processes) + 1
            return
        if not applied:
            result = self._apply(operation)
        if end > 0.8:
            result = self._spoilt(operation)
        self._recorder.ok(process, result)

    def _apply(self, operation: Operation) -> Any:
        state = self._states.get(operation.key, EMPTY[self._model.name])
        self._states[operation.key] = state_after(state, operation)
        return right_result(state, operation)

    def _spoilt(self, operation: Operation) -> Any:
        if operation.kind == "get":
            return "".join(self._dice.choices("xy", k=self._dice.randrange(3)))
        return self._dice.randrange(2) if operation.kind in ("read", "cas") else None
