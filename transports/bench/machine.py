"""What a figure was measured on: without it, a figure means nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from transports.bench.saved.schema import Head

PACKAGES = ("pluggable-paxos", "trio", "msgpack", "msgspec", "pyzmq", "pysyncobj")

SAY_SECONDS: Final = 10.0
MATTERS: Final = ("processor", "kernel", "python", "memory", "stores")
"""Of the machine: where these differ, so do figures."""


def describe_machine(directory: Path) -> dict[str, str]:
    """Names to values, for people: cores, kernel, Python, versions, date, load, file system."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{len(os.sched_getaffinity(0))} cores, {_processor()}",
        "memory": f"{_memory_bytes() / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {found}" for name, found in versions().items()),
        "stores": f"on {file_system(directory)}",
        "load": f"{os.getloadavg()[0]:.1f} when it began",
    }


def file_system(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that `path` is on; `mounts` as in ``/proc/self/mounts``."""
    if mounts is None:
        mounts = _read("/proc/self/mounts")
    target = str(path.resolve())
    best, found = "", "an unknown file system"
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, found = point, fields[2]
    return found


def _processor() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def versions() -> dict[str, str]:
    """Package -> version, of those that are installed and make a difference."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {name: said for name, said in (("commit", _commit()), ("etcd", _etcd())) if said}


def _commit() -> str:
    """Of the checkout that this runs from, and whether it was changed since; "" for none."""
    here = Path(__file__).parent
    if not (commit := _say("git", "-C", str(here), "rev-parse", "--short", "HEAD")):
        return ""
    # Over the emulated machine's file system a look at every file takes long.
    changed = _say("git", "-C", str(here), "status", "--porcelain", "--untracked-files=no")
    if changed is None:
        return f"{commit}, perhaps changed"
    return f"{commit}, changed" if changed else commit


def _etcd() -> str:
    return (_say("etcd", "--version") or "").partition("\n")[0].removeprefix("etcd Version: ")


def _say(*command: str) -> str | None:
    """What a program says; "" where it is missing or fails, `None` if that takes too long."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SAY_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else ""


def differences(
    head: Head, machine: Mapping[str, str], packages: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """(name, in `head`, here) of what figures depend on, where the two are not the same."""
    pairs = [(name, head.machine.get(name), machine.get(name)) for name in MATTERS]
    names = sorted({*head.versions, *packages})
    pairs += [(name, head.versions.get(name), packages.get(name)) for name in names]
    return [(name, a or "none", b or "none") for name, a, b in pairs if a != b]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
