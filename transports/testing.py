"""The conformance suite of a transport: `check_transport` finds out whether it keeps its word.

Written against `transports.api` alone, so it tests a transport of anybody's. It
allows what a transport may do (lose, duplicate, reorder) and names the promise
that is broken.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

import trio

from transports._conformance import CHECKS, BrokenPromise, FreshPeers, InjectGarbage, Subject
from transports.api import NodeId, OpenTransport

PROMISES: tuple[str, ...] = tuple(CHECKS)
"""What `check_transport` checks, in this order; a test may be made of each."""


async def check_transport(
    open_transport: OpenTransport,
    fresh_peers: FreshPeers,
    *,
    options: Mapping[str, object] | None = None,
    inject_garbage: InjectGarbage | None = None,
    promises: Iterable[str] = PROMISES,
    within_seconds: float = 30.0,
    seed: int = 0,
) -> None:
    """Check that what `open_transport` opens, with `options`, keeps each of `promises`.

    `fresh_peers(n)` gives addresses for n replicas, new ones each time.
    `inject_garbage` brings raw bytes to an address; without it, nothing is said
    about malformed input. Frames of at least 64 bytes must be possible. Raises
    `BrokenPromise`, naming the promise, also when one is not kept `within_seconds`.
    A `send` that blocks, or a `receive` that cannot be cancelled, holds up the suite as well.
    """
    for name in promises:
        check = CHECKS[name]
        source = random.Random(f"{seed} {name}")
        subject = Subject(open_transport, fresh_peers, dict(options or {}), inject_garbage, source)
        promise = f"{name}: {(check.__doc__ or '').strip()}"
        try:
            with trio.fail_after(within_seconds):
                await check(subject)
        except trio.TooSlowError:
            still = f" Still waiting for {subject.waiting_for}." if subject.waiting_for else ""
            # The trace of a cancellation, nursery by nursery, would only hide the line.
            raise BrokenPromise(f"{promise} Not so within {within_seconds} s.{still}") from None
        except Exception as error:
            cause = _innermost(error)
            detail = str(cause) if isinstance(cause, BrokenPromise) else repr(cause)
            raise BrokenPromise(f"{promise} But: {detail}") from error


def _innermost(error: BaseException) -> BaseException:
    """Return the error that tells most: a broken promise if there is one in the group."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_innermost(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, BrokenPromise)), leaves[0])


def free_tcp_addresses(n: int) -> dict[NodeId, str]:
    """Return loopback addresses for the replicas 1..n, on ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return {i: f"127.0.0.1:{s.getsockname()[1]}" for i, s in enumerate(sockets, start=1)}
    finally:
        for sock in sockets:
            sock.close()


__all__ = [
    "PROMISES",
    "BrokenPromise",
    "FreshPeers",
    "InjectGarbage",
    "check_transport",
    "free_tcp_addresses",
]
