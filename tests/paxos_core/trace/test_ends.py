"""Where a real node's trace breaks off, and what may be said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paxos_core.trace import Trace, mark_ends, merge_traces, read_trace

HEADER = {"trace": 1, "source": "", "nodes": [1, 2], "unit": "s", "began": 0, "stops": True,
          "quorums": {"phase1": 2, "phase2": 2}}  # fmt: skip


def trace_of(node: int, *events: tuple[float, str], **header: Any) -> Trace:
    lines = [{**HEADER, "node": node, **header}]
    lines += [{"at": at, "node": node, "kind": kind} for at, kind in events]
    return read_trace(map(json.dumps, lines))


def marked(*traces: Trace) -> list[tuple[int, str]]:
    events = mark_ends(merge_traces(traces)).events
    assert [event["step"] for event in events] == list(range(len(events)))
    return [(event["node"], event["kind"]) for event in events]


def test_a_trace_that_breaks_off_before_the_others_ends_there() -> None:
    one = trace_of(1, (0, "start"), (1, "tick"))
    two = trace_of(2, (0.5, "start"), (2.5, "tick"))
    assert marked(one, two) == [(1, "start"), (2, "start"), (1, "tick"), (1, "end"), (2, "tick")]
    end = mark_ends(merge_traces([one, two])).events[3]
    assert (end["at"], end.get("down")) == (1, None)
    assert end["why"].startswith("By the clocks, the others' traces go on for 1.5 s. A stop")
    assert "of its trace is missing, or the clocks differ." in end["why"]


@pytest.mark.parametrize("last", ["stop", "crash"])
def test_one_that_said_so_needs_no_end(last: str) -> None:
    one = trace_of(1, (0, "start"), (1, last))
    assert (1, "end") not in marked(one, trace_of(2, (9, "tick")))


def test_traces_that_end_together_have_no_end() -> None:
    assert (1, "end") not in marked(trace_of(1, (1, "tick")), trace_of(2, (2, "tick")))


def test_before_a_second_start_the_node_was_down() -> None:
    one = trace_of(1, (0, "start"), (1, "tick"), (1.5, "start"), (2, "stop"), (2.2, "start"))
    assert [kind for _, kind in marked(one)] == ["start", "tick", "end", "start", "stop", "start"]
    end = mark_ends(one).events[2]
    assert end["down"] is True
    assert "0.5 s later. A stop would have been written: it was killed, or failed" in end["why"]


@pytest.mark.parametrize("both", [False, True])
def test_of_a_trace_that_writes_no_stops_less_is_said(both: bool) -> None:
    one = trace_of(1, (0, "start"), (1, "tick"), (5, "start"), stops=False)
    traces = [one, trace_of(2, (6, "tick"))] if both else [one]
    end = next(e for e in mark_ends(merge_traces(traces)).events if e["kind"] == "end")
    assert "this trace does not say" in end["why"]


def test_one_part_without_stops_is_enough_to_say_less() -> None:
    old, new = ({**HEADER, "node": 1, "stops": stops} for stops in (False, True))
    start = {"at": 0, "node": 1, "kind": "start"}
    for parts in ([old, new], [new, old]):
        lines = [parts[0], start, {**parts[1], "began": 3}, start]
        end = mark_ends(read_trace(map(json.dumps, lines))).events[1]
        assert "this trace does not say" in end["why"]


def test_a_simulated_run_stays_as_it_is() -> None:
    one = trace_of(1, (0, "start"), (1, "tick"), (5, "start"), unit="tick")
    assert mark_ends(one) is one


def test_no_file_has_the_kind_that_is_made_here() -> None:
    assert trace_of(1, (0, "end")).events == []
