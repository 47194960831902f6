"""With --icount the guest's clock counts instructions, so that figures do not depend on load."""

from __future__ import annotations

import os
import socket
import time

import pytest
from harness import instructions

with_icount = pytest.mark.skipif(
    "KMOD_VM_ICOUNT" not in os.environ, reason="the guest's clock counts time: --icount"
)
SYSTEM_CALLS = 20_000


def system_calls() -> None:
    for _ in range(SYSTEM_CALLS):
        os.getppid()


@with_icount
def test_a_nanosecond_is_an_instruction() -> None:
    # Not exactly: timer interrupts add theirs, and the kernel measures the clock's rate at boot.
    assert instructions.instructions_per_ns() == pytest.approx(1.0, rel=0.05)


@with_icount
def test_the_same_work_takes_the_same_instructions() -> None:
    system_calls()
    counts = []
    for _ in range(3):
        with instructions.count([os.getpid()]) as counted:
            system_calls()
        assert counted.of[os.getpid()] == pytest.approx(counted.busy, rel=0.1)
        counts.append(counted.busy)
    assert max(counts) == pytest.approx(min(counts), rel=0.05)


@with_icount
def test_idling_is_not_counted() -> None:
    with instructions.count() as counted:
        time.sleep(1)
    assert counted.elapsed > 900_000_000
    assert counted.busy < 100_000_000


@with_icount
def test_another_process_is_counted_apart() -> None:
    parents, childs = socket.socketpair()
    child = os.fork()
    if child == 0:
        parents.close()
        childs.send(b"ready")
        childs.recv(1)
        os._exit(0)
    childs.close()
    with parents:
        parents.recv(5)
        with instructions.count([os.getpid(), child]) as counted:
            system_calls()
    os.waitpid(child, 0)
    assert counted.of[child] < counted.of[os.getpid()] / 10


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(ProcessLookupError), instructions.count([2**22 - 1]):
        pass
