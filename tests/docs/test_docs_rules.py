"""The page of rules: each place is in the code, each test and mutant that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from code_places import Place, line_of, places
from docs_kit import ROOT

from tests.mutants.catalogue import mutants

PAGE = (ROOT / "docs" / "rules.md").read_text()
PLACES = places(PAGE)
_ITEMS = re.compile(r"^(?:- .*\n)+", re.MULTILINE)
_NOTICED = re.compile(r"^- Noticed by: (.*)$", re.MULTILINE)


def groups() -> list[str]:
    """The lists of the page: a place or two, what goes wrong, what notices."""
    return [items for items in _ITEMS.findall(PAGE) if re.match(r"- (Python|C): ", items)]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.name}: {place.text}")
def test_each_place_is_one_line_of_the_code(place: Place) -> None:
    assert line_of(place, ROOT) > 0


def test_the_page_names_every_rule() -> None:
    headings = re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)
    for rule in ("P1", "P1a", "P2, P2a, P2b", "P2c", "Phase 1 (a)", "Phase 2 (a)", "Phase 2 (b)"):
        assert rule in headings
    for topic in ("Learning", "Progress", "Stable storage", "The window", "Kernel Paxos"):
        assert topic in headings


def test_every_item_that_looks_like_a_place_is_one() -> None:
    """Else a slip of the pen would only make it disappear."""
    assert len(re.findall(r"^- (?:Python|C): ", PAGE, re.MULTILINE)) == len(PLACES)
    assert len(PLACES) > 80


@pytest.mark.parametrize("items", groups(), ids=lambda items: items.split("`")[1])
def test_each_rule_has_what_notices(items: str) -> None:
    (noticed,) = _NOTICED.findall(items)
    named = re.findall(r"`([a-z_]+/[^`]+)`", noticed)
    assert named
    known = {mutant.id for mutant in mutants()}
    for name in named:
        if not name.startswith("tests/"):
            assert name in known
            continue
        path, _, test = name.partition("::")
        text = (ROOT / path).read_text()
        assert not test or re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), name


def test_teeth_that_the_page_names_are_there() -> None:
    teeth = (ROOT / "tests" / "simulation" / "teeth.py").read_text()
    named = re.findall(r"the simulator, with `(\w+)`", PAGE)
    assert named
    for name in named:
        assert f"def {name}(" in teeth


PYTHON = """\
X = 1


class A:
    y: int = 2

    def f(self) -> None:
        if self.y:
            pass
        pass


def f() -> None:
    if A:
        return
"""
C = """\
/* f() - not here */
static bool f(struct px *px, u64 one,
\t      u64 two)
{
\tif (one) {
\t\treturn g(two);
\t}
\treturn false;
}

bool h(struct px *px);

bool h(struct px *px)
{
\treturn f(px, 1, 2);
}
"""


@pytest.mark.parametrize(
    ("path", "name", "text", "line"),
    [
        ("a.py", "A.f", "if self.y", 8),
        ("a.py", "f", "if A", 14),
        ("a.py", "X", "1", 1),
        ("a.py", "A.y", "2", 5),
        ("a.c", "f", "return g(two);", 6),
        ("a.c", "h", "return", 15),
        ("a.c", "f", "u64 two)", 3),
    ],
)
def test_a_place_is_found(tmp_path: Path, path: str, name: str, text: str, line: int) -> None:
    (tmp_path / "a.py").write_text(PYTHON)
    (tmp_path / "a.c").write_text(C)
    assert line_of(Place(path, name, text), tmp_path) == line


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("a.py", "A.f", "if A"),  # of the other f
        ("a.py", "A.f", "pass"),  # twice
        ("a.py", "A.g", "pass"),
        ("a.c", "g", "two"),
        ("a.c", "f", "return"),  # twice
        ("a.c", "h", "g(two)"),
    ],
)
def test_a_place_that_is_none_is_an_error(tmp_path: Path, path: str, name: str, text: str) -> None:
    (tmp_path / "a.py").write_text(PYTHON)
    (tmp_path / "a.c").write_text(C)
    with pytest.raises(LookupError, match=name):
        line_of(Place(path, name, text), tmp_path)


def test_the_names_of_traces_are_those_of_the_table() -> None:
    """If they are not: make docs-update."""
    import rule_table

    assert rule_table.HEADING in PAGE
    assert rule_table.table() in PAGE.partition(rule_table.HEADING)[2]
