"""Where the cells of a table may break, so that columns stay balanced.

Long names may behind a dot or an underscore; a figure with its interval only before the
interval, and a figure not before its unit.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

CHARACTERS_MAX = 16
"""A shorter name stays in one piece."""

_PIECE = re.compile(r".+?(?:[._:/]+(?=\w)|$)", re.DOTALL)
_FIGURE = re.compile(r"([\d.,]+(?: \S+)?)( \([\d.,]+(?: \S+)? to [\d.,]+(?: \S+)?\))?")


def _let_break(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format != "html":
        return
    for entry in doctree.findall(nodes.entry):
        _keep_figure(entry)
        for literal in entry.findall(nodes.literal):
            text = literal.astext()
            if len(text) <= CHARACTERS_MAX or len(literal) != 1:
                continue
            pieces: list[nodes.Node] = []
            for piece in _PIECE.findall(text):
                pieces += [nodes.Text(piece), nodes.raw("", "<wbr>", format="html")]
            literal.children = []
            literal += pieces[:-1]


def _keep_figure(entry: nodes.entry) -> None:
    """Leave no place to break in a cell that is a figure, but the one before its interval."""
    for text in list(entry.findall(nodes.Text)):
        found = _FIGURE.fullmatch(text.astext())
        if found is None or " " not in found[0]:
            continue
        figure, interval = found.groups(default="")
        kept = figure.replace(" ", "\u00a0")
        if interval:
            kept += " " + interval[1:].replace(" ", "\u00a0")
        text.parent.replace(text, nodes.Text(kept))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", _let_break)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
