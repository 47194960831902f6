"""Makes one trace of the traces of several nodes.

A node's trace has the whole of each message that it received and no id that others know.
A receipt is that of the first unpaired sending of the same bytes, from that sender to that
node; one beyond the last sending is the network's copy of it. That never turns cause and effect
round as long as every file is whole: bytes that arrived were sent before.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from paxos_core.trace.read import Event, Problem, Trace

Key = tuple[int, int, int, str]
"""From, to, length, and bytes."""
Clock = dict[str, int]


@dataclass(slots=True)
class _Sending:
    ident: str
    clock: Clock


@dataclass(slots=True)
class _Link:
    """Equal frames from one node to another."""

    to_come: int = 0
    """Sendings that were not put in order yet."""
    unpaired: deque[_Sending] = field(default_factory=deque)
    last: _Sending | None = None
    """The one that was paired last; a further receipt is its copy."""


def merge_traces(traces: Sequence[Trace]) -> Trace:
    """One trace of all nodes: receipts paired with sendings, clocks completed, in one order.

    The order is that of the clocks; where they leave it open, that of time. Messages get
    new ids. A run that is given twice counts once. One trace alone comes back as it is.
    Raises `ValueError` for none.
    """
    if not traces:
        raise ValueError("there is no trace to merge")
    kept, problems = _without_copies(traces)
    if len(kept) > 1:
        return _Merger(kept, problems).run()
    if problems:
        return replace(kept[0], problems=[*kept[0].problems, *problems])
    return kept[0]


def _without_copies(traces: Sequence[Trace]) -> tuple[list[Trace], list[Problem]]:
    """Those that are no copy, whole or as far as it went then, of another one."""
    kept: list[Trace] = []
    problems: list[Problem] = []
    for trace in sorted(traces, key=lambda trace: len(trace.events), reverse=True):
        if any(_is_copy(trace, other) for other in kept):
            node = trace.header.get("node")
            whose = "a run" if node is None else f"a run of node {node}"
            problems.append(Problem(0, f"{whose} is given twice; it is taken once"))
        else:
            kept.append(trace)
    return [trace for trace in traces if any(trace is other for other in kept)], problems


def _is_copy(trace: Trace, other: Trace) -> bool:
    if trace.header != other.header or trace.assumed != other.assumed:
        return False
    return bool(trace.events) and trace.events == other.events[: len(trace.events)]


class _Merger:
    def __init__(self, traces: Sequence[Trace], problems: Sequence[Problem]) -> None:
        self._traces = traces
        self._problems = list(problems)
        began = [trace.header["began"] for trace in traces if "began" in trace.header]
        self._first = min(began, default=0)
        self._lines = self._make_lines()
        self._links: dict[Key, _Link] = {}
        self._clocks: dict[int, Clock] = {}
        self._numbers: Counter[int] = Counter()
        self._events: list[Event] = []
        self._strangers: Counter[int] = Counter()
        for line in self._lines:
            for event in line:
                for message in event.get("sent", ()):
                    self._link(message).to_come += 1

    def _make_lines(self) -> list[deque[Event]]:
        """Each node's events, in its order and in a common time."""
        lines: dict[object, deque[Event]] = {}
        for number, trace in enumerate(self._in_time()):
            node = trace.header.get("node")
            key: object = ("file", number) if node is None else node
            if key in lines:
                text = f"node {node} is in two files; they are taken one after the other"
                self._problems.append(Problem(0, text))
            lines.setdefault(key, deque()).extend(self._timed(trace))
            who = "a file" if node is None else f"node {node}"
            for problem in trace.problems:
                where = f"{who}, line {problem.line}" if problem.line else who
                self._problems.append(Problem(0, f"{where}: {problem.text}"))
        return list(lines.values())

    def _in_time(self) -> list[Trace]:
        return sorted(self._traces, key=lambda trace: trace.header.get("began", 0))

    def _timed(self, trace: Trace) -> list[Event]:
        lag = trace.header.get("began", self._first) - self._first
        return [{**event, "at": round(event.get("at", 0) + lag, 6)} for event in trace.events]

    def run(self) -> Trace:
        """Take the events, each after all that it depends on."""
        lines = [line for line in self._lines if line]
        while lines:
            ready = [line for line in lines if self._is_ready(line[0])]
            # None: a copy came before a later sending of the same bytes. Take it as one.
            line = min(ready or lines, key=lambda line: self._urgency(line[0]))
            self._take(line.popleft())
            lines = [line for line in lines if line]
        for node, count in sorted(self._strangers.items()):
            text = f"{count:,} messages that node {node} received were sent in no file"
            self._problems.append(Problem(0, text))
        return Trace(self._header(), self._events, self._problems)

    def _link(self, message: dict[str, Any]) -> _Link:
        key = (message.get("from", 0), message.get("to", 0), message.get("length", 0),
               message.get("bytes", ""))  # fmt: skip
        return self._links.setdefault(key, _Link())

    def _is_ready(self, event: Event) -> bool:
        """Whether what it received, if anything, was put in order before."""
        message = event.get("message")
        if message is None or "from" not in message:
            return True
        link = self._link(message)
        return bool(link.unpaired) or not link.to_come

    def _urgency(self, event: Event) -> tuple[bool, float, int]:
        """Of several that may come, the earliest; of several that wait, a copy first."""
        message = event.get("message")
        waits = not self._is_ready(event)
        stranger = waits and message is not None and self._link(message).last is None
        return stranger, event["at"], event.get("node", 0)

    def _take(self, event: Event) -> None:
        node = event.get("node")
        event = {**event, "step": len(self._events)}
        if node is not None:
            clock = dict(self._clocks.get(node, {}))
            sending = self._pair(event)
            if sending is not None:
                for entry, count in sending.clock.items():
                    clock[entry] = max(clock.get(entry, 0), count)
            clock[str(node)] = clock.get(str(node), 0) + 1
            self._clocks[node] = event["clock"] = clock
            if "sent" in event:
                event["sent"] = [self._send(message, clock) for message in event["sent"]]
        self._events.append(event)

    def _pair(self, event: Event) -> _Sending | None:
        """The sending that this is the receipt of; `None` if it is in no file."""
        message = event.get("message")
        if event["kind"] != "receive" or message is None or "from" not in message:
            return None
        link = self._link(message)
        sending = link.unpaired.popleft() if link.unpaired else link.last
        if sending is None:
            node: int = event["node"]
            self._strangers[node] += 1
            event["message"] = {**message, "id": self._name(node)}
            return None
        link.last = sending
        event["message"] = {"id": sending.ident}
        return sending

    def _send(self, message: dict[str, Any], clock: Clock) -> dict[str, Any]:
        sending = _Sending(self._name(message["from"]), clock)
        link = self._link(message)
        link.unpaired.append(sending)
        link.to_come -= 1
        return {**message, "id": sending.ident}

    def _name(self, node: int) -> str:
        self._numbers[node] += 1
        return f"{node}:{self._numbers[node]}"

    def _header(self) -> dict[str, Any]:
        headers = [trace.header for trace in self._traces]
        best = min(self._traces, key=lambda trace: len(trace.assumed)).header
        header = {key: value for key, value in best.items() if key not in ("node", "stops")}
        header["nodes"] = sorted({node for header in headers for node in header["nodes"]})
        header["source"] = f"{len(headers)} traces: " + ", ".join(h["source"] for h in headers)
        if all(trace.header.get("stops") for trace in self._traces if trace.events):
            header["stops"] = True
        if self._differ("quorums"):
            self._problems.append(Problem(0, "the traces differ in their quorums"))
        if self._differ("unit"):
            text = "the traces differ in their unit of time: times in one say nothing of another's"
            self._problems.append(Problem(0, text))
        return header

    def _differ(self, key: str) -> bool:
        """Whether those that say so of themselves say unlike things."""
        told = [trace.header[key] for trace in self._traces if key not in trace.assumed]
        return any(value != told[0] for value in told)
