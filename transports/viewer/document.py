"""One page that holds everything, and lets nothing else in.

Scripts and styles stand in the page itself; the policy names them by their hashes,
so nothing that data could smuggle in would run. Data is JSON in an element that no
browser executes, with every ``<`` escaped.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final

DATA_ID: Final = "pv-data"
SCRIPTS: Final = (
    "base.js", "spans.js", "frames.js", "words.js", "model.js", "layout.js", "marks.js",
    "painter.js", "export.js", "diagram.js", "step_panel.js", "nodes_panel.js", "slots_panel.js",
    "message_panel.js", "table_panel.js", "player.js", "controls.js", "help.js",
)  # fmt: skip
"""In the order in which they are inlined; `MAIN` comes last, on the page of a run alone."""
MAIN: Final = "main.js"
STYLES: Final = (
    ("pv-theme", "theme.css"),
    ("pv-diagram-style", "diagram.css"),
    ("pv-style", "viewer.css"),
)
"""Ids of style elements, which the export looks for, and their files."""


def static_text(name: str) -> str:
    """A file of `static/`. Raises `FileNotFoundError`."""
    return (files("transports.viewer") / "static" / name).read_text(encoding="utf-8")


def viewer_scripts() -> list[str]:
    """The texts of all scripts but `MAIN`: what another page builds on."""
    return [static_text(name) for name in SCRIPTS]


def viewer_styles() -> list[tuple[str, str]]:
    """Ids and texts of the viewer's style elements."""
    return [(identity, static_text(name)) for identity, name in STYLES]


def build_document(
    title: str,
    body: str,
    *,
    scripts: Sequence[str],
    styles: Sequence[tuple[str, str]],
    data: object = None,
    compact: bool = False,
    connects: bool = False,
) -> str:
    """A whole HTML page.

    `title` is text; `body` is HTML that its caller has escaped. `data` is what
    JSON can hold; scripts find it in the element `DATA_ID`. With `connects` they
    may speak to the server that the page came from, and otherwise to nobody.
    Raises `ValueError` for a script or a style that would end its own element.
    """
    script = "\n".join(scripts)
    for text in (script, *(text for _, text in styles)):
        if "</script" in text.lower() or "</style" in text.lower() or "<!--" in text:
            raise ValueError("a script or a style would end its own element")
    style_elements = "".join(f'<style id="{name}">{text}</style>\n' for name, text in styles)
    attribute = ' class="pv-compact"' if compact else ""
    policy = _policy(script, [text for _, text in styles], connects)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n'
        f"{style_elements}</head>\n"
        f"<body{attribute}>\n{body}\n"
        f'<script type="application/json" id="{DATA_ID}">{embed(data)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def embed(data: object) -> str:
    """JSON in ASCII without a character that HTML knows."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(script: str, styles: Sequence[str], connects: bool) -> str:
    style_hashes = " ".join(map(_hash, styles))
    parts = [
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {style_hashes}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if connects:
        parts.append("connect-src 'self'")
    return "; ".join(parts)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
