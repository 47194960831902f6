"""The ledger of a campaign: a line for what it is, and a line for each run that has ended."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from transports.node.cli.chaos.ledger_line import (
    SEED_MAX,
    RunLine,
    describe_run_line,
    read_run_line,
)
from transports.node.cli.chaos.nemesis import TRACED
from transports.node.cli.chaos.verdict import Verdict, Wish
from transports.node.cli.failures import Failure, Misuse

NAME: Final = "ledger.jsonl"
LEDGER_BYTES_MAX: Final = 256 << 20
OPTIONS: Final = ("transport", "mode", "core", "seconds", "kinds")


@dataclass
class Totals:
    """What all runs so far come to."""

    kinds: tuple[str, ...]
    """Of fault, that the campaign has."""
    runs: int = 0
    failed: list[int] = field(default_factory=list)
    """Their seeds."""
    operations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    came_true: Counter[str] = field(default_factory=Counter)
    silence_seconds: float = 0.0
    """The longest of any run."""

    def add(self, run: RunLine) -> None:
        """One more."""
        self.runs += 1
        if not run.passed:
            self.failed.append(run.seed)
        self.operations += run.operations
        self.outcomes.update(run.outcomes)
        self.faults.update(run.faults)
        self.came_true.update(run.came_true)
        self.silence_seconds = max(self.silence_seconds, run.silence_seconds)

    @property
    def untested(self) -> list[str]:
        """The kinds of failing call that no node came upon in any run."""
        return [kind for kind in TRACED if kind in self.kinds and not self.came_true[kind]]

    @property
    def hold(self) -> bool:
        """Whether something was tested, every kind of fault was, and no run failed."""
        return self.runs > 0 and not self.failed and not self.untested

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "runs": self.runs,
            "failed": self.failed,
            "untested": self.untested,
            "operations": self.operations,
            "outcomes": dict(self.outcomes),
            "faults": dict(self.faults),
            "came_true": dict(self.came_true),
            "silence_seconds": self.silence_seconds,
        }


class Ledger:
    """A campaign's folder, which no other process has at the time. Made by `open_ledger`."""

    def __init__(self, wish: Wish, first_seed: int, file: BinaryIO) -> None:
        self.folder = wish.directory
        self.first_seed = first_seed
        self.totals = Totals(wish.kinds)
        self._head = describe(wish)
        self._file = file
        self.done: set[int] = set()
        """Seeds of the runs that have ended."""

    def add(self, verdict: Verdict) -> None:
        """A run that has ended: on disk at once. Raises `Failure`."""
        line = describe_run_line(verdict)
        self._append(line)
        self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        run = read_run_line(line, self._head, self.first_seed)
        if run.seed in self.done:
            raise ValueError(f"seed {run.seed} is there twice")
        self.totals.add(run)
        self.done.add(run.seed)

    def _append(self, line: dict[str, Any]) -> None:
        path = self.folder / NAME
        try:
            data = json.dumps(line).encode() + b"\n"
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Failure(
                f"{path}: {error.strerror}; free some space, or check its rights"
            ) from error

    def read(self, seed: int | None) -> None:
        """What is there already.

        Raises `Misuse` if it is of another campaign or damaged, and `Failure` from the disk.
        """
        path = self.folder / NAME
        lines = _read_lines(path)
        if not lines:
            raise Misuse(f"--save: {path} is empty: remove it, or name a new folder")
        head = lines[0]
        for name, asked in self._head.items():
            if name not in head or head[name] != asked:
                raise Misuse(
                    f"--save: {path} is of a campaign with {name} {head.get(name)!r}, not "
                    f"{asked!r}; go on as it was begun, or name a new folder"
                )
        self.first_seed = head.get("seed", -1)
        if type(self.first_seed) is not int or not 0 <= self.first_seed <= SEED_MAX:
            raise Misuse(f"--save: {path}: its first line names no seed; name a new folder")
        if seed is not None and seed != self.first_seed:
            raise Misuse(
                f"--save: {path} begins with seed {self.first_seed}, not {seed}; leave out --seed"
            )
        for number, line in enumerate(lines[1:], 2):
            try:
                self._count(line)
            except ValueError as error:
                raise Misuse(
                    f"--save: {path}, line {number}: no verdict of a run ({error}); "
                    "remove the line, or name a new folder"
                ) from error

    def begin(self) -> None:
        """The first line of a new one. Raises `Failure`."""
        self._append({**self._head, "seed": self.first_seed})


def describe(wish: Wish) -> dict[str, Any]:
    """What is the same in all runs of a campaign."""
    found = {name: getattr(wish, name) for name in OPTIONS}
    return found | {"kinds": list(wish.kinds)}


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Raises `Misuse` and `Failure`.

    A last line that was cut off is removed: its run has to be done again.
    """
    try:
        if path.stat().st_size > LEDGER_BYTES_MAX:
            raise Misuse(f"--save: {path}: over {LEDGER_BYTES_MAX >> 20} MiB is no ledger")
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1] or data
        found = [_read_line(path, *line) for line in enumerate(whole.splitlines(), 1)]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    return found


def _read_line(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        line = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Misuse(f"--save: {path}, line {number}: not JSON; name a new folder") from error
    if not isinstance(line, dict):
        raise Misuse(f"--save: {path}, line {number}: not an object; name a new folder")
    return line


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


@contextmanager
def open_ledger(wish: Wish, seed: int | None, fresh_seed: int) -> Iterator[Ledger]:
    """That of the campaign in `wish.directory`, a new folder or one to go on in.

    `seed` is what was asked for, `fresh_seed` what a new one begins with otherwise.
    Raises `Misuse`, also if another process has it, and `Failure`.
    """
    path = wish.directory / NAME
    known = path.is_file()
    if not known:
        _make_folder(wish.directory)
    with _locked(path) as file:
        ledger = Ledger(wish, fresh_seed if seed is None else seed, file)
        if known:
            ledger.read(seed)
        else:
            ledger.begin()
        yield ledger


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise Misuse(f"--save: {folder} is there, and no campaign's; name a new folder") from error
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}; name another --save") from error


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file, to append to. The lock ends with the process that has it, however it ends."""
    try:
        # Nothing is kept back: what fails, fails where it is written.
        file = open(path, "ab", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; check its rights") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Misuse(
                f"--save: another process goes on with the campaign in {path.parent}; "
                "wait for it, or name a new folder"
            ) from error
        yield file
