"""A timer finer than a millisecond: trio's own sleep rounds up to what epoll takes.

Linux only, as the layers below the comparison are. See timerfd_create(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

NS: Final = 1_000_000_000
_CLOCK_MONOTONIC: Final = 1
_FLAGS: Final = 0o2004000  # TFD_CLOEXEC | TFD_NONBLOCK


class Timer:
    """Fires at a fixed interval. Made by `open_timer`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def wait(self) -> None:
        """Until the next time is due; several that were missed are one."""
        await trio.lowlevel.wait_readable(self._fd)
        os.read(self._fd, 8)


@asynccontextmanager
async def open_timer(interval_ns: int) -> AsyncIterator[Timer]:
    """A timer that fires every `interval_ns`, while the context lasts. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    try:
        seconds, ns = divmod(interval_ns, NS)
        spec = struct.pack("@llll", seconds, ns, seconds, ns)
        if libc.timerfd_settime(fd, 0, spec, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        yield Timer(fd)
    finally:
        trio.lowlevel.notify_closing(fd)
        os.close(fd)
