"""What was proposed and voted for, as an onlooker counts it."""

from __future__ import annotations

from dataclasses import dataclass

from paxos_core.describe import describe_value
from paxos_core.durable import Record, Voted
from paxos_core.messages import Accept, Accepted
from paxos_core.quorum import QuorumSystem
from paxos_core.types import Ballot, NodeId, Slot, format_ballot


@dataclass(frozen=True, slots=True)
class Proposal:
    """A value that `node` proposed."""

    slot: Slot
    ballot: Ballot
    value: bytes
    node: NodeId


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a phase 2 quorum voted for in one ballot."""

    slot: Slot
    ballot: Ballot
    value: bytes

    def __str__(self) -> str:
        return f"{describe_value(self.value)} in {format_ballot(self.ballot)}"


class Ballots:
    """Proposals, votes and choices of one run, each thing once.

    A vote is cast when it is on a disk, or when others have been told of it,
    whichever comes first: both can make a quorum.
    """

    def __init__(self, quorums: QuorumSystem) -> None:
        self._phase2 = quorums.phase2
        self.proposals: dict[Slot, list[Proposal]] = {}
        self.choices: dict[Slot, list[Choice]] = {}
        self._votes: dict[tuple[Slot, Ballot, bytes], set[NodeId]] = {}

    def proposed(self, node: NodeId, accept: Accept) -> None:
        """An Accept leaves `node`."""
        proposal = Proposal(accept.slot, accept.ballot, accept.value, node)
        known = self.proposals.setdefault(accept.slot, [])
        if proposal not in known:
            known.append(proposal)

    def told(self, node: NodeId, accepted: Accepted) -> list[Choice]:
        """An Accepted leaves `node`; what is chosen by that."""
        choices: list[Choice] = []
        for slot in range(accepted.first_slot, accepted.last_slot + 1):
            value = self.value_of(slot, accepted.ballot)
            if value is not None:
                choices += self._vote(node, slot, accepted.ballot, value)
        return choices

    def wrote(self, node: NodeId, record: Record) -> list[Choice]:
        """A record is on the disk of `node`; what is chosen by that."""
        if not isinstance(record, Voted):
            return []
        return self._vote(node, record.slot, record.ballot, record.value)

    def value_of(self, slot: Slot, ballot: Ballot) -> bytes | None:
        """What `ballot` proposed last for `slot`."""
        for proposal in reversed(self.proposals.get(slot, [])):
            if proposal.ballot == ballot:
                return proposal.value
        return None

    def is_chosen(self, slot: Slot, value: bytes) -> bool:
        """Whether a quorum voted for `value`."""
        return any(choice.value == value for choice in self.choices.get(slot, ()))

    def _vote(self, node: NodeId, slot: Slot, ballot: Ballot, value: bytes) -> list[Choice]:
        voters = self._votes.setdefault((slot, ballot, value), set())
        if node in voters:
            return []
        voters.add(node)
        if len(voters) != self._phase2:
            return []
        choice = Choice(slot, ballot, value)
        self.choices.setdefault(slot, []).append(choice)
        return [choice]
