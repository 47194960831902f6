"""What processes and the machine have used so far, read from outside, from /proc and /sys.

Reading takes a few milliseconds and nobody's cooperation, so peers are counted as we are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transports.bench.places import Place
from transports.bench.processes import MeasureFailed
from transports.bench.saved.schema import ProcessCost

NS: Final = 1_000_000_000
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
TICKS_LOST_SECONDS: Final = 0.03
"""By how much ticks may exceed the exact time by rounding."""
_SOFTIRQ_FIELD: Final = 7
_SWITCHES: Final = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


@dataclass(frozen=True, slots=True)
class ProcessCounters:
    """Of all threads of one process that live."""

    run_ns: int
    """On a processor, exactly."""
    user_ticks: int
    system_ticks: int
    """On a processor, in the clock's ticks: only their proportion is used."""
    voluntary: int
    involuntary: int


@dataclass(frozen=True, slots=True)
class Counters:
    """At one moment."""

    processes: Mapping[str, ProcessCounters]
    softirq_ticks: int
    wire_frames: int
    wire_bytes: int


def snapshot(pids: Mapping[str, int], place: Place) -> Counters:
    """Role -> what its process has used, and what the interfaces have sent so far.

    Raises `MeasureFailed` if a process is gone.
    """
    try:
        return _snapshot(pids, place)
    except OSError as error:
        raise MeasureFailed(f"a process ended while it was measured: {error}") from error


def _snapshot(pids: Mapping[str, int], place: Place) -> Counters:
    processes = {role: _read_process(role, pid) for role, pid in pids.items()}
    frames, size = _read_wire(place, pids)
    return Counters(processes, parse_softirq(_read("/proc/stat")), frames, size)


def cost(before: Counters, after: Counters) -> tuple[list[ProcessCost], float, int, int]:
    """(each process, softirq seconds of the machine, frames, bytes on the wire) in between."""
    processes = [
        process_cost(role, before.processes[role], found)
        for role, found in after.processes.items()
        if role in before.processes
    ]
    return (
        processes,
        (after.softirq_ticks - before.softirq_ticks) / TICKS_PER_SECOND,
        after.wire_frames - before.wire_frames,
        after.wire_bytes - before.wire_bytes,
    )


def process_cost(role: str, before: ProcessCounters, after: ProcessCounters) -> ProcessCost:
    """The exact time, split as the clock's ticks say."""
    seconds = (after.run_ns - before.run_ns) / NS
    user = max(0, after.user_ticks - before.user_ticks)
    system = max(0, after.system_ticks - before.system_ticks)
    # A thread that ended took its exact time with it; the ticks still have it.
    by_ticks = (user + system) / TICKS_PER_SECOND
    seconds = by_ticks if seconds < by_ticks - TICKS_LOST_SECONDS else max(0.0, seconds)
    share = user / (user + system) if user + system else 1.0
    return ProcessCost(
        role=role,
        user_seconds=seconds * share,
        system_seconds=seconds * (1 - share),
        voluntary_switches=max(0, after.voluntary - before.voluntary),
        involuntary_switches=max(0, after.involuntary - before.involuntary),
    )


def _read_process(role: str, pid: int) -> ProcessCounters:
    base = f"/proc/{pid}"
    try:
        run_ns = voluntary = involuntary = 0
        for task in os.listdir(f"{base}/task"):
            try:
                run_ns += parse_run_ns(_read(f"{base}/task/{task}/schedstat"))
                first, second = parse_switches(_read(f"{base}/task/{task}/status"))
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread that ended just now
            voluntary += first
            involuntary += second
        stat = _read(f"{base}/stat")
        if stat[stat.rindex(")") + 2] in "ZX":
            raise MeasureFailed(f"{role} has ended")
        user, system = parse_ticks(stat)
    except OSError as error:
        raise MeasureFailed(f"{role} is gone: {error.strerror}") from error
    return ProcessCounters(run_ns, user, system, voluntary, involuntary)


def parse_run_ns(text: str) -> int:
    """Time on a processor out of ``/proc/PID/task/TID/schedstat``."""
    return int(text.split()[0])


def parse_switches(text: str) -> tuple[int, int]:
    """(voluntary, involuntary) out of ``/proc/PID/task/TID/status``."""
    found = dict.fromkeys(_SWITCHES, 0)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value)
    first, second = found.values()
    return first, second


def parse_ticks(text: str) -> tuple[int, int]:
    """(user, system) ticks of all threads, also of ended ones, out of ``/proc/PID/stat``."""
    # The name is in parentheses and may hold anything, also parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[11]), int(fields[12])


def parse_softirq(text: str) -> int:
    """Ticks of all processors in softirqs, out of ``/proc/stat``."""
    return int(text.split("\n", 1)[0].split()[_SOFTIRQ_FIELD])


def _read_wire(place: Place, pids: Mapping[str, int]) -> tuple[int, int]:
    """What was sent, each packet once: every one is sent by exactly one station."""
    if place.plan is None:
        return parse_sent(_read("/proc/net/dev"), "lo")
    frames = size = 0
    # A process sees the interfaces of its own namespace.
    for pid in pids.values():
        more, larger = parse_sent(_read(f"/proc/{pid}/net/dev"), place.interface)
        frames, size = frames + more, size + larger
    return frames, size


def parse_sent(text: str, interface: str) -> tuple[int, int]:
    """(packets, bytes) that `interface` sent, out of ``/proc/net/dev``; 0 if it is not there."""
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if colon and name.strip() == interface:
            fields = rest.split()
            return int(fields[9]), int(fields[8])
    return 0, 0


def _read(path: str) -> str:
    return Path(path).read_text(errors="replace")
