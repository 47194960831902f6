"""Reading takes anything, and says what it could not read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_kit import as_text, lines_of, traced_seed

from paxos_core.trace import read as reading
from paxos_core.trace import read_trace
from paxos_core.trace.clean import ITEMS_MAX, TEXT_CHARACTERS_MAX

HEADER = (
    '{"trace": 1, "source": "s", "nodes": [1, 2], "quorums": {"phase1": 2, "phase2": 2}, '
    '"unit": "tick"}'
)
START = '{"step": 0, "at": 0, "node": 1, "kind": "start", "clock": {"1": 1}}'
OWN = '{"trace": 1, "nodes": [1, 2], "node": 1, "unit": "s", "began": %d}'


def texts(lines: list[str]) -> list[str]:
    return [problem.text for problem in read_trace(lines).problems]


def test_what_was_written_is_what_is_read() -> None:
    lines = lines_of(8, steps=1200)
    trace = read_trace(as_text(lines))
    assert not trace.problems
    assert trace.header == lines[0]
    assert trace.events == json.loads(json.dumps(lines[1:]))


def test_a_cut_line_is_said_and_left_out() -> None:
    lines = as_text(lines_of(8, steps=300))
    lines[-1] = lines[-1][: len(lines[-1]) // 2]
    trace = read_trace(lines)
    assert len(trace.events) == len(lines) - 2
    (problem,) = trace.problems
    assert problem.line == len(lines)
    assert "cut off" in problem.text


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([], "no header and no event"),
        ([START], "it has no header: is this a trace?"),
        (["{}"], "no header"),
        ([HEADER, "[1]"], "no JSON object"),
        ([HEADER, "{}"], "an event has no kind"),
        ([HEADER, "[" * 100_000], "no JSON"),
        ([HEADER, '{"kind": "start", "at": ' + "1" * 5000 + "}"], "no JSON"),
        ([HEADER, '{"kind": "start", "at": NaN}'], "at is no time"),
        ([HEADER, '{"kind": "start", "at": 1e999}'], "at is no time"),
        ([HEADER, '{"kind": "start", "at": 36893488147419103232}'], "at is no time"),
        ([HEADER, '{"kind": "explode"}'], "is no kind of event"),
        ([HEADER, '{"kind": ["start"]}'], "is no kind of event"),
        ([HEADER, '{"kind": "start", "node": -1}'], "node is no number"),
        ([HEADER, '{"kind": "start", "node": true}'], "node is no number"),
        ([HEADER, '{"kind": "start", "node": "123456789012345678901"}'], "beyond 64 bits"),
        ([HEADER, '{"kind": "start", "clock": 1}'], "clock is no object"),
        ([HEADER, '{"kind": "start", "clock": {"a": 1}}'], "clock is no number"),
        ([HEADER, '{"kind": "start", "why": 1}'], "why is no text"),
        ([HEADER, '{"kind": "start", "sent": {}}'], "sent is no list"),
        ([HEADER, '{"kind": "start", "sent": [{"id": "1"}]}'], "sent has no from"),
        ([HEADER, '{"kind": "receive", "message": {"id": 5}}'], "message has a id that is no text"),
        ([HEADER, '{"kind": "start", "message": []}'], "message is no object"),
        ([HEADER, '{"kind": "start", "checkpoint": 1}'], "neither true nor false"),
        ([HEADER, '{"kind": "cut", "nodes": [[1]]}'], "nodes is no pair"),
        (
            [HEADER, '{"kind": "receive", "message": {"id": "1", "bytes": "<script>"}}'],
            "is not hexadecimal",
        ),
        ([HEADER, '{"kind": "receive", "message": {"id": "1", "bytes": 1}}'], "bytes that is no"),
        ([HEADER, HEADER], "another trace begins here"),
        (['{"trace": "x"}'], "the header's trace is no number"),
        ([HEADER.replace('"trace": 1', '"trace": 2'), START], "version 2 of the format"),
    ],
)
def test_what_is_wrong_is_said(lines: list[str], part: str) -> None:
    assert any(part in text for text in texts(lines)), texts(lines)


def test_what_is_good_of_an_event_stays() -> None:
    line = '{"kind": "start", "node": 2, "why": 7, "rule": "restart", "new": 1}'
    trace = read_trace([HEADER, line])
    assert trace.events == [{"step": 0, "kind": "start", "node": 2, "rule": "restart"}]


def test_without_a_header_one_is_made_up() -> None:
    header = read_trace([START]).header
    assert header["nodes"] == [1]
    assert header["quorums"] == {"phase1": 1, "phase2": 1}


def test_large_numbers_may_be_text() -> None:
    line = '{"kind": "start", "node": 1, "state": {"watermark": "18446744073709551615"}}'
    trace = read_trace([HEADER, line])
    assert not trace.problems
    assert trace.events[0]["state"]["watermark"] == 2**64 - 1


def test_everything_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"kind": "fault", "text": "x" * 1_000_000, "nodes": [[1, 2]] * 20_000}
    trace = read_trace([HEADER, json.dumps(long)])
    assert len(trace.events[0]["text"]) == TEXT_CHARACTERS_MAX
    assert len(trace.events[0]["nodes"]) == ITEMS_MAX
    assert [p.text for p in trace.problems] == [
        "nodes has 20,000 entries: the first 5,000 are read"
    ]
    votes = {str(slot): None for slot in range(ITEMS_MAX + 1)}
    trace = read_trace([HEADER, json.dumps({"kind": "start", "state": {"votes": votes}})])
    assert trace.problems[0].text.startswith("state's votes has 5,001 entries: the first 5,000")
    monkeypatch.setattr(reading, "EVENTS_MAX", 3)
    monkeypatch.setattr(reading, "LINE_CHARACTERS_MAX", 100)
    trace = read_trace([HEADER[:90] + "}" * 20, *[START] * 9])
    assert len(trace.events) == 3
    assert "more than 100 characters" in trace.problems[0].text
    assert any("only the first 3 events" in problem.text for problem in trace.problems)


def test_problems_are_bounded() -> None:
    problems = read_trace([HEADER, *["no"] * 500]).problems
    assert len(problems) == reading.PROBLEMS_MAX + 1
    assert problems[-1].text == "and 400 more problems"


def test_half_a_character_cannot_make_writing_fail() -> None:
    trace = read_trace([HEADER, r'{"kind": "fault", "text": "\ud800"}'])
    assert trace.events[0]["text"].encode() == b"?"


def test_a_node_that_appended_to_its_trace_goes_on_in_it() -> None:
    sent = (
        '{"at": 1, "node": 1, "kind": "tick", "clock": {"1": 1}, '
        '"sent": [{"id": "1:1", "from": 1, "to": 2, "kind": "Learn"}]}'
    )
    trace = read_trace([OWN % 100, sent, "", '{"cut', OWN % 160, sent])
    assert [problem.line for problem in trace.problems] == [4]
    first, second = trace.events
    assert (first["at"], second["at"]) == (1, 61)
    assert (first["clock"], second["clock"]) == ({"1": 1}, {"1": 2})
    assert first["sent"][0]["id"] != second["sent"][0]["id"]
    assert trace.header["began"] == 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["trace", "step", "at", "node", "kind", "clock", "message", "sent", "state", "nodes", "id"]
)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.lists(st.dictionaries(KEYS, JSON | st.just("receive")) | JSON, max_size=4))
def test_no_content_makes_it_raise(found: list[Any]) -> None:
    trace = read_trace([json.dumps(line) for line in found])
    assert [event["step"] for event in trace.events] == list(range(len(trace.events)))
    json.dumps(trace.events, allow_nan=False)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_no_damage_makes_it_raise(data: st.DataObject) -> None:
    lines = as_text(lines_of(8, steps=60))
    index = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[index])))
    noise = data.draw(st.text(max_size=4))
    lines[index] = lines[index][:at] + noise + lines[index][at + len(noise) :]
    trace = read_trace(lines)
    assert len(trace.events) + len(trace.problems) >= len(lines) - 1


def test_a_trace_without_problems_has_none() -> None:
    assert not traced_seed(1, steps=200).problems


@pytest.mark.parametrize(
    ("nodes", "wrong"),
    [
        ([1] * 9_999 + [2, 3], "has 10,001 ids: a cluster has at most 64 members"),
        ([1, 1, 2], "names a node twice"),
    ],
)
def test_a_header_with_ids_that_are_none_of_a_cluster_says_so(nodes: list[int], wrong: str) -> None:
    lines = [{"trace": 1, "nodes": nodes}, {"kind": "crash", "node": 3}]
    trace = read_trace(map(json.dumps, lines))
    assert [problem.text for problem in trace.problems] == [f"the header's nodes {wrong}"]
    assert trace.header["nodes"] == [3]
