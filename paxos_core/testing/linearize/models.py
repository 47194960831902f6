"""What each operation does when operations come one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, Protocol

from paxos_core.testing.linearize.operations import Operation, Value

State = Hashable
PROCESS_MAX: Final = 999_999_999
NUMBER_MAX: Final = (1 << 63) - 1


class Machine(Protocol):
    """What the search needs of a sequential data type."""

    def initial(self) -> State:
        """Before the first operation."""
        ...

    def step(self, state: Any, operation: Operation) -> tuple[bool, State]:
        """(whether its result is right here, the state after it)."""
        ...


class Model(Machine, Protocol):
    """A sequential data type."""

    @property
    def name(self) -> str:
        """As it is chosen."""
        ...

    @property
    def kinds(self) -> Mapping[str, str]:
        """Operations, and what each does, for people."""
        ...

    @property
    def by_key(self) -> bool:
        """Whether keys do not touch one another, so that each can be checked by itself."""
        ...

    @property
    def values(self) -> str:
        """What may be written and read, for people."""
        ...

    def takes(self, value: object) -> bool:
        """Whether it may be written and read."""
        ...

    def answer(self, state: Any, operation: Operation) -> Value:
        """The result that is right here, whatever its own is."""
        ...


class Register:
    """One value: read, write, compare and swap. It begins as None."""

    name: Final = "register"
    kinds: Final[Mapping[str, str]] = {
        "read": "the value",
        "write": "a new one",
        "cas": "a new one for the expected",
    }
    by_key: Final = False
    values: Final = "nil, strings in quotes, and whole numbers of 64 bits"

    def takes(self, value: object) -> bool:
        """True and False are no numbers here, although they are in Python."""
        if type(value) is int:
            return abs(value) <= NUMBER_MAX
        return value is None or isinstance(value, str)

    def initial(self) -> State:
        """Nothing was written."""
        return None

    def step(self, state: Any, operation: Operation) -> tuple[bool, State]:
        """A cas of unknown outcome swaps if it can."""
        match operation.kind:
            case "read":
                return not operation.known or state == operation.result, state
            case "write":
                return True, operation.argument
            case _:
                return self._swap(state, operation)

    def answer(self, state: Any, operation: Operation) -> Value:
        """Of a cas whether it swaps: 1 or 0."""
        if operation.kind == "cas":
            assert isinstance(operation.argument, tuple), operation
            return int(state == operation.argument[0])
        assert state is None or isinstance(state, int | str)
        return state if operation.kind == "read" else None

    def _swap(self, state: Any, operation: Operation) -> tuple[bool, State]:
        assert isinstance(operation.argument, tuple), operation
        expected, new = operation.argument
        swaps = state == expected
        right = not operation.known or bool(operation.result) == swaps
        return right, new if swaps else state


class KeyValue:
    """Strings by key: get, put, append. A key begins as the empty string."""

    name: Final = "kv"
    kinds: Final[Mapping[str, str]] = {
        "get": "the value",
        "put": "a new one",
        "append": "more at the end",
    }
    by_key: Final = True
    values: Final = "strings in quotes"

    def takes(self, value: object) -> bool:
        """Nil is no string: a key that was never written has the empty one."""
        return isinstance(value, str)

    def initial(self) -> State:
        """Of one key."""
        return ""

    def step(self, state: Any, operation: Operation) -> tuple[bool, State]:
        """As for one key: the others are checked by themselves."""
        match operation.kind:
            case "get":
                return not operation.known or state == operation.result, state
            case "put":
                return True, operation.argument
            case _:
                return True, state + operation.argument

    def answer(self, state: Any, operation: Operation) -> Value:
        """Of a get the value."""
        assert isinstance(state, str)
        return state if operation.kind == "get" else None


MODELS: Final[Mapping[str, Model]] = {"register": Register(), "kv": KeyValue()}
"""By name."""


def check_operation(operation: Operation, model: Model) -> None:
    """Raises `ValueError` if the model does not have it. The message is one line."""
    if operation.kind not in model.kinds:
        raise ValueError(f"a {model.name} has no {operation.kind!r}, only {', '.join(model.kinds)}")
    if operation.key and not model.by_key:
        # One register for all keys would be another history than the one that was recorded.
        raise ValueError(f"a {model.name} has no keys, and here is {operation.key[:40]!r}")
    if not 0 <= operation.process <= PROCESS_MAX:
        raise ValueError(f"processes are numbered from 0 to {PROCESS_MAX}")
    if operation.returned < operation.called:
        raise ValueError(f"it returned at {operation.returned}, before its call")
    for value in _values(operation):
        if not model.takes(value):
            raise ValueError(f"the values of a {model.name} are {model.values}: not {value!r:.40}")


def _values(operation: Operation) -> tuple[object, ...]:
    """What it wrote or read, as far as that means anything."""
    if operation.kind in ("read", "get"):
        return (operation.result,) if operation.known else ()
    if operation.kind != "cas":
        return (operation.argument,)
    if not isinstance(operation.argument, tuple) or len(operation.argument) != 2:
        raise ValueError(f"a cas has two values, not {operation.argument!r:.40}")
    return operation.argument
