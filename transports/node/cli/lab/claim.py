"""Which laboratories there are, and which of them still have the process that made them.

Each has a file under `STATE`, made before its first namespace and removed after its
last. The process that made it holds a lock on that file, which ends with the process
however it ends: an id that is used again cannot be mistaken for it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from transports.node.cli.failures import Failure
from transports.node.cli.lab.plan import Plan, read_namespace

STATE: Final = Path("/run/paxos-lab")
NAMESPACES: Final = Path("/run/netns")
LOCK_SECONDS: Final = 2.0
DESCRIPTION_BYTES_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Description:
    """What others have to know of a laboratory."""

    nodes: tuple[int, ...] = ()
    mtu_bytes: int = 0
    transport: str = ""
    store: str = ""
    config: str = ""
    """The path of the configuration, or nothing if there is none."""
    directory: str = ""
    """A directory that goes with the laboratory, or nothing."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """One that is there, at least in part."""

    number: int
    held: bool
    """Whether the process that made it is there."""
    namespaces: tuple[str, ...]
    description: Description

    @property
    def plan(self) -> Plan:
        """What was to be made."""
        return Plan(self.number, self.description.nodes, self.description.mtu_bytes)


class Claim:
    """A laboratory's number, held by this process until `forget` or its end."""

    def __init__(self, number: int, fd: int) -> None:
        self.number = number
        self._fd = fd
        self._description = Description()

    def describe(self, **fields: object) -> None:
        """Add to what others can read."""
        self._description = replace(self._description, **fields)  # type: ignore[arg-type]
        data = msgspec.json.encode(self._description)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)

    def forget(self) -> None:
        """Say that nothing is left of it."""
        _path(self.number).unlink(missing_ok=True)


@contextmanager
def claimed(number: int) -> Iterator[Claim]:
    """Hold the number while the context lasts. Raises `Failure` if another process does."""
    try:
        STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = _lock(number, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise Failure(f"{_path(number)}: cannot be written ({error.strerror})") from error
    if fd is None:
        raise Failure(f"laboratory {number} is in use; end the process that made it")
    try:
        claim = Claim(number, fd)
        claim.describe()
        yield claim
    finally:
        os.close(fd)


def _lock(number: int, flags: int) -> int | None:
    """A locked descriptor of the file that is there now; None if it is another's."""
    until = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < until:
        fd = os.open(_path(number), flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it before may have removed the file, and we hold what has no name.
            if _is_at(fd, _path(number)):
                return fd
        except BlockingIOError:
            # Somebody who only looks lets go of it at once.
            time.sleep(0.01)
        os.close(fd)
    return None


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def laboratories() -> list[Laboratory]:
    """All there are, with this process's own, in the order of their numbers."""
    found: dict[int, list[str]] = {}
    for path in _listed(STATE):
        if path.suffix == ".json" and path.stem.isdecimal():
            found.setdefault(int(path.stem), [])
    for path in _listed(NAMESPACES):
        ours = read_namespace(path.name)
        if ours is not None:
            found.setdefault(ours[0], []).append(path.name)
    return [
        Laboratory(number, is_held(number), tuple(sorted(names)), _description(number))
        for number, names in sorted(found.items())
    ]


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def is_held(number: int) -> bool:
    """Whether the process that made the laboratory is there."""
    try:
        fd = os.open(_path(number), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        # Another user's: what cannot be looked at is left alone.
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _description(number: int) -> Description:
    """What its maker wrote; as good as nothing if he did not come so far."""
    with suppress(OSError, msgspec.DecodeError), open(_path(number), "rb") as file:
        return msgspec.json.decode(file.read(DESCRIPTION_BYTES_MAX), type=Description)
    return Description()


@contextmanager
def taken_over(number: int) -> Iterator[bool]:
    """Hold what another process left behind, and forget it at the end.

    Gives false if somebody else has it: its maker after all, or another who cleans.
    """
    try:
        fd = _lock(number, os.O_RDWR)
    except FileNotFoundError:
        # Namespaces alone: its file went first, which only a person does.
        yield True
        return
    if fd is None:
        yield False
        return
    try:
        yield True
        _path(number).unlink(missing_ok=True)
    finally:
        os.close(fd)


def is_maker(pid: int, number: int) -> bool:
    """Whether process `pid` is the one that holds the laboratory."""
    held = str(_path(number))
    with suppress(OSError):
        return any(os.readlink(fd) == held for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _path(number: int) -> Path:
    return STATE / f"{number}.json"
