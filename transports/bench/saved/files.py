"""A saved run on disk: written line by line, so that what was measured is never lost."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase, TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from transports.bench.saved.schema import (
    SCHEMA,
    Calls,
    Entry,
    Failover,
    Failure,
    Growth,
    Head,
    Sample,
    Skip,
)

HEAD: Final = "run.json"
ENTRIES: Final = "entries.jsonl"
HISTOGRAMS: Final = "histograms"
FILE_BYTES_MAX: Final = 1 << 30


class RunError(Exception):
    """A saved run cannot be read or written. One line, with the cause and the cure."""


@dataclass(slots=True)
class SavedRun:
    """What a folder holds."""

    folder: Path
    head: Head
    entries: list[Entry]
    cut: int = 0
    """Bytes of a last line that was never finished."""
    size: int = 0
    """Bytes of all entries, with that line."""

    def samples(self) -> list[Sample]:
        """The figures, in the order in which they were taken."""
        return [entry for entry in self.entries if isinstance(entry, Sample)]

    def tried(self) -> set[tuple[str, int]]:
        """(cell or trial, repeat) of all that gave a figure. What failed is tried again."""
        found = {(e.cell, e.repeat) for e in self.entries if isinstance(e, Sample)}
        return found | {(trial_id(entry), 0) for entry in self.entries}

    def failures(self) -> list[Failure]:
        """What gave no figure, and gave none later either; each once."""
        good = self.tried()
        found = {(e.cell, e.repeat): e for e in self.entries if isinstance(e, Failure)}
        return [failure for key, failure in found.items() if key not in good]

    def skipped(self) -> dict[str, str]:
        """What could not run, and why."""
        found = {e.subject: e.reason for e in self.entries if isinstance(e, Skip)}
        # What was left out at first, and measured when the run went on, is not left out.
        measured = {name for s in self.samples() for name in (s.cell.split(".")[0], s.cell)}
        return {
            subject: reason
            for subject, reason in found.items()
            if subject not in measured and not any(c.startswith(f"{subject}.") for c in measured)
        }


def trial_id(entry: Entry) -> str:
    """The name of the trial that gave `entry`; empty if none did."""
    match entry:
        case Failover(layer=layer):
            return f"failover.{layer}"
        case Growth(layer=layer):
            return f"growth.{layer}"
        case Calls():
            return f"calls.{entry.layer}.{entry.outstanding}"
    return ""


class RunWriter:
    """Appends to a run. Made by `create_run` and `resume_run`."""

    def __init__(self, folder: Path, head: Head, stream: RawIOBase | IO[bytes]) -> None:
        self.folder = folder
        self.head = head
        self._stream = stream

    def add(self, entry: Entry) -> None:
        """One line, at once on its way to the disk. Raises `RunError`."""
        line = msgspec.json.encode(entry) + b"\n"
        try:
            if self._stream.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _cannot_write(self.folder / ENTRIES, error) from error

    def add_histogram(self, cell: str, repeat: int, began: float, encoded: str) -> None:
        """A latency's distribution, as one interval of the cell's HdrHistogram log.

        `began` is seconds since 1970; `encoded` is what `HdrHistogram.encode` gives.
        Raises `RunError`.
        """
        path = self.folder / HISTOGRAMS / f"{cell}.hlog"
        line = f"Tag=repeat-{repeat},{began:.3f},0.000,0.000,{encoded}\n"
        try:
            with open(path, "a+b") as raw, TextIOWrapper(raw, encoding="ascii") as log:
                if raw.seek(0, os.SEEK_END) and not _ends_a_line(raw):
                    # A full disk or a kill cut the last one: what follows is a line of its own.
                    log.write("\n")
                if not raw.tell():
                    log.write("#[Histogram log format version 1.3]\n")
                    log.write('"StartTimestamp","Interval_Length","Interval_Max",')
                    log.write('"Interval_Compressed_Histogram"\n')
                log.write(line)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def finish(self) -> None:
        """Note that nothing is left to do. Raises `RunError`."""
        self.head = msgspec.structs.replace(self.head, finished=True)
        _write_head(self.folder, self.head)


@contextmanager
def create_run(folder: Path, head: Head) -> Iterator[RunWriter]:
    """A new run in `folder`, which is made and must not hold one. Raises `RunError`."""
    if (folder / HEAD).exists():
        raise RunError(f"{folder} holds a run already: name another --save, or --resume it")
    try:
        (folder / HISTOGRAMS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    _write_head(folder, head)
    with _open_entries(folder) as stream:
        yield RunWriter(folder, head, stream)


@contextmanager
def resume_run(run: SavedRun) -> Iterator[RunWriter]:
    """Go on with `run`, as `read_run` gave it. Raises `RunError`."""
    with _open_entries(run.folder) as stream:
        _cut(run)
        yield RunWriter(run.folder, run.head, stream)


def _cut(run: SavedRun) -> None:
    """Take away a last line that was never finished. Raises `RunError`."""
    path = run.folder / ENTRIES
    try:
        if path.stat().st_size != run.size:
            raise RunError(f"{run.folder} was measured into meanwhile: --resume it once more")
        if run.cut:
            os.truncate(path, run.size - run.cut)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _ends_a_line(raw: IO[bytes]) -> bool:
    raw.seek(-1, os.SEEK_END)
    return raw.read(1) == b"\n"


def read_run(folder: Path) -> SavedRun:
    """What `folder` holds. A last line that was never finished is left out. Raises `RunError`."""
    head = _read_head(folder)
    path = folder / ENTRIES
    # A run that was stopped before its first entry has none.
    data = _read(path) if path.exists() else b""
    *lines, rest = data.split(b"\n")
    entries: list[Entry] = []
    decoder = msgspec.json.Decoder(Entry)
    seen: set[tuple[str, int]] = set()
    for number, line in enumerate(lines, 1):
        try:
            entries.append(_checked(decoder.decode(line), seen))
        except (msgspec.MsgspecError, ValueError) as error:
            raise RunError(
                f"{folder / ENTRIES}, line {number}: {error}; the file is damaged: measure again"
            ) from error
    return SavedRun(folder, head, entries, len(rest), len(data))


def _checked(entry: Entry, seen: set[tuple[str, int]]) -> Entry:
    """Raises `ValueError` for what no bench writes."""
    if isinstance(entry, Growth) and len(entry.few_kib) != len(entry.many_kib):
        raise ValueError("as many nodes before as after")
    if isinstance(entry, Sample):
        if (entry.cell, entry.repeat) in seen:
            raise ValueError(f"{entry.cell}, repeat {entry.repeat + 1}, is there twice")
        seen.add((entry.cell, entry.repeat))
    return entry


def read_histograms(folder: Path, cell: str) -> dict[int, str]:
    """Repeat -> the encoded histogram of one cell; empty where it has none. Raises `RunError`."""
    path = folder / HISTOGRAMS / f"{cell}.hlog"
    if not path.exists():
        return {}
    found: dict[int, str] = {}
    for line in _read(path).decode("ascii", "replace").splitlines():
        if line.startswith("Tag=repeat-") and line.count(",") == 4:
            tag, _start, _length, _most, encoded = line.split(",")
            if (number := tag.removeprefix("Tag=repeat-")).isdecimal():
                found[int(number)] = encoded
    return found


def _read_head(folder: Path) -> Head:
    data = _read(folder / HEAD)
    try:
        number = msgspec.json.decode(data, type=dict[str, object]).get("schema")
        if number != SCHEMA:
            raise RunError(
                f"{folder} was saved by another version (format {number}, this one reads "
                f"{SCHEMA}): use that version, or measure again"
            )
        return msgspec.json.decode(data, type=Head)
    except msgspec.MsgspecError as error:
        raise RunError(f"{folder / HEAD}: {error}; this is no saved run") from error


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise RunError(f"{path} is no file: this is no saved run")
        if found.st_size > FILE_BYTES_MAX:
            raise RunError(f"{path} has more than {FILE_BYTES_MAX >> 20} MiB: this is no saved run")
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; name the folder of a saved run") from error


def _write_head(folder: Path, head: Head) -> None:
    path, new = folder / HEAD, folder / f"{HEAD}.new"
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(head), indent=1) + b"\n")
        new.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextmanager
def _open_entries(folder: Path) -> Iterator[Any]:
    path = folder / ENTRIES
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise RunError(f"{folder}: another process measures into it: wait for it") from None
    # Nothing is kept back: what fails, fails where it is written, and not again at the end.
    with open(fd, "ab", buffering=0) as stream:
        yield stream


def _cannot_write(path: Path, error: OSError) -> RunError:
    return RunError(f"{path}: {error.strerror}; name another --save")


__all__ = [
    "RunError",
    "RunWriter",
    "SavedRun",
    "create_run",
    "read_histograms",
    "read_run",
    "resume_run",
]
