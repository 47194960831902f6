"""Counts instructions in a guest started with --icount, where 1 ns of its clock is 1 instruction.

    with count([server.pid]) as counted:
        for _ in range(1000):
            client.submit(b"x")
    counted.busy / 1000             # per operation: all processes, the kernel, interrupts
    counted.of[server.pid] / 1000   # what one process ran, its system calls included
    counted.switches / 1000         # context switches per operation

With --icount there is one processor. While it idles the clock runs like any other: idle time is
taken out of `busy`. The figures do not depend on the load of the machine outside. Without
--icount the same figures are nanoseconds, and do depend on it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import native

_IDLE = re.compile(r"^ *\.idle_sleeptime *: (\d+) nsecs", re.MULTILINE)
_SWITCHES = re.compile(r"^ctxt (\d+)", re.MULTILINE)
_CPUCLOCK_SCHED = 2
_LOOP = bytes.fromhex("48 89 f8 48 ff c8 75 fb c3")
"""mov rax, rdi; dec rax; jnz the dec; ret."""
_LOOP_ROUNDS = 1_000_000
_LOOP_INSTRUCTIONS_PER_ROUND = 2


@dataclass
class Counted:
    """What one block took; filled in when it ends."""

    elapsed: int = 0
    """Instructions, and the idle time between them."""
    busy: int = 0
    """Instructions of all there is: processes, kernel, interrupts."""
    switches: int = 0
    """Context switches of all there is."""
    of: Mapping[int, int] = field(default_factory=dict)
    """Instructions by process id: all its threads, in user space and in system calls.

    An interrupt counts for the process that it interrupts.
    """


@contextmanager
def count(pids: Sequence[int] = ()) -> Iterator[Counted]:
    """Counts what the block takes. Raises OSError when a process of `pids` is not there.

    Needs root. The count itself adds some thousand instructions: let the block run a million.
    """
    counted = Counted()
    # The clock is read last before the block and first after it: reading the rest is not idling.
    idle, switches, ran = _idle(), _switches(), _ran(pids)
    started = time.monotonic_ns()
    yield counted
    counted.elapsed = time.monotonic_ns() - started
    counted.of = {pid: now - ran[pid] for pid, now in _ran(pids).items()}
    counted.switches = _switches() - switches
    counted.busy = counted.elapsed * (os.cpu_count() or 1) - (_idle() - idle)


def instructions_per_ns() -> float:
    """1.0 with --icount: times a loop of two million instructions of which each is known."""
    with native.function(_LOOP) as loop:
        started = time.thread_time_ns()
        loop(_LOOP_ROUNDS)
        took = time.thread_time_ns() - started
    return _LOOP_ROUNDS * _LOOP_INSTRUCTIONS_PER_ROUND / took


def _idle() -> int:
    return sum(int(ns) for ns in _IDLE.findall(Path("/proc/timer_list").read_text()))


def _switches() -> int:
    found = _SWITCHES.search(Path("/proc/stat").read_text())
    assert found is not None
    return int(found[1])


def _ran(pids: Sequence[int]) -> dict[int, int]:
    return {pid: time.clock_gettime_ns(_cpu_clock(pid)) for pid in pids}


def _cpu_clock(pid: int) -> int:
    """The clock of a process's processor time (clock_getcpuclockid(3))."""
    os.kill(pid, 0)
    return (~pid << 3) | _CPUCLOCK_SCHED
