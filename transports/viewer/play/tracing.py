"""The trace of a run for the page's diagram: each time only what the page does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transports.viewer.pack import Packer

Event = Mapping[str, Any]


class TraceFeed:
    """What one page has of a trace. `epoch` names the page and the cluster: another begins another.

    A page that asks with an older epoch is given everything anew.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self._packer = Packer()
        self._header: dict[str, Any] = {}
        self._sent: Sequence[Event] = ()

    def feed(self, epoch: int, header: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        """What the page of `epoch` lacks: `keep` of its events, then these."""
        if epoch != self.epoch or header != self._header:
            self.epoch += 1
            self._header = header
            self._packer = Packer()
            self._sent = ()
        keep = _common(self._sent, events)
        self._sent = list(events)
        return {
            "epoch": self.epoch,
            "keep": keep,
            "header": header,
            **self._packer.pack(events[keep:]),
        }


def _common(one: Sequence[Event], other: Sequence[Event]) -> int:
    """How many events both begin with."""
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        count += 1
    return count
