"""Makes the kernel fail inside, where it can: the debug kernel, with CONFIG_FAULT_INJECTION.

    for failed in each_fault(lambda: os.close(os.open("/dev/paxos", os.O_RDWR))):
        assert failed is None or failed.errno in (errno.ENOMEM, errno.EFAULT)

    with frames_fail(percent=20):
        ...                    # frames in and out: for some there is no memory

The first is for system calls, and finds every allocation and every copy in them. The second is
for what runs in interrupts, which belong to no process.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FAILSLAB = Path("/sys/kernel/debug/failslab")
_FRAMES = Path("/sys/kernel/slab/skbuff_head_cache/failslab")
"""1 in kernels booted with slub_debug=A,skbuff_head_cache."""
_FAULTS_MAX = 10_000


def possible() -> bool:
    """Whether this kernel can inject faults, and we may ask for it."""
    return _FAILSLAB.is_dir()


def each_fault(act: Callable[[], object]) -> Iterator[OSError | None]:
    """Calls `act` again and again: its first allocation in the kernel fails, its second, ...

    A copy from or to user space counts like an allocation. Ends after a call with none failing.
    Yields after each other call the OSError it raised, or None where the kernel made do without.
    What `act` makes when it succeeds, it must also take away. Keep it to few system calls: the
    interpreter's own allocations in the kernel fail as well. Raises whatever else `act` raises.
    """
    _set("ignore-gfp-wait", "N")  # also those that may sleep
    _set("verbose", "1")  # one line in the log each, without a trace
    for number in range(1, _FAULTS_MAX):
        failed, injected = _with_fault(act, number)
        if not injected:
            return
        yield failed
    raise AssertionError(f"more than {_FAULTS_MAX} allocations and copies")


def _with_fault(act: Callable[[], object], number: int) -> tuple[OSError | None, bool]:
    """What `act` raised with that one failing, and whether it got that far."""
    # The kernel counts down with each of this thread, and lets the one at 0 fail.
    countdown = os.open(f"/proc/self/task/{threading.get_native_id()}/fail-nth", os.O_RDWR)
    failed = None
    try:
        os.write(countdown, b"%d" % number)
        try:
            act()
        except OSError as error:
            failed = error
        injected = _done(countdown)
    finally:
        os.close(countdown)
    return failed, injected


def _done(countdown: int) -> bool:
    """Whether the countdown came to its end before this; stops it."""
    try:
        left = int(os.pread(countdown, 32, 0).rstrip(b"\n\0"))
        if left > 0:
            os.write(countdown, b"0")
    except OSError as error:
        # Reading and writing it copies too, and the fault came in that copy.
        if error.errno != errno.EFAULT:
            raise
        return False
    return left == 0


@contextmanager
def frames_fail(*, percent: int, times: int = -1) -> Iterator[None]:
    """For that share of network packets there is no memory, `times` at most (-1: no limit).

    Those of all programs and of interrupts, in and out.
    """
    assert _FRAMES.read_text().strip() == "1", "the kernel was not booted by kmod/vm"
    settings = {"cache-filter": "Y", "task-filter": "N", "ignore-gfp-wait": "N", "verbose": "1"}
    try:
        for name, value in settings.items():
            _set(name, value)
        _set("times", str(times))
        _set("probability", str(percent))
        yield
    finally:
        _set("probability", "0")
        _set("cache-filter", "N")


def _set(name: str, value: str) -> None:
    (_FAILSLAB / name).write_text(value)
