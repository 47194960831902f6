"""What a power loss may leave of the calls a store made, by the rules a sync follows.

`Recorder` lets every call through and writes it down. `Recorder.left_at` then
builds a directory as a power loss after the first `count` calls could leave it:

* a file holds what it held at its last successful sync, and of the calls
  after that any part: each written sector may have arrived or not;
* the directory holds what it held at its last sync, and any prefix of the
  changes after that;
* what a failed sync was to write may never arrive, and no later sync helps.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SECTOR_BYTES = 64
"""Small, so that batches of a few bytes are torn too; the seal still fits one."""


@dataclass(frozen=True)
class Call:
    kind: str
    file: int = 0
    offset: int = 0
    data: bytes = b""
    name: str = ""
    target: str = ""


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it and go on."""


@dataclass
class Recorder:
    """Knows files by number, because an inode is used again once its file is gone."""

    path: Path
    calls: list[Call] = field(default_factory=list)
    start_names: dict[str, int] = field(default_factory=dict)
    start_data: dict[int, bytes] = field(default_factory=dict)
    fail_sync_at: int | None = None
    kill_at: int | None = None
    """No call after so many is made: the process is gone, and nothing else is."""
    syncs: int = 0
    _numbers: dict[int, int] = field(default_factory=dict)
    _next: int = 1
    _real: dict[str, Any] = field(default_factory=dict)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for entry in self.path.iterdir():
            number = self._number(entry.stat().st_ino)
            self.start_names[entry.name] = number
            self.start_data[number] = entry.read_bytes()
        for name in ("open", "pwrite", "fsync", "fdatasync", "ftruncate"):
            self._wrap(patch, name)
        for name in ("posix_fallocate", "rename", "unlink"):
            self._wrap(patch, name)

    def note(self, what: str) -> None:
        self.calls.append(Call("note", name=what))

    def _wrap(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self._real[name] = getattr(os, name)
        recording = getattr(self, f"_{name}")

        def call(*args: Any, **named: Any) -> Any:
            if self.kill_at is not None and len(self.calls) >= self.kill_at:
                raise Killed
            return recording(*args, **named)

        patch.setattr(os, name, call)

    def _number(self, inode: int) -> int:
        if inode not in self._numbers:
            self._numbers[inode] = self._next
            self._next += 1
        return self._numbers[inode]

    def _of(self, fd: int) -> int:
        return self._number(os.fstat(fd).st_ino)

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            self._numbers.pop(os.fstat(fd).st_ino, None)
            self.calls.append(Call("link", self._of(fd), name=os.fspath(path)))
        return fd

    def _pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self.calls.append(Call("write", self._of(fd), offset, bytes(data)))
        return int(self._real["pwrite"](fd, data, offset))

    def _ftruncate(self, fd: int, length: int) -> None:
        self.calls.append(Call("truncate", self._of(fd), length))
        self._real["ftruncate"](fd, length)

    def _posix_fallocate(self, fd: int, offset: int, length: int) -> None:
        self.calls.append(Call("allocate", self._of(fd), offset + length))
        self._real["posix_fallocate"](fd, offset, length)

    def _fsync(self, fd: int) -> None:
        self._sync(fd, "fsync")

    def _fdatasync(self, fd: int) -> None:
        self._sync(fd, "fdatasync")

    def _sync(self, fd: int, name: str) -> None:
        self.syncs += 1
        directory = os.path.isdir(f"/proc/self/fd/{fd}")
        if self.syncs == self.fail_sync_at:
            self.calls.append(Call("lose", self._of(fd)))
            raise OSError(5, "Input/output error")
        self.calls.append(Call("sync directory") if directory else Call("sync", self._of(fd)))

    def _rename(self, src: Any, dst: Any, **directories: int) -> None:
        self._real["rename"](src, dst, **directories)
        self.calls.append(Call("rename", name=os.fspath(src), target=os.fspath(dst)))

    def _unlink(self, name: str, *, dir_fd: int) -> None:
        self._real["unlink"](name, dir_fd=dir_fd)
        self.calls.append(Call("unlink", name=name))

    def left_at(self, count: int, target: Path, choice: random.Random) -> Path:
        """A directory that a power loss after `count` calls could leave, at `target`."""
        synced = {number: bytearray(data) for number, data in self.start_data.items()}
        pending: dict[int, list[Call]] = {}
        names = dict(self.start_names)
        changes: list[Call] = []
        for call in self.calls[:count]:
            if call.kind == "sync":
                for late in pending.pop(call.file, []):
                    apply(synced.setdefault(call.file, bytearray()), late)
            elif call.kind == "lose":
                pending.pop(call.file, None)
            elif call.kind == "sync directory":
                for change in changes:
                    alter(names, change)
                changes.clear()
            elif call.kind in ("link", "rename", "unlink"):
                changes.append(call)
            elif call.kind != "note":
                pending.setdefault(call.file, []).append(call)
        for change in changes[: choice.randint(0, len(changes))]:
            alter(names, change)
        target.mkdir()
        for name, number in names.items():
            data = synced.get(number, bytearray())
            for late in pending.get(number, []):
                apply_some(data, late, choice)
            (target / name).write_bytes(data)
        return target


def alter(names: dict[str, int], change: Call) -> None:
    if change.kind == "link":
        names[change.name] = change.file
    elif change.kind == "rename":
        names[change.target] = names.pop(change.name)
    else:
        names.pop(change.name, None)


def apply(data: bytearray, call: Call) -> None:
    if call.kind == "truncate":
        del data[call.offset :]
        return
    end = call.offset + len(call.data)
    data.extend(bytes(max(0, end - len(data))))
    if call.kind == "write":
        data[call.offset : end] = call.data


def apply_some(data: bytearray, call: Call, choice: random.Random) -> None:
    """Each sector of a write arrives or not; the size may grow before the data comes."""
    style = choice.choice(("none", "all", "some"))
    if style == "none":
        return
    if call.kind != "write" or style == "all":
        apply(data, call)
        return
    start = call.offset
    end = call.offset + len(call.data)
    if choice.random() < 0.5:
        data.extend(bytes(max(0, end - len(data))))
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if choice.random() < 0.5:
            part = call.data[start - call.offset : stop - call.offset]
            apply(data, Call("write", offset=start, data=part))
        start = stop
