"""The page of a run on a small screen: what is in it can be read there too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from view_kit import Maker, decision, start_all

from paxos_core.trace import Trace, read_trace
from transports.viewer.page import render_page
from transports.viewer.sources import story


@pytest.fixture
def show(visits: Any, tmp_path: Path) -> Any:
    def open_page(trace: Trace, width: int = 390) -> Any:
        path = tmp_path / "run.html"
        path.write_text(render_page([trace], "A run"))
        return visits.open(path, width=width).page

    return open_page


OUTSIDE = """
(all) => all.filter((dot) => {
  const range = document.createRange();
  range.selectNodeContents(dot);
  const [text, ring] = [range, dot].map((one) => one.getBoundingClientRect());
  const off = Math.abs(text.top + text.bottom - ring.top - ring.bottom) / 2;
  return off > 1.5 || text.left < ring.left || text.right > ring.right;
}).map((dot) => dot.textContent)
"""


@pytest.mark.parametrize("nodes", [3, 5, 12])
def test_a_dot_has_its_number_inside(show: Any, nodes: int) -> None:
    maker = Maker(nodes)
    start_all(maker)
    decision(maker, 0, "blue")
    page = show(read_trace(maker.lines()))
    page.keyboard.press("End")
    dots = page.locator("#pv-slots .pv-dot")
    assert dots.count() == nodes
    assert dots.evaluate_all(OUTSIDE) == []


@pytest.mark.parametrize("width", [390, 1200])
def test_the_table_of_nodes_has_all_its_words(show: Any, width: int) -> None:
    page = show(story(), width)
    scroller = page.locator("#pv-nodes .pv-scroll")
    whole = "one => one.scrollWidth <= one.clientWidth"
    for key in ("Home", *["PageDown"] * 6, "End"):
        page.keyboard.press(key)
        assert scroller.evaluate(whole)
        assert all(cell.evaluate(whole) for cell in page.locator("#pv-nodes td").all())
    assert page.locator("#pv-nodes td", has_text="forgotten below 2").count() == 3


def test_a_long_value_leaves_room_for_its_slot_and_ballot(show: Any) -> None:
    maker = Maker(3)
    start_all(maker)
    decision(maker, 0, "a value that is much longer than a cell of the table")
    page = show(read_trace(maker.lines()))
    page.evaluate("location.hash = '#step=4'")
    cell = page.locator("#pv-nodes tr[data-node='1'] td[data-cell=accepted]")
    text = cell.inner_text()
    assert text.startswith("0: a value that is")
    assert text.endswith(" (1.1)")
    assert cell.evaluate("one => one.scrollWidth <= one.clientWidth")
    scroller = page.locator("#pv-nodes .pv-scroll")
    assert scroller.evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("nodes", [3, 5])
def test_an_arrow_says_its_kind_ballot_and_slot(show: Any, nodes: int) -> None:
    maker = Maker(nodes)
    start_all(maker)
    decision(maker, 10, "blue", lost=True)
    page = show(story() if nodes == 3 else read_trace(maker.lines()))
    page.set_viewport_size({"width": 390, "height": 3000})
    labels = page.evaluate(
        """() => {
          const { model } = PaxosViewer.viewer;
          return [...document.querySelectorAll('.pv-label')].map((label) => {
            const { message } = model.life(label.dataset.message);
            const { ballot, slot, first_slot: first } = message.fields;
            const words = [message.kind, ballot, slot ?? first].filter((one) => one !== undefined);
            return [label.textContent, words.map(String)];
          });
        }"""
    )
    assert len(labels) > 6
    for text, words in labels:
        assert all(word in text for word in words), text
