"""Reads a trace, whatever its content: what cannot be read is said, and the rest is there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from paxos_core.trace.clean import EVENT, HEADER, clean, cut_items
from paxos_core.trace.shape import VERSION

LINE_CHARACTERS_MAX: Final = 8 << 20
EVENTS_MAX: Final = 200_000
PROBLEMS_MAX: Final = 100
CHARACTERS_SHOWN_MAX: Final = 60

Event = dict[str, Any]
"""One event, with the keys of `docs/traces.md`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read; `line` counts from 1, and is 0 where it is about the whole."""

    line: int
    text: str


@dataclass(slots=True)
class Trace:
    """A trace that was read: `header` and `events` have the format's keys and types, no other.

    The header has every key but `node` and `began`, whatever the file had; steps are
    0, 1, 2, ...
    """

    header: dict[str, Any]
    events: list[Event]
    problems: list[Problem] = field(default_factory=list)
    assumed: frozenset[str] = frozenset()
    """Keys of the header that the file had not, or not well."""


def read_trace(lines: Iterable[str]) -> Trace:
    """The trace in `lines`. Raises nothing for what they say.

    A file to which its node appended after a restart has a header in the middle; the
    events behind it go on where those before it ended.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        if len(reader.events) >= EVENTS_MAX:
            reader.complain(0, f"only the first {EVENTS_MAX:,} events are read")
            break
        reader.read(number, line)
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self._header: dict[str, Any] | None = None
        self._problems: list[Problem] = []
        self._complaints = 0
        self._part = 0
        """How often the node began again in this file."""
        self._lag: float = 0
        """How much later the part began than the first."""

    def complain(self, line: int, text: str) -> None:
        """Note a problem, if there are not too many."""
        self._complaints += 1
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(Problem(line, text))

    def read(self, number: int, line: str) -> None:
        if not line.strip():
            return
        found = self._parse(number, line)
        if found is None:
            return
        if "trace" in found:
            self._read_header(number, found)
        else:
            self._read_event(number, found)

    def _parse(self, number: int, line: str) -> dict[str, Any] | None:
        if len(line) > LINE_CHARACTERS_MAX:
            self.complain(number, f"the line has more than {LINE_CHARACTERS_MAX:,} characters")
            return None
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            begin = line[:CHARACTERS_SHOWN_MAX].strip()
            self.complain(number, f"no JSON, or cut off: {begin!a}")
            return None
        if not isinstance(found, dict):
            self.complain(number, "no JSON object")
            return None
        return found

    def _read_header(self, number: int, found: dict[str, Any]) -> None:
        header, wrong = clean(found, HEADER)
        if wrong:
            self.complain(number, f"the header's {wrong}")
        if self._header is None and not self.events:
            self._header = header
            if header.get("trace", VERSION) != VERSION:
                self.complain(
                    number,
                    f"this is version {header['trace']} of the format; {VERSION} is read, so "
                    "something may be missing",
                )
            return
        mine = (self._header or {}).get("node")
        if mine is None or header.get("node") != mine:
            self.complain(number, "another trace begins here: give it as a file of its own")
        self._part += 1
        if self._header and not header.get("stops"):
            self._header.pop("stops", None)
        began = (self._header or {}).get("began")
        if began is not None and "began" in header:
            self._lag = max(header["began"] - began, 0)

    def _read_event(self, number: int, found: dict[str, Any]) -> None:
        event, wrong = clean(found, EVENT)
        if wrong:
            self.complain(number, f"{wrong}: left out")
        if cut := cut_items({key: found[key] for key in event}):
            self.complain(number, cut)
        if "kind" not in event:
            if not wrong:
                self.complain(number, "an event has no kind: left out")
            return
        if self._part:
            self._go_on(event)
        self.events.append({"step": len(self.events), **event})

    def _go_on(self, event: Event) -> None:
        """What the node numbered anew is unlike what it numbered before."""
        if "at" in event:
            event["at"] = round(event["at"] + self._lag, 6)
        for message in [*event.get("sent", ()), event.get("message")]:
            if message is not None:
                message["id"] = f"{message['id']}#{self._part}"

    def finish(self) -> Trace:
        """What was read, with a whole header."""
        if self._header is None:
            text = "it has no header" if self.events else "it has no header and no event"
            self.complain(1, f"{text}: is this a trace?")
        if self._complaints > PROBLEMS_MAX:
            more = self._complaints - PROBLEMS_MAX
            self._problems.append(Problem(0, f"and {more:,} more problems"))
        header = self._header or {}
        if self._part and "node" in header:
            self._count_again(header["node"])
        whole = self._whole(header)
        assumed = frozenset(whole.keys() - header.keys())
        return Trace(whole, self.events, self._problems, assumed)

    def _count_again(self, node: int) -> None:
        """The clock of one node's trace is the count of its events, over all parts."""
        count = 0
        for event in self.events:
            if event.get("node") == node:
                count += 1
                event["clock"] = {str(node): count}

    def _whole(self, header: dict[str, Any]) -> dict[str, Any]:
        nodes = header.get("nodes")
        if not nodes:
            nodes = sorted({event["node"] for event in self.events if "node" in event})
        majority = len(nodes) // 2 + 1
        whole: dict[str, Any] = {
            "trace": VERSION,
            "source": header.get("source", "unknown"),
            "nodes": nodes,
            "quorums": header.get("quorums", {"phase1": majority, "phase2": majority}),
            "unit": header.get("unit", "tick"),
        }
        return whole | {key: header[key] for key in ("node", "began", "stops") if key in header}
