"""Clusters of real processes, and what a command said."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from transports.node.cli import main

END_SECONDS = 30.0
NODES = (1, 2, 3)


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line about what is wrong; fails if there is none, or more than one."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("paxos: ")]
        assert len(lines) == 1, self.err
        assert self.err.endswith(f"{lines[0]}\n")
        return lines[0].removeprefix("paxos: ")


class Cluster:
    """Nodes as processes, in a directory; the context's end ends them."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: tuple[int, ...] = NODES,
        store: str = "durable",
        core: str = "python",
        transport: str = "tcp",
        extra: str = "",
    ) -> None:
        """`extra` stands at the end of the configuration."""
        self.directory = directory
        self.config = directory / "paxos.toml"
        self.nodes = nodes
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.transport = transport
        self._store = store
        self._core = core
        self._extra = extra
        self._held: list[socket.socket] = []
        self._write_config()

    def _write_config(self) -> None:
        settings = {"transport": self.transport, "store": self._store, "core": self._core}
        lines = [f'{name} = "{value}"' for name, value in settings.items()] + ["[nodes]"]
        scheme = "tcp://" if self.transport == "zeromq" else ""
        for node in self.nodes:
            held = socket.socket()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
            self._held.append(held)
            lines.append(f'{node} = "{scheme}127.0.0.1:{held.getsockname()[1]}"')
        self.config.write_text("\n".join([*lines, self._extra]) + "\n")

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        for held in self._held:
            held.close()

    def start_all(self) -> None:
        if self._store == "durable":
            assert main(["init", "--all", "--config", str(self.config)]) == 0
        options = ["--first-start"] if self._store == "memory" else []
        for node in self.nodes:
            self.start(node, *options)
        self.wait_for_leader()

    def start(self, node: int, *options: str) -> subprocess.Popen[bytes]:
        arguments = ["node", str(node), "-c", str(self.config), "--stop-with-stdin", *options]
        process = self.running[node] = spawn(*arguments, err=self.directory / f"node-{node}.log")
        return process

    def said(self, node: int) -> str:
        return (self.directory / f"node-{node}.log").read_text()

    def end(self, node: int, number: int) -> int:
        """Signal the node; returns its exit status."""
        self.running[node].send_signal(number)
        return self.wait(node)

    def wait(self, node: int) -> int:
        """Wait until the node ends; returns its exit status."""
        process = self.running.pop(node)
        status = process.wait(END_SECONDS)
        assert process.stdin is not None
        process.stdin.close()
        return status

    def kill(self, node: int) -> None:
        self.end(node, signal.SIGKILL)

    def status(self) -> dict[int, dict[str, Any]]:
        """Node -> what it says of itself; nodes that are silent are left out."""
        command = ["status", "-c", str(self.config), "-o", "json", "--timeout", "0.5"]
        done = subprocess.run(
            [sys.executable, "-m", "transports.node.cli", *command], capture_output=True, text=True
        )
        return {one["node"]: one for one in json.loads(done.stdout)["nodes"] if one["reachable"]}

    def wait_until_up(self, *, equal: bool = False) -> dict[int, dict[str, Any]]:
        """Wait until all that were started answer; returns what they say."""
        until = time.monotonic() + END_SECONDS
        while True:
            said = self.status()
            digests = {one["digest"] for one in said.values()}
            if said.keys() == self.running.keys() and not (equal and len(digests) > 1):
                return said
            assert time.monotonic() < until, said

    def wait_until_equal(self) -> dict[int, dict[str, Any]]:
        """Wait until all that were started have applied the same log; returns what they say."""
        return self.wait_until_up(equal=True)

    def wait_for_leader(self) -> None:
        until = time.monotonic() + END_SECONDS
        while main(["status", "-c", str(self.config), "-o", "json", "--timeout", "0.5"]) != 0:
            assert time.monotonic() < until, "no leader"


def spawn(
    *arguments: str, err: Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`paxos` as a process of its own; its standard error goes to a file."""
    with open(err, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "transports.node.cli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=file,
            cwd=cwd,
            env=env,
        )


def wait_until_said(path: Path, what: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has written `what` to the file at `path`."""
    until = time.monotonic() + END_SECONDS
    while what not in path.read_text():
        assert process.poll() is None, path.read_text()
        assert time.monotonic() < until, path.read_text()
        time.sleep(0.01)


def wait_until_catches(process: subprocess.Popen[bytes], number: int) -> None:
    """Wait until a process has a handler for a signal."""
    until = time.monotonic() + END_SECONDS
    while True:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        if caught >> (number - 1) & 1:
            return
        assert time.monotonic() < until
        time.sleep(0.01)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The ids of a process's children."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(child) for child in text.split()]


def wait_until_gone(pids: list[int]) -> None:
    """Wait until none of the processes exists, or is more than a zombie."""
    until = time.monotonic() + END_SECONDS
    while any(map(_is_alive, pids)):
        assert time.monotonic() < until, pids
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
