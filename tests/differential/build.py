"""Builds the C twin for the tests, once for each set of flags and sources."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "kmod" / "core"
HERE = Path(__file__).resolve().parent
WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror")
SANITIZERS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)


class BuildError(Exception):
    """The compiler said no; its words are in the text."""


@functools.cache
def compiler(*names: str) -> str | None:
    """The first of these compilers that is here; any C compiler without names."""
    wanted = names or tuple(filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")))
    return next((found for name in wanted if (found := shutil.which(name))), None)


def sources(core: Path = CORE) -> list[Path]:
    """The C files of the twin; `core` may be a changed copy of kmod/core."""
    return [
        *sorted(core.glob("*.c")),
        *sorted((ROOT / "kmod" / "compat" / "user").glob("*.c")),
    ]


def includes(core: Path = CORE) -> list[str]:
    """The include path of the twin in user space."""
    kmod = ROOT / "kmod"
    return [f"-I{path}" for path in (core, kmod / "compat" / "user", kmod / "uapi")]


@functools.cache
def scratch() -> Path:
    """A directory for what is built here; gone with the process."""
    path = Path(tempfile.mkdtemp(prefix="px-differential-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def compile_c(output: Path, files: Sequence[Path], *flags: str, cc: str | None = None) -> Path:
    """Compile and link `files`. Raises `BuildError`."""
    cc = cc or compiler()
    if cc is None:
        raise BuildError("no C compiler: apt-get install gcc libc6-dev")
    command = [cc, "-g", "-O2", *flags, "-o", str(output), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")
    return output


@functools.cache
def library(core: Path = CORE, *flags: str) -> Path:
    """The twin as a shared library."""
    output = scratch() / f"px-{len(list(scratch().iterdir()))}.so"
    shared = ("-shared", "-fPIC", "-fvisibility=default", *WARNINGS, *includes(core), *flags)
    return compile_c(output, sources(core), *shared)
