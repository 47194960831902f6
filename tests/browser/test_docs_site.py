"""The documentation as a browser shows it: quiet, alone, readable in both colour schemes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PAGES = ["index", "protocol", "rules", "wire-format", "glossary", "reference/core"]
SOURCE = "source/paxos_core/acceptor.py"


def lightness(colour: str) -> float:
    red, green, blue = (float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", [*PAGES, SOURCE])
def test_it_is_quiet_and_alone(visits: Any, docs_site: Path, page: str, scheme: str) -> None:
    visit = visits.open(docs_site / f"{page}.html", scheme=scheme)
    assert visit.console == []
    elsewhere = [url for url in visit.requests if not url.startswith(("file:", "data:"))]
    assert elsewhere == []
    ground = lightness(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    ink = lightness(visit.page.evaluate("getComputedStyle(document.querySelector('h1')).color"))
    assert (ground < 60) is (scheme == "dark")
    assert abs(ink - ground) > 150


@pytest.mark.parametrize("page", [*PAGES, SOURCE])
def test_a_narrow_screen_scrolls_in_one_direction(visits: Any, docs_site: Path, page: str) -> None:
    shown = visits.open(docs_site / f"{page}.html", width=400).page
    assert shown.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pictures_stand_in_the_page_and_take_its_colours(
    visits: Any, docs_site: Path, scheme: str
) -> None:
    page = visits.open(docs_site / "wire-format.html", scheme=scheme).page
    ground = lightness(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    for name in ("wire-messages", "wire-frame", "wire-records"):
        picture = page.locator(f"figure svg#{name}")
        assert picture.bounding_box()["width"] > 500
        ink = page.evaluate(
            f"getComputedStyle(document.querySelector('#{name} text:not(.quiet)')).fill"
        )
        assert abs(lightness(ink) - ground) > 150


def test_the_reader_may_choose_against_the_system(visits: Any, docs_site: Path) -> None:
    page = visits.open(docs_site / "wire-format.html", scheme="dark").page
    page.evaluate("document.body.dataset.theme = 'light'")
    ink = page.evaluate("getComputedStyle(document.querySelector('#wire-frame text.bold')).fill")
    assert lightness(ink) < 60


def test_the_frames_take_the_colours_that_the_reader_chose(visits: Any, docs_site: Path) -> None:
    visit = visits.open(docs_site / "editions" / "a-leader.html", scheme="dark")
    page = visit.page
    page.locator("iframe.run").scroll_into_view_if_needed()
    frame = page.frame_locator("iframe.run").locator("body")
    frame.wait_for()
    ground = "(body) => getComputedStyle(body).backgroundColor"
    assert lightness(frame.evaluate(ground)) < 60
    for theme, bright in (("light", True), ("dark", False), ("light", True), ("auto", False)):
        page.evaluate("theme => { document.body.dataset.theme = theme }", theme)
        told = ":root:not([data-theme])" if theme == "auto" else f":root[data-theme={theme}]"
        page.frame_locator("iframe.run").locator(told).wait_for(state="attached")
        assert (lightness(frame.evaluate(ground)) > 200) is bright
    assert visit.console == []


def test_a_rule_shows_its_line_and_leads_to_it(visits: Any, docs_site: Path) -> None:
    page = visits.open(docs_site / "rules.html").page
    section = page.locator("section#p1a")
    lines = section.locator(".hll").all_inner_texts()
    assert any("if accept.ballot < self.promised:" in line for line in lines)
    section.get_by_role("link", name="Acceptor.receive_accept").first.click()
    page.wait_for_url("**/source/paxos_core/acceptor.py.html#L-*")
    number = page.url.rpartition("#")[2]
    assert page.evaluate(f"document.getElementById('{number}') !== null")


def test_the_search_finds_without_a_server(visits: Any, docs_site: Path) -> None:
    visit = visits.open(docs_site / "index.html")
    page = visit.page
    page.goto((docs_site / "search.html").as_uri() + "?q=watermark")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    assert page.locator("#search-results li a").count() > 3
    assert visit.console == []


def test_a_name_in_a_docstring_is_a_link(visits: Any, docs_site: Path) -> None:
    page = visits.open(docs_site / "reference/core.html").page
    links = page.locator("article a.reference.internal", has_text="Overloaded")
    assert links.count() >= 1
