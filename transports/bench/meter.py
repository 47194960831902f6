"""How every client of the bench takes the time, whatever it loads, and says what came of it.

A client reads one job a line from stdin:

    {"load": {"type": "closed", "outstanding": 64}, "command_bytes": 64,
     "warm_seconds": 0.2, "seconds": 0.5}

and writes ``{"measuring": {}}`` when the warm-up is over, ``{"measured": {}}`` when the
window closes, so that the costs of that window can be read from outside, and ``{"result":
{...}}`` when every command has ended. Before the first job it writes ``{"ready":
{"command_bytes_max": n}}``. What fails is ``{"error": reason}``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
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

    In a closed loop a command's time begins when it leaves, and it belongs to the window in
    which it ends. In an open one its time begins when it was planned to leave, and it belongs
    to the window in which that was, however late it ends: a server that stalls is charged with
    all that waited for it. The window is as long as the job says, whatever happens at its ends.
    `tell` gives what the process says of itself at both ends; costs are read from outside then,
    and belong to the commands that ended between the two looks (`costed`).
    """

    def __init__(self, job: Job, tell: Callable[[], Message] = dict) -> None:
        self._tell = tell
        self.begin_ns = perf_counter_ns()
        self._warm_until_ns = self.begin_ns + int(job.warm_seconds * NS)
        self._end_ns = self._warm_until_ns + int(job.seconds * NS)
        self._planned = isinstance(job.load, Open)
        self._first_ns = 0
        self._closed = False
        self._counts: Counter[int] = Counter()
        self.commands = 0
        self._costed = 0

    @property
    def end_ns(self) -> int:
        """When the window closes."""
        return self._end_ns

    def is_open(self, now_ns: int) -> bool:
        """Whether more commands should leave, or, in an open loop, be planned for `now_ns`."""
        return now_ns < self._end_ns

    def ended(self, begun_ns: int, count: int, now_ns: int) -> None:
        """`count` commands that began together ended well just now."""
        moment = begun_ns if self._planned else now_ns
        if moment < self._warm_until_ns:
            return
        if now_ns > self._end_ns:
            self.close()
        if moment >= self._end_ns:
            return
        if not self._first_ns:
            self._first_ns = now_ns
            say({"measuring": self._tell()})
        elif now_ns != self._first_ns and not self._closed:
            # What ended with the first took its time before the look.
            self._costed += count
        self.commands += count
        self._counts[(now_ns - begun_ns) // RESOLUTION_NS] += count

    def close(self) -> None:
        """The window is over: said once, by the first command that ends behind it or by the end."""
        if not self._closed and self._first_ns:
            self._closed = True
            say({"measured": self._tell()})

    def result(self) -> Message:
        """For `say`: commands, of how many the costs are, seconds, and the histogram, encoded.

        Raises `ValueError` if too few commands ended in the window.
        """
        self.close()
        if not self.commands or not (self._costed or self._planned):
            raise ValueError("too few commands ended within the time: give it more")
        return {
            "commands": self.commands,
            "costed": self._costed,
            "seconds": (self._end_ns - self._warm_until_ns) / NS,
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
