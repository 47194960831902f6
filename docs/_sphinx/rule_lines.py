"""Shows the lines that a page points at, below what points at them.

The pointers are those of `code_places`, as items of a list. A reader of plain
Markdown sees the name of the function and the text; the site adds the line's
number, what stands around it, and a link to the very line. What notices that a
line is gone becomes a link as well.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from code_places import LANGUAGES, Place, extent_of, line_of, noticed_at
from docutils import nodes
from source_links import ROOT, SCHEME
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

PAGES = frozenset({"rules"})
NOTICED = "Noticed by: "
BEFORE = 2
AFTER = 3

_logger = logging.getLogger(__name__)


class ShowLines(SphinxTransform):
    """Adds a block of code to each item that points at code."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page."""
        if self.env.docname not in PAGES:
            return
        for item in list(self.document.findall(nodes.list_item)):
            self._show(item)

    def _show(self, item: nodes.list_item) -> None:
        paragraph = item.next_node(nodes.paragraph)
        if paragraph is None:
            return
        if paragraph.astext().startswith(NOTICED):
            self._link(paragraph)
        if paragraph.astext().split(":")[0] not in LANGUAGES:
            return
        link = paragraph.next_node(nodes.reference)
        literals = list(paragraph.findall(nodes.literal))
        if link is None or not link.get("refuri", "").startswith(SCHEME) or len(literals) < 2:
            return
        path = link["refuri"].removeprefix(SCHEME)
        place = Place(path, literals[0].astext(), literals[1].astext())
        self.env.note_dependency(str(ROOT / path))
        try:
            line = line_of(place, ROOT)
        except LookupError as error:
            self._complain(error, item)
            return
        link["refuri"] = f"{SCHEME}{path}#L-{line}"
        item += _block(place, line, LANGUAGES[paragraph.astext().split(":")[0]])

    def _link(self, paragraph: nodes.paragraph) -> None:
        for literal in list(paragraph.findall(nodes.literal)):
            try:
                found = noticed_at(literal.astext(), ROOT)
            except LookupError as error:
                self._complain(error, paragraph)
                continue
            if found is not None:
                link = nodes.reference("", "", refuri=f"{SCHEME}{found[0]}#L-{found[1]}")
                literal.replace_self(link)
                link += literal

    def _complain(self, error: LookupError, node: nodes.Element) -> None:
        _logger.warning("%s", error, location=node, type="house", subtype="lines")


def _ends_text(line: str) -> bool:
    """Whether a docstring or comment ends here that began on an earlier line."""
    return line.strip() == '"""' or ("*/" in line and "/*" not in line)


def _block(place: Place, line: int, language: str) -> nodes.literal_block:
    """The line and its neighbours, as far as they are of the same function."""
    begin, end = extent_of(place, ROOT)
    first, last = max(line - BEFORE, begin), min(line + AFTER, end)
    lines = (ROOT / place.path).read_text().expandtabs(4).splitlines()
    for number in range(first, line):
        if _ends_text(lines[number - 1]):
            first = number + 1
    shown = dedent("\n".join(lines[first - 1 : last]))
    block = nodes.literal_block(shown, shown, language=language, linenos=True, force=True)
    block["highlight_args"] = {"linenostart": first, "hl_lines": [line - first + 1]}
    return block


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_transform(ShowLines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
