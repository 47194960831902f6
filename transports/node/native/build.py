"""Builds the C twin when it is first asked for, and keeps the library.

The sources are part of the installation. Nothing else needs a C compiler.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NAME: Final = "pluggable-paxos"
FLAGS: Final = (
    "-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-fPIC", "-shared", "-fvisibility=hidden",
)  # fmt: skip
COMPILE_SECONDS: Final = 300
_PARTS: Final = ("core", "compat/user", "uapi")
_PRIVATE: Final = 0o700


class BuildFailed(Exception):
    """The C core cannot be had. The message is one line with cause and cure."""


def sources() -> Path:
    """The directory that has `core`, `compat/user` and `uapi`. Raises `BuildFailed`."""
    here = Path(__file__).resolve()
    for root in (here.parent / "c", here.parents[3] / "kmod"):
        if all((root / part).is_dir() for part in _PARTS):
            return root
    raise BuildFailed(
        'core = "c" needs the sources of kmod/core, which this installation lacks; '
        'install it again, or take core = "python"'
    )


def cache_directory() -> Path:
    """Where libraries are kept: private, and ours. Raises `BuildFailed`.

    What lies there is loaded as code, so nobody else may write there.
    """
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    path = base / NAME / "c-core"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=_PRIVATE, exist_ok=True)
        found = path.stat()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BuildFailed(
            f"{path}: the C core cannot be kept there ({reason}); "
            "set XDG_CACHE_HOME to a directory of yours"
        ) from error
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise BuildFailed(
            f"{path}: others may write or read there, and code is loaded from it; "
            f"chmod 700 it, or set XDG_CACHE_HOME to a directory of yours"
        )
    return path


def library_path() -> Path:
    """The library, built if it is not there yet. Raises `BuildFailed`."""
    root = sources()
    target = cache_directory() / f"libpaxos-{_digest(root)}.so"
    if not target.exists():
        _compile(root, target)
    return target


def sources_digest() -> str:
    """Names the library that the sources give on this machine. Raises `BuildFailed`."""
    return _digest(sources())


def _digest(root: Path) -> str:
    """Of all that the library is made from, the machine's kind included."""
    machine = os.uname()
    state = hashlib.blake2b(digest_size=16)
    state.update(repr((FLAGS, machine.sysname, machine.machine)).encode())
    for path in _files(root):
        content = path.read_bytes()
        state.update(f"{path.relative_to(root)} {len(content)}\n".encode())
        state.update(content)
    return state.hexdigest()


def _files(root: Path) -> list[Path]:
    """All that the library is made from."""
    return [path for part in _PARTS for path in sorted((root / part).glob("*.[ch]"))]


def _compile(root: Path, target: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        raise BuildFailed(
            'core = "c" needs a C compiler, cc, to build itself once; on Debian: '
            'apt-get install gcc libc6-dev; or take core = "python"'
        )
    files = [path for path in _files(root) if path.suffix == ".c"]
    includes = [word for part in _PARTS for word in ("-I", str(root / part))]
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as work:
        made = Path(work) / target.name
        command = [compiler, *FLAGS, *includes, "-o", str(made), *map(str, files)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=COMPILE_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildFailed(f"the C core cannot be built: {error}") from error
        if done.returncode != 0:
            raise BuildFailed(f"the C core cannot be built: {_first_error(done.stderr)}")
        # Whole under its name or not there: several nodes may build at a time.
        os.replace(made, target)


def _first_error(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line] or lines
    return errors[0][:300] if errors else "cc says nothing"
