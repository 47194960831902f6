"""Programs that run in a network namespace while a measurement lasts."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from transports.node.cli.lab.inside import inside

END_SECONDS = 10.0


class MeasureFailed(Exception):
    """A measurement did not come about. The message is one line with the reason."""


class Program:
    """A running program that is spoken with in lines. Made by `running` and `forked`."""

    def __init__(self, name: str, pid: int, to: IO[str], said: IO[str]) -> None:
        self.name = name
        self.pid = pid
        self._to = to
        self._said = said

    def read_line(self) -> str:
        """Its next line. Raises `MeasureFailed` if it ended instead: all have their own limit."""
        line = self._said.readline()
        if not line:
            raise MeasureFailed(f"{self.name}: ended")
        return line

    def read_json(self) -> Mapping[str, Any]:
        """Its next line, as an object. Raises `MeasureFailed`."""
        line = self.read_line()
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise MeasureFailed(f"{self.name}: said {line!r:.80}")
        return said

    def wait_until(self, word: str) -> None:
        """Read that line. Raises `MeasureFailed` for any other."""
        line = self.read_line()
        if line != f"{word}\n":
            raise MeasureFailed(f"{self.name}: said {line!r:.80}")

    def tell(self, line: str = "go") -> None:
        """Write it a line; without one, that it shall begin."""
        self._to.write(f"{line}\n")
        self._to.flush()


@contextmanager
def running(namespace: str, *words: str | Path) -> Iterator[Program]:
    """Run a program there; it is ended with the context."""
    command = list(map(str, words))
    with inside(namespace):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Program(" ".join(command), process.pid, process.stdin, process.stdout)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def forked(namespace: str, name: str, act: Callable[[], object]) -> Iterator[Program]:
    """Run a function there, in a copy of this process; it is killed with the context.

    A copy, because emulation takes the better part of a minute to start four Pythons.
    """
    to_read, to = os.pipe()
    said, said_write = os.pipe()
    gc.collect()
    gc.freeze()  # what is shared with the copy is not written to
    with inside(namespace):
        pid = os.fork()
        if pid == 0:
            _be(act, to_read, said_write, (to, said))
    os.close(to_read)
    os.close(said_write)
    with os.fdopen(to, "w") as writer, os.fdopen(said) as reader:
        try:
            yield Program(name, pid, writer, reader)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _be(act: Callable[[], object], stdin: int, stdout: int, others: Sequence[int]) -> NoReturn:
    status = 1
    try:
        for other in others:
            os.close(other)
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        act()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def run(*words: str | Path, namespace: str | None = None) -> str:
    """Run a command to its end; what it printed. Raises `MeasureFailed`."""
    if namespace is not None:
        with inside(namespace):
            return run(*words)
    return _run(list(map(str, words)))


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MeasureFailed(f"{' '.join(command)}: {reason}")
    return done.stdout
