"""A few machine instructions, run from Python: to count them, and to read the processor's clock."""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_RDTSC = bytes.fromhex("0f 31 48 c1 e2 20 48 09 d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret."""
_SAMPLES = 200
_APART_NS = 100_000_000


@contextmanager
def function(code: bytes) -> Iterator[Callable[[int], int]]:
    """x86-64 code as a function of one integer. Raises OSError where no such page is allowed."""
    everything = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    with mmap.mmap(-1, mmap.PAGESIZE, prot=everything) as page:
        page.write(code)
        first = ctypes.c_char.from_buffer(page)
        call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(ctypes.addressof(first))
        try:
            yield call
        finally:
            del first  # or the page cannot be closed


def tsc_khz() -> int | None:
    """The rate of this machine's time stamp counter, or None where it cannot be read."""
    try:
        with function(_RDTSC) as rdtsc:
            clock, ticks = _together(rdtsc)
            time.sleep(_APART_NS / 1e9)
            later_clock, later_ticks = _together(rdtsc)
    except OSError:
        return None
    return round((later_ticks - ticks) * 1_000_000 / (later_clock - clock))


def _together(rdtsc: Callable[[int], int]) -> tuple[float, int]:
    """Both clocks at one moment: of many samples, that with the least time between."""
    best = (float("inf"), 0.0, 0)
    for _ in range(_SAMPLES):
        before = time.monotonic_ns()
        ticks = rdtsc(0)
        after = time.monotonic_ns()
        best = min(best, (after - before, (before + after) / 2, ticks))
    return best[1], best[2]
