"""The laboratory page, played by keyboard in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from paxos_core.testing.laboratory import PUZZLES
from paxos_core.testing.laboratory.actions import VERBS
from transports.viewer.play import PlayServer
from transports.viewer.play.session import Session

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


@dataclass
class Play:
    """One server and one page for all tests; `open` gives both as new."""

    server: PlayServer
    visit: Visit

    def open(self, *, width: int = 1280, scheme: str = "light") -> Page:
        """The page as a first visit has it, with a session of its own."""
        page = self.visit.page
        page.goto("about:blank")
        self.server.session = Session()
        self.visit.console.clear()
        self.visit.requests.clear()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(self.server.url)
        page.wait_for_selector("[data-key='campaign:1']")
        return page

    def nothing_wrong(self) -> None:
        assert self.visit.console == []
        asked = {url.rpartition("/")[0] + "/" for url in self.visit.requests}
        assert asked == {self.server.url}


@pytest.fixture(scope="module")
def play(module_visits: Visits) -> Iterator[Play]:
    server = PlayServer()
    with server.running():
        yield Play(server, module_visits.open_url("about:blank"))


def control(page: Page, name: str) -> Locator:
    """A control, by its key or by the name that a screen reader says."""
    if name in KEYS or (":" in name and " " not in name):
        return page.locator(f"[data-key='{name}']")
    return page.get_by_role("button", name=name, exact=True)


KEYS = {"prove", "again", "hint", "undo", "begin"}
STEPS_TO = """
(one) => {
  const kinds = 'a[href], button, input, select, summary, [tabindex="0"]';
  const all = [...document.querySelectorAll(kinds)]
    .filter((each) => !each.disabled && each.getClientRects().length);
  const now = document.activeElement;
  const before = all.filter((each) =>
    now.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_PRECEDING).length;
  // Where the focus is on a heading, Tab goes on from there.
  return all.indexOf(one) - (all.includes(now) || now === document.body ? all.indexOf(now)
    : all.indexOf(one) < before ? before : before - 1);
}
"""
"""How often Tab is to be pressed to come to a control; less than 0: with Shift."""


def settle(page: Page) -> None:
    """Until what was asked for is drawn."""
    page.wait_for_selector("main:not([aria-busy])")


def walk(page: Page, name: str) -> None:
    """Reach the control with Tab alone, press Enter, and wait until all is drawn."""
    wanted = control(page, name).first
    wanted.wait_for()
    steps = wanted.evaluate(STEPS_TO)
    for _ in range(abs(steps)):
        page.keyboard.press("Tab" if steps > 0 else "Shift+Tab")
    assert wanted.evaluate("one => one === document.activeElement"), f"Tab does not reach {name}"
    with page.expect_response("**/ask"):
        page.keyboard.press("Enter")
    settle(page)


def press(page: Page, name: str) -> None:
    """The same, for tests that are not about the way there."""
    wanted = control(page, name).first
    wanted.focus()
    with page.expect_response("**/ask"):
        page.keyboard.press("Enter")
    settle(page)


def light(page: Page, name: str) -> str:
    text: str = page.locator(".light", has_text=name).locator(".word").inner_text()
    return text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_puzzle_is_played_to_its_end_by_keyboard(play: Play, scheme: str) -> None:
    page = play.open(scheme=scheme)
    walk(page, "puzzle:blue-and-red")
    page.get_by_text("Actions so far: 0.").wait_for()
    assert light(page, "one value per slot") == "holds"
    for count, name in enumerate(SOLUTION, 1):
        walk(page, name)
        page.get_by_text(f"Actions so far: {count}.").wait_for()
    page.get_by_text("Solved in 5 actions, and fewer will not do.").wait_for()
    assert light(page, "one value per slot") == "broken"
    broken = page.locator(".light.broken", has_text="one value per slot").inner_text()
    assert "slot 0 has two values: blue in 1.1 is chosen, and red in 1.3 is chosen" in broken
    assert light(page, "durable before sent") == "holds"
    page.keyboard.press("u")
    page.get_by_text("Actions so far: 4.").wait_for()
    assert light(page, "one value per slot") == "holds"
    assert light(page, "later ballots propose") == "broken"
    page.keyboard.press("r")
    page.get_by_text("Actions so far: 5.").wait_for()
    play.nothing_wrong()


def test_the_page_shows_what_the_core_has(play: Play) -> None:
    page = play.open()
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
    page.get_by_text("1–2 is cut").wait_for()
    play.nothing_wrong()


def test_the_focus_stays_where_the_work_is(play: Play) -> None:
    page = play.open()
    press(page, "campaign:1")
    page.get_by_role("button", name="Deliver: Prepare from 1 to 2").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('data-key')") == "campaign:1"
    press(page, "Deliver: Prepare from 1 to 2")
    page.get_by_role("button", name="Deliver: Promise from 2 to 1").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('data-key')") == "deliver@0"


def test_a_run_is_saved_as_a_test_that_runs(play: Play, tmp_path: Path) -> None:
    page = play.open()
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


def test_what_is_wrong_is_said_and_changes_nothing(play: Play) -> None:
    page = play.open()
    press(page, "campaign:1")
    play.server.session.ask(json.dumps({"do": "fork"}).encode())
    press(page, "crash:2")
    status = page.get_by_role("status").first
    status.get_by_text("another page has changed the run").wait_for()
    assert page.locator(".node.down").count() == 0


PROVE = "Prove it cannot be done with the rule on"
SLOW_MS = 120_000
"""For what takes seconds on a machine of its own."""


def test_a_proof_comes_to_its_end(play: Play) -> None:
    page = play.open()
    press(page, "puzzle:one-ballot-two-values")
    press(page, "prove")
    page.get_by_text("Proved, within these bounds").wait_for(timeout=SLOW_MS)
    told = page.locator(".report").inner_text()
    puzzle = PUZZLES["one-ballot-two-values"]
    assert f"{puzzle.proof_states:,} states, and there are no others" in told
    assert puzzle.allowance.words in told
    page.get_by_role("button", name=PROVE).wait_for()
    play.nothing_wrong()


def test_a_proof_is_stopped_by_a_press_that_lasts(play: Play) -> None:
    page = play.open()
    # Of all proofs the longest: it cannot end before it is stopped.
    press(page, "puzzle:a-promise-forgotten")
    report = page.locator(".report")
    press(page, "prove")
    stop = page.get_by_role("button", name="Stop the proof")
    report.get_by_text("states seen").wait_for(timeout=SLOW_MS)
    box = stop.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    seen = report.inner_text()
    # The search goes on while the button is held down, and the button must still be there.
    page.wait_for_function(
        "seen => document.querySelector('.report').textContent !== seen",
        arg=seen,
        timeout=SLOW_MS,
    )
    page.mouse.up()
    page.get_by_role("button", name=PROVE).wait_for(timeout=SLOW_MS)
    assert "so far" in report.inner_text()
    press(page, "puzzle:blue-and-red")
    assert report.inner_text() == ""


def where(page: Page, name: str) -> tuple[float, float]:
    """How far the page is scrolled, and where on the screen a control is."""
    y: float = control(page, name).evaluate("one => one.getBoundingClientRect().top")
    return page.evaluate("scrollY"), y


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_stays_where_it_is(play: Play, width: int) -> None:
    page = play.open(width=width)
    assert page.evaluate("scrollY") == 0
    for name in ("campaign:3", "crash:3", "restart:3", "campaign:1"):
        control(page, name).scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        press(page, name)
        assert page.evaluate("scrollY") == before
    page.evaluate("scrollTo(0, 0)")
    for _ in range(30):
        press(page, "hold:1")
        press(page, "sync:1")
    last = page.locator("#actions .now")
    assert last.evaluate(
        "one => one.getBoundingClientRect().bottom <= "
        "document.getElementById('actions').getBoundingClientRect().bottom"
    )


@pytest.mark.parametrize("focused", ["campaign:1", "deliver@0"])
def test_a_focus_that_returns_does_not_scroll(play: Play, focused: str) -> None:
    page = play.open()
    press(page, "campaign:1")
    press(page, "crash:3")
    actions = page.locator("#actions > li")
    assert actions.count() == 3
    page.locator(f"[data-key='{focused}']").focus()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.keyboard.press("u")
    page.locator("[data-key='crash:3']").wait_for(state="attached")
    page.locator("#main:not([aria-busy])").wait_for()
    key = "document.activeElement.getAttribute('data-key')"
    assert page.evaluate(key) == focused
    box = page.locator(f"[data-key='{focused}']").bounding_box()
    assert box["y"] + box["height"] < 0


def test_a_second_press_waits_for_the_first_to_be_done(play: Play) -> None:
    page = play.open()
    page.locator("[data-key='crash:1']").evaluate("(one) => { one.click(); one.click(); }")
    page.locator("[data-key='restart:1']").wait_for()
    page.locator("#main:not([aria-busy])").wait_for()
    assert page.locator("#actions > li").count() == 2
    assert "Not done" not in page.locator("#status").inner_text()


def test_what_is_pressed_stays_under_the_hand(play: Play) -> None:
    page = play.open()
    before = where(page, "campaign:1")
    press(page, "campaign:1")
    assert where(page, "campaign:1") == before


def test_a_puzzle_that_is_opened_can_be_read(play: Play) -> None:
    page = play.open()
    press(page, "puzzle:blue-and-red")
    title = page.get_by_role("heading", name="Puzzle: Blue is chosen, choose red")
    assert title.evaluate("one => one === document.activeElement")
    top, low = title.evaluate(
        "one => [one.getBoundingClientRect().top, "
        "document.querySelector('.top').getBoundingClientRect().bottom]"
    )
    assert low <= top < 600


@pytest.mark.parametrize("width", [390, 1200])
def test_what_came_of_a_press_is_said_where_one_looks(play: Play, width: int) -> None:
    page = play.open(width=width)
    press(page, "puzzle:blue-and-red")
    for name in ("campaign:3", "Deliver: Prepare from 3 to 2"):
        press(page, name)
        line = page.locator("#status")
        assert line.inner_text()
        assert line.evaluate(
            """(one) => {
              const { left, top, bottom } = one.getBoundingClientRect();
              return [top + 8, bottom - 8].every((y) =>
                one.contains(document.elementFromPoint(left + 20, y)));
            }"""
        )


def test_what_a_puzzle_forbids_cannot_be_pressed(play: Play) -> None:
    page = play.open()
    press(page, "puzzle:blue-and-red")
    refused = page.locator("#nodes button:disabled, #cables button:disabled").evaluate_all(
        "all => Object.fromEntries(all.map((one) => [one.dataset.key, one.title]))"
    )
    cables = {key for key in refused if key.startswith("cable:")}
    assert cables == {"cable:1-2", "cable:1-3", "cable:2-3"}
    assert refused.keys() - cables == {
        "campaign:1", "campaign:2", "propose:1",
        *(f"{verb}:{node}" for verb in ("crash", "hold") for node in (1, 2, 3)),
    }  # fmt: skip
    assert refused["campaign:1"] == "Node 1 may not campaign in this puzzle"
    assert refused["cable:1-2"] == "In a puzzle there is no 'cut': one thing at a time"
    press(page, "campaign:3")
    again = control(page, "campaign:3")
    assert again.is_disabled()
    assert again.get_attribute("title") == "Node 3 may not campaign more than once in this puzzle"
    assert page.evaluate("document.activeElement.id") == "messages-title"
    page.keyboard.press("u")
    page.locator("[data-key='campaign:3']:enabled").wait_for()


@pytest.mark.parametrize("width", [390, 1200])
def test_a_new_run_begins_at_the_top(play: Play, width: int) -> None:
    page = play.open(width=width)
    control(page, "begin").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 0
    press(page, "begin")
    assert page.evaluate("[scrollY, document.activeElement.id]") == [0, "nodes-title"]
    walk(page, "campaign:1")


def test_what_a_crashed_node_has_on_its_disk_is_shown(play: Play) -> None:
    page = play.open()
    for name in ("campaign:1", "Deliver: Prepare from 1 to 2", "Deliver: Promise from 2 to 1",
                 "hold:2", "propose:1", "Deliver: Accept from 1 to 2"):  # fmt: skip
        press(page, name)
    facts = page.locator("#nodes .node").nth(1).locator(".facts")
    assert "Not on disk\nvoted in 1.1 for slot 0: blue" in facts.inner_text()
    press(page, "crash:2")
    assert facts.inner_text().split("\n") == [
        "Promised on disk", "1.1", "Voted on disk", "nothing", "Log on disk", "empty",
    ]  # fmt: skip


WORDS = """
() => [...document.querySelectorAll('main button[data-key]')]
  .map((one) => [one.dataset.key.split(/[:@]/)[0], one.textContent, one.title])
"""


def test_a_button_says_the_word_that_the_script_has(play: Play) -> None:
    page = play.open()
    for name in ("campaign:1", "Deliver: Prepare from 1 to 2", "Deliver: Promise from 2 to 1",
                 "hold:2", "crash:3", "cable:1-2"):  # fmt: skip
        press(page, name)
    found = set()
    for key, text, title in page.evaluate(WORDS):
        verb = text.split()[0].lower()
        if key in VERBS or key == "cable":
            assert key in ("cable", verb)
            assert verb in VERBS
            assert title
            found.add(verb)
    assert found == set(VERBS) - {"compact"}


def test_what_you_do_is_counted_as_actions(play: Play) -> None:
    page = play.open()
    press(page, "puzzle:blue-and-red")
    for name in SOLUTION:
        press(page, name)
    page.get_by_role("button", name="To action 10, in which it broke").first.wait_for()
    page.evaluate("document.getElementById('diagram-panel').remove()")
    assert "step" not in page.locator("body").inner_text().lower()


@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(play: Play, width: int, scheme: str) -> None:
    page = play.open(width=width, scheme=scheme)
    press(page, f"puzzle:{next(iter(PUZZLES))}")
    page.get_by_text("Actions so far: 0.").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(FAINT) == []
    play.nothing_wrong()


def test_everything_that_can_be_pressed_has_a_name(play: Play) -> None:
    page = play.open()
    press(page, "campaign:1")
    bare = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter(one =>"
        " !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length"
    )
    assert bare == 0
    headings = page.get_by_role("heading").all_inner_texts()
    assert {"Nodes", "Messages on their way", "Invariants", "Puzzles"} <= set(headings)
