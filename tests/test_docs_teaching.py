"""The teaching pages: their scripts say what the core says, their functions and figures exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from tests.test_docs import ROOT, blocks_of, page_id, transcripts

EDITIONS = ROOT / "docs" / "editions"
SCRIPTS = sorted(EDITIONS.glob("*.script"))
PAGES = [EDITIONS / f"{path.stem}.md" for path in SCRIPTS]
KERNEL_PAXOS = ROOT / "docs" / "kernel-paxos.md"

_RULE = re.compile(r"^\|.*\| `(paxos_core\.[\w.]+)` \| `(\w+\.c): (\w+)` \|$", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_IN_KMOD = re.compile(r"`((?:module|core)/\w+\.[ch]): (\w+)`")


def commands(script: str) -> list[str]:
    """What a script tells the cluster, without what it explains and what came of it."""
    return [line for line in script.splitlines() if line.startswith(">")]


def test_there_are_five_editions() -> None:
    assert len(SCRIPTS) == 5


@pytest.mark.parametrize("path", SCRIPTS, ids=page_id)
def test_a_page_follows_the_script_that_its_viewer_shows(path: Path) -> None:
    page = path.with_suffix(".md")
    assert commands(transcripts(page)[0]) == commands(path.read_text())
    (shown,) = blocks_of(page, f"{{viewer}} {path.name}")
    assert shown.text == f"paxos view {path.relative_to(ROOT).as_posix()}\n"


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_the_rules_of_a_page_lead_to_functions_in_both_languages(path: Path) -> None:
    rules = _RULE.findall(path.read_text())
    assert len(rules) == 5
    for name, file, function in rules:
        module, kept = name.split(".")[1:2], name.split(".")[2:]
        assert callable(attrgetter(".".join(kept))(import_module(f"paxos_core.{module[0]}")))
        assert defines((ROOT / "kmod" / "core" / file).read_text(), function), function


def defines(code: str, function: str) -> bool:
    return re.search(rf"^[\w ]+[ *]{function}\(", code, re.MULTILINE) is not None


def test_kernel_paxos_explained_leads_to_functions_that_exist() -> None:
    named = _IN_KMOD.findall(KERNEL_PAXOS.read_text())
    assert len(named) > 12
    for file, function in named:
        assert defines((ROOT / "kmod" / file).read_text(), function), f"{file}: {function}"


def own_columns(page: str) -> list[str]:
    """The cells of all tables below a heading that says they are this project's."""
    cells: list[str] = []
    ours: list[int] = []
    for line in page.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if not row:
            ours = []
        elif not ours:
            ours = [at for at, name in enumerate(row) if name.startswith("here,")] or [-1]
        elif ours != [-1]:
            cells += [row[at] for at in ours]
    return cells


def numbers(text: str) -> list[str]:
    return _NUMBER.findall(text)


def test_every_figure_of_ours_that_kernel_paxos_explained_has_stands_on_a_page_of_figures() -> None:
    pages = [ROOT / "docs" / "kernel-figures.md", ROOT / "docs" / "layers.md"]
    measured = {number for page in pages for number in numbers(page.read_text())}
    quoted = {number for cell in own_columns(KERNEL_PAXOS.read_text()) for number in numbers(cell)}
    assert len(quoted) > 30
    missing = quoted - measured
    assert not missing, (
        f"measured anew? docs/kernel-paxos.md quotes what nothing measures: {missing}"
    )


def test_the_scripts_can_be_run_as_the_page_says() -> None:
    (view, text) = blocks_of(EDITIONS / "index.md", "sh")
    assert view.text.startswith("paxos view ")
    # The page's `python` is that of the environment, whether or not a shell has activated it.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", text.text],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "3 -> 2 Accept 1.3, slot 0: blue" in done.stdout
    assert done.stderr == ""


def test_the_tutorial_for_students_names_examples_that_exist_and_shows_one_script_twice() -> None:
    page = ROOT / "docs" / "tutorials" / "student.md"
    named = re.findall(r"^\| `(\d\d_\w+\.py)` \|", page.read_text(), re.MULTILINE)
    assert len(named) == 7
    assert all((ROOT / "examples" / name).is_file() for name in named)
    (mine,) = [block.text for block in blocks_of(page, "") if block.text.startswith("> cluster")]
    assert commands(mine) == commands(transcripts(page)[0])
