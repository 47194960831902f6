"""What a process may do that does nothing else: wait for frames without trio, collect rarely."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from transports.api import Frame, Transport

LINGER_SECONDS: Final = 0.001
LINGERS_MAX: Final = 64
GARBAGE_THRESHOLD: Final = 50_000


async def feed_drains(
    transport: Transport, feed: Callable[[list[Frame]], None], lingers: Callable[[], bool]
) -> None:
    """Hand each drain of `transport` to `feed`, for ever.

    While `lingers` says so after a drain, the next one is waited for without trio. That
    blocks the thread, so it ends when nothing comes for `LINGER_SECONDS`, and after
    `LINGERS_MAX` drains in any case: other tasks get their turn.
    """
    while True:
        feed(await transport.receive())
        for _ in range(LINGERS_MAX):
            if not lingers() or not (frames := transport.receive_soon(LINGER_SECONDS)):
                break
            feed(frames)


def open_more_files() -> None:
    """Connections are files: take as many as the system grants, not the careful default."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Refused where the system's own bound was lowered since, or a sandbox forbids it.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_less() -> None:
    """What exists now stays, and what a drain makes dies with it: nothing to look for often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
