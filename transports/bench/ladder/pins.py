"""Which processors each process may use: the same for every layer, so that none is lucky.

With two or three processors the leader and the client share one, since each waits while the
other works, and the followers have another. Of the placements that were tried this was the one
that came closest to what the kernel does by itself. With four or more, leader and client have
one each and the followers the rest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

Pins = Mapping[str, list[int]]


def choose_pins() -> dict[str, list[int]]:
    """Role -> processors; empty where there is one alone, or nobody may be pinned."""
    free = sorted(os.sched_getaffinity(0))
    if len(free) < 2 or not _may_pin(free):
        return {}
    if len(free) >= 4:
        first, second, *rest = free
        return {"leader": [first], "client": [second], "follower": rest, "echo": [rest[0]]}
    first, second = free[:2]
    return {"leader": [first], "client": [first], "follower": [second], "echo": [second]}


def apply_pins(pins: Pins, pids: Mapping[str, int]) -> None:
    """Keep every thread of these processes, named by role, on its processors.

    `follower 2` has the pin of `follower`; a role without one keeps what it has.
    """
    for role, pid in pids.items():
        processors = pins.get(role) or pins.get(role.partition(" ")[0])
        if processors:
            _pin(pid, processors)


def _may_pin(free: list[int]) -> bool:
    """Tried on this process, which then has again what it had."""
    try:
        os.sched_setaffinity(0, free[:1])
        os.sched_setaffinity(0, free)
    except OSError:
        return False
    return True


def _pin(pid: int, processors: list[int]) -> None:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        # A thread that has ended meanwhile needs no processor; and a run that goes on
        # elsewhere may name processors that are not there.
        with suppress(OSError):
            os.sched_setaffinity(int(task.name), processors)
