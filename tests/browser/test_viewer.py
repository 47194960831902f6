"""The page of a run, in a browser: read, clicked, keyed, listened to, printed, attacked."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from view_kit import eventful_run, hostile_lines, long_run

from paxos_core.trace import read_trace
from transports.viewer.page import render_page
from transports.viewer.sources import STORY_TITLE, story

NODES_MAX = 4000
"""Elements in the document of the longest run: what is not on the screen is not there."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("viewer")
    runs = {
        "story": [story()],
        "eventful": [read_trace(eventful_run().lines())],
        "long": [read_trace(long_run().lines())],
        "hostile": [read_trace(hostile_lines())],
    }
    for name, traces in runs.items():
        title = STORY_TITLE if name == "story" else f"The {name} run"
        (base / f"{name}.html").write_text(render_page(traces, title, name=name))
    return base


@pytest.fixture
def show(visits: Any, folder: Path) -> Any:
    """Opens a page, and at the end asks for silence and for no request."""
    opened = []

    def open_page(name: str, **options: Any) -> Any:
        visit = visits.open(folder / f"{name}.html", **options)
        opened.append((visit, name))
        return visit.page

    yield open_page
    for visit, name in opened:
        assert visit.console == []
        asked = {url for url in visit.requests if not url.startswith(("data:", "blob:"))}
        assert asked == {(folder / f"{name}.html").as_uri()}


def step_of(page: Any) -> int:
    found: int = page.evaluate("PaxosViewer.viewer.player.step")
    return found


def text_of(page: Any, part: str) -> str:
    found: str = page.locator(f"#pv-step .pv-{part}").inner_text()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["story", "eventful", "long"])
def test_it_fits_every_screen_in_both_schemes(
    show: Any, name: str, width: int, scheme: str
) -> None:
    page = show(name, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".pv-drawing .pv-rows > g").count() > 5
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is (scheme == "light")


def test_buttons_step_both_ways_and_the_location_follows(show: Any) -> None:
    page = show("eventful")
    assert step_of(page) == 0
    page.get_by_role("button", name="Step on").click()
    page.get_by_role("button", name="Step on").click()
    assert page.evaluate("location.hash") == "#step=2"
    page.get_by_role("button", name="Step back").click()
    assert text_of(page, "where").startswith("Step 1 of ")
    page.get_by_role("button", name="Last step").click()
    last = page.evaluate("PaxosViewer.viewer.model.length") - 1
    assert step_of(page) == last
    page.get_by_role("button", name="First step").click()
    page.get_by_label("Step", exact=True).fill("7")
    assert step_of(page) == 7


def test_a_link_leads_to_its_step_and_a_wrong_one_nowhere(show: Any, folder: Path) -> None:
    page = show("eventful")
    page.evaluate("location.hash = '#step=9'")
    page.locator(".pv-where", has_text="Step 9 of").wait_for()
    assert text_of(page, "where").startswith("Step 9 of ")
    for wrong in ("#step=-1", "#step=x", "#<img src=x>", "#step=1e9"):
        page.evaluate("hash => { location.hash = hash }", wrong)
        assert step_of(page) == 9
    page.goto((folder / "eventful.html").as_uri() + "#step=99999")
    page.reload()
    assert step_of(page) == page.evaluate("PaxosViewer.viewer.model.length") - 1
    page.goto((folder / "eventful.html").as_uri() + "#4")
    page.reload()
    assert step_of(page) == 4


def test_the_keyboard_alone_does_everything(show: Any) -> None:
    page = show("eventful")
    press = page.keyboard.press
    for key, step in (("ArrowRight", 1), ("j", 2), ("ArrowDown", 3), ("k", 2), ("ArrowUp", 1),
                      ("PageDown", 11), ("PageUp", 1), ("Home", 0)):  # fmt: skip
        press(key)
        assert step_of(page) == step, key
    press("End")
    assert step_of(page) > 20
    press("/")
    page.keyboard.type("doubled")
    press("Enter")
    copied = step_of(page)
    assert "doubled" in text_of(page, "what").lower()
    press("Escape")
    press("m")
    assert "Heartbeat" in page.locator("#pv-message h3").inner_text()
    press("h")
    assert not page.get_by_label("heartbeats").is_checked()
    press("h")
    copied = step_of(page)
    press("?")
    assert page.get_by_role("dialog").is_visible()
    press("ArrowRight")
    assert step_of(page) == copied
    press("Escape")
    assert not page.get_by_role("dialog").is_visible()
    press("Home")
    press("+")
    assert page.get_by_label("Speed").input_value() == "2"
    press("Space")
    page.locator(".pv-where", has_text="Step 2 of").wait_for()
    press("Space")
    assert not page.evaluate("PaxosViewer.viewer.player.playing")


def test_single_keys_can_be_switched_off(show: Any) -> None:
    page = show("eventful")
    page.keyboard.press("?")
    page.get_by_label("keys without a modifier work").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert step_of(page) == 0


def test_every_control_is_reached_by_tab_and_has_a_name(show: Any) -> None:
    page = show("story")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
    assert any('id="pv-diagram"' in element for element in reached)
    names = page.evaluate(
        "[...document.querySelectorAll('button, input, select')]"
        ".filter(e => e.offsetParent).map(e => e.ariaLabel || e.textContent.trim()"
        " || [...(e.labels ?? [])].map(l => l.textContent.trim()).join(''))"
    )
    assert len(names) > 12
    assert all(names)


def test_who_listens_hears_each_step_in_one_sentence(show: Any) -> None:
    page = show("story")
    live = page.locator("#pv-step [aria-live=polite]")
    assert live.get_attribute("role") == "status"
    heard = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        heard.append(live.inner_text())
    assert [text.startswith(f"Step {step}, node") for step, text in enumerate(heard, 1)] == [
        True
    ] * 4
    assert page.locator("h1").count() == 1
    assert page.evaluate("[...document.querySelectorAll('table')].every(t => t.caption)")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert "Space-time diagram" in page.locator(".pv-sizer svg").get_attribute("aria-label")


def test_the_table_has_every_step_a_page_at_a_time(show: Any) -> None:
    page = show("long")
    rows = page.locator("#pv-table tbody tr")
    assert rows.count() == 0
    page.get_by_text("Every step as a table").click()
    rows.nth(49).wait_for()
    assert rows.count() == 50
    page.get_by_role("button", name="later ▶").click()
    assert rows.first.locator("th").inner_text() == "50"
    rows.nth(3).get_by_role("button").click()
    assert step_of(page) == 53


def test_search_finds_marks_and_goes_there(show: Any) -> None:
    page = show("long")
    box = page.get_by_label("Search")
    box.fill("COMMAND 12")
    found = page.evaluate("PaxosViewer.viewer.player.found.length")
    assert found >= 5
    box.press("Enter")
    first = step_of(page)
    assert page.locator(".pv-search output").inner_text() == f"1 of {found}"
    assert page.locator(".pv-found").count() > 1
    box.press("Enter")
    assert step_of(page) > first
    box.press("Shift+Enter")
    assert step_of(page) == first
    box.fill("no such thing")
    assert page.locator(".pv-search output").inner_text() == "nowhere"
    box.fill("")
    assert page.locator(".pv-found").count() == 0


def test_heartbeats_and_nodes_are_hidden_at_will(show: Any) -> None:
    page = show("long")
    rows = "PaxosViewer.viewer.diagram.layout.steps.length"
    assert page.evaluate(rows) == 5000
    page.get_by_label("heartbeats").uncheck()
    left = page.evaluate(rows)
    assert 500 < left < 2500
    page.keyboard.press("End")
    page.keyboard.press("Home")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
        assert "Heartbeat" not in text_of(page, "what")
    page.get_by_label("5", exact=True).uncheck()
    assert page.evaluate(rows) < left
    assert page.locator(".pv-headrow .pv-name").all_text_contents() == [
        f"node {node}" for node in (1, 2, 3, 4)
    ]
    page.get_by_label("5", exact=True).check()
    page.get_by_label("heartbeats").check()
    assert page.evaluate(rows) == 5000


def test_five_thousand_events_draw_only_what_is_seen(show: Any) -> None:
    page = show("long")
    count = "document.querySelectorAll('*').length"
    assert page.evaluate(count) < NODES_MAX
    page.keyboard.press("End")
    assert page.evaluate(count) < NODES_MAX
    assert "Step 4999 of 4999" in text_of(page, "where")
    page.evaluate("document.querySelector('#pv-diagram').scrollTop = 75000")
    page.locator(".pv-rows .pv-number", has_text="2500").wait_for()
    assert page.evaluate(count) < NODES_MAX
    drawn = page.locator(".pv-rows > g").count()
    assert drawn < 80


def test_what_never_ends_is_not_drawn_a_thousand_times(show: Any) -> None:
    """Writes that no sync ends, and messages that arrive after thousands of steps."""
    page = show("eventful")
    count = page.evaluate(
        """() => {
          const { model, diagram, player } = PaxosViewer.viewer;
          const sent = (at) => ({ id: `late:${at}`, from: 1, to: 2, kind: 'Learn', text: 'Learn' });
          const events = [];
          for (let at = 0; at < 1500; at++) {
            events.push({ kind: 'take', node: 1, write: 100 + at, sent: [sent(at)],
              records: [{ kind: 'Voted', text: 'a vote', slot: at, ballot: '1.1', value: 'x' }] });
          }
          for (let at = 0; at < 1500; at++) {
            events.push({ kind: 'receive', node: 2, message: { id: `late:${at}` } });
          }
          model.append({ events });
          diagram.update();
          player.goTo(1500);
          return document.querySelectorAll('*').length;
        }"""
    )
    assert count < NODES_MAX


def test_a_jump_back_applies_few_events(show: Any) -> None:
    """States come from checkpoints: no jump costs more than one stretch between two of them."""
    page = show("long")
    far = page.evaluate(
        """() => {
          const { model } = PaxosViewer.viewer;
          const said = (step) => JSON.stringify([...model.stateAt(step)].map(
            ([id, n]) => [id, n.promised, n.watermark, [...n.votes], [...n.chosen]]));
          let applied = 0;
          const events = model.events;
          model.events = new Proxy(events, { get: (all, at) => {
            if (typeof at === 'string' && /^\\d+$/.test(at)) applied++;
            return all[at];
          } });
          const most = [];
          for (const step of [4999, 17, 2500, 2499, 0, 4000]) {
            applied = 0;
            model.stateAt(step);
            most.push(applied);
          }
          model.events = events;
          const jumped = said(3333);
          for (let step = 0; step <= 3333; step++) model.stateAt(step);
          return { most: Math.max(...most), same: jumped === said(3333) };
        }"""
    )
    assert far["most"] <= 256
    assert far["same"]


def test_what_the_network_and_the_disks_did_is_drawn(show: Any) -> None:
    page = show("eventful")
    page.set_viewport_size({"width": 1280, "height": 2400})
    for mark in ("lost", "copied", "again", "stub"):
        assert page.locator(f".pv-arrow.pv-{mark}").count() == 1, mark
    for mark in ("crash", "pause", "resume", "cut", "heal", "fault", "compact", "take", "tick"):
        assert page.locator(f".pv-rows .pv-mark.pv-{mark}").count() >= 1, mark
    assert page.locator(".pv-rows .pv-mark.pv-persisted").count() == 5
    assert page.locator(".pv-disk-gone").count() == 1
    assert page.locator(".pv-disk-written").count() == 5
    assert page.locator(".pv-cutspan").count() == 1
    assert page.locator(".pv-still").count() == 2
    label = page.locator(".pv-label").first.text_content()
    assert label == "Accept 1.1 · 0"


def test_a_click_on_an_arrow_shows_its_fields_and_its_bytes(show: Any) -> None:
    page = show("eventful")
    page.locator(".pv-arrow .pv-hit").first.click(force=True)
    panel = page.locator("#pv-message")
    assert panel.locator("h3").inner_text().startswith("Accept 1.1")
    names = panel.locator("tbody th").all_inner_texts()
    assert names[:8] == ["array", "version", "kind", "cluster", "sender", "ballot", "slot",
                         "watermark"]  # fmt: skip
    digits = "".join(panel.locator(".pv-bytes [data-owner]").all_inner_texts()).replace(" ", "")
    frame = eventful_run().events[3]["sent"][0]["bytes"]
    assert digits == frame
    panel.get_by_role("button", name="slot", exact=True).click()
    pointed = "".join(panel.locator(".pv-bytes .pv-pointed").all_inner_texts()).replace(" ", "")
    assert pointed == frame[64:82]
    panel.get_by_role("button", name="value", exact=True).click()
    pointed = "".join(panel.locator(".pv-bytes .pv-pointed").all_inner_texts()).replace(" ", "")
    assert pointed == frame[118:]


def test_a_click_on_a_row_goes_there(show: Any) -> None:
    page = show("eventful")
    page.locator(".pv-rows .pv-text").nth(5).click()
    assert step_of(page) == 5


def test_quorum_dots_tell_what_no_node_knows_yet(show: Any) -> None:
    page = show("eventful")
    slot = page.locator("#pv-slots tr[data-slot='0'] .pv-dots")
    for step, said, chosen in ((3, None, False), (4, "1 of 2", False), (6, "✓ chosen", True)):
        page.evaluate(f"PaxosViewer.viewer.player.goTo({step})")
        if said is None:
            assert slot.count() == 0
            continue
        assert said in slot.inner_text()
        row = page.locator("#pv-slots tr[data-slot='0']").inner_text()
        assert ("chosen" in row) is chosen
    assert "2 are enough" in slot.get_attribute("title")


def test_a_vote_counts_once_its_own_write_is_confirmed(show: Any) -> None:
    page = show("eventful")
    found = page.evaluate(
        """() => {
          const write = (number, record) => ({ kind: 'take', node: 1, write: number,
            records: [{ text: 'x', ballot: '1.1', ...record }] });
          const model = new PaxosViewer.Model({ nodes: [1], quorums: { phase1: 1, phase2: 1 } });
          model.append({ events: [
            write(1, { kind: 'Promised' }),
            write(2, { kind: 'Voted', slot: 0, value: 'blue' }),
            { ...write(3, { kind: 'Voted', slot: 1, value: 'red' }),
              kind: 'persisted', confirmed: 1 },
            { kind: 'persisted', node: 1, confirmed: 2 },
            { kind: 'crash', node: 1 },
            { kind: 'start', node: 1, state: { promised: '1.1',
              votes: { 0: { ballot: '1.1', value: 'blue' } } } },
            { kind: 'persisted', node: 1, confirmed: 3 },
          ] });
          const chosen = (slot, step) => model.slotVotes(slot, step).map((vote) => vote.chosen);
          return { promised: [1, 2].map((step) => model.promises(step).length),
            blue: [2, 3].map((step) => chosen('0', step)), red: chosen('1', 6),
            gone: model.writes.at(4).map((span) => span.outcome) };
        }"""
    )
    assert found == {
        "promised": [0, 1],
        "blue": [[], [True]],
        "red": [],
        "gone": ["gone"],
    }


def test_the_diagram_is_saved_as_an_svg_of_its_own(show: Any, tmp_path: Path) -> None:
    page = show("eventful", scheme="dark")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save SVG").click()
    assert waiting.value.suggested_filename == "eventful.svg"
    path = tmp_path / "saved.svg"
    waiting.value.save_as(path)
    root = ET.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    text = path.read_text()
    assert "--paper: #ffffff" in text.replace("rgb(255, 255, 255)", "#ffffff")
    assert "<script" not in text
    texts = [element.text for element in root.iter(f"{space}text")]
    assert "node 3" in texts
    assert "Accept 1.1 · 0" in texts
    assert str(page.evaluate("PaxosViewer.viewer.model.length") - 1) in texts


def test_the_saved_svg_can_be_looked_at(show: Any, visits: Any, tmp_path: Path) -> None:
    page = show("story")
    path = tmp_path / "story.svg"
    path.write_text(page.evaluate("PaxosViewer.viewer.diagram.toSVG()"))
    visit = visits.open(path)
    assert visit.console == []
    assert visit.page.evaluate("document.querySelectorAll('.pv-shaft').length") > 10
    stroke = "getComputedStyle(document.querySelector('.pv-ballot-0 .pv-shaft')).stroke"
    assert visit.page.evaluate(stroke) == "rgb(0, 114, 178)"


def test_on_paper_it_is_the_whole_diagram_in_black_on_white(show: Any) -> None:
    page = show("eventful", scheme="dark")
    page.emulate_media(media="print")
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"{style}.backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(f"{style}.color") == "rgb(0, 0, 0)"
    assert not page.locator("#pv-controls").is_visible()
    rows = page.locator(".pv-rows > g").count()
    assert rows == page.evaluate("PaxosViewer.viewer.model.length")


def test_a_hostile_trace_executes_nothing(show: Any) -> None:
    page = show("hostile")
    count = page.evaluate("PaxosViewer.viewer.model.length")
    assert count > 20
    page.get_by_text("Every step as a table").click()
    for _ in range(count):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("m")
    assert page.evaluate("window.hurt") is None
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert "\\u202e" in page.locator("#pv-step").inner_text()
    assert "\u202e" not in page.inner_text("body")
    assert page.locator(".pv-problems li").count() > 2
    assert page.evaluate("({}).ballot") is None


def test_a_page_without_events_says_so(visits: Any, tmp_path: Path) -> None:
    path = tmp_path / "none.html"
    path.write_text(render_page([read_trace(["no trace"])], "None"))
    visit = visits.open(path)
    assert visit.console == []
    assert "There is no event that could be shown" in visit.page.inner_text(".pv-problems")


def test_events_can_be_added_and_taken_back(show: Any) -> None:
    """As the laboratory page does it."""
    page = show("eventful")
    found = page.evaluate(
        """() => {
          const { model, diagram, player } = PaxosViewer.viewer;
          const all = [...model.events];
          const said = () => JSON.stringify([...model.stateAt(model.length - 1)].map(
            ([id, n]) => [id, n.status, n.promised, [...n.votes], [...n.chosen]]));
          const before = said();
          model.truncate(10);
          diagram.update();
          player.goTo(9);
          const short = [model.length, document.querySelectorAll('.pv-rows > g').length];
          model.append({ events: all.slice(10) });
          diagram.update();
          return { short, same: before === said(), length: model.length };
        }"""
    )
    assert found["short"] == [10, 10]
    assert found["same"]
    assert found["length"] == len(eventful_run().events)
