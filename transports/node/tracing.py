"""The trace of a running node: every step of its core, as lines in a file.

The node never waits for the file longer than for any other, and never stops for it: what
goes wrong with it ends the trace, and is said once in the log.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from paxos_core import DurableState
from paxos_core.trace.recorder import Recorder
from paxos_core.trace.shape import header
from paxos_core.trace.tracer import TracedLog
from transports.node.cores import Core
from transports.node.logs import NodeLogger

TRACE_BYTES_MAX: Final = 256 << 20
BUFFER_BYTES_MAX: Final = 1 << 20
_MODE: Final = 0o600
"""A trace holds what clients wrote."""


class TraceError(Exception):
    """The trace's file cannot be opened. The message is one line, with the cause."""


class TraceFile:
    """Appends lines to `path`; what is written there stays. Raises `TraceError`.

    A line is a dict. Lines gather until `flush`. At `bytes_max` one last line says so; then, or
    when the file fails, `ended` is true and nothing is written any more.
    """

    def __init__(
        self, path: str | os.PathLike[str], log: NodeLogger, bytes_max: int = TRACE_BYTES_MAX
    ) -> None:
        self._path = Path(path)
        self._log = log
        self._bytes_max = bytes_max
        self._encode = msgspec.json.Encoder().encode
        self._buffer = bytearray()
        self.ended = False
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        try:
            self._fd = os.open(self._path, flags, _MODE)
            self._bytes = self._continue()
        except OSError as error:
            raise TraceError(f"--trace {path}: {error.strerror}; name another file") from error

    def _continue(self) -> int:
        """How much is there already; a line that a crash has cut is ended."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            self._buffer += b"\n"
        return size

    def write(self, line: dict[str, Any]) -> None:
        """One line more, at the next `flush`."""
        if self.ended:
            return
        self._buffer += self._encode(line)
        self._buffer += b"\n"
        if self._bytes + len(self._buffer) >= self._bytes_max:
            self._finish(line.get("at", 0))
        elif len(self._buffer) > BUFFER_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        data = memoryview(bytes(self._buffer))
        self._buffer.clear()
        while data and not self.ended:
            try:
                written = os.write(self._fd, data)
            except OSError as error:
                self.ended = True
                self._log.error(
                    "trace_failed",
                    file=str(self._path),
                    reason=error.strerror,
                    cure="the node goes on without a trace; start it again to trace it",
                )
                return
            data = data[written:]
            self._bytes += written

    def _finish(self, at: float) -> None:
        text = f"the trace ends here: it may have {self._bytes_max:,} bytes"
        self._buffer += self._encode({"at": at, "kind": "fault", "text": text}) + b"\n"
        self.flush()
        if not self.ended:
            self._log.warning("trace_full", file=str(self._path), bytes=self._bytes)
        self.ended = True

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        os.close(self._fd)


@contextmanager
def traced(
    path: str | os.PathLike[str], core: Core, state: DurableState, log: NodeLogger
) -> Iterator[Core]:
    """`core`, which has just started from `state`, watched. Raises `TraceError`."""
    config = core.replica.config
    file = TraceFile(path, log)
    began, start = time.time(), time.monotonic()
    recorder = Recorder(file.write, lambda: round(time.monotonic() - start, 6), joins=False)

    def drained() -> None:
        file.flush()
        recorder.stopped = file.ended

    first = header(f"paxos node {config.node}", config.quorums, "s", config.node)
    file.write({**first, "began": round(began, 6), "stops": True})
    replica = TracedLog(
        core.replica,
        core.codec,
        dict(state.votes),
        recorder,
        deferred=core.name != "python",
        ticks=core.name != "kernel",
        drained=drained,
    )
    try:
        yield replace(core, replica=replica)
    except Exception:
        # It fails: its last line is what it did, as it is of one that is killed.
        recorder.settle()
        raise
    except BaseException:
        recorder.stop(config.node)
        raise
    else:
        recorder.stop(config.node)
    finally:
        file.close()
