"""Builds the module against a kernel, in a directory of its own, and lets no warning pass."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from .errors import require
from .kernel import Kernel

SOURCES = Path(__file__).parents[2]
_WARNING = re.compile(r"\b(?:warning|error|WARNING|ERROR):")


class BuildFailed(Exception):
    """The module does not build, or not without a warning; the text is the compiler's."""


def build(kernel: Kernel, sources: Path, into: Path) -> Path:
    """Copies the sources and runs their `make module KDIR=...` there; returns the .ko.

    A copy, because objects for two kernels must not meet in one tree, nor two runs in it.
    `W=1` is given, and `C=2` (sparse over every file) where sparse is installed.
    Raises `CannotRun` and `BuildFailed`.
    """
    require({"make": "make", "gcc-12": "gcc-12"})
    made = ("build", "*.o", "*.ko", "*.mod", "*.mod.c", ".*.cmd", "*.so")
    ignore = shutil.ignore_patterns("vm", *made)
    shutil.copytree(sources, into, ignore=ignore)
    checks = ["C=2"] if shutil.which("sparse") else []
    command = ["make", "-C", str(into), "module", f"KDIR={kernel.headers}", "W=1", *checks]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if _WARNING.search(line)]
    if done.returncode != 0 or complaints:
        raise BuildFailed(done.stderr.strip() or done.stdout.strip())
    built = sorted(into.rglob("*.ko"))
    if len(built) != 1:
        raise BuildFailed(f"expected one .ko, got {[path.name for path in built]}")
    return built[0]
