"""The page as a file: whole, closed to the outside, and safe whatever its data holds."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from transports.viewer.document import (
    DATA_ID,
    MAIN,
    SCRIPTS,
    STYLES,
    build_document,
    embed,
    static_text,
    viewer_scripts,
    viewer_styles,
)

LINES_MAX = 500
FORBIDDEN = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
    "setAttribute('style'", "createContextualFragment", "DOMParser", "fetch(", "XMLHttpRequest",
    "import(", "WebSocket", "localStorage", "javascript:",
)  # fmt: skip


class Elements(HTMLParser):
    """Every element with its attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1][2].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.found if name == tag]


def document(data: object = None, title: str = "A run", **options: bool) -> str:
    return build_document(
        title,
        "<main></main>",
        scripts=[*viewer_scripts(), static_text(MAIN)],
        styles=viewer_styles(),
        data=data,
        **options,
    )


@pytest.mark.parametrize("name", [*SCRIPTS, MAIN])
def test_scripts_are_small_strict_and_touch_nothing_that_executes(name: str) -> None:
    text = static_text(name)
    assert len(text.splitlines()) <= LINES_MAX
    assert "'use strict';" in text
    assert text.startswith("/**\n")
    for word in FORBIDDEN:
        assert word not in text, word


def test_every_static_file_is_on_the_page() -> None:
    from importlib.resources import files

    folder = files("transports.viewer") / "static"
    names = {entry.name for entry in folder.iterdir() if entry.name.endswith((".js", ".css"))}
    assert names == {*SCRIPTS, MAIN, *(name for _, name in STYLES)}


def test_the_policy_names_what_is_there_and_nothing_else() -> None:
    found = Elements(document())
    policy = dict(
        part.split(" ", 1)
        for meta, _ in found.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
        for part in str(meta["content"]).split("; ")
    )
    assert policy.pop("default-src") == "'none'"
    scripts = [text for attributes, text in found.all("script") if "type" not in attributes]
    assert policy.pop("script-src") == " ".join(map(hash_of, scripts))
    styles = [text for _, text in found.all("style")]
    assert policy.pop("style-src") == " ".join(map(hash_of, styles))
    assert policy == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def hash_of(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_only_a_page_with_a_server_may_speak_to_it() -> None:
    assert "connect-src 'self'" in document(connects=True)
    assert "connect-src" not in document()


def test_nothing_is_fetched_and_nothing_stands_in_attributes_that_execute() -> None:
    found = Elements(document())
    for _, attributes, _ in found.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert "src" not in attributes
        assert str(attributes.get("href", "data:,")) in ("data:,",)


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "]]> & < > \" '",
    "\u2028\u2029\u202e\x00\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_data(text: str) -> None:
    page = document({"text": text, text: [text]}, title=text)
    found = Elements(page)
    assert len(found.all("script")) == 2
    data = [text for attributes, text in found.all("script") if attributes.get("id") == DATA_ID]
    assert json.loads(data[0]) == {"text": text, text: [text]}
    assert not re.search(r"[<>&]", embed(text))
    assert embed(text).isascii()


def test_a_style_that_would_end_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="end its own element"):
        build_document("x", "", scripts=[], styles=[("a", "b{}</STYLE>")])
    with pytest.raises(ValueError, match="end its own element"):
        build_document("x", "", scripts=["'</script>'"], styles=[])


def test_a_compact_page_says_so() -> None:
    assert '<body class="pv-compact">' in document(compact=True)
    assert "<body>" in document()
