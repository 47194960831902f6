"""Links from pages and docstrings to the project's own files.

On a host of Markdown ``[acceptor](../paxos_core/acceptor.py)`` leads to the file.
In the site it leads to a page that shows the file (`source_pages`): while a page
is read its link becomes ``source:paxos_core/acceptor.py``, and is resolved when the
page is written. Links between pages are Sphinx's business and stay as they are.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from typing import Any

from docutils import nodes
from readme_page import NAME as README_NAME
from readme_page import README
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SCHEME = "source:"
FOLDER = "source"
"""Where the pages of files are in the site."""

written: set[str] = set()
"""The files that pages written so far link to."""

_FENCE = re.compile(r"^\s*```")
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_OF_THE_SITE = frozenset({".md", ".svg", ".png", ".html"})


def page_of(path: str) -> str:
    """The name of the site's page for a file or folder, whose path is from the top of the tree."""
    return f"{FOLDER}/{path}/index" if (ROOT / path).is_dir() else f"{FOLDER}/{path}"


def _rewrite(link: re.Match[str], written_in: Path, shown_in: Path) -> str:
    target = (written_in.parent / link["path"]).resolve()
    anchor = link["anchor"] or ""
    if target == README:
        target = DOCS / f"{README_NAME}.md"
    if target.is_relative_to(DOCS) and target.suffix in _OF_THE_SITE:
        return relpath(target, shown_in.parent) + anchor
    if not target.exists() or not target.is_relative_to(ROOT):
        return link[0]
    return SCHEME + target.relative_to(ROOT).as_posix()


def rewrite(markdown: str, written_in: Path, shown_in: Path) -> str:
    """The page with its links to files resolved; blocks of code stay as they are."""
    lines: list[str] = []
    in_block = False
    for line in markdown.splitlines(keepends=True):
        in_block ^= bool(_FENCE.match(line))
        if not in_block:
            line = _LINK.sub(lambda link: _rewrite(link, written_in, shown_in), line)
        lines.append(line)
    return "".join(lines)


def files_linked() -> Iterator[str]:
    """Every file and folder that some page links to, from the top of the tree."""
    pages = [(README, DOCS / f"{README_NAME}.md"), *((page, page) for page in DOCS.rglob("*.md"))]
    for written_in, shown_in in pages:
        text = rewrite(written_in.read_text(), written_in, shown_in)
        yield from re.findall(rf"\]\({SCHEME}([^)\s]+)\)", text)


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    shown_in = DOCS / f"{docname}.md"
    written_in = README if docname == README_NAME else shown_in
    source[0] = rewrite(source[0], written_in, shown_in)


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where an object of the reference is defined; None for what has no place of its own."""
    if domain != "py" or not info["module"]:
        return None
    found: object = sys.modules.get(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    if isinstance(found, property):
        found = found.fget
    if not inspect.isclass(found) and not inspect.isfunction(found):
        return None
    try:
        path = Path(inspect.getsourcefile(inspect.unwrap(found)) or "").resolve()
        _, line = inspect.getsourcelines(inspect.unwrap(found))
    except (OSError, TypeError):
        return None
    if not path.is_relative_to(ROOT):
        return None
    return f"{SCHEME}{path.relative_to(ROOT).as_posix()}#L-{line}"


def _resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format != "html":
        return
    for node in doctree.findall(nodes.reference):
        target = node.get("refuri", "")
        if not target.startswith(SCHEME):
            continue
        path, hash_sign, anchor = target.removeprefix(SCHEME).partition("#")
        written.add(path)
        node["refuri"] = app.builder.get_relative_uri(docname, page_of(path)) + hash_sign + anchor
        node["internal"] = True
        node["classes"] = [*node["classes"], "internal"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _read, priority=300)
    app.connect("doctree-resolved", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
