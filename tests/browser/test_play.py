"""The laboratory page, played by keyboard in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from paxos_core.testing.laboratory import PUZZLES
from transports.viewer.play import PlayServer

if TYPE_CHECKING:
    from conftest import Visit, Visits
    from playwright.sync_api import Locator, Page

SOLUTION = (
    "campaign:3",
    "Deliver: Prepare from 3 to 2",
    "Deliver: Promise from 2 to 3",
    "propose:3",
    "Deliver: Accept from 3 to 2",
)
"""Of the puzzle blue-and-red: the controls to press, by key or by name."""


FAINT = """
() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = numbers(text).map((v) =>
      (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    const colour = getComputedStyle(one).backgroundColor;
    return numbers(colour)[3] === 0 && one.parentElement ? ground(one.parentElement) : colour;
  };
  const faint = [];
  const kinds = 'h1, h2, h3, p, li, dt, dd, span, strong, button, summary, label';
  for (const one of document.querySelectorAll(kinds)) {
    if (!one.textContent.trim() || one.disabled || !one.getClientRects().length) continue;
    const pair = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    const what = `${one.tagName} ${one.className} ${one.textContent.slice(0, 30)}`;
    if (contrast < 4.5) faint.push(`${what}: ${contrast.toFixed(1)}`);
  }
  return faint;
}
"""
"""Text whose contrast is below 4.5, the least that WCAG 2 (AA) asks for."""


@pytest.fixture
def server() -> Iterator[PlayServer]:
    made = PlayServer()
    with made.running():
        yield made


def open_play(visits: Visits, server: PlayServer, **options: object) -> Visit:
    visit = visits.open_url(server.url, **options)
    visit.page.wait_for_selector("[data-key='campaign:1']")
    return visit


def control(page: Page, name: str) -> Locator:
    """A control, by its key or by the name that a screen reader says."""
    if name in KEYS or (":" in name and " " not in name):
        return page.locator(f"[data-key='{name}']")
    return page.get_by_role("button", name=name, exact=True)


KEYS = {"prove", "again", "hint", "undo"}
STEPS_TO = """
(one) => {
  const kinds = 'a[href], button, input, select, summary, [tabindex="0"]';
  const all = [...document.querySelectorAll(kinds)]
    .filter((each) => !each.disabled && each.getClientRects().length);
  return all.indexOf(one) - all.indexOf(document.activeElement);
}
"""
"""How often Tab is to be pressed to come to a control; less than 0: with Shift."""


def press(page: Page, name: str) -> None:
    """Reach the control with Tab alone, press Enter, and wait for the answer."""
    wanted = control(page, name).first
    wanted.wait_for()
    steps = wanted.evaluate(STEPS_TO)
    for _ in range(abs(steps)):
        page.keyboard.press("Tab" if steps > 0 else "Shift+Tab")
    assert wanted.evaluate("one => one === document.activeElement"), f"Tab does not reach {name}"
    with page.expect_response("**/ask"):
        page.keyboard.press("Enter")


def light(page: Page, name: str) -> str:
    text: str = page.locator(".light", has_text=name).locator(".word").inner_text()
    return text


def nothing_wrong(visit: Visit, server: PlayServer) -> None:
    assert visit.console == []
    assert {url.rpartition("/")[0] + "/" for url in visit.requests} == {server.url}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_puzzle_is_played_to_its_end_by_keyboard(
    visits: Visits, server: PlayServer, scheme: str
) -> None:
    visit = open_play(visits, server, scheme=scheme)
    page = visit.page
    press(page, "puzzle:blue-and-red")
    page.get_by_text("Steps so far: 0.").wait_for()
    assert light(page, "one value per slot") == "holds"
    for step, name in enumerate(SOLUTION, 1):
        press(page, name)
        page.get_by_text(f"Steps so far: {step}.").wait_for()
    page.get_by_text("Solved in 5 steps: fewer there are not.").wait_for()
    assert light(page, "one value per slot") == "broken"
    broken = page.locator(".light.broken", has_text="one value per slot").inner_text()
    assert "slot 0 has two values: blue in 1.1 is chosen, and red in 1.3 is chosen" in broken
    assert light(page, "durable before sent") == "holds"
    page.keyboard.press("u")
    page.get_by_text("Steps so far: 4.").wait_for()
    assert light(page, "one value per slot") == "holds"
    assert light(page, "later ballots propose") == "broken"
    page.keyboard.press("r")
    page.get_by_text("Steps so far: 5.").wait_for()
    nothing_wrong(visit, server)


def test_the_page_shows_what_the_core_has(visits: Visits, server: PlayServer) -> None:
    visit = open_play(visits, server)
    page = visit.page
    for name in (
        "campaign:1",
        "Deliver: Prepare from 1 to 2",
        "Deliver: Promise from 2 to 1",
        "propose:1",
        "Deliver: Accept from 1 to 2",
        "Deliver: Accepted from 2 to 1",
    ):
        press(page, name)
    page.get_by_text("leads in 1.1").first.wait_for()
    facts = page.locator(".node").nth(0).locator("dd").all_inner_texts()
    assert facts == ["1.1", "0: blue"]
    assert page.locator(".node").nth(1).locator("dd").all_inner_texts() == [
        "1.1", "slot 0: blue in 1.1", "empty",
    ]  # fmt: skip
    assert "1 decides slot 0: blue" in page.get_by_role("status").first.inner_text()
    press(page, "crash:2")
    page.locator(".node.down").wait_for()
    press(page, "restart:2")
    press(page, "cable:1-2")
    page.get_by_text("1–2 is out").wait_for()
    nothing_wrong(visit, server)


def test_the_focus_stays_where_the_work_is(visits: Visits, server: PlayServer) -> None:
    page = open_play(visits, server).page
    press(page, "campaign:1")
    page.get_by_role("button", name="Deliver: Prepare from 1 to 2").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('data-key')") == "campaign:1"
    press(page, "Deliver: Prepare from 1 to 2")
    page.get_by_role("button", name="Deliver: Promise from 2 to 1").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('data-key')") == "deliver@0"


def test_a_run_is_saved_as_a_test_that_runs(
    visits: Visits, server: PlayServer, tmp_path: Path
) -> None:
    page = open_play(visits, server).page
    press(page, "campaign:1")
    with page.expect_download() as download:
        press(page, "Save as a test")
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "test_paxos_run.py"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(saved)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout


def test_what_is_wrong_is_said_and_changes_nothing(visits: Visits, server: PlayServer) -> None:
    visit = open_play(visits, server)
    page = visit.page
    press(page, "campaign:1")
    server.session.ask(json.dumps({"do": "fork"}).encode())
    press(page, "crash:2")
    status = page.get_by_role("status").first
    status.get_by_text("another page has changed the run").wait_for()
    assert page.locator(".node.down").count() == 0


def test_a_proof_runs_and_can_be_stopped(visits: Visits, server: PlayServer) -> None:
    page = open_play(visits, server).page
    press(page, "puzzle:blue-and-red")
    page.get_by_text("Steps so far: 0.").wait_for()
    press(page, "prove")
    page.get_by_text("in none of them is it broken").wait_for(timeout=60_000)
    press(page, "prove")
    page.get_by_role("button", name="Search every run with the rule on").wait_for()


@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(
    visits: Visits, server: PlayServer, width: int, scheme: str
) -> None:
    visit = open_play(visits, server, width=width, scheme=scheme)
    page = visit.page
    press(page, f"puzzle:{next(iter(PUZZLES))}")
    page.get_by_text("Steps so far: 0.").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(FAINT) == []
    nothing_wrong(visit, server)


def test_everything_that_can_be_pressed_has_a_name(visits: Visits, server: PlayServer) -> None:
    page = open_play(visits, server).page
    press(page, "campaign:1")
    bare = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter(one =>"
        " !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length"
    )
    assert bare == 0
    headings = page.get_by_role("heading").all_inner_texts()
    assert {"Nodes", "Messages on their way", "Invariants", "Puzzles"} <= set(headings)
