"""etcd as a peer: three members on loopback, as Debian's `etcd-server` has it.

A put is what comes nearest to a command: replicated by Raft, synced, applied to a map. Its
processes are not pinned: a runtime with threads for every processor is slower on one.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from transports.bench.cluster import START_SECONDS, loopback_addresses, make_directory
from transports.bench.ladder.plain import PlainRunning
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import MeasureFailed, Worker, end_politely, open_append, open_worker
from transports.bench.saved.schema import Stand

MEMBERS: Final = 3
END_SECONDS: Final = 5.0
LAST_WORDS_MAX: Final = 300
CONNECTIONS: Final[Mapping[str, int]] = {"default": 1, "best": 4}
"""Of the client. The server has its defaults in both: see docs/how-we-measure.md for what was
tried, and gained nothing."""


class Member:
    """One running member."""

    def __init__(self, number: int, process: trio.Process, log: Path) -> None:
        self._name = f"etcd, member {number + 1},"
        self._log = log
        self.process = process

    def check_alive(self) -> None:
        """Raises `MeasureFailed` if it has ended."""
        status = self.process.poll()
        if status is None:
            return
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise MeasureFailed(f"{self._name} ended with {how}: {self._last_words()}")

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1][:LAST_WORDS_MAX] if lines else "it gave no reason"


class EtcdRunning(PlainRunning):
    """Members, by their roles, and a client."""

    def __init__(self, members: Mapping[str, Member], client: Worker, largest: int) -> None:
        super().__init__({"client": client}, largest)
        self._members = members

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process."""
        members = {role: member.process.pid for role, member in self._members.items()}
        return {**members, **super().pids}

    async def settle(self) -> None:
        """Nobody has ended: two members of three still take puts. Raises `MeasureFailed`."""
        _check_alive(list(self._members.values()))
        await super().settle()


def _check_alive(members: Sequence[Member]) -> None:
    for member in members:
        member.check_alive()


class EtcdKind:
    """Opens it, with its `default` or its `best` settings."""

    def unavailable(self, stand: Stand) -> str:
        """The server is Debian's, the client its own."""
        if shutil.which("etcd") is None:
            return "etcd is not installed: on Debian, apt-get install etcd-server"
        return ""

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """Members and client. Raises `MeasureFailed`."""
        return _open(stand, ground)


@asynccontextmanager
async def _open(stand: Stand, ground: Ground) -> AsyncIterator[Running]:
    base = make_directory(ground.directory)
    addresses = loopback_addresses(2 * MEMBERS)
    clients, peers = addresses[:MEMBERS], addresses[MEMBERS:]
    try:
        async with AsyncExitStack() as stack:
            members = [
                await stack.enter_async_context(_member(base, number, clients, peers))
                for number in range(MEMBERS)
            ]
            client = await stack.enter_async_context(
                open_worker(
                    "peers.worker_etcd",
                    ",".join(clients),
                    str(CONNECTIONS[stand.variant]),
                    name="etcd's client",
                    errors=base / "client.err",
                )
            )
            try:
                said = (await client.read("ready", START_SECONDS))["ready"]
            except MeasureFailed:
                # A member that did not start says more than the client that waited for it.
                _check_alive(members)
                raise
            # Two of three elect a leader: who did not start would not be missed.
            _check_alive(members)
            leader = int(said["leader"])
            roles = {
                "leader" if number == leader else f"follower {number + 1}": member
                for number, member in enumerate(members)
            }
            running = EtcdRunning(roles, client, int(said["command_bytes_max"]))
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


@asynccontextmanager
async def _member(
    base: Path, number: int, clients: list[str], peers: list[str]
) -> AsyncIterator[Member]:
    """One member, while the context lasts."""
    log = base / f"etcd-{number}.log"
    cluster = ",".join(f"n{other}=http://{peer}" for other, peer in enumerate(peers))
    command = [
        "etcd",
        f"--name=n{number}",
        f"--data-dir={base / f'etcd-{number}'}",
        f"--listen-client-urls=http://{clients[number]}",
        f"--advertise-client-urls=http://{clients[number]}",
        f"--listen-peer-urls=http://{peers[number]}",
        f"--initial-advertise-peer-urls=http://{peers[number]}",
        f"--initial-cluster={cluster}",
        "--initial-cluster-state=new",
        "--log-level=error",
        "--logger=zap",
    ]
    with open_append(log) as out:
        try:
            process = await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        except OSError as error:
            raise MeasureFailed(f"cannot start etcd: {error.strerror}") from error
    try:
        yield Member(number, process, log)
    finally:
        await end_politely(process, signal.SIGTERM, END_SECONDS)
