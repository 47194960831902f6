"""Reads a trace, whatever its content: what cannot be read is said, and the rest is there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

VERSION = 1
Event = dict[str, Any]
"""One event, with the keys of `docs/traces.md`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read; `line` counts from 1, and is 0 where it is about the whole."""

    line: int
    text: str


@dataclass(slots=True)
class Trace:
    """A trace that was read: `header` and `events` have the format's keys and types, no other."""

    header: dict[str, Any]
    events: list[Event]
    problems: list[Problem] = field(default_factory=list)


def read_trace(lines: Iterable[str]) -> Trace:
    """The trace in `lines`. Raises nothing for what they say."""
    trace = Trace({}, [])
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            trace.problems.append(Problem(number, "no JSON object: is the file cut?"))
            continue
        if number == 1:
            trace.header = found
        else:
            trace.events.append(found)
    return trace
