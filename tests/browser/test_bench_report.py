"""The report of a run, as a browser shows it: whole, quiet, alone, on every kind of screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench_kit import everything_else, make_run

from transports.bench.reporting import PLOTS, write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("report")
    return write_report(make_run(base / "run", extra=everything_else()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_renders_without_a_complaint_and_without_a_request(
    visits: Any, report: Path, scheme: str, width: int
) -> None:
    visit = visits.open(report, width=width, scheme=scheme)
    assert visit.console == []
    # The file itself, and the icon, which is data.
    assert [url for url in visit.requests if not url.startswith("data:")] == [report.as_uri()]
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_plot_is_seen_with_its_sentence(visits: Any, report: Path) -> None:
    page = visits.open(report).page
    for name in PLOTS:
        figure = page.locator(f"figure#{name}")
        box = figure.locator("svg").bounding_box()
        assert box["width"] > 600
        assert box["height"] > 100
        assert len(figure.locator("figcaption p").inner_text()) > 40
        assert figure.locator("svg").get_attribute("aria-label")


def lightness(colour: str) -> float:
    red, green, blue = (int(part) for part in colour[4:-1].split(",")[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_text_stands_out_from_its_ground(
    visits: Any, report: Path, scheme: str, *, dark: bool
) -> None:
    page = visits.open(report, scheme=scheme).page
    read = "selector => getComputedStyle(document.querySelector(selector))"
    ground = lightness(page.evaluate(f"({read})('body').backgroundColor"))
    ink = lightness(page.evaluate(f"({read})('body').color"))
    drawn = lightness(page.evaluate(f"({read})('figure svg text').fill"))
    assert (ground < 60) is dark
    assert abs(ink - ground) > 150
    assert abs(drawn - ground) > 150


def test_on_paper_it_is_black_on_white_without_links(visits: Any, report: Path) -> None:
    page = visits.open(report, scheme="dark").page
    page.emulate_media(media="print")
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"{style}.backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(f"{style}.color") == "rgb(0, 0, 0)"
    assert not page.locator("nav").is_visible()


def test_the_keyboard_reaches_links_tables_and_details(visits: Any, report: Path) -> None:
    page = visits.open(report).page
    reached: set[str] = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "DIV", "SUMMARY"} <= reached


def test_headings_and_tables_are_there_for_who_listens(visits: Any, report: Path) -> None:
    page = visits.open(report).page
    assert page.locator("h1").count() == 1
    assert page.evaluate("[...document.querySelectorAll('table')].every(t => t.caption)")
    assert page.evaluate(
        "[...document.querySelectorAll('thead th')].every(th => th.scope === 'col')"
    )
    assert page.evaluate("document.documentElement.lang") == "en"
