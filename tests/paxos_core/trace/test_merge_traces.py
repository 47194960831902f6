"""Traces of single nodes become one: receipts paired, clocks complete, in one order."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from test_tracer import check_clocks, happened_before
from trace_kit import Event, traced_seed

from paxos_core.trace import Trace, merge_traces, read_trace


def split(trace: Trace) -> list[Trace]:
    """What real nodes would have written of the same run: each its own events."""
    sent = {m["id"]: m for event in trace.events for m in event.get("sent", ())}
    parts = []
    for node in trace.header["nodes"]:
        events: list[Event] = []
        for event in trace.events:
            if event.get("node") != node:
                continue
            own = deepcopy(event)
            own["step"] = len(events)
            own["clock"] = {str(node): len(events) + 1}
            if event["kind"] == "receive":
                whole = sent[event["message"]["id"]]
                own["message"] = {**whole, "id": f"in:{len(events)}"}
            events.append(own)
        parts.append(Trace({**trace.header, "unit": "s", "node": node, "began": 50.0}, events))
    return parts


CALM = {"without": frozenset({"garbage", "duplicate"})}


@pytest.mark.parametrize("seed", [0, 7, 15])
def test_clocks_agree_with_what_the_simulator_saw(seed: int) -> None:
    whole = traced_seed(seed, steps=1500, **CALM)
    merged = merge_traces(split(whole)[::-1])
    assert not merged.problems
    assert "node" not in merged.header
    own = [event for event in whole.events if "node" in event]
    assert len(merged.events) == len(own)
    check_clocks(merged.events[:400])
    # Equal frames to one node cannot be told apart; the rest of the pairs are the simulator's.
    assert clocks_by_node(merged) == clocks_by_node(whole) or has_equal_frames(whole)


def clocks_by_node(trace: Trace) -> dict[int, list[dict[str, int]]]:
    found: dict[int, list[dict[str, int]]] = {}
    for event in trace.events:
        if "node" in event:
            found.setdefault(event["node"], []).append(event["clock"])
    return found


def has_equal_frames(trace: Trace) -> bool:
    frames = [(m["to"], m["bytes"]) for event in trace.events for m in event.get("sent", ())]
    return len(set(frames)) < len(frames)


@pytest.mark.parametrize("seed", range(12))
def test_copies_and_losses_leave_one_order(seed: int) -> None:
    """`happened_before` asserts that each receipt stands behind its sending."""
    whole = traced_seed(seed, steps=2500, without=frozenset({"garbage"}))
    merged = merge_traces(split(whole))
    assert not merged.problems
    happened_before(merged.events)
    sent = {m["id"]: m for event in merged.events for m in event.get("sent", ())}
    assert len(sent) == sum(len(event.get("sent", ())) for event in merged.events)
    originals = split(whole)
    for event in merged.events:
        if event["kind"] == "receive":
            paired = sent[event["message"]["id"]]
            assert paired["to"] == event["node"]
    received = sum(e["kind"] == "receive" for part in originals for e in part.events)
    assert received == sum(event["kind"] == "receive" for event in merged.events)


def event(node: int, at: float, kind: str = "tick", **keys: Any) -> Event:
    return {"step": 0, "at": at, "node": node, "kind": kind, "clock": {str(node): 1}, **keys}


def message(ident: str, sender: int, to: int, digits: str = "aa") -> Event:
    return {"id": ident, "from": sender, "to": to, "kind": "Learn", "bytes": digits, "length": 1}


def part(node: int, events: list[Event], began: float = 0.0) -> Trace:
    header = {
        "trace": 1, "source": f"paxos node {node}", "nodes": [1, 2], "unit": "s",
        "quorums": {"phase1": 2, "phase2": 2}, "node": node, "began": began,
    }  # fmt: skip
    return Trace(header, events)


def test_a_clock_that_is_wrong_turns_nothing_round() -> None:
    """Node 2 believes that it is an hour earlier: cause still comes before effect."""
    one = part(1, [event(1, 10, sent=[message("a", 1, 2)])], began=3600)
    two = part(2, [event(2, 0, "receive", message=message("b", 1, 2)), event(2, 1)])
    merged = merge_traces([two, one])
    assert [e["node"] for e in merged.events] == [1, 2, 2]
    assert merged.events[1]["clock"] == {"1": 1, "2": 1}
    assert merged.events[2]["clock"] == {"1": 1, "2": 2}
    assert [e["at"] for e in merged.events] == [3610, 0, 1]


def test_a_receipt_beyond_the_last_sending_is_a_copy() -> None:
    one = part(1, [event(1, 0, sent=[message("a", 1, 2)])])
    two = part(2, [event(2, n, "receive", message=message("b", 1, 2)) for n in (1, 2)])
    merged = merge_traces([one, two])
    assert not merged.problems
    assert [e["message"]["id"] for e in merged.events[1:]] == ["1:1", "1:1"]


def test_a_copy_that_came_before_the_next_sending_is_no_circle() -> None:
    """Node 1 sends the same again only after it heard of the copy's arrival."""
    one = part(1, [
        event(1, 0, sent=[message("a", 1, 2)]),
        event(1, 3, "receive", message=message("x", 2, 1, "bb")),
        event(1, 4, sent=[message("b", 1, 2)]),
    ])  # fmt: skip
    two = part(2, [
        event(2, 1, "receive", message=message("b", 1, 2)),
        event(2, 2, "receive", message=message("b", 1, 2), sent=[message("c", 2, 1, "bb")]),
    ])  # fmt: skip
    merged = merge_traces([one, two])
    assert not merged.problems
    assert [(e["node"], e["at"]) for e in merged.events] == [(1, 0), (2, 1), (2, 2), (1, 3), (1, 4)]
    happened_before(merged.events)


def test_a_message_from_a_file_that_is_not_there_is_said() -> None:
    two = part(2, [event(2, n, "receive", message=message(f"{n}", 3, 2)) for n in (0, 1)])
    merged = merge_traces([part(1, [event(1, 5)]), two])
    expected = "2 messages that node 2 received were sent in no file"
    assert [problem.text for problem in merged.problems] == [expected]
    assert merged.events[0]["message"]["from"] == 3
    assert len({e["message"]["id"] for e in merged.events if "message" in e}) == 2


def test_two_files_of_one_node_are_one_after_the_other() -> None:
    later, earlier = part(1, [event(1, 0)], began=100), part(1, [event(1, 0)], began=10)
    merged = merge_traces([later, earlier, part(2, [], began=10)])
    assert [e["at"] for e in merged.events] == [0, 90]
    assert [e["clock"] for e in merged.events] == [{"1": 1}, {"1": 2}]
    assert merged.problems[0].text == "node 1 is in two files; they are taken one after the other"


def test_what_was_wrong_in_a_file_is_said_of_the_whole() -> None:
    cut = read_trace(['{"trace": 1, "nodes": [1], "node": 1}', '{"kin'])
    other = part(2, [event(2, 0)])
    other.header["quorums"] = {"phase1": 3, "phase2": 1}
    merged = merge_traces([cut, other, Trace({**cut.header, "nodes": [9]}, [])])
    told = [problem.text for problem in merged.problems]
    assert any(text.startswith("node 1, line 2: no JSON") for text in told)
    assert "the traces differ in their quorums" in told
    assert merged.header["nodes"] == [1, 2, 9]


def test_one_alone_stays_as_it_is_and_none_is_no_trace() -> None:
    one = part(1, [])
    assert merge_traces([one]) is one
    with pytest.raises(ValueError, match="no trace"):
        merge_traces([])


def test_a_run_that_is_given_twice_is_taken_once() -> None:
    """The one file may be older: it goes less far."""
    two = part(2, [event(2, 0)], began=10)
    long, short = (part(1, [event(1, at) for at in range(n)], began=10) for n in (5, 3))
    merged = merge_traces([short, two, deepcopy(long), long])
    assert [e["at"] for e in merged.events if e["node"] == 1] == [0, 1, 2, 3, 4]
    said = "a run of node 1 is given twice; it is taken once"
    assert [problem.text for problem in merged.problems] == [said, said]
    alone = merge_traces([long, deepcopy(long)])
    assert (alone.header, alone.events) == (long.header, long.events)
    assert [problem.text for problem in alone.problems] == [said]
    assert long.problems == []


def test_two_runs_that_begin_alike_are_two() -> None:
    runs = [part(1, [event(1, 0), event(1, last)], began=10) for last in (1, 2)]
    assert len(merge_traces(runs).events) == 4


@pytest.mark.parametrize("place", [0, 1])
def test_a_file_without_a_header_is_asked_for_nothing(place: int) -> None:
    traces = [part(1, [event(1, 0)], began=1e9), part(2, [event(2, 1)], began=1e9)]
    for trace in traces:
        trace.header |= {"stops": True, "nodes": [1, 2, 3]}
    traces.insert(place, read_trace([]))
    merged = merge_traces(traces)
    said = ["a file, line 1: it has no header and no event: is this a trace?"]
    assert [problem.text for problem in merged.problems] == said
    assert (merged.header["unit"], merged.header["stops"]) == ("s", True)
    assert merged.header["quorums"] == {"phase1": 2, "phase2": 2}
    assert [e["at"] for e in merged.events] == [0, 1]


def test_traces_in_other_units_are_said() -> None:
    one, two = part(1, [event(1, 0)]), part(2, [event(2, 0)])
    two.header["unit"] = "tick"
    said = "the traces differ in their unit of time: times in one say nothing of another's"
    assert [problem.text for problem in merge_traces([one, two]).problems] == [said]
