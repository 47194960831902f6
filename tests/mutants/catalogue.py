"""The mutants of data/*.toml: which wrong edits there are, and how one is made in a copy."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path(__file__).resolve().parent / "data"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong edit: `old` stands in `file` exactly once, and becomes `new`."""

    part: str
    """Which file of data/ it is from: core, gate, store, node, trace or c_core."""
    name: str
    """Unlike all others of its part."""
    file: str
    """From the top of the tree."""
    why: str
    """What is wrong with it."""
    old: str
    new: str
    killed_by: str
    """The one test that has to fail: pytest's id of it, without parameters. For C code
    the campaign of tests/differential: a module and its arguments."""

    @property
    def id(self) -> str:
        """What it is called on the command line and in pytest."""
        return f"{self.part}/{self.name}"

    @property
    def is_c(self) -> bool:
        """Whether the edit is to the C twin."""
        return self.file.startswith("kmod/")


def mutants() -> list[Mutant]:
    """All of them. Raises `TypeError` for an entry that lacks a field or has another."""
    found: list[Mutant] = []
    for path in sorted(DATA.glob("*.toml")):
        content = tomllib.loads(path.read_text())
        entries = content.pop("mutant")
        # What stands above the first entry goes for all of them.
        found += [Mutant(**{"part": path.stem, **content, **entry}) for entry in entries]
    return found


def apply(mutant: Mutant, tree: Path) -> None:
    """Make the edit in `tree`, a copy. Raises `ValueError` if the text is not there, or not once.

    The file is replaced, not written into: a copy may share files with others.
    """
    path = tree / mutant.file
    text = path.read_text()
    times = text.count(mutant.old)
    if times != 1:
        raise ValueError(f"{mutant.id}: its old text stands {times} times in {mutant.file}")
    path.unlink()
    path.write_text(text.replace(mutant.old, mutant.new))
