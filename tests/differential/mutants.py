"""Copies of the C twin with one rule taken out, from data/mutants.toml."""

from __future__ import annotations

import functools
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .build import CORE, HERE, compile_c, compiler, includes, scratch, sources

_FLAGS = ("-std=gnu11", "-fPIC", "-w")


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands in `file` once, and becomes `new`."""

    name: str
    file: str
    old: str
    new: str


def mutants() -> list[Mutant]:
    """All of them."""
    found = tomllib.loads((HERE / "data" / "mutants.toml").read_text())
    return [Mutant(**entry) for entry in found["mutant"]]


def apply(mutant: Mutant, core: Path) -> None:
    """Change a copy of kmod/core. Raises `ValueError` if the text is not there, or not once."""
    path = core / mutant.file
    text = path.read_text()
    # The newline after the opening quotes belongs to the text: it says "a whole line".
    old = mutant.old if mutant.old in text else mutant.old.removeprefix("\n")
    if text.count(old) != 1:
        raise ValueError(f"{mutant.name}: its old text stands {text.count(old)} times in {path}")
    path.write_text(text.replace(old, mutant.new))


@functools.cache
def _objects() -> dict[str, Path]:
    """The twin's own objects, by the name of their source: what a mutant leaves as it is."""
    directory = scratch() / "objects"
    directory.mkdir()
    found = {}
    for source in sources():
        target = directory / f"{source.stem}.o"
        found[source.name] = compile_c(target, [source], "-c", *_FLAGS, *includes())
    return found


def build(mutant: Mutant, into: Path) -> Path:
    """The mutant as a library."""
    core = Path(shutil.copytree(CORE, into / "core"))
    apply(mutant, core)
    # A header is in every file; else only one file is new.
    changed = sources(core) if mutant.file.endswith(".h") else [core / mutant.file]
    objects = dict(_objects())
    for source in changed:
        target = into / f"{source.stem}.o"
        objects[source.name] = compile_c(target, [source], "-c", *_FLAGS, *includes(core))
    assert compiler()
    return compile_c(into / "mutant.so", list(objects.values()), "-shared")
