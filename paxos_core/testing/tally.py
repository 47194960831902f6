"""Who promised and who voted, counted apart from the core.

Only three numbers come from outside: how many members there are, and the sizes of
their quorums. A core that counts wrongly must not be judged by its own counting.
"""

from __future__ import annotations

from collections.abc import Iterable

from paxos_core.testing.failure import Violation
from paxos_core.types import Ballot, NodeId, Slot, format_ballot


class Tally:
    """The promises and votes of one run. Raises `Violation`."""

    def __init__(self, members: Iterable[NodeId], phase1: int, phase2: int) -> None:
        self._bits = {node: 1 << index for index, node in enumerate(members)}
        self._phase1 = phase1
        self._phase2 = phase2
        self._promises: dict[Ballot, int] = {}
        self._votes: dict[tuple[Slot, Ballot], int] = {}
        self._proven: set[Ballot] = set()

    def check_sizes(self) -> None:
        """Every quorum of phase 1 must meet every one of phase 2."""
        size = len(self._bits)
        if self._phase1 + self._phase2 <= size:
            raise Violation(
                "quorums meet",
                f"{self._phase1} and {self._phase2} of {size} nodes can miss one another",
            )

    def promised(self, node: NodeId, ballot: Ballot) -> None:
        """The last page of the promise of `node` leaves it."""
        self._promises[ballot] = self._promises.get(ballot, 0) | self._bits[node]

    def proposes(self, node: NodeId, ballot: Ballot) -> None:
        """`node` proposes in `ballot`: a quorum must have promised, itself included."""
        if ballot in self._proven:
            return
        # What it promised itself it tells nobody; that it is on its disk was seen by its Prepare.
        promises = self._promises.get(ballot, 0) | self._bits[node]
        if promises.bit_count() < self._phase1:
            raise Violation(
                "a proposer has a quorum's promises",
                f"node {node} proposes in {format_ballot(ballot)} with "
                f"{promises.bit_count()} promises of {self._phase1}",
            )
        self._proven.add(ballot)

    def voted(self, node: NodeId, slot: Slot, ballot: Ballot) -> bool:
        """A vote is on the disk of `node`; whether a quorum's are now."""
        key = slot, ballot
        mask = self._votes[key] = self._votes.get(key, 0) | self._bits[node]
        return mask.bit_count() >= self._phase2

    def has_voted(self, node: NodeId, slot: Slot, ballot: Ballot) -> bool:
        """Whether that vote ever was on the disk of `node`."""
        return self._votes.get((slot, ballot), 0) & self._bits[node] != 0
