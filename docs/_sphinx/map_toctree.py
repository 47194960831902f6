"""The site's navigation, made of the map of the pages: index.md, section by section.

Every link of the map to a page puts this page into the sidebar, under the heading
of its section. So the map is written once, for every reader of Markdown, and a
page that it leaves out is in no navigation: Sphinx warns, and the build fails.
A folder may have a map of its own, an index.md that links to what is in it; then
its pages stand below that one.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from readme_page import NAME as README_NAME
from sphinx.application import Sphinx

_SECTION = re.compile(r"^## +(.+)$", re.MULTILINE)
_PAGE = re.compile(r"\]\(([^)\s:#]+)\.md(?:#[^)\s]*)?\)")


def parts_of(markdown: str) -> list[tuple[str, list[str]]]:
    """(heading, the pages that its section is the first to link to), as names without suffix."""
    _, *pieces = _SECTION.split(markdown)
    maps = {name for name in _PAGE.findall(markdown) if name.endswith("/index")}
    seen = {"index"}
    parts: list[tuple[str, list[str]]] = []
    for heading, text in zip(pieces[::2], pieces[1::2], strict=True):
        names = ["readme" if name == "../README" else name for name in _PAGE.findall(text)]
        fresh = [name for name in dict.fromkeys(names) if name not in seen and ".." not in name]
        fresh = [name for name in fresh if name in maps or f"{_folder(name)}/index" not in maps]
        seen.update(fresh)
        if fresh:
            parts.append((heading, fresh))
    return parts


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _toctree(names: list[str], caption: str | None) -> str:
    entries = [f"README <{name}>" if name == README_NAME else name for name in names]
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return "\n```{toctree}\n" + options + "\n" + "\n".join(entries) + "\n```\n"


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == "index":
        trees = [_toctree(names, heading) for heading, names in parts_of(source[0])]
    elif PurePosixPath(docname).name == "index":
        names = [name for name in _PAGE.findall(source[0]) if ".." not in name]
        trees = [_toctree(list(dict.fromkeys(names)), None)] if names else []
    else:
        return
    source[0] += "".join(trees)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _read, priority=200)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
