"""Makes allocations in the kernel fail, where it can (the debug kernel: CONFIG_FAILSLAB).

    for failed in each_allocation_fails(lambda: os.open("/dev/paxos", os.O_RDWR)):
        assert failed is None or failed.errno == errno.ENOMEM

    with cache_fails("skbuff_head_cache", percent=20):
        ...                    # frames in and out: some have no memory

The first is for system calls, and finds every allocation in them. The second is for what runs
in interrupts, which belong to no process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FAILSLAB = Path("/sys/kernel/debug/failslab")
_CACHES = Path("/sys/kernel/slab")
_ALLOCATIONS_MAX = 10_000


def possible() -> bool:
    """Whether this kernel can inject faults, and we may ask for it."""
    return _FAILSLAB.is_dir()


def each_allocation_fails(act: Callable[[], object]) -> Iterator[OSError | None]:
    """Calls `act` until it asks for no more: with its first allocation failing, its second, ...

    Yields after each call the OSError it raised, or None where the kernel made do without.
    What `act` makes when it succeeds, it must also take away. Keep it to few system calls: the
    interpreter's own allocations in the kernel fail as well. Raises whatever else `act` raises.
    """
    _set("ignore-gfp-wait", "N")  # also those that may sleep
    _set("verbose", "1")  # one line in the log each, without a trace
    for number in range(1, _ALLOCATIONS_MAX):
        failed, injected = _with_failure(act, number)
        if not injected:
            return
        yield failed
    raise AssertionError(f"more than {_ALLOCATIONS_MAX} allocations")


def _with_failure(act: Callable[[], object], number: int) -> tuple[OSError | None, bool]:
    """What `act` raised with that allocation failing, and whether it got that far."""
    # The kernel counts down with each allocation of this thread, and lets the one at 0 fail.
    countdown = os.open(f"/proc/self/task/{threading.get_native_id()}/fail-nth", os.O_RDWR)
    failed = None
    try:
        os.write(countdown, b"%d" % number)
        try:
            act()
        except OSError as error:
            failed = error
        left = int(os.pread(countdown, 32, 0).rstrip(b"\n\0"))
        os.write(countdown, b"0")
    finally:
        os.close(countdown)
    return failed, left == 0


@contextmanager
def cache_fails(cache: str, *, percent: int, times: int = -1) -> Iterator[None]:
    """Lets that share of the allocations from one slab cache fail, `times` at most (-1: all).

    Caches are the names under /sys/kernel/slab: skbuff_head_cache for frames, kmalloc-512 for
    what kmalloc gives of up to 512 bytes, or one of the module's own. Raises
    FileNotFoundError for an unknown one.
    """
    switch = _CACHES / cache / "failslab"
    settings = {"cache-filter": "Y", "task-filter": "N", "ignore-gfp-wait": "N", "verbose": "1"}
    switch.write_text("1")
    try:
        for name, value in settings.items():
            _set(name, value)
        _set("times", str(times))
        _set("probability", str(percent))
        yield
    finally:
        _set("probability", "0")
        _set("cache-filter", "N")
        switch.write_text("0")


def _set(name: str, value: str) -> None:
    (_FAILSLAB / name).write_text(value)
