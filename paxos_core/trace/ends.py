"""Where the traces of real nodes end: what nobody could write down is an event too.

A node that is stopped writes a last line (`stop`); one that is killed writes none. Its trace
breaks off, which `mark_ends` says in an event of the kind `end`: no file has that kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from paxos_core.trace.clocks import UNKNOWN, Ahead, bound_clocks
from paxos_core.trace.read import Event, Trace

SILENT_SECONDS: Final = 1.0
"""A node that runs ticks and beats more often than that."""
YEAR_SECONDS: Final = 365 * 24 * 3600
_SAID: Final = frozenset({"crash", "stop"})


def mark_ends(trace: Trace) -> Trace:
    """`trace` with an event `end` behind the last line of a node that wrote no last word.

    That is so where it starts again later (then the event has ``"down": True``), and where the
    others' traces go on for more than `SILENT_SECONDS`: by their messages, or by the clocks
    where these tell nothing else. Steps are counted anew. Only traces whose unit is seconds
    are of real nodes; others come back as they are.
    """
    if trace.header.get("unit") != "s":
        return trace
    events = trace.events
    whys: dict[int, tuple[str, bool]] = {}
    last: dict[int, int] = {}
    stops = trace.header.get("stops") is True
    for place, event in enumerate(events):
        node = event.get("node")
        if node is None:
            continue
        if event["kind"] == "start" and node in last:
            down_seconds = event.get("at", 0) - events[last[node]].get("at", 0)
            whys[last[node]] = _why_down(node, down_seconds, stops), True
        last[node] = place
    ends = {node: events[place].get("at", 0) for node, place in last.items()}
    ahead = bound_clocks(events)
    for node, place in last.items():
        seconds, sure = _others_go_on(node, ends, ahead)
        if seconds > SILENT_SECONDS:
            whys[place] = _why_silent(node, seconds, stops, sure), False
    whys = {place: why for place, why in whys.items() if events[place]["kind"] not in _SAID}
    return replace(trace, events=list(_with_ends(events, whys))) if whys else trace


def _with_ends(events: Iterable[Event], whys: Mapping[int, tuple[str, bool]]) -> Iterable[Event]:
    step = 0
    for place, event in enumerate(events):
        yield {**event, "step": step}
        step += 1
        if place not in whys:
            continue
        why, down = whys[place]
        end = {"step": step, "at": event.get("at", 0), "node": event["node"], "kind": "end"}
        yield end | {"why": why} | ({"down": True} if down else {})
        step += 1


def _others_go_on(node: int, ends: Mapping[int, float], ahead: Ahead) -> tuple[float, bool]:
    """For how long another trace goes on behind the end of this one, and if messages tell so."""
    sure, unsure = 0.0, 0.0
    for other, end in ends.items():
        if other == node:
            continue
        seconds = end - ends[node]
        least = seconds - ahead.get((node, other), UNKNOWN)
        most = seconds + ahead.get((other, node), UNKNOWN)
        seconds = min(max(seconds, least), most)
        if least > SILENT_SECONDS:
            sure = max(sure, seconds)
        unsure = max(unsure, seconds)
    return (sure, True) if sure else (unsure, False)


def _why_down(node: int, seconds: float, stops: bool) -> str:
    if seconds < 0:
        again = (
            f"This is the last line before node {node} starts again. By its clock that is earlier: "
            "the clock was set back in between, and how long it was down cannot be told."
        )
    else:
        again = f"This is the last line before node {node} starts again, {_span(seconds)} later."
    if stops:
        return (
            f"{again} A stop would have been written: it was killed, or failed, and was down "
            "until then."
        )
    return f"{again} Whether it was stopped or killed, this trace does not say."


def _why_silent(node: int, seconds: float, stops: bool, sure: bool) -> str:
    by, or_clocks = ("The", "") if sure else ("By the clocks, the", ", or the clocks differ")
    others = f"{by} others' traces go on for {_span(seconds)}."
    if stops:
        why = (
            f"A stop would have been written: node {node} was killed, or failed, or hangs, "
            f"or the rest of its trace is missing{or_clocks}."
        )
    else:
        why = f"Whether node {node} was stopped or killed{or_clocks}, its trace does not say."
    return f"{others} {why} What is shown of it from here on is what was last known."


def _span(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < YEAR_SECONDS else "more than a year"
