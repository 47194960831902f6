"""A page from traces: what is in it, and what is said where something is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from view_kit import HOSTILE_TEXT, Maker, eventful_run, hostile_lines, long_run

from paxos_core.trace import Trace, read_trace
from transports.viewer import page
from transports.viewer.page import render_page


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="pv-data">(.*?)</script>', text)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def problems_of(text: str) -> list[str]:
    section = re.search(r'<section class="pv-problems".*?</section>', text, re.DOTALL)
    return re.findall(r"<li>(.*?)</li>", section[0]) if section else []


def rendered(lines: list[str]) -> str:
    return render_page([read_trace(lines)], "A run")


def test_every_event_is_on_the_page_and_no_complaint() -> None:
    maker = eventful_run()
    text = rendered(maker.lines())
    data = data_of(text)
    assert [event["kind"] for event in data["events"]] == [e["kind"] for e in maker.events]
    assert data["header"]["nodes"] == [1, 2, 3]
    assert problems_of(text) == []
    assert "3 nodes" in text
    assert data["rules"]["P2c" if "P2c" in data["rules"] else "phase 2b"]["text"]


def test_a_frame_that_goes_to_several_is_there_once() -> None:
    data = data_of(rendered(eventful_run().lines()))
    sent = [message for event in data["events"] for message in event.get("sent", [])]
    accepts = [message for message in sent if message["kind"] == "Accept"]
    assert len(accepts) == 4
    assert len({message["frame"] for message in accepts}) == 2
    digits, length, shape, values = data["frames"][accepts[0]["frame"]]
    assert len(digits) == 2 * length
    names = [row[3] for row in data["shapes"][shape]]
    assert dict(zip(names, values, strict=True))["ballot"] == "1.1 (65537)"
    assert len(data["shapes"]) <= len(data["frames"])


def test_five_thousand_events_make_a_page_of_a_few_megabytes() -> None:
    text = rendered(long_run().lines())
    assert len(data_of(text)["events"]) == 5000
    assert len(text) < 6_000_000


def test_a_longer_run_is_cut_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EVENTS_MAX", 10)
    text = rendered(eventful_run().lines())
    assert len(data_of(text)["events"]) == 10
    assert problems_of(text)[0].startswith("The page holds the first 10 of ")


def test_a_cut_trace_is_shown_as_far_as_it_goes() -> None:
    lines = eventful_run().lines()
    text = rendered([*lines[:12], lines[12][: len(lines[12]) // 2]])
    assert len(data_of(text)["events"]) == 11
    assert len(problems_of(text)) == 1
    assert "13" in problems_of(text)[0]


def test_another_version_is_said() -> None:
    maker = eventful_run()
    maker.header["trace"] = 99
    assert any("99" in problem for problem in problems_of(rendered(maker.lines())))


@pytest.mark.parametrize("lines", [[], [""], ["{}"], ["no trace\n", "at all"], ["null", "[]", "7"]])
def test_what_is_no_trace_gives_a_page_that_says_so(lines: list[str]) -> None:
    text = rendered(lines)
    assert data_of(text)["events"] == []
    assert problems_of(text)


def test_a_trace_without_its_header_has_the_nodes_that_its_events_name() -> None:
    text = rendered(eventful_run().lines()[1:])
    assert data_of(text)["header"]["nodes"] == [1, 2, 3]
    assert problems_of(text)


def test_hostile_text_is_data_and_nothing_else() -> None:
    text = rendered(list(hostile_lines()))
    assert "<script>window" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    shown = json.dumps(data_of(text))
    assert "\\\\u202e" in shown
    assert "window.hurt" in shown
    assert len(text) < 2_000_000
    assert problems_of(text)


def test_a_hostile_title_is_text() -> None:
    text = render_page([read_trace(eventful_run().lines())], HOSTILE_TEXT, name=HOSTILE_TEXT)
    assert "<img" not in text.split('id="pv-data"')[0]
    assert "&lt;/script&gt;" in text


def test_the_compact_page_is_for_frames_in_other_pages() -> None:
    trace = read_trace(eventful_run().lines())
    assert 'class="pv-compact"' in render_page([trace], "A run", compact=True)


def test_many_problems_are_counted() -> None:
    lines = eventful_run().lines() + ["?"] * 50
    found = problems_of(rendered(lines))
    assert len(found) == page.PROBLEMS_SHOWN + 1
    assert found[-1] == f"and {50 - page.PROBLEMS_SHOWN} problems more"


def test_too_many_nodes_are_not_all_drawn() -> None:
    maker = Maker(3)
    maker.header["nodes"] = list(range(1, 100))
    for node in range(1, 100):
        maker.event("start", node)
    text = rendered(maker.lines())
    assert len(data_of(text)["header"]["nodes"]) == page.NODES_MAX


def test_a_step_that_sends_too_much_is_cut_and_that_is_said() -> None:
    maker = Maker(3)
    sent = [{"id": f"1:{n}", "from": 1, "to": 2, "kind": "Learn"} for n in range(5_001)]
    maker.event("tick", 1, sent=sent)
    text = rendered(maker.lines())
    assert len(data_of(text)["events"][0]["sent"]) == 5_000
    assert problems_of(text) == ["line 2: sent has 5,001 entries: the first 5,000 are read"]


@pytest.mark.parametrize(("ends_at", "said"), [(5.0, 0), (3.0, 1)])
def test_a_node_whose_trace_ends_early_is_named(ends_at: float, said: int) -> None:
    header = {"trace": 1, "source": "", "nodes": [1, 2], "unit": "s", "began": 0}
    header["quorums"] = {"phase1": 2, "phase2": 2}
    traces = [
        Trace({**header, "node": node}, [{"step": 0, "at": at, "node": node, "kind": "tick"}])
        for node, at in ((1, ends_at), (2, 5.5))
    ]
    text = render_page(traces, "two nodes")
    assert "could be shown" not in text.split("<main")[0]
    problems = problems_of(text)
    assert len(problems) == said
    assert all("trace of node 1 ends at step 1:" in text for text in problems)
