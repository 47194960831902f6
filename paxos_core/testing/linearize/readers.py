"""Two formats of histories, read and, the second, written.

* Jepsen's log of a register: ``INFO  jepsen.util - 0  :invoke  :write  4``, then ``:ok``,
  ``:fail`` (it took no effect; a cas found another value) or ``:info`` (nobody knows).
* One event a line, in EDN, of a key-value store: ``{:process 0, :type :invoke, :f :append,
  :key "0", :value "x"}``, then the same with ``:ok``, ``:fail`` or ``:info``. Ours is this one,
  with ``:read``, ``:write`` and ``:cas``, and without ``:key``, for a register.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from paxos_core.testing.linearize.models import MODELS, Model, check_operation
from paxos_core.testing.linearize.operations import Argument, Operation, Recorder, Value

OPERATIONS_MAX: Final = 500_000
LINES_MAX: Final = 2_000_000
"""Blank ones too."""
LINE_CHARACTERS_MAX: Final = 1_000_000
CHARACTERS_MAX: Final = 256 << 20
_JEPSEN: Final = re.compile(r"INFO\s+jepsen\.util - (\d{1,9})\s+:(\w+)\s+:(\w+)\s+(.+)")
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_EDN: Final = re.compile(
    r"\{:process (\d{1,9}), :type :(\w+), :f :(\w+), "
    rf"(?::key ({_STRING}|[^\s,\"]+), )?:value (.+)\}}"
)
_PAIR: Final = re.compile(rf"\[({_STRING}|[^\s\"]+) ({_STRING}|[^\s\"]+)\]")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


class HistoryError(Exception):
    """A history cannot be read. One line, with the number of the line and the cure."""


class _Event(NamedTuple):
    process: int
    type: str
    kind: str
    key: str
    value: str

    @property
    def has_reason(self) -> bool:
        """Whether a keyword, as ``:timed-out``, stands where the value was."""
        return self.value.startswith(":")


class _Call(NamedTuple):
    kind: str
    key: str
    argument: Argument


def read_history(lines: Iterable[str], model: Model) -> list[Operation]:
    """The operations of a history in either format. Raises `HistoryError`.

    Lines are taken one at a time, so that a file need not fit into memory as text. Of a history
    there are at most `OPERATIONS_MAX` operations in `LINES_MAX` lines of `LINE_CHARACTERS_MAX`
    characters, and `CHARACTERS_MAX` in all.
    """
    reader = _Reader(model)
    number = characters = 0
    for number, line in enumerate(lines, 1):
        characters += len(line)
        try:
            _check_size(number, len(line), characters)
            if text := line.strip():
                reader.take(_parse(text, model))
        except ValueError as error:
            raise HistoryError(f"line {number}: {error}") from error
    history = reader.recorder.finish()
    if not history:
        raise HistoryError(f"there is no operation in {number:,} lines: name a history")
    return history


def _check_size(number: int, line_characters: int, characters: int) -> None:
    """Raises `ValueError` for what is too large to be a history."""
    if line_characters > LINE_CHARACTERS_MAX:
        raise ValueError(f"it has more than {LINE_CHARACTERS_MAX:,} characters: name a history")
    if number > LINES_MAX:
        raise ValueError(f"a history has at most {LINES_MAX:,} lines: check a part of it")
    if characters > CHARACTERS_MAX:
        raise ValueError(f"a history has at most {CHARACTERS_MAX:,} characters: check a part of it")


def _parse(line: str, model: Model) -> _Event:
    if found := _JEPSEN.fullmatch(line):
        process, what, kind, value = found.groups()
        key = None
    elif found := _EDN.fullmatch(line):
        process, what, kind, key, value = found.groups()
    else:
        raise ValueError(f"this is no event: {line[:60]!r}; name a whole history")
    if kind not in model.kinds:
        others = [name for name, other in MODELS.items() if kind in other.kinds]
        cure = f"use --model {others[0]}" if others else "name another history"
        raise ValueError(f"a {model.name} has no {kind!r}, only {', '.join(model.kinds)}: {cure}")
    return _Event(int(process), what, kind, _key(key, kind, model), value)


def _key(text: str | None, kind: str, model: Model) -> str:
    """Raises `ValueError` for a key too many or too few: neither is left to guessing."""
    if text is None:
        if model.by_key:
            raise ValueError(f'a {kind} of a {model.name} has a :key, as in :key "0"')
        return ""
    if not model.by_key:
        raise ValueError(
            f"a {model.name} has no :key, and here is {text[:40]}: use --model kv, which has "
            "get, put and append, or check the events of each key by themselves, without :key"
        )
    key = _string(text)
    if key is None:
        raise ValueError(f"a :key is a string in quotes, not {text[:40]}")
    return key


class _Reader:
    """Takes events, one after the other, down as operations."""

    def __init__(self, model: Model) -> None:
        self.recorder = Recorder()
        self._model = model
        self._called: dict[int, _Call] = {}

    def take(self, event: _Event) -> None:
        """One event. Raises `ValueError` for one that cannot follow."""
        if event.type == "invoke":
            self._begin(event)
            return
        call = self._called.pop(event.process, None)
        if call is None or call[:2] != (event.kind, event.key):
            raise ValueError(f"process {event.process} ends a {event.kind} that it did not begin")
        match event.type:
            case "ok":
                self.recorder.ok(event.process, self._result(event, call))
            case "fail" if event.kind == "cas" and not event.has_reason:
                # It ran, and found another value: that is a result.
                self._check_same(event, call)
                self.recorder.ok(event.process, 0)
            case "fail":
                self.recorder.failed(event.process)
            case "info":
                # It stays open for ever, and so does its process.
                return
            case _:
                raise ValueError(
                    f"there is no type {event.type[:40]!r} of event, only invoke, ok, fail, info"
                )

    def _begin(self, event: _Event) -> None:
        if len(self.recorder.operations) >= OPERATIONS_MAX:
            raise ValueError(
                f"a history has at most {OPERATIONS_MAX:,} operations: check a part of it"
            )
        argument = self._argument(event)
        self.recorder.call(event.process, event.kind, event.key, argument)
        self._called[event.process] = _Call(event.kind, event.key, argument)

    def _argument(self, event: _Event) -> Argument:
        if event.kind in ("read", "get"):
            return None
        if event.kind != "cas":
            return self._value(event.value)
        found = _PAIR.fullmatch(event.value)
        if found is None:
            raise ValueError(f"a cas has two values, as in [1 2], not {event.value[:40]!r}")
        return self._value(found[1]), self._value(found[2])

    def _result(self, event: _Event, call: _Call) -> Value:
        if event.kind in ("read", "get"):
            return self._value(event.value)
        self._check_same(event, call)
        return 1 if event.kind == "cas" else None

    def _check_same(self, event: _Event, call: _Call) -> None:
        """That it ended with what it began with: else one of the two lines is wrong."""
        if self._argument(event) != call.argument:
            raise ValueError(
                f"process {event.process} ends its {event.kind} with {event.value[:40]}, which is "
                "not what it began with: name a history in which the two are the same"
            )

    def _value(self, text: str) -> Value:
        """A number, a string in quotes, or nil: what the model takes. Raises `ValueError`."""
        value: Value = _string(text)
        if _NUMBER.fullmatch(text):
            value = int(text)
        if (value is None and text != "nil") or not self._model.takes(value):
            raise ValueError(
                f"the values of a {self._model.name} are {self._model.values}: not {text[:40]!r}"
            )
        return value


def _string(text: str) -> str | None:
    """What is in the quotes; None if it is no string."""
    if not text.startswith('"'):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def write_history(history: Iterable[Operation], model: Model) -> Iterator[str]:
    """The lines of a history, in the second format; `read_history` reads the same again.

    Raises `ValueError` for an operation that the model does not have.
    """
    events: list[tuple[int, Operation, str]] = []
    for operation in history:
        check_operation(operation, model)
        events.append((operation.called, operation, "invoke"))
        if operation.known:
            failed = operation.kind == "cas" and not operation.result
            events.append((operation.returned, operation, "fail" if failed else "ok"))
    for _moment, operation, what in sorted(events, key=lambda event: event[0]):
        key = f":key {json.dumps(operation.key)}, " if model.by_key else ""
        value = _show(operation, ended=what != "invoke")
        yield (
            f"{{:process {operation.process}, :type :{what}, :f :{operation.kind}, "
            f"{key}:value {value}}}"
        )


def _show(operation: Operation, *, ended: bool) -> str:
    if isinstance(operation.argument, tuple):
        first, second = map(_edn, operation.argument)
        return f"[{first} {second}]"
    if operation.kind in ("read", "get"):
        return _edn(operation.result) if ended else "nil"
    return _edn(operation.argument)


def _edn(value: Value) -> str:
    return "nil" if value is None else json.dumps(value)
