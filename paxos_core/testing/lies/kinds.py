"""The lies, one class each, and what each is known to do to the others.

What a lie does to agreement and progress is claimed here and held against many seeds
in the tests: `harm` is no opinion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.types import (
    NodeId,
)

if TYPE_CHECKING:
    from paxos_core.testing.lies.cluster import LyingCluster


class Harm(Enum):
    """The worst that a lie does to the others."""

    NONE = "none"
    """They agree, and decide all that they are asked to."""
    STALLS = "stalls"
    """They agree, but may decide nothing while it lasts."""
    LASTS = "lasts"
    """They agree, but may decide nothing, also when the liar has fallen silent."""
    BREAKS = "breaks"
    """They may decide differently: Paxos does not survive it."""


class Lie:
    """Tells the truth; a lie overrides what it lies in."""

    says: ClassVar[str] = ""
    harm: ClassVar[Harm] = Harm.NONE
    deaf_to: ClassVar[tuple[type[m.Message], ...]] = ()
    """Messages that never reach the replica in the liar's place."""

    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        """What becomes of a message that an honest replica in the liar's place would send."""
        cluster.tell_truth(to, message)

    def tick(self, cluster: LyingCluster) -> None:
        """A tick passed."""

    def overhear(self, cluster: LyingCluster, named: NodeId, to: NodeId, frame: bytes) -> None:
        """An honest replica sends a frame, to the liar or past it."""


class Willing(Lie):
    """Also grants every PreVote, so that there are elections to lie in."""

    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        """Promises go to `promise`."""
        if isinstance(message, m.PreVoteReply):
            cluster.say(to, replace(message, granted=1))
        elif isinstance(message, m.Promise):
            self.promise(cluster, to, message)
        else:
            cluster.tell_truth(to, message)

    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        """What becomes of a promise."""
        cluster.tell_truth(to, promise)


LIES: dict[str, type[Lie]] = {}


def lie(name: str, harm: Harm, says: str) -> Callable[[type[Lie]], type[Lie]]:
    """Enter a class into `LIES`."""

    def enter(kind: type[Lie]) -> type[Lie]:
        kind.harm, kind.says = harm, says
        LIES[name] = kind
        return kind

    return enter


def invented(cluster: LyingCluster) -> tuple[int, bytes]:
    """(checksum, a value that nobody proposed)"""
    value = encode_batch([b"lie%d" % cluster.chance.below(1000)])
    return checksum(value), value


def highest(cluster: LyingCluster) -> tuple[int, int]:
    """(the highest ballot an honest member promised, the lowest watermark of one)."""
    states = [member.replica.status() for member in cluster.honest]
    return max(s.promised for s in states), min(s.watermark for s in states)


def everyone(cluster: LyingCluster, message: m.Message) -> None:
    """Say it to every honest member."""
    for member in cluster.honest:
        cluster.say(member.node, message)
