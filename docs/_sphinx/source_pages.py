"""Pages that show the project's own files, with an anchor on every line.

There is one for each file that some page links to, those of the reference included,
and for each file of a linked folder. Anchors are ``L-12``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from source_links import FOLDER, ROOT, files_linked, page_of, written
from sphinx.application import Sphinx

BYTES_MAX = 400_000
_LANGUAGES = {
    ".py": "python",
    ".c": "c",
    ".h": "c",
    ".toml": "toml",
    ".sh": "sh",
    ".json": "json",
    ".yml": "yaml",
    ".js": "js",
    ".css": "css",
}
_TEXT = frozenset({*_LANGUAGES, ".md", ".txt", ".tla", ".cfg", ".script", ".service", ""})


def _is_shown(path: Path) -> bool:
    return (
        path.is_file()
        and not path.name.startswith(".")
        and path.suffix in _TEXT
        and path.stat().st_size <= BYTES_MAX
    )


@cache
def shown() -> frozenset[str]:
    """The files and folders that have a page, from the top of the tree.

    To be asked once all pages are written.
    """
    paths = {ROOT / path for path in {*files_linked(), *written}}
    for folder in [path for path in paths if path.is_dir()]:
        paths |= {path for path in folder.iterdir() if _is_shown(path)}
    return frozenset(path.relative_to(ROOT).as_posix() for path in paths)


def _way_to(app: Sphinx, name: str, path: Path) -> str:
    """The path, each folder that has a page a link to it."""
    parts = path.parts
    links: list[str] = []
    for depth, part in enumerate(parts, 1):
        above = "/".join(parts[:depth])
        if depth < len(parts) and above in shown():
            uri = app.builder.get_relative_uri(name, page_of(above))
            links.append(f'<a href="{uri}">{escape(part)}</a>')
        else:
            links.append(escape(part))
    return "/".join(links)


def _file(app: Sphinx, name: str, path: Path) -> str:
    # Line numbers stand before the text, and would move its tabs.
    text = (ROOT / path).read_text(errors="replace").expandtabs(8)
    code = app.builder.highlighter.highlight_block(  # type: ignore[attr-defined]
        text,
        _LANGUAGES.get(path.suffix, "none"),
        force=True,
        linenos="inline",
        lineanchors="L",
        anchorlinenos=True,
    )
    return f"<h1>{_way_to(app, name, path)}</h1>\n<div class='house-source'>{code}</div>"


def _folder(app: Sphinx, name: str, path: Path) -> str:
    rows: list[str] = []
    for entry in sorted((ROOT / path).iterdir(), key=lambda entry: (entry.is_file(), entry.name)):
        if entry.name.startswith((".", "__pycache__")):
            continue
        inside = entry.relative_to(ROOT).as_posix()
        label = escape(entry.name + ("/" if entry.is_dir() else ""))
        if inside in shown():
            uri = app.builder.get_relative_uri(name, page_of(inside))
            label = f'<a href="{uri}">{label}</a>'
        rows.append(f"<li><code>{label}</code></li>")
    return f"<h1>{_way_to(app, name, path)}/</h1>\n<ul>{''.join(rows)}</ul>"


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path_text in sorted(shown()):
        path = Path(path_text)
        name = page_of(path_text)
        make = _folder if (ROOT / path).is_dir() else _file
        yield name, {"parents": [], "title": path_text, "body": make(app, name, path)}, "page.html"


_navigation: dict[tuple[int, str], str] = {}


def _share_navigation(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """To make the navigation takes half of the time of a build, and no page of a file is in it:
    so it is the same for all of those that lie equally deep.
    """
    if not name.startswith(f"{FOLDER}/"):
        return
    make: Callable[..., str] = context["toctree"]

    def made(**options: Any) -> str:
        key = (name.count("/"), repr(sorted(options.items())))
        if key not in _navigation:
            _navigation[key] = make(**options)
        return _navigation[key]

    context["toctree"] = made


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-collect-pages", _pages)
    # Before the theme looks at it.
    app.connect("html-page-context", _share_navigation, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
