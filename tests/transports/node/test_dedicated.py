"""Waiting without trio: only while asked to, never for ever, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from transports.api import Frame, Transport, TransportStats
from transports.node.dedicated import LINGERS_MAX, feed_drains


class Scripted(Transport):
    """Has `soon` drains that need no trio, then nothing; `receive` always has one frame."""

    def __init__(self, soon: int) -> None:
        self.frame_bytes_max = 64
        self.stats = TransportStats()
        self.soon = soon
        self.calls: list[str] = []

    def send(self, batch: Sequence[Frame]) -> None:
        raise NotImplementedError

    async def receive(self) -> list[Frame]:
        await trio.lowlevel.checkpoint()
        self.calls.append("receive")
        return [(1, b"awaited")]

    def receive_soon(self, seconds: float) -> list[Frame]:
        self.calls.append("soon")
        self.soon -= 1
        return [(1, b"soon")] if self.soon >= 0 else []


async def run_rounds(transport: Scripted, rounds: int, *, lingers: bool) -> int:
    """Run until the `rounds`-th `receive` has been fed; how many drains were."""
    fed = 0

    with trio.CancelScope() as scope:

        def feed(frames: list[Frame]) -> None:
            nonlocal fed
            fed += len(frames)
            if transport.calls.count("receive") == rounds:
                scope.cancel()

        await feed_drains(transport, feed, lambda: lingers)
    return fed


async def test_who_may_not_linger_always_awaits() -> None:
    transport = Scripted(soon=5)
    assert await run_rounds(transport, 3, lingers=False) == 3
    assert transport.calls == ["receive"] * 3


async def test_lingering_ends_when_nothing_comes() -> None:
    transport = Scripted(soon=2)
    assert await run_rounds(transport, 2, lingers=True) == 4
    assert transport.calls[:5] == ["receive", "soon", "soon", "soon", "receive"]


async def test_a_busy_transport_does_not_keep_other_tasks_out() -> None:
    transport = Scripted(soon=10 * LINGERS_MAX)
    await run_rounds(transport, 2, lingers=True)
    assert transport.calls[: LINGERS_MAX + 2] == ["receive", *["soon"] * LINGERS_MAX, "receive"]
