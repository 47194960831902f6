"""How every client of the bench takes the time, whatever it loads, and says what came of it.

A client reads one job a line from stdin:

    {"load": {"type": "closed", "outstanding": 64}, "command_bytes": 64,
     "warm_seconds": 0.2, "seconds": 0.5}

and writes ``{"measuring": true}`` when the warm-up is over, ``{"measured": true}`` when the
window closes, so that the costs of that window can be read from outside, and ``{"result":
{...}}`` when every command has ended. Before the first job it writes ``{"ready":
{"command_bytes_max": n}}``. What fails is ``{"error": reason}``.
"""

from __future__ import annotations

from collections import Counter
from time import perf_counter_ns
from typing import Final

import msgspec

from transports.bench.saved.schema import Closed, Open
from transports.bench.wire import Message, say

NS: Final = 1_000_000_000
RESOLUTION_NS: Final = 100
"""Latencies are counted in steps of this: what is finer is the clock's own cost."""
LATENCY_NS_MAX: Final = 120 * NS
SIGNIFICANT_DIGITS: Final = 3


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One load."""

    load: Closed | Open
    command_bytes: int
    warm_seconds: float
    seconds: float


class Meter:
    """Takes the time of commands in a window after a warm-up.

    In a closed loop a command's time begins when it leaves, in an open one when it was
    planned to. A command belongs to the window in which it ends.
    """

    def __init__(self, job: Job) -> None:
        self.begin_ns = perf_counter_ns()
        self._warm_until_ns = self.begin_ns + int(job.warm_seconds * NS)
        self._end_ns = self._warm_until_ns + int(job.seconds * NS)
        self._first_ns = 0
        self._last_ns = 0
        self._closed = False
        self._counts: Counter[int] = Counter()
        self.commands = 0

    def is_open(self, now_ns: int) -> bool:
        """Whether more commands should leave."""
        return now_ns < self._end_ns

    def ended(self, begun_ns: int, count: int, now_ns: int) -> None:
        """`count` commands that began together ended well just now."""
        if now_ns < self._warm_until_ns:
            return
        if now_ns > self._end_ns:
            self.close()
            return
        if not self._first_ns:
            # What ended with this one took its time before the window.
            self._first_ns = now_ns
            say({"measuring": True})
            return
        self._last_ns = now_ns
        self.commands += count
        self._counts[(now_ns - begun_ns) // RESOLUTION_NS] += count

    def close(self) -> None:
        """The window is over: said once, by the first command that ends behind it or by the end."""
        if not self._closed and self._first_ns:
            self._closed = True
            say({"measured": True})

    def result(self) -> Message:
        """For `say`: commands, seconds, and the histogram as HdrHistogram encodes it.

        Raises `ValueError` if too few commands ended in the window.
        """
        self.close()
        if not self.commands:
            raise ValueError("too few commands ended within the time: give it more")
        return {
            "commands": self.commands,
            "seconds": (self._last_ns - self._first_ns) / NS,
            "histogram": self._histogram(),
        }

    def _histogram(self) -> str:
        from hdrh.histogram import HdrHistogram

        histogram = HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
        for steps, count in self._counts.items():
            histogram.record_value(max(1, steps * RESOLUTION_NS), count)
        encoded: bytes = histogram.encode()
        return encoded.decode("ascii")


def read_job(line: bytes | Message) -> Job:
    """The job on one line, or of one message. Raises `msgspec.ValidationError`."""
    if isinstance(line, bytes):
        return msgspec.json.decode(line, type=Job)
    return msgspec.convert(line, Job)
