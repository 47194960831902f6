"""A headless Chromium for the pages that this project makes; tests see what it complains of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def cannot(reason: str) -> None:
    """Skips, but where everything must be tested it fails."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        cannot("no browser: on Debian, apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        cannot("no Playwright; in a clone: pip install '.[test]'")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Visit:
    """An open page, and what went on behind it."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@dataclass
class Visits:
    browser: Browser
    pages: list[Any] = field(default_factory=list)

    def open(self, path: Path, *, width: int = 1280, scheme: str = "light") -> Visit:
        """The page in the file, as `scheme` asks for."""
        return self.open_url(path.as_uri(), width=width, scheme=scheme)

    def open_url(self, url: str, *, width: int = 1280, scheme: str = "light") -> Visit:
        """The page at an address."""
        page = self.browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.pages.append(page)
        visit = Visit(page)
        page.on("console", lambda message: visit.console.append(message.text))
        page.on("pageerror", lambda error: visit.console.append(str(error)))
        page.on("request", lambda request: visit.requests.append(request.url))
        page.goto(url)
        return visit


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    yield from _visits(browser)


@pytest.fixture(scope="module")
def module_visits(browser: Browser) -> Iterator[Visits]:
    """The same for pages that a module's tests share."""
    yield from _visits(browser)


def _visits(browser: Browser) -> Iterator[Visits]:
    found = Visits(browser)
    yield found
    for page in found.pages:
        page.close()
