"""Where the traces of real nodes end: what nobody could write down is an event too.

A node that is stopped writes a last line (`stop`); one that is killed writes none. Its trace
breaks off, which `mark_ends` says in an event of the kind `end`: no file has that kind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paxos_core.trace.read import Event, Trace

SILENT_SECONDS: Final = 1.0
"""A node that runs ticks and beats more often than that."""
_SAID: Final = frozenset({"crash", "stop"})


def mark_ends(trace: Trace) -> Trace:
    """`trace` with an event `end` behind the last line of a node that wrote no last word.

    That is so where it starts again later (then the event has ``"down": True``), and where the
    others' traces go on for more than `SILENT_SECONDS`. Steps are counted anew. Only traces
    whose unit is seconds are of real nodes; others come back as they are.
    """
    if trace.header.get("unit") != "s":
        return trace
    events = trace.events
    end = max((event.get("at", 0) for event in events), default=0)
    behind: dict[int, Event] = {}
    last: dict[int, int] = {}
    stops = trace.header.get("stops") is True
    for place, event in enumerate(events):
        node = event.get("node")
        if node is None:
            continue
        if event["kind"] == "start" and node in last:
            _note(behind, events, last[node], event.get("at", 0), stops, down=True)
        last[node] = place
    for place in last.values():
        if end - events[place].get("at", 0) > SILENT_SECONDS:
            _note(behind, events, place, end, stops, down=False)
    if not behind:
        return trace
    marked: list[Event] = []
    for place, event in enumerate(events):
        marked.append({**event, "step": len(marked)})
        if place in behind:
            marked.append({**behind[place], "step": len(marked)})
    return replace(trace, events=marked)


def _note(
    behind: dict[int, Event], events: list[Event], place: int, until: float, stops: bool, down: bool
) -> None:
    event = events[place]
    if event["kind"] in _SAID:
        return
    at = event.get("at", 0)
    why = _why(event["node"], until - at, stops, down)
    behind[place] = {"at": at, "node": event["node"], "kind": "end", "why": why}
    if down:
        behind[place]["down"] = True


def _why(node: int, seconds: float, stops: bool, down: bool) -> str:
    if down and stops:
        return (
            f"This is the last line before node {node} starts again, {seconds:.1f} s later. A stop "
            "would have been written: it was killed, or failed, and was down until then."
        )
    if down:
        return (
            f"This is the last line before node {node} starts again, {seconds:.1f} s later. "
            "Whether it was stopped or killed, this trace does not say."
        )
    if stops:
        return (
            f"The others' traces go on for {seconds:.1f} s. A stop would have been written: "
            f"node {node} was killed, or failed, or hangs, or the rest of its trace is missing. "
            "What is shown of it from here on is what was last known."
        )
    return (
        f"The others' traces go on for {seconds:.1f} s. Whether node {node} was stopped or killed, "
        "its trace does not say. What is shown of it from here on is what was last known."
    )
