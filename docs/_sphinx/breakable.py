"""Long names in tables may break behind a dot or an underscore, so that columns stay balanced."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

CHARACTERS_MAX = 16
"""A shorter name stays in one piece."""

_PIECE = re.compile(r".+?(?:[._:/]+(?=\w)|$)", re.DOTALL)


def _let_break(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format != "html":
        return
    for entry in doctree.findall(nodes.entry):
        for literal in entry.findall(nodes.literal):
            text = literal.astext()
            if len(text) <= CHARACTERS_MAX or len(literal) != 1:
                continue
            pieces: list[nodes.Node] = []
            for piece in _PIECE.findall(text):
                pieces += [nodes.Text(piece), nodes.raw("", "<wbr>", format="html")]
            literal.children = []
            literal += pieces[:-1]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", _let_break)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
