"""How many system calls a node makes, by strace, which counts every one of all its threads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from transports.bench.cluster import LOAD_SPARE_SECONDS, START_SECONDS, Cluster, Setup, open_cluster
from transports.bench.measure import Effort
from transports.bench.processes import MeasureFailed
from transports.bench.wire import Message

ATTACH_SECONDS = 10.0
CALLS_COLUMN = 3


def unavailable() -> str | None:
    """Why no calls can be counted here, with the cure; None if they can."""
    if shutil.which("strace") is None:
        return "strace is missing: on Debian, apt-get install strace"
    return None


async def system_calls(setup: Setup, effort: Effort) -> Message:
    """Many outstanding: `calls_per_command` at the leader, and `calls` by name.

    In a run of its own, since tracing slows the leader. Raises `MeasureFailed`.
    """
    job = {"seconds": effort.seconds, "outstanding": setup.outstanding}
    async with open_cluster(setup, "memory") as cluster, cluster.open_load("traced", **job) as load:
        leader = (await load.read("leading", START_SECONDS))["leading"]
        path = cluster.directory / "calls"
        async with _traced(cluster, leader, path):
            await load.tell({"go": True})
            limit = effort.seconds + LOAD_SPARE_SECONDS
            result: Message = (await load.read("result", limit))["result"]
        calls = parse_calls(path.read_text())
        total = sum(calls.values())
        return {**result, "calls": calls, "calls_per_command": total / result["commands"]}


@asynccontextmanager
async def _traced(cluster: Cluster, node: int, path: Path) -> AsyncIterator[None]:
    """Count the calls of `node` while the context lasts; the counts are in `path` after it."""
    command = ["strace", "-c", "-f", "-o", str(path), "-p", str(cluster.pid(node))]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    try:
        await _wait_attached(process.stderr)
        yield
    finally:
        with trio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
            with trio.move_on_after(ATTACH_SECONDS):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            await process.stderr.aclose()


async def _wait_attached(said: trio.abc.ReceiveStream) -> None:
    text = b""
    with trio.move_on_after(ATTACH_SECONDS):
        while chunk := await said.receive_some():
            text += chunk
            if b"attached" in text:
                return
    words = text.decode(errors="replace").strip() or "no word from it"
    raise MeasureFailed(f"strace could not trace a node: {words[:200]}")


def parse_calls(table: str) -> dict[str, int]:
    """Name of a call -> how often, out of what ``strace -c`` writes. Raises `MeasureFailed`."""
    calls: dict[str, int] = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < CALLS_COLUMN + 2 or not fields[CALLS_COLUMN].isdecimal():
            continue
        if fields[-1] != "total":
            calls[fields[-1]] = int(fields[CALLS_COLUMN])
    if not calls:
        raise MeasureFailed("strace counted nothing")
    return calls
