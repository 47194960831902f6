"""What nodes tell one another of their processes, so that two with one identity are noticed.

Each process of `paxos node` draws an *incarnation* at its start, and announces it to every
peer each second: the nonce of a `StatusRequest` carries it. A peer remembers the last
incarnations of each node, and its own status tells them to whoever asks. A process that
reads there of an incarnation larger than its own *contests* that one, with another nonce,
and the peer remembers that as well. A process whose own incarnation is contested stops;
see `transports.node.doubles`.

No delay, repetition or clock makes a restart look like two processes: who contests an
incarnation has read of it, so another process of that identity lived when this one
had begun. And of two incarnations one is the larger: one process stops, not both. It
is the one that started later, if the clocks agree.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any, Final

from paxos_core.types import NodeId

INCARNATION_MAX: Final = (1 << 62) - 1
REMEMBERED: Final = 2
"""Incarnations of each peer, the last that were heard: those of two processes."""
_RANDOM_BITS: Final = 20
_CONTESTS: Final = 1 << 62


def draw_incarnation() -> int:
    """Milliseconds since 1970, and 20 bits by chance; at most `INCARNATION_MAX`."""
    milliseconds = time.time_ns() // 1_000_000
    return (milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)) & INCARNATION_MAX


def announcing(incarnation: int) -> int:
    """The nonce that says: this is me."""
    return incarnation


def contesting(incarnation: int) -> int:
    """The nonce that says: there is this process, and I am another.

    All bits differ from those that announce it: no flipped bit makes the one of the other.
    """
    return _CONTESTS | (INCARNATION_MAX ^ incarnation)


class Incarnations:
    """What one node has heard of its peers' processes. Bounded, whatever they say."""

    def __init__(self, peers: Iterable[NodeId]) -> None:
        self._announced: dict[NodeId, list[int]] = {peer: [] for peer in peers}
        self._contested: dict[NodeId, list[int]] = {peer: [] for peer in self._announced}

    def hear(self, sender: NodeId, nonce: int) -> None:
        """Take the nonce of a `StatusRequest`; one of somebody else than a peer says nothing."""
        if sender not in self._announced or nonce >= _CONTESTS << 1:
            return
        if nonce & _CONTESTS:
            known, incarnation = self._contested[sender], INCARNATION_MAX ^ (nonce ^ _CONTESTS)
        else:
            known, incarnation = self._announced[sender], nonce
        if incarnation in known:
            known.remove(incarnation)
        known.append(incarnation)
        del known[:-REMEMBERED]

    def describe(self) -> dict[str, Any]:
        """For the node's status: peer -> incarnations, the last heard last; none if none were."""
        return {
            "incarnations": {str(peer): list(said) for peer, said in self._announced.items()},
            "contested": {str(peer): list(said) for peer, said in self._contested.items() if said},
        }


def read_incarnations(status: dict[str, Any], name: str, node: NodeId) -> list[int]:
    """Those of `node` in another's status; what makes no sense is left out."""
    told = status.get(name)
    found = told.get(str(node)) if isinstance(told, dict) else None
    if not isinstance(found, list):
        return []
    return [
        number
        for number in found[:REMEMBERED]
        if type(number) is int and 0 <= number <= INCARNATION_MAX
    ]


__all__ = [
    "INCARNATION_MAX",
    "REMEMBERED",
    "Incarnations",
    "announcing",
    "contesting",
    "draw_incarnation",
    "read_incarnations",
]
