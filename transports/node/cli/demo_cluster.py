"""Three nodes for the demo: as processes, or as tasks where the transport needs one process."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from transports.node.cli.demo_places import Place
from transports.node.cli.failures import Failure
from transports.node.config import ClusterConfig
from transports.node.machines import Journal
from transports.node.node import open_node

CONFIG_NAME: Final = "paxos.toml"
END_SECONDS: Final = 3.0
LINE_BYTES_MAX: Final = 4096


class DemoCluster(ABC):
    """Nodes that can be started and killed. Made by `open_cluster`."""

    how: str
    """What a node is, in the plural."""
    killing: str
    """What killing one means."""

    @abstractmethod
    def start(self, node: int, *, first: bool) -> None:
        """Start a node; `first` for its first start ever."""

    @abstractmethod
    async def kill(self, node: int) -> None:
        """End a node without giving it time for anything."""

    @abstractmethod
    def check(self) -> None:
        """That all started nodes still run. Raises `Failure` with a node's last words."""


class ProcessCluster(DemoCluster):
    """Each node a process, ``python -m transports.node.cli node N``."""

    how = "processes"
    killing = "killed with SIGKILL"

    def __init__(
        self,
        config: ClusterConfig,
        entering: Callable[[int], Sequence[str]],
        *,
        log_files: bool = True,
        machine: str | None = None,
    ) -> None:
        """`entering` gives the words before a node's command; `log_files` keeps what they log.

        `machine` is the nodes' state machine, as ``paxos node --machine`` takes it.
        """
        self._config = config
        self._entering = entering
        self._log_files = log_files
        self._machine = machine
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, node: int, *, first: bool) -> None:
        """As `DemoCluster.start`. Its log goes to ``node-N.log``, or where this process's goes."""
        arguments = ["node", str(node), "--config", str(self._config.base / CONFIG_NAME)]
        arguments.append("--stop-with-stdin")
        if first and self._config.store == "memory":
            arguments.append("--first-start")
        if self._machine is not None:
            arguments += ["--machine", self._machine]
        command = [*self._entering(node), sys.executable, "-m", "transports.node.cli", *arguments]
        with ExitStack() as opened:
            log = None
            if self._log_files:
                log = opened.enter_context(open(self._log_path(node), "ab"))
            self._running[node] = subprocess.Popen(
                command,
                # It ends when this pipe does, so that no node outlives a demo that is killed.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                # A Ctrl-C at the terminal is for the demo, which then ends its nodes.
                process_group=0,
            )

    async def kill(self, node: int) -> None:
        """As `DemoCluster.kill`."""
        process = self._running.pop(node)
        process.kill()
        _release(process)

    def check(self) -> None:
        """As `DemoCluster.check`."""
        for node, process in self._running.items():
            status = process.poll()
            if status is not None:
                raise Failure(f"node {node} ended with status {status}: {self._last_line(node)}")

    def runs(self, node: int) -> bool:
        """Whether the node was started, and has not ended."""
        process = self._running.get(node)
        return process is not None and process.poll() is None

    def send_signal(self, node: int, number: int) -> None:
        """Send a signal to a node's process. Raises `KeyError` for one that was not started."""
        self._running[node].send_signal(number)

    def take_ended(self) -> list[tuple[int, int]]:
        """(node, exit status) of those that have ended, once each."""
        found = [(node, process.poll()) for node, process in self._running.items()]
        ended = [(node, status) for node, status in found if status is not None]
        for node, _ in ended:
            _release(self._running.pop(node))
        return ended

    def close(self) -> None:
        """End all processes: politely, then not."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            _release(process)
        self._running.clear()

    def _log_path(self, node: int) -> Path:
        return self._config.base / f"node-{node}.log"

    def _last_line(self, node: int) -> str:
        with open(self._log_path(node), "rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - LINE_BYTES_MAX))
            lines = log.read().decode(errors="replace").split("\n")
        said = [line for line in lines if line.strip()]
        return said[-1].removeprefix("paxos: ") if said else "it said nothing"


def _release(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


class TaskCluster(DemoCluster):
    """Each node a task of this process; killing one cancels it between two steps."""

    how = "tasks of one process"
    killing = "killed: its task is cancelled"

    def __init__(self, config: ClusterConfig, nursery: trio.Nursery) -> None:
        self._config = config
        self._nursery = nursery
        self._running: dict[int, tuple[trio.CancelScope, trio.Event]] = {}
        self._error: Exception | None = None

    def start(self, node: int, *, first: bool) -> None:
        """As `DemoCluster.start`."""
        scope, ended = trio.CancelScope(), trio.Event()
        self._running[node] = scope, ended
        self._nursery.start_soon(self._run, node, first, scope, ended)

    async def _run(
        self, node: int, first: bool, scope: trio.CancelScope, ended: trio.Event
    ) -> None:
        machine = Journal()
        first_start = first and self._config.store == "memory"
        try:
            with scope:
                async with open_node(self._config, node, machine, first_start=first_start):
                    await trio.sleep_forever()
        except Exception as error:
            self._error = error
        finally:
            ended.set()

    async def kill(self, node: int) -> None:
        """As `DemoCluster.kill`."""
        scope, ended = self._running.pop(node)
        scope.cancel()
        await ended.wait()

    def check(self) -> None:
        """As `DemoCluster.check`."""
        if self._error is not None:
            raise self._error


@asynccontextmanager
async def open_cluster(config: ClusterConfig, place: Place) -> AsyncIterator[DemoCluster]:
    """An empty cluster; whatever is started in it has ended when the context has."""
    if place.one_process:
        async with trio.open_nursery() as nursery:
            yield TaskCluster(config, nursery)
            nursery.cancel_scope.cancel()
        return
    cluster = ProcessCluster(config, place.entering)
    try:
        yield cluster
    finally:
        cluster.close()
