"""Finds lines of code by what stands in them, for pages that point at code.

A page names a function and a text in it, since lines move::

    - Python: [`Learner.learn`](../paxos_core/learner.py), `assert known[0] == crc`

The text has to stand on exactly one line of that function.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = {"Python": "python", "C": "c"}

_PLACE = re.compile(
    r"^- (?P<language>Python|C): "
    r"\[`(?P<name>[^`]+)`\]\((?:\.\./)*(?P<path>[^)]+)\), "
    r"`(?P<text>[^`]+)`",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A text in a function (or class, or assignment) of a file, from the top of the tree."""

    path: str
    name: str
    text: str


def places(markdown: str) -> list[Place]:
    """Those that a page names."""
    return [Place(one["path"], one["name"], one["text"]) for one in _PLACE.finditer(markdown)]


def extent_of(place: Place, root: Path) -> tuple[int, int]:
    """The first and the last line of its function. Raises `LookupError` if there is none."""
    source = (root / place.path).read_text()
    extent = _python_extent if place.path.endswith(".py") else _c_extent
    return extent(source, place)


def line_of(place: Place, root: Path) -> int:
    """Which line it is, from 1. Raises `LookupError` if it is on none, or on several."""
    source = (root / place.path).read_text()
    first, last = extent_of(place, root)
    lines = source.splitlines()
    found = [number for number in range(first, last + 1) if place.text in lines[number - 1]]
    if len(found) != 1:
        raise LookupError(
            f"{place.path}: {place.name} has {place.text!r} on {len(found)} lines, not on one"
        )
    return found[0]


def noticed_at(name: str, root: Path) -> tuple[str, int] | None:
    """File and line of a wrong edit (``core/a_name``) or a test (``tests/a.py::name``) that a page
    names; `None` if it is neither. Raises `LookupError` if there is no such.
    """
    part, _, test = name.partition("::")
    if name.startswith("tests/"):
        path, text = part, f"def {test}(" if test else ""
    elif re.fullmatch(r"[a-z_]+/\w+", name):
        part, _, edit = name.partition("/")
        path, text = f"tests/mutants/data/{part}.toml", f'name = "{edit}"'
    else:
        return None
    lines = (root / path).read_text().splitlines() if (root / path).is_file() else []
    for number, line in enumerate(lines, 1):
        if text in line:
            return path, number
    raise LookupError(f"{name} is not in {path}")


def _python_extent(source: str, place: Place) -> tuple[int, int]:
    scope: ast.AST = ast.parse(source)
    for part in place.name.split("."):
        inside = [node for node in getattr(scope, "body", []) if part in _names_of(node)]
        if len(inside) != 1:
            raise LookupError(f"{place.path}: no {place.name}")
        (scope,) = inside
    assert isinstance(scope, ast.stmt)
    assert scope.end_lineno is not None
    return scope.lineno, scope.end_lineno


def _names_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {ast.unparse(node.target)}
    if isinstance(node, ast.Assign):
        return {ast.unparse(target) for target in node.targets}
    return set()


def _c_extent(source: str, place: Place) -> tuple[int, int]:
    """A function's: its head begins a line, and so do its braces."""
    head = rf"^(?=[a-z])[\w *]*\b{re.escape(place.name)}\([^;{{]*\)\n\{{\n.*?^\}}"
    found = re.search(head, source, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"{place.path}: no function {place.name}")
    first = source.count("\n", 0, found.start()) + 1
    return first, first + found[0].count("\n")
