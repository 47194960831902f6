"""Runs the test that has to kill a mutant, on a copy of the tree with the edit made.

The checkout is never touched: a baseline is copied once, and each mutant gets a tree of
links to it in which one file is another. A mutant is dead if its test *failed*; a test that
cannot be collected, or does not end, has noticed nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from . import c_twin
from .catalogue import ROOT, Mutant, apply
from .outcome import NotKilled

JOBS = 2
COPIED = ("paxos_core", "transports", "tests", "kmod/vm", "pyproject.toml")
"""What the killing tests need; `kmod/vm` stands in pytest's path."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "saved", "browser", "guest", "*.xz")
_TIME_LIMIT_SECONDS = 120
_PYTEST = (
    "-m", "pytest", "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider",
    # A test that a clock ends has found nothing.
    "--timeout=0",
)  # fmt: skip
_FAILED = 1
"""pytest's exit status for "tests were run, and some failed"; every other but 0 is a mistake."""


class Runs(AbstractContextManager["Runs"]):
    """Checks `chosen`, `jobs` at a time, in the background; ends what has not begun at its end."""

    def __init__(self, chosen: Sequence[Mutant], jobs: int = JOBS) -> None:
        self._opened = ExitStack()
        directory = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="mutants-"))
        pool = ThreadPoolExecutor(jobs)
        self._opened.callback(pool.shutdown, cancel_futures=True)
        self._baseline = pool.submit(_make_baseline, Path(directory), chosen)
        self._checks = {mutant.id: pool.submit(self._check, mutant) for mutant in chosen}

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def of(self, mutant: Mutant) -> Future[None]:
        """Its check: done when the mutant is dead, else it raises `NotKilled`."""
        return self._checks[mutant.id]

    def _check(self, mutant: Mutant) -> None:
        if mutant.is_c:
            c_twin.check(mutant)
        else:
            check(mutant, self._baseline.result())


def _make_baseline(into: Path, chosen: Sequence[Mutant]) -> Path:
    """A copy in which every killing test passes. Raises `NotKilled` if one does not."""
    tests = sorted({mutant.killed_by for mutant in chosen if not mutant.is_c})
    if tests:
        copy_tree(into)
        done = _pytest(into, tests, limit_seconds=_TIME_LIMIT_SECONDS * len(tests))
        if done.returncode != 0:
            raise NotKilled(f"the tests fail without a mutant:\n{_tail(done)}")
    return into


def copy_tree(into: Path) -> None:
    """Copy what the tests need, compiled, so that no mutant's run has to compile it again."""
    for name in COPIED:
        source, target = ROOT / name, into / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=_LEFT_OUT)
        else:
            shutil.copy2(source, target)
    packages = [into / name for name in ("paxos_core", "transports")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *packages], check=True)


def check(mutant: Mutant, baseline: Path) -> None:
    """Raises `NotKilled` unless `mutant`, made in a copy of `baseline`, fails its test."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        tree = Path(shutil.copytree(baseline, Path(directory) / "tree", copy_function=os.link))
        try:
            apply(mutant, tree)
            done = _pytest(tree, [mutant.killed_by], limit_seconds=_TIME_LIMIT_SECONDS)
        except ValueError as error:
            raise NotKilled(str(error)) from error
        except subprocess.TimeoutExpired:
            raise NotKilled(f"{mutant.id}: {mutant.killed_by} does not end") from None
    if done.returncode == 0:
        raise NotKilled(f"{mutant.id} survives {mutant.killed_by}: {mutant.why}")
    if done.returncode != _FAILED:
        raise NotKilled(f"{mutant.id}: {mutant.killed_by} did not run:\n{_tail(done)}")


def _pytest(
    tree: Path, tests: Sequence[str], *, limit_seconds: float
) -> subprocess.CompletedProcess[str]:
    # Nothing but the copy is imported, and nothing is written into it.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *_PYTEST, *tests],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_seconds,
    )


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr)[-2000:]
