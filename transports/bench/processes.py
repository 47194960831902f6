"""Worker processes of the bench: started, spoken with, and ended by their own pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import trio

from transports.bench.wire import Message, WireError, pack, read_messages

END_SECONDS = 3.0


class MeasureFailed(Exception):
    """One measurement did not come about. The message is one line with the reason."""


class Worker:
    """A running worker. Made by `open_worker`."""

    def __init__(self, name: str, process: trio.Process, errors: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self.process = process
        self._errors = errors
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._messages = read_messages(process.stdout)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def read(self, key: str, timeout_seconds: float) -> Message:
        """The next message, which must have `key`. Raises `MeasureFailed`."""
        try:
            with trio.fail_after(timeout_seconds):
                message = await anext(self._messages)
        except trio.TooSlowError:
            raise MeasureFailed(
                f"{self.name}: no word for {timeout_seconds:.0f} s; it was stopped"
            ) from None
        except StopAsyncIteration:
            raise MeasureFailed(f"{self.name} ended: {self._last_words()}") from None
        except WireError as error:
            raise MeasureFailed(f"{self.name}: {error}") from error
        if "error" in message:
            raise MeasureFailed(_one_line(str(message["error"])))
        if key not in message:
            raise MeasureFailed(f"{self.name}: said {sorted(message)} instead of {key}")
        return message

    def check_alive(self) -> None:
        """Raises `MeasureFailed` if it has ended."""
        status = self.process.poll()
        if status is None:
            return
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise MeasureFailed(f"{self.name} ended with {how}: {self._last_words()}")

    async def tell(self, message: Message) -> None:
        """Send it a message. Raises `MeasureFailed` if it has ended."""
        try:
            await self._stdin.send_all(pack(message))
        except trio.BrokenResourceError:
            raise MeasureFailed(f"{self.name} ended: {self._last_words()}") from None

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        await self.process.wait()

    async def end(self) -> None:
        """Close its stdin; kill it if it does not end by itself."""
        with suppress(trio.BrokenResourceError):
            await self._stdin.aclose()
        with trio.move_on_after(END_SECONDS):
            await self.process.wait()
        if self.process.returncode is None:
            await self.kill()
        await self._messages.aclose()
        await self._stdout.aclose()

    def _last_words(self) -> str:
        try:
            lines = self._errors.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return _one_line(lines[-1]) if lines else "it gave no reason"


@asynccontextmanager
async def open_worker(
    module: str, *arguments: str, name: str, errors: Path, entering: Sequence[str] = ()
) -> AsyncIterator[Worker]:
    """Run ``python -m transports.bench.<module>`` while the context lasts; errors say `name`.

    `entering` are the words that put a command elsewhere, in the process that they start.
    It has a session of its own, so that Ctrl-C reaches it only through the bench.
    """
    command = [*entering, sys.executable, "-m", f"transports.bench.{module}", *arguments]
    with open_append(errors) as stderr:
        try:
            process = await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise MeasureFailed(f"cannot start a process: {error.strerror}") from error
    worker = Worker(name, process, errors)
    try:
        yield worker
    finally:
        with trio.CancelScope(shield=True):
            await worker.end()


async def end_politely(process: trio.Process, sent: int, seconds: float) -> None:
    """End a process that is not one of the bench's own: a signal, and SIGKILL if that is not
    enough within `seconds`. Not to be cancelled.
    """
    with trio.CancelScope(shield=True):
        with suppress(ProcessLookupError):
            os.kill(process.pid, sent)
        with trio.move_on_after(seconds):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def open_append(path: Path) -> IO[bytes]:
    """A file for what a process says. Raises `MeasureFailed`."""
    try:
        return open(path, "ab")
    except OSError as error:
        raise MeasureFailed(f"cannot write {path.name}: {error.strerror}") from error


def resident_kib(pid: int) -> int:
    """What a process keeps in memory, in KiB. Raises `MeasureFailed` if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        raise MeasureFailed(f"process {pid} is gone: {error.strerror}") from error
    return parse_resident_kib(text)


def parse_resident_kib(status: str) -> int:
    """VmRSS out of the text of ``/proc/PID/status``. Raises `MeasureFailed`."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "VmRSS":
            return int(value.split()[0])
    raise MeasureFailed("a process has no resident memory: it is ending")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
