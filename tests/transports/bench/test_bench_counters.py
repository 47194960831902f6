"""Reading what processes and the machine have used, from the texts of /proc."""

from __future__ import annotations

import os

import pytest

from transports.bench.counters import (
    ProcessCounters,
    cost,
    parse_run_ns,
    parse_sent,
    parse_softirq,
    parse_switches,
    parse_ticks,
    process_cost,
    snapshot,
)
from transports.bench.places import LOOPBACK
from transports.bench.processes import MeasureFailed

NET = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 1000      10    0    0    0     0          0         0   2000      20    0    0
  eth0: 11        1     0    0    0     0          0         0   22        2     0    0
"""


def test_texts_of_proc_are_read() -> None:
    assert parse_run_ns("123456 789 10\n") == 123456
    status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n"
    assert parse_switches(status) == (7, 3)
    stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 55 66 0 0 20 0\n"
    assert parse_ticks(stat) == (55, 66)
    assert parse_softirq("cpu  1 2 3 4 5 6 77 8 9 10\ncpu0 1\n") == 77
    assert parse_sent(NET, "lo") == (20, 2000)
    assert parse_sent(NET, "eth0") == (2, 22)
    assert parse_sent(NET, "eth1") == (0, 0)


def test_the_exact_time_is_split_as_the_ticks_say() -> None:
    before = ProcessCounters(1_000_000_000, 10, 10, 5, 5)
    after = ProcessCounters(1_400_000_000, 40, 20, 25, 6)
    found = process_cost("leader", before, after)
    assert found.user_seconds == pytest.approx(0.3)
    assert found.system_seconds == pytest.approx(0.1)
    assert (found.voluntary_switches, found.involuntary_switches) == (20, 1)


def test_a_thread_that_ended_is_still_counted() -> None:
    before = ProcessCounters(900_000_000, 90, 0, 0, 0)
    after = ProcessCounters(100_000_000, 110, 0, 0, 0)
    assert process_cost("leader", before, after).user_seconds == pytest.approx(0.2)


def test_this_process_works_and_is_counted() -> None:
    before = snapshot({"all": os.getpid()}, LOOPBACK)
    deadline = before.processes["all"].run_ns + 30_000_000
    while snapshot({"all": os.getpid()}, LOOPBACK).processes["all"].run_ns < deadline:
        sum(range(10_000))
    ((process,), _softirq, frames, size) = cost(before, snapshot({"all": os.getpid()}, LOOPBACK))
    assert process.user_seconds + process.system_seconds >= 0.03
    assert frames >= 0
    assert size >= 0


def test_a_process_that_is_gone_is_said() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(MeasureFailed, match="leader is gone"):
        snapshot({"leader": pid}, LOOPBACK)
