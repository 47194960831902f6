"""What each operation does when operations come one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, Protocol

from paxos_core.testing.linearize.operations import Operation

State = Hashable


class Model(Protocol):
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

    def initial(self) -> State:
        """Before the first operation."""
        ...

    def step(self, state: Any, operation: Operation) -> tuple[bool, State]:
        """(whether its result is right here, the state after it)."""
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
                return True, f"{state}{operation.argument}"


MODELS: Final[Mapping[str, Model]] = {"register": Register(), "kv": KeyValue()}
