"""Where a link or a search leads is seen, and who listens is not overrun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from view_kit import Maker, eventful_run

from paxos_core import messages as m
from paxos_core.trace import read_trace
from paxos_core.types import make_ballot
from transports.viewer.page import render_page


@pytest.fixture
def beats() -> Maker:
    """The eventful run, and at its end a heartbeat from node 1 to node 2."""
    maker = eventful_run()
    beat = maker.message(1, 2, m.Heartbeat(make_ballot(1, 1), 2, 9))
    maker.event("tick", 1, sent=[beat])
    maker.event("receive", 2, message={"id": beat["id"]}, why="A heartbeat like no other.")
    return maker


@pytest.fixture
def page(visits: Any, beats: Maker, tmp_path: Path) -> Any:
    path = tmp_path / "run.html"
    path.write_text(render_page([read_trace(beats.lines())], "A run"))
    visit = visits.open(path)
    yield visit.page
    assert visit.console == []


def current(page: Any) -> str:
    found: str = page.locator(".pv-current .pv-number").text_content()
    return found


def note(page: Any) -> str:
    found: str = page.locator(".pv-controls fieldset output").inner_text()
    return found


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        (["heartbeats"], "heartbeats"),
        (["1"], "node 1"),
        (["2"], "node 2"),
        (["heartbeats", "1", "2"], "node 2 and node 1 and heartbeats"),
    ],
)
@pytest.mark.parametrize("way", ["link", "search"])
def test_a_hidden_step_is_shown_again(
    page: Any, beats: Maker, way: str, hidden: list[str], shown: str
) -> None:
    last = len(beats.events) - 1
    for name in [*hidden, "3"]:
        page.get_by_label(name, exact=True).uncheck()
    if way == "link":
        page.evaluate(f"location.hash = '#step={last}'")
        page.locator(".pv-where", has_text=f"Step {last} of").wait_for()
    else:
        page.get_by_label("Search").fill("like no other")
        page.get_by_label("Search").press("Enter")
    assert current(page) == str(last)
    assert page.locator(".pv-now").count() == 1
    assert note(page) == f"Step {last} was hidden: {shown} shown again."
    assert all(page.get_by_label(name, exact=True).is_checked() for name in hidden)
    assert not page.get_by_label("3", exact=True).is_checked()
    page.get_by_role("button", name="Step back").click()
    assert note(page) == ""


def test_a_step_that_is_shown_uncovers_nothing(page: Any) -> None:
    page.keyboard.press("h")
    page.evaluate("location.hash = '#step=3'")
    page.locator(".pv-where", has_text="Step 3 of").wait_for()
    assert note(page) == ""
    assert not page.get_by_label("heartbeats").is_checked()


def test_while_it_plays_about_one_step_a_second_is_said(
    visits: Any, browser: Any, beats: Maker, tmp_path: Path
) -> None:
    path = tmp_path / "played.html"
    path.write_text(render_page([read_trace(beats.lines())], "A run"))
    page = browser.new_page()
    visits.pages.append(page)
    page.clock.install()
    page.goto(path.as_uri())
    page.evaluate(
        """() => {
          globalThis.heard = [];
          const live = document.querySelector('#pv-step [aria-live]');
          new MutationObserver(() => heard.push(live.textContent))
            .observe(live, { childList: true });
        }"""
    )
    page.get_by_label("Speed").select_option("16")
    page.clock.pause_at(page.evaluate("Date.now()") + 5000)
    page.evaluate("heard.length = 0")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(1100)
    assert page.evaluate("PaxosViewer.viewer.player.step") == 17
    assert len(page.evaluate("heard")) == 2
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("heard").pop().startswith("Step 17, ")
    page.get_by_role("button", name="Step on").click()
    page.get_by_role("button", name="Step on").click()
    assert [text.split(",")[0] for text in page.evaluate("heard").copy()[-2:]] == [
        "Step 18", "Step 19"]  # fmt: skip


def test_the_current_row_is_in_the_window_below_a_notice(
    visits: Any, beats: Maker, tmp_path: Path
) -> None:
    path = tmp_path / "notice.html"
    lines = [*beats.lines(), *["?"] * 10]
    path.write_text(render_page([read_trace(lines)], "A run"))
    page = visits.open(path).page
    for _ in range(len(beats.events)):
        page.keyboard.press("ArrowRight")
        box = page.locator(".pv-now").bounding_box()
        assert box["y"] + box["height"] <= 900
