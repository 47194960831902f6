"""Two formats of histories, read and, the second, written.

* Jepsen's log of a register: ``INFO  jepsen.util - 0  :invoke  :write  4``, then ``:ok``,
  ``:fail`` (it took no effect; a cas found another value) or ``:info`` (nobody knows).
* One event a line, in EDN, of a key-value store: ``{:process 0, :type :invoke, :f :append,
  :key "0", :value "x"}``, then the same with ``:ok``, ``:fail`` or ``:info``. Ours is this one,
  with ``:read``, ``:write`` and ``:cas`` for a register.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from paxos_core.testing.linearize.models import Model
from paxos_core.testing.linearize.operations import Argument, Operation, Recorder, Value

LINES_MAX: Final = 1_000_000
LINE_CHARACTERS_MAX: Final = 1_000_000
_JEPSEN: Final = re.compile(r"INFO\s+jepsen\.util - (\d{1,9})\s+:(\w+)\s+:(\w+)\s+(.+)")
_EDN: Final = re.compile(
    r"\{:process (\d{1,9}), :type :(\w+), :f :(\w+), "
    r"(?::key (\"(?:[^\"\\]|\\.)*\"), )?:value (.+)\}"
)
_PAIR: Final = re.compile(r"\[(\S+) (\S+)\]")
_TIMED_OUT: Final = ":timed-out"


class HistoryError(Exception):
    """A history cannot be read. One line, with the number of the line and the cure."""


class _Event(NamedTuple):
    process: int
    type: str
    kind: str
    key: str
    value: str


def read_history(lines: Iterable[str], model: Model) -> list[Operation]:
    """The operations of a history in either format. Raises `HistoryError`."""
    recorder = Recorder()
    called: dict[int, _Event] = {}
    number = 0
    for number, line in enumerate(lines, 1):
        if number > LINES_MAX or len(line) > LINE_CHARACTERS_MAX:
            raise HistoryError(f"line {number}: a history this large is not read; cut it")
        if not line.strip():
            continue
        try:
            _take(recorder, called, _parse(line.strip(), model))
        except ValueError as error:
            raise HistoryError(f"line {number}: {error}") from error
    history = recorder.finish()
    if not history:
        raise HistoryError(f"there is no operation in {number} lines: name a history")
    return history


def _parse(line: str, model: Model) -> _Event:
    if found := _JEPSEN.fullmatch(line):
        process, what, kind, value = found.groups()
        event = _Event(int(process), what, kind, "", value.strip())
    elif found := _EDN.fullmatch(line):
        process, what, kind, key, value = found.groups()
        event = _Event(int(process), what, kind, json.loads(key) if key else "", value)
    else:
        raise ValueError(f"this is no event: {line[:60]!r}")
    if event.kind not in model.kinds:
        raise ValueError(
            f"a {model.name} has no {event.kind!r}, only {', '.join(model.kinds)}: "
            "give the other --model"
        )
    return event


def _take(recorder: Recorder, called: dict[int, _Event], event: _Event) -> None:
    """One event. Raises `ValueError` for one that cannot follow."""
    if event.type == "invoke":
        recorder.call(event.process, event.kind, event.key, _argument(event))
        called[event.process] = event
        return
    call = called.get(event.process)
    if call is None or (call.kind, call.key) != (event.kind, event.key):
        raise ValueError(f"process {event.process} ends a {event.kind} that it did not begin")
    match event.type:
        case "ok":
            recorder.ok(event.process, _result(event))
        case "fail" if event.kind == "cas" and event.value != _TIMED_OUT:
            # It ran, and found another value: that is a result.
            recorder.ok(event.process, 0)
        case "fail":
            recorder.failed(event.process)
        case "info":
            # It stays open for ever, and so does its process.
            return
        case _:
            raise ValueError(f"no event is of the type {event.type!r}")
    del called[event.process]


def _argument(event: _Event) -> Argument:
    if event.kind == "cas":
        found = _PAIR.fullmatch(event.value)
        if found is None:
            raise ValueError(f"a cas has two values, as in [1 2], not {event.value[:40]!r}")
        return _value(found[1]), _value(found[2])
    return None if event.kind in ("read", "get") else _value(event.value)


def _result(event: _Event) -> Value:
    if event.kind == "cas":
        return 1
    return _value(event.value) if event.kind in ("read", "get") else None


def _value(text: str) -> Value:
    """A number, a string in quotes, or nil. Raises `ValueError`."""
    if text == "nil":
        return None
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    if text.startswith('"'):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, str):
            return found
    raise ValueError(f"this is no value: {text[:40]!r}")


def write_history(history: Iterable[Operation], model: Model) -> Iterator[str]:
    """The lines of a history, in the second format; `read_history` reads the same again."""
    events: list[tuple[int, Operation, str]] = []
    for operation in history:
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
