"""What must hold in every state, whoever is slow, deaf or dead.

Bit i of a `Bits` is fact number i: a frame that was sent, or a vote that is on
a disk for good. Facts are never taken back, and so what follows from them can
be remembered by the facts that it follows from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from paxos_core import messages as m
from paxos_core.durable import Voted
from paxos_core.quorum import QuorumSystem
from paxos_core.testing.explore.node import LocalState
from paxos_core.testing.failure import Violation
from paxos_core.types import Ballot, NodeId, Slot, format_ballot

Bits = int
Chosen = dict[Slot, tuple[Ballot, bytes]]


class Facts:
    """Everything that was said or written, by what it means for the invariants."""

    def __init__(self, quorums: QuorumSystem) -> None:
        self.quorums = quorums
        self._votes: dict[tuple[Slot, Ballot, bytes], list[tuple[Bits, int]]] = {}
        self._proposals: list[tuple[Bits, Slot, Ballot, bytes]] = []
        self._watermarks: list[tuple[Bits, Slot, str]] = []
        self._told_chosen: list[tuple[Bits, Slot, bytes]] = []
        self._told: dict[NodeId, list[tuple[Bits, Ballot]]] = {n: [] for n in quorums.members}
        self._accepted: list[tuple[Bits, NodeId, Ballot, Slot]] = []
        self._voting: Bits = 0
        self._saying: Bits = 0
        self._chosen: dict[Bits, Chosen] = {}
        self._sound: set[Bits] = set()

    def add_vote(self, bit: Bits, node: NodeId, vote: Voted) -> None:
        """`vote` is on the disk of `node`, or was once."""
        voters = self._votes.setdefault((vote.slot, vote.ballot, vote.value), [])
        voters.append((bit, self.quorums.bits[node]))
        self._voting |= bit

    def add_message(self, bit: Bits, node: NodeId, message: m.Message) -> None:
        """`node` sent `message`."""
        self._saying |= bit
        match message:
            case m.Promise(ballot):
                self._told[node].append((bit, ballot))
            case m.Accept(ballot, slot, _, _, value):
                self._proposals.append((bit, slot, ballot, value))
            case m.Accepted(ballot, first, last):
                self._told[node].append((bit, ballot))
                self._accepted += [(bit, node, ballot, slot) for slot in range(first, last + 1)]
            case m.Chosen(slot, _, _, _, value):
                self._told_chosen.append((bit, slot, value))
        watermark = getattr(message, "watermark", 0)
        if watermark:
            self._watermarks.append((bit, watermark, type(message).__name__))

    # What follows from the facts alone

    def chosen(self, facts: Bits) -> Chosen:
        """For each slot the value that a phase 2 quorum voted for in one ballot, and the
        lowest such ballot. Raises `Violation` if there are two values.
        """
        votes = facts & self._voting
        known = self._chosen.get(votes)
        if known is None:
            known = self._chosen[votes] = self._count(votes)
        return known

    def _count(self, votes: Bits) -> Chosen:
        chosen: Chosen = {}
        for (slot, ballot, value), voters in sorted(self._votes.items()):
            mask = 0
            for bit, voter in voters:
                mask |= voter if votes & bit else 0
            if not self.quorums.is_phase2(mask):
                continue
            known = chosen.setdefault(slot, (ballot, value))
            if known[1] != value:
                raise Violation(
                    "one value per slot",
                    f"slot {slot}: {format_ballot(known[0])} and {format_ballot(ballot)} "
                    "have chosen two values",
                )
        return chosen

    def check(self, facts: Bits) -> Chosen:
        """Everything about votes and messages; what is chosen."""
        chosen = self.chosen(facts)
        relevant = facts & (self._voting | self._saying)
        if relevant not in self._sound:
            self._check_proposals(relevant, chosen)
            self._check_claims(relevant, chosen)
            self._check_accepted(relevant, chosen)
            self._sound.add(relevant)
        return chosen

    def _check_proposals(self, facts: Bits, chosen: Chosen) -> None:
        by_ballot: dict[tuple[Slot, Ballot], bytes] = {}
        for bit, slot, ballot, value in self._proposals:
            if not facts & bit:
                continue
            if by_ballot.setdefault((slot, ballot), value) != value:
                raise Violation(
                    "one value per ballot and slot",
                    f"ballot {format_ballot(ballot)} proposes two values for slot {slot}",
                )
            known = chosen.get(slot)
            if known is not None and ballot > known[0] and value != known[1]:
                raise Violation(
                    "P2b: a later ballot proposes the chosen value",
                    f"slot {slot} was chosen in {format_ballot(known[0])}, and "
                    f"{format_ballot(ballot)} proposes another value",
                )

    def _check_claims(self, facts: Bits, chosen: Chosen) -> None:
        prefix = 0
        while prefix in chosen:
            prefix += 1
        for bit, watermark, kind in self._watermarks:
            if facts & bit and watermark > prefix:
                raise Violation(
                    "a watermark is true",
                    f"a {kind} says {watermark}, but slot {prefix} is not chosen",
                )
        for bit, slot, value in self._told_chosen:
            if facts & bit and (slot not in chosen or chosen[slot][1] != value):
                raise Violation("decided only if chosen", f"a Chosen lies about slot {slot}")

    def _check_accepted(self, facts: Bits, chosen: Chosen) -> None:
        for bit, node, ballot, slot in self._accepted:
            if facts & bit and not self._has_voted(facts, node, ballot, slot, chosen):
                raise Violation(
                    "durable before sent",
                    f"node {node} says Accepted {format_ballot(ballot)} for slot {slot} "
                    "without that vote on its disk",
                )

    def _has_voted(
        self, facts: Bits, node: NodeId, ballot: Ballot, slot: Slot, chosen: Chosen
    ) -> bool:
        voter = self.quorums.bits[node]
        for (at, in_ballot, _), voters in self._votes.items():
            if (at, in_ballot) == (slot, ballot) and any(
                facts & bit and who == voter for bit, who in voters
            ):
                return True
        # Below its watermark an acceptor confirms the chosen value without keeping it.
        known = chosen.get(slot)
        return known is not None and any(
            facts & bit and (at, in_ballot, value) == (slot, ballot, known[1])
            for bit, at, in_ballot, value in self._proposals
        )

    # What each node must have, given the facts

    def check_node(self, facts: Bits, node: NodeId, state: LocalState, chosen: Chosen) -> None:
        """One node against what it said, and against what is chosen."""
        told = max((ballot for bit, ballot in self._told[node] if facts & bit), default=0)
        if told > state.durable.promised or told > state.replica._acceptor.promised:
            raise Violation(
                "promises never regress",
                f"node {node} told of {format_ballot(told)}; its disk says "
                f"{format_ballot(state.durable.promised)} and its memory "
                f"{format_ballot(state.replica._acceptor.promised)}",
            )
        learner = state.replica._learner
        for table in (learner.log, learner._ahead, state.durable.log):
            for slot, (_, value) in table.items():
                if slot not in chosen or chosen[slot][1] != value:
                    raise Violation(
                        "decided only if chosen",
                        f"node {node} takes a value of slot {slot} for chosen that is not",
                    )

    def check_disks(self, states: Sequence[LocalState], chosen: Chosen) -> None:
        """A chosen value stays: if all crash now, every phase 1 quorum still leads to it."""
        disks = [state.durable for state in states]
        for slot, (_, value) in chosen.items():
            for quorum in combinations(disks, self.quorums.phase1):
                if any(slot < disk.watermark for disk in quorum):
                    continue
                shown = [disk.votes[slot] for disk in quorum if slot in disk.votes]
                highest = max(shown, key=lambda vote: vote.ballot, default=None)
                if highest is None or highest.value != value:
                    raise Violation(
                        "a chosen value stays",
                        f"slot {slot}: a phase 1 quorum's disks do not lead to what was chosen",
                    )


def bits_of(mask: Bits) -> Iterable[int]:
    """The numbers of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
