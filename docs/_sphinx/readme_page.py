"""The README as a page of the site: docs/readme.md only stands in for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

NAME = "readme"
README = Path(__file__).resolve().parents[2] / "README.md"


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == NAME:
        app.env.note_dependency(str(README), docname=docname)
        source[0] = README.read_text()


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _read, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
