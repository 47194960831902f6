"""Mutants of the C twin: built as a library, and compared with the Python core."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.differential.build import CORE, compile_c, includes, scratch, sources

from .catalogue import ROOT, Mutant, apply
from .outcome import NotKilled

_FLAGS = ("-std=gnu11", "-fPIC", "-w")
_TIME_LIMIT_SECONDS = 280
_building = threading.Lock()


def check(mutant: Mutant) -> None:
    """Raises `NotKilled` unless the comparison with the Python core notices `mutant`."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        library = build(mutant, Path(directory))
        try:
            done = compare(library, *mutant.killed_by.split())
        except subprocess.TimeoutExpired:
            raise NotKilled(f"{mutant.id}: {mutant.killed_by} does not end") from None
    if done.returncode == 0:
        raise NotKilled(f"{mutant.id} survives {mutant.killed_by}: {mutant.why}")
    if done.returncode != 1 or not done.stdout.startswith("FAIL "):
        tail = (done.stdout + done.stderr)[-2000:]
        raise NotKilled(f"{mutant.id}: {mutant.killed_by} shows nothing:\n{tail}")


def compare(library: Path, *campaign: str) -> subprocess.CompletedProcess[str]:
    """Run a campaign over `library`, apart from this process: a broken twin may do anything."""
    return subprocess.run(
        [sys.executable, "-m", *campaign, "--library", str(library)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIME_LIMIT_SECONDS,
    )


@functools.cache
def _objects() -> dict[str, Path]:
    """The twin's own objects, by the name of their source: what a mutant leaves as it is."""
    # Tests import this module by either of two names: a directory for each.
    directory = Path(tempfile.mkdtemp(prefix="objects-", dir=scratch()))
    found = {}
    for source in sources():
        target = directory / f"{source.stem}.o"
        found[source.name] = compile_c(target, [source], "-c", *_FLAGS, *includes())
    return found


def edit(file: str, old: str, new: str) -> Mutant:
    """One that is not in the catalogue, to `file` of kmod/core."""
    return Mutant("c_core", "edit", f"kmod/core/{file}", "", old, new, "")


def unbroken() -> Mutant:
    """An edit that changes nothing: what is built of it must not be noticed."""
    return edit("acceptor.c", "PX_PROMISE)", "PX_PROMISE)")


def build(mutant: Mutant, into: Path) -> Path:
    """The mutant as a library. Raises `ValueError` as `apply`, and `BuildError`."""
    tree = into / "tree"
    core = Path(shutil.copytree(CORE, tree / "kmod" / "core"))
    apply(mutant, tree)
    name = Path(mutant.file).name
    # A header is in every file; else only one file is new.
    changed = sources(core) if name.endswith(".h") else [core / name]
    with _building:
        objects = dict(_objects())
    for source in changed:
        target = into / f"{source.stem}.o"
        objects[source.name] = compile_c(target, [source], "-c", *_FLAGS, *includes(core))
    return compile_c(into / "mutant.so", list(objects.values()), "-shared")
