"""What the drawing and the panels say must be so: nothing lost looks got, nothing gone alive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from view_kit import Maker, eventful_run, start_all

from paxos_core import messages as m
from paxos_core.trace import Trace, read_trace
from paxos_core.types import make_ballot
from transports.viewer.page import render_page
from transports.viewer.sources import story

LANES_OFF = 10
"""Pixels between any lane and the end of an arrow that reaches nobody."""


@pytest.fixture
def show(visits: Any, tmp_path: Path) -> Any:
    """Opens the page of these traces."""

    def open_page(*traces: Trace) -> Any:
        path = tmp_path / "run.html"
        path.write_text(render_page(traces, "A run"))
        visit = visits.open(path)
        assert visit.console == []
        return visit.page

    return open_page


def go(page: Any, step: int) -> None:
    page.evaluate("step => PaxosViewer.viewer.player.goTo(step)", step)


def cell(page: Any, node: int, name: str) -> str:
    found: str = page.locator(f"#pv-nodes tr[data-node='{node}'] td[data-cell={name}]").inner_text()
    return found


def test_what_is_lost_or_doubled_ends_off_every_lane(show: Any) -> None:
    maker = Maker(7)
    start_all(maker)
    for source in maker.nodes:
        for to in maker.nodes:
            if source == to:
                continue
            beat = maker.message(source, to, m.Heartbeat(make_ballot(1, source), 0, 1))
            maker.event("tick", source, sent=[beat])
            maker.event("copy" if (source + to) % 2 else "lose", message={"id": beat["id"]})
    page = show(read_trace(maker.lines()))
    for width in (480, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media="print")
        page.locator(".pv-end").nth(41).wait_for(state="attached")
        near = page.evaluate(
            """() => {
              const { layout } = PaxosViewer.viewer.diagram;
              const lanes = layout.nodes.map((node) => layout.x(node));
              const shafts = document.querySelectorAll('.pv-lost .pv-shaft, .pv-copied .pv-shaft');
              const ends = [...shafts].map((line) => Number(line.getAttribute('x2')));
              const far = (x) => Math.min(...lanes.map((lane) => Math.abs(lane - x)));
              return ends.map(far);
            }"""
        )
        assert len(near) == 42
        assert min(near) > LANES_OFF
        page.emulate_media(media="screen")


def test_an_arrow_begins_where_its_message_came_from(show: Any) -> None:
    """The copy at its ring; one whose sending is in no trace before its end, and not behind."""
    maker = eventful_run()
    for source, to in ((1, 3), (3, 1)):
        beat = maker.message(source, to, m.Heartbeat(make_ballot(1, source), 0, 77))
        maker.event("lose", message=beat)
    page = show(read_trace(maker.lines()))
    page.set_viewport_size({"width": 1280, "height": 2400})
    page.locator(".pv-lost").nth(4).wait_for(state="attached")
    ends = page.evaluate(
        """() => Object.fromEntries(['copied', 'again', 'lost'].map((name) => [name,
          [...document.querySelectorAll(`.pv-arrow.pv-${name} .pv-shaft`)].map((line) =>
            [Number(line.getAttribute('x1')), Number(line.getAttribute('x2'))])]))"""
    )
    assert ends["again"][0][0] == ends["copied"][0][1]
    (right, left) = ends["lost"][-2:]
    assert right[0] < right[1]
    assert left[0] > left[1]


def test_only_what_is_quoted_is_shortened(show: Any) -> None:
    maker = Maker(3)
    start_all(maker)
    beat = {**maker.message(1, 2, m.Heartbeat(make_ballot(1, 1), 2, 1)),
            "text": "Heartbeat 1.1, chosen below 2"}  # fmt: skip
    record = {"kind": "Chosen", "text": "chosen below 2", "slot": 2}
    maker.event("take", 2, write=1, records=[record])
    maker.event("take", 1, sent=[beat])
    maker.event("propose", 1, text="chosen below 7", sent=[beat])
    maker.event("tick", 1, text="it is told: chosen below 8", sent=[beat])
    page = show(read_trace(maker.lines()))
    texts = page.locator(".pv-rows .pv-text").all_text_contents()
    assert texts[-4:] == [
        "2 records: chosen below 2",
        "1 sends Heartbeat 1.1, to 2",
        "1 is given “chosen below 7”",
        "1 is told: chosen below 8",
    ]


def test_nobody_got_what_was_lost_or_doubled(show: Any) -> None:
    run = eventful_run()
    page = show(read_trace(run.lines()))
    words = {}
    for event in run.events:
        if event["kind"] in ("lose", "copy", "receive"):
            go(page, event["step"])
            words[event["kind"]] = page.locator(".pv-messages .pv-way").first.inner_text()
    assert words == {"lose": "lost", "copy": "doubled", "receive": "got"}


def test_a_title_promises_only_what_the_page_does(show: Any) -> None:
    page = show(read_trace(eventful_run().lines()))
    go(page, 3)
    button = page.locator("#pv-details .pv-messages button").first
    assert button.get_attribute("title") == "Show its fields and bytes"
    titles = page.evaluate(
        """() => {
          const panel = new PaxosViewer.StepPanel(document.createElement('div'),
            PaxosViewer.viewer.model, { details: document.body.appendChild(
              document.createElement('div')) });
          panel.show(3);
          return [...panel.messages.querySelectorAll('button')].map((one) => one.title);
        }"""
    )
    assert titles
    assert not any(titles)


def test_votes_that_are_not_kept_are_not_said_to_be_none(show: Any) -> None:
    page = show(story())
    go(page, 0)
    assert cell(page, 1, "accepted") == "-"
    page.keyboard.press("End")
    assert [cell(page, node, "accepted") for node in (1, 2, 3)] == ["forgotten below 2"] * 3
    title = page.locator("#pv-nodes tr[data-node='1'] td[data-cell=accepted]").get_attribute(
        "title"
    )
    assert title.startswith("forgotten below 2: all there is chosen")


def test_of_one_that_is_down_only_what_its_disk_has_is_said(show: Any) -> None:
    maker = Maker(3)
    state = {"role": "follower", "leader": 0, "promised": "1.1", "watermark": 3, "first_slot": 0}
    maker.event("start", 1, state={**state, "votes": {}, "chosen": {}})
    maker.event("crash", 1)
    page = show(read_trace(maker.lines()))
    assert cell(page, 1, "accepted") == "forgotten below 3"
    go(page, 1)
    assert cell(page, 1, "accepted") == "-"
    assert cell(page, 1, "promised") == "1.1"


@pytest.mark.parametrize("hide", ["heartbeats", "node"])
def test_the_current_step_is_one_that_is_shown(show: Any, hide: str) -> None:
    maker = eventful_run()
    beat = maker.message(1, 2, m.Heartbeat(make_ballot(1, 1), 2, 9))
    maker.event("tick", 1, sent=[beat])
    maker.event("receive", 2, message={"id": beat["id"]})
    last = len(maker.events) - 1
    page = show(read_trace(maker.lines()))
    page.keyboard.press("End")
    assert page.locator(".pv-current .pv-number").text_content() == str(last)
    if hide == "heartbeats":
        page.keyboard.press("h")
    else:
        page.get_by_label("2", exact=True).uncheck()
    left = last - 2 if hide == "heartbeats" else last - 1
    for key in (None, "Home", "End"):
        if key:
            page.keyboard.press(key)
        shown = "0" if key == "Home" else str(left)
        assert page.locator(".pv-current .pv-number").text_content() == shown
        assert page.locator(".pv-now").count() == 1
    page.get_by_role("button", name="Last step").click()
    assert page.locator(".pv-current .pv-number").text_content() == str(left)
    page.get_by_label("Step", exact=True).fill(str(last))
    assert page.locator(".pv-current .pv-number").text_content() == str(left)
