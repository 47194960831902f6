"""The pictures of the wire format are what the codec says, and can be read by anybody."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import wire_pictures
from docs_kit import ROOT
from wire_tables import example_frame, message_layouts, record_layouts, vote_layout

from paxos_core.codec import KINDS

SVG = "{http://www.w3.org/2000/svg}"
NAMES = sorted(wire_pictures.PICTURES)
CHARACTER = 6.35
"""The width of one character of a field's name."""


def texts(name: str) -> list[str]:
    root = ElementTree.fromstring(str(wire_pictures.PICTURES[name]()))
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_what_is_drawn(name: str) -> None:
    """If it is not: make docs-update."""
    assert (ROOT / "docs" / "pictures" / name).read_text() == str(wire_pictures.PICTURES[name]())


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_words_for_who_does_not_see_it(name: str) -> None:
    root = ElementTree.fromstring(str(wire_pictures.PICTURES[name]()))
    assert root.get("role") == "img"
    title, described = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert described is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
    assert len(described.text or "") > 200


@pytest.mark.parametrize("name", NAMES)
def test_shades_are_patterns_and_not_colours_alone(name: str) -> None:
    root = ElementTree.fromstring(str(wire_pictures.PICTURES[name]()))
    kinds = {box.get("class") for box in root.iter(f"{SVG}rect")}
    assert kinds <= {None, "ground", "marker", "body"}
    style = root.find(f"{SVG}style")
    assert style is not None
    for kind in ("marker", "body"):
        (fill,) = re.findall(rf"\.{kind} \{{ fill: (.*); \}}", style.text or "")
        assert fill.startswith("url(#")


def test_every_message_is_drawn_with_every_field() -> None:
    drawn = texts("wire-messages.svg")
    assert [layout.name for layout in message_layouts()] == [kind.__name__ for kind in KINDS]
    for layout in message_layouts():
        assert layout.name in drawn
        for _, name in layout.fields:
            assert name in drawn
    wanted = sum(len(layout.fields) + bool(layout.body) for layout in message_layouts())
    fields = [text for text in drawn if re.fullmatch(r"[a-z_]+[0-9]?", text)]
    assert len(fields) >= wanted


def test_every_record_is_drawn_with_every_field() -> None:
    drawn = texts("wire-records.svg")
    for layout in [*record_layouts(), vote_layout()]:
        assert layout.name in drawn
        for _, name in layout.fields:
            assert name in drawn


def test_names_fit_their_fields() -> None:
    room = wire_pictures.FIELD_WIDTH - wire_pictures.MARKER_WIDTH
    for layout in [*message_layouts(), *record_layouts(), vote_layout()]:
        for _, name in [*layout.fields, *([layout.body] if layout.body else [])]:
            assert len(name) * CHARACTER <= room, name


def test_the_frame_that_is_drawn_is_the_one_that_the_page_has_as_text() -> None:
    page = (ROOT / "docs" / "wire-format.md").read_text()
    (text,) = re.findall(r'fromhex\("""(.*?)"""\)', page, re.DOTALL)
    assert bytes.fromhex(text) == example_frame()
    drawn = [text for text in texts("wire-frame.svg") if re.fullmatch("[0-9a-f]{2}", text)]
    offsets = [text for text in texts("wire-frame.svg") if text.isdecimal()]
    assert "64" in offsets
    # Offsets of two digits look like bytes.
    assert len(drawn) - sum(len(offset) == 2 for offset in offsets) <= len(example_frame())
    assert len(drawn) >= len(example_frame())
