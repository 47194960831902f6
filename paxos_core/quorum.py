"""Which sets of acceptors decide.

A set of members is a bit mask: member number i (in ascending order of node id)
is bit i. Masks make "has a quorum answered" one `int.bit_count()`.
"""

from __future__ import annotations

from collections.abc import Iterable

from paxos_core.types import NODE_MAX, NodeId

MEMBERS_MAX = 64


class QuorumSystem:
    """Members and the sizes of their phase 1 and phase 2 quorums.

    Safety rests on one fact (Paxos Made Simple, 2.2: "any two majorities have
    an acceptor in common"), which Flexible Paxos (Howard, Malkhi, Spiegelman,
    2016) weakens to what the proof uses: every phase 1 quorum meets every
    phase 2 quorum. With sizes that is ``phase1 + phase2 > len(members)``.

    `phase1` and `phase2` default to a majority. If only one is given, the other is
    the smallest that meets it.

    Raises `ValueError` for no, too many, repeated or impossible members, and for
    sizes that cannot be reached or whose quorums may miss one another.
    """

    __slots__ = ("bits", "members", "phase1", "phase2")

    def __init__(
        self,
        members: Iterable[NodeId],
        phase1: int | None = None,
        phase2: int | None = None,
    ) -> None:
        self.members: tuple[NodeId, ...] = tuple(sorted(members))
        size = len(self.members)
        _check_members(self.members)
        if phase1 is None and phase2 is None:
            phase1 = phase2 = size // 2 + 1
        elif phase1 is None:
            phase1 = size + 1 - (phase2 or 0)
        elif phase2 is None:
            phase2 = size + 1 - phase1
        assert phase1 is not None
        assert phase2 is not None
        _check_sizes(size, phase1, phase2)
        self.phase1 = phase1
        self.phase2 = phase2
        self.bits: dict[NodeId, int] = {node: 1 << i for i, node in enumerate(self.members)}

    def is_phase1(self, mask: int) -> bool:
        """Whether the acceptors in `mask` form a phase 1 quorum."""
        return mask.bit_count() >= self.phase1

    def is_phase2(self, mask: int) -> bool:
        """Whether the acceptors in `mask` form a phase 2 quorum."""
        return mask.bit_count() >= self.phase2


def _check_members(members: tuple[NodeId, ...]) -> None:
    if not members:
        raise ValueError("a cluster needs at least one member")
    if len(members) > MEMBERS_MAX:
        raise ValueError(f"a cluster has at most {MEMBERS_MAX} members, not {len(members)}")
    if len(set(members)) != len(members):
        raise ValueError("a member is named twice")
    if members[0] < 1 or members[-1] > NODE_MAX:
        raise ValueError(f"a member's node id is 1..{NODE_MAX}")


def _check_sizes(size: int, phase1: int, phase2: int) -> None:
    if not (1 <= phase1 <= size and 1 <= phase2 <= size):
        raise ValueError(f"quorum sizes of {size} members lie in 1..{size}: {phase1}, {phase2}")
    if phase1 + phase2 <= size:
        raise ValueError(
            f"quorums of {phase1} and {phase2} among {size} members can miss one another: "
            f"their sizes must add up to more than {size}"
        )
