"""Who has accepted what a leader proposed, as far as it can be seen from outside."""

from __future__ import annotations

from collections.abc import Iterable

from paxos_core.quorum import QuorumSystem
from paxos_core.types import NodeId, Slot, WriteId


class Tally:
    """The votes for a leader's open proposals, counted as its proposer counts them."""

    __slots__ = ("_node", "_quorums", "_written", "masks")

    def __init__(self, quorums: QuorumSystem, node: NodeId) -> None:
        self._quorums = quorums
        self._node = node
        self._written: dict[WriteId, list[Slot]] = {}
        self.masks: dict[Slot, int] = {}
        """For each slot that is not chosen yet, the acceptors that confirmed it."""

    def clear(self) -> None:
        """It leads in another ballot, or not at all."""
        self._written = {}
        self.masks = {}

    def propose(self, slots: Iterable[Slot]) -> None:
        """Accepts left, for the first time or again."""
        for slot in slots:
            self.masks.setdefault(slot, 0)

    def write(self, write_id: WriteId, slots: list[Slot]) -> None:
        """The leader's own votes wait for the disk."""
        self._written[write_id] = slots

    def fresh(self, sender: NodeId, first: Slot, last: Slot) -> list[Slot]:
        """Of these slots, those for which a vote of `sender` is news."""
        bit = self._quorums.bits[sender]
        return [s for s, mask in self.masks.items() if first <= s <= last and not mask & bit]

    def fresh_own(self, write_id: WriteId) -> list[Slot]:
        """The slots for which this write brings the leader's own vote."""
        found = [slots for wrote, slots in self._written.items() if wrote <= write_id]
        return [slot for slots in found for slot in slots if slot in self.masks]

    def chosen_with(self, node: NodeId, slots: Iterable[Slot]) -> set[Slot]:
        """Of these slots, those that a vote of `node` gives a phase 2 quorum."""
        bit = self._quorums.bits[node]
        return {slot for slot in slots if self._quorums.is_phase2(self.masks[slot] | bit)}

    def count(self, node: NodeId, slots: Iterable[Slot]) -> None:
        """The votes of `node` for these slots came in; what is chosen is open no more."""
        for slot in slots:
            self.masks[slot] |= self._quorums.bits[node]
            if self._quorums.is_phase2(self.masks[slot]):
                del self.masks[slot]

    def count_own(self, write_id: WriteId) -> None:
        """The leader's own votes up to this write are on stable storage."""
        self.count(self._node, self.fresh_own(write_id))
        for wrote in [wrote for wrote in self._written if wrote <= write_id]:
            del self._written[wrote]

    def advance(self, watermark: Slot) -> None:
        """Every slot below is chosen and known."""
        for slot in [slot for slot in self.masks if slot < watermark]:
            del self.masks[slot]
