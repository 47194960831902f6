"""Rules that a laboratory can take out of the core, to see what each is for.

The core has no switch for any of this. A rule is taken out of one replica by giving
one of its parts another class, here, that leaves the rule out and does all else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from paxos_core.acceptor import Acceptor
from paxos_core.messages import Accept, Message, Prepare, Vote
from paxos_core.proposer import Proposer
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Outbox
from paxos_core.replica import Replica
from paxos_core.testing.laboratory.lights import (
    DURABLE,
    LATER_BALLOTS,
    LOGS,
    ONE_PROPOSAL,
    ONE_VALUE,
    PROMISES,
)
from paxos_core.types import NodeId

PROMISE_CHECK: Final = "promise-check"
HIGHEST_ACCEPTED: Final = "highest-accepted"
MEETING_QUORUMS: Final = "meeting-quorums"
SYNC_FIRST: Final = "sync-first"


@dataclass(frozen=True, slots=True)
class Removable:
    """A rule of the protocol that can be left out."""

    name: str
    """As in ``without=NAME``."""
    title: str
    says: str
    """The rule."""
    without: str
    """What a node does without it."""
    breaks: tuple[str, ...]
    """The lights that can turn red without it; all others stay green."""


_AGREEMENT: Final = (LATER_BALLOTS, ONE_VALUE, LOGS)

REMOVABLE: Final[dict[str, Removable]] = {
    rule.name: rule
    for rule in (
        Removable(
            PROMISE_CHECK,
            "Promise check",
            "An acceptor that has promised a ballot answers nothing below it any more.",
            "An acceptor forgets what it promised: it promises and votes in any ballot.",
            (PROMISES, *_AGREEMENT),
        ),
        Removable(
            HIGHEST_ACCEPTED,
            "Highest accepted value",
            "A new leader proposes the value with the highest ballot that its promises show.",
            "A new leader does not look at the votes in its promises, and proposes its own value.",
            _AGREEMENT,
        ),
        Removable(
            MEETING_QUORUMS,
            "Quorums that meet",
            "Every phase 1 quorum has a node in common with every phase 2 quorum.",
            "Any sizes will do: two of four elect a leader, and the other two decide without it.",
            _AGREEMENT,
        ),
        Removable(
            SYNC_FIRST,
            "Sync before you speak",
            "A promise or a vote is on the disk before anybody is told of it.",
            "A node tells its promises and votes at once, and its disk may follow or not.",
            (DURABLE, PROMISES, ONE_PROPOSAL, *_AGREEMENT),
        ),
    )
}


class LooseQuorums(QuorumSystem):
    """Quorums of any size, whether they meet or not.

    Raises `ValueError` for sizes that cannot be reached.
    """

    __slots__ = ()

    def __init__(
        self, members: Iterable[NodeId], phase1: int | None = None, phase2: int | None = None
    ) -> None:
        super().__init__(members)
        half = len(self.members) // 2
        self.phase1 = phase1 if phase1 is not None else max(1, half)
        self.phase2 = phase2 if phase2 is not None else max(1, half)
        if not all(1 <= size <= len(self.members) for size in (self.phase1, self.phase2)):
            raise ValueError(f"quorum sizes lie in 1..{len(self.members)}")


class CarelessAcceptor(Acceptor):
    """Forgets what it promised: P1a is left out."""

    __slots__ = ()

    def receive_prepare(self, sender: NodeId, prepare: Prepare) -> None:
        """Promise, whatever was promised before."""
        self._promise(prepare.ballot)
        self._outbox.send_gated(sender, self._promise_page(prepare))

    def receive_accept(self, sender: NodeId, accept: Accept) -> bool:
        """Every ballot is good."""
        self._promise(accept.ballot)
        return True

    def vote(self, accept: Accept) -> bool:
        """Vote, also where the last vote was in a higher ballot.

        The acceptor votes as ever, with what it checks forgotten: its promise for the
        length of the vote, and a higher vote for good, since this one takes its place.
        """
        known = self.votes.get(accept.slot)
        if known is not None and known.ballot > accept.ballot:
            del self.votes[accept.slot]
        promised, self.promised = self.promised, accept.ballot
        try:
            return super().vote(accept)
        finally:
            self.promised = promised


class DeafProposer(Proposer):
    """Does not look at the votes that promises show: P2c is left out."""

    __slots__ = ()

    def _merge(self, votes: list[Vote]) -> None:
        """Nothing is kept."""


class HastyOutbox(Outbox):
    """Tells at once what the disk has not finished: the gate stands open."""

    __slots__ = ()

    @property
    def gate(self) -> None:
        """Nothing waits."""
        return

    def send_gated(self, to: NodeId, message: Message) -> None:
        """As any other message."""
        self.send(to, message)


def take_out(replica: Replica, without: frozenset[str]) -> None:
    """Let `replica`, which was just made, go on without these rules.

    Its parts know one another, so they keep their places and change their class.
    """
    if PROMISE_CHECK in without:
        replica._acceptor.__class__ = CarelessAcceptor
    if HIGHEST_ACCEPTED in without:
        replica._proposer.__class__ = DeafProposer
    if SYNC_FIRST in without:
        replica._outbox.__class__ = HastyOutbox
