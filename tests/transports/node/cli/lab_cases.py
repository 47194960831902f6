"""Laboratories as processes, and what is left of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_cases import END_SECONDS, spawn, wait_until_said

from transports.ethernet import availability
from transports.node.cli.lab.claim import NAMESPACES, STATE
from transports.node.cli.lab.ip import unavailable


def need_laboratory() -> None:
    """Skip the test where no laboratory can be made, but have it fail in CI."""
    reason = unavailable() or availability()
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


class LabProcess:
    """`paxos lab run` as a process of its own, with its temporary files in `directory`."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.err = directory / "err"
        self.process = spawn(
            "lab", "run", *options, err=self.err, env={**os.environ, "TMPDIR": str(self.temporary)}
        )
        try:
            wait_until_said(self.err, "leader_gained", self.process)
        except BaseException:
            self.close()
            raise

    @property
    def number(self) -> int:
        return self.process.pid

    @property
    def remains(self) -> set[str]:
        """Names of namespaces, of its file, and of its directory."""
        return left_of(self.number) | {path.name for path in self.temporary.iterdir()}

    def end(self, number: int) -> int:
        """Signal it; returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        assert self.process.stdin is not None
        self.process.stdin.close()


@contextmanager
def laboratory(directory: Path, *options: str) -> Iterator[LabProcess]:
    need_laboratory()
    process = LabProcess(directory, *options)
    try:
        yield process
    finally:
        process.close()


def left_of(number: int) -> set[str]:
    """Names of a laboratory's namespaces, and of its file."""
    found = {path.name for path in NAMESPACES.glob(f"paxos-{number}-*")}
    return found | {path.name for path in STATE.glob(f"{number}.json")}


def interfaces() -> set[str]:
    """Those of the machine's own namespace."""
    return {name for _, name in socket.if_nameindex()}


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout
