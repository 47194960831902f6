"""etcd as a peer: three members on loopback, as Debian's `etcd-server` has it.

A put is what comes nearest to a command: replicated by Raft, synced, applied to a map. Its
processes are not pinned: a runtime with threads for every processor is slower on one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import trio

from transports.bench.cluster import START_SECONDS, loopback_addresses, make_directory
from transports.bench.ladder.plain import PlainRunning
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import MeasureFailed, Worker, open_append, open_worker
from transports.bench.saved.schema import Stand

MEMBERS: Final = 3
END_SECONDS: Final = 5.0
SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "default": (),
    "best": (
        "--snapshot-count=1000000",
        "--backend-batch-limit=100000",
        "--backend-batch-interval=1s",
    ),
}
"""Of the server. `best` was found by trying; what changes a promise is not among it."""
CONNECTIONS: Final[Mapping[str, int]] = {"default": 1, "best": 4}


class EtcdRunning(PlainRunning):
    """Members and a client."""

    def __init__(self, pids: Mapping[str, int], client: Worker, largest: int) -> None:
        super().__init__({"client": client}, largest)
        self._pids = {**pids, "client": client.pid}

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process."""
        return self._pids


class EtcdKind:
    """Opens it, with its `default` or its `best` settings."""

    def unavailable(self, stand: Stand) -> str:
        """The server is Debian's, the client's gRPC an extra."""
        if shutil.which("etcd") is None:
            return "etcd is not installed: on Debian, apt-get install etcd-server"
        if find_spec("grpc") is None:
            return "gRPC is not installed: pip install 'pluggable-paxos[peers]'"
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
            pids = [
                await stack.enter_async_context(
                    _member(base, number, clients, peers, SETTINGS[stand.variant])
                )
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
            said = (await client.read("ready", START_SECONDS))["ready"]
            leader = int(said["leader"])
            roles = {
                "leader" if number == leader else f"follower {number + 1}": pid
                for number, pid in enumerate(pids)
            }
            running = EtcdRunning(roles, client, int(said["command_bytes_max"]))
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


@asynccontextmanager
async def _member(
    base: Path, number: int, clients: list[str], peers: list[str], settings: tuple[str, ...]
) -> AsyncIterator[int]:
    """One member's process id, while the context lasts."""
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
        *settings,
    ]
    with open_append(log) as out:
        try:
            process = await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        except OSError as error:
            raise MeasureFailed(f"cannot start etcd: {error.strerror}") from error
    try:
        yield process.pid
    finally:
        with trio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            with trio.move_on_after(END_SECONDS):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
