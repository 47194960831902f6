"""How many system calls a process makes, by strace, which counts every one of all its threads."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from transports.bench.processes import MeasureFailed, end_politely

ATTACH_SECONDS = 10.0
CALLS_COLUMN = 3


def unavailable() -> str | None:
    """Why no calls can be counted here, with the cure; None if they can."""
    if shutil.which("strace") is None:
        return "strace is missing: on Debian, apt-get install strace"
    return None


@asynccontextmanager
async def counted_calls(
    pids: Mapping[str, int], directory: Path
) -> AsyncIterator[dict[str, dict[str, int]]]:
    """Count the calls of these processes while the context lasts.

    Role -> name of a call -> how often; filled when the context ends. Raises `MeasureFailed`.
    """
    found: dict[str, dict[str, int]] = {}
    with TemporaryDirectory(prefix="paxos-bench-", dir=directory) as base:
        paths = {role: Path(base) / f"calls-{pid}" for role, pid in pids.items()}
        async with AsyncExitStack() as stack:
            for role, pid in pids.items():
                await stack.enter_async_context(_traced(pid, paths[role]))
            yield found
        for role, path in paths.items():
            found[role] = parse_calls(path.read_text())


@asynccontextmanager
async def _traced(pid: int, path: Path) -> AsyncIterator[None]:
    """Count the calls of `pid` while the context lasts; the counts are in `path` after it."""
    command = ["strace", "-c", "-f", "-o", str(path), "-p", str(pid)]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    try:
        await _wait_attached(process.stderr)
        yield
    finally:
        await end_politely(process, signal.SIGINT, ATTACH_SECONDS)
        with trio.CancelScope(shield=True):
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
