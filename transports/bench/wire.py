"""How the bench and its processes talk: one JSON object per line over stdin and stdout.

A worker ends when its stdin does, so nothing outlives the bench, however it dies.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

LINE_BYTES_MAX = 16 << 20

Message = dict[str, Any]


class ByteSource(Protocol):
    """What `read_messages` needs of a stream."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes as they come; empty at the end."""
        ...


class WireError(Exception):
    """A line that is no JSON object, or one that never ends."""


async def read_messages(source: ByteSource) -> AsyncGenerator[Message, None]:
    """The objects on `source`, up to its end. Raises `WireError`."""
    rest = b""
    while chunk := await source.receive_some():
        *lines, rest = (rest + bytes(chunk)).split(b"\n")
        for line in lines:
            yield parse(line)
        if len(rest) > LINE_BYTES_MAX:
            raise WireError("a line of a worker never ends")


def parse(line: bytes) -> Message:
    """The object on one line. Raises `WireError`."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise WireError(f"a worker said what is not JSON: {line[:80]!r}") from error
    if not isinstance(message, dict):
        raise WireError(f"a worker said what is not an object: {line[:80]!r}")
    return message


def pack(message: Message) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def say(message: Message) -> None:
    """Write a line to this process's stdout, at once."""
    sys.stdout.buffer.write(pack(message))
    sys.stdout.buffer.flush()


def run_worker(name: str, work: Callable[[], object]) -> int:
    """Do a worker's work; its exit status: 1 if it failed, with the reason on stdout."""
    try:
        work()
    except Exception as error:
        say({"error": f"{name}: {_reason(error)}"})
        return 1
    return 0


def _reason(error: BaseException) -> str:
    """What went wrong, out of groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def wait_for_end() -> None:
    """Wait until this process's stdin ends: the bench is done, or dead."""
    import trio

    async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
        while await stdin.receive_some(4096):
            pass
