"""What the tracer knows of a core from what went in and came out, to say why it acted.

A core shows its status and hands out records and messages; the rest is seen here: the
votes that it recorded, and what the promises of its own phase 1 revealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from paxos_core.checksum import checksum
from paxos_core.config import ReplicaConfig
from paxos_core.durable import Record, Voted
from paxos_core.messages import NO_MORE, Accept, Promise, Vote
from paxos_core.proposer import OPEN_SLOTS_MIN
from paxos_core.trace.tally import Tally
from paxos_core.types import NO_BALLOT, Ballot, NodeId, Slot


class Verdict(Enum):
    """What becomes of a message, by the rules that do not depend on what is private."""

    GOOD = "good"
    MORE = "a page, and more to come"
    AGAIN = "known already"
    OTHER = "another value in the same ballot"
    STALE = "over"
    DAMAGED = "damaged, or not its sender's to say"
    FAR = "too far above the watermark"


class Phase1:
    """One phase 1 of the node's own: which pages it waits for, and which votes it has seen."""

    __slots__ = ("_far", "_first", "_pages", "ballot", "revealed", "watermark")

    def __init__(self, ballot: Ballot, first: Slot, own: Iterable[Vote], far: int) -> None:
        self.ballot = ballot
        self._first = first
        self._far = far
        self._pages: dict[NodeId, Slot] = {}
        self.revealed: dict[Slot, Vote] = {vote.slot: vote for vote in own}
        """For each slot the vote with the highest ballot so far (P2c)."""
        self.watermark: Slot = 0

    def hear(self, sender: NodeId, promise: Promise) -> Verdict:
        """A promise arrives; what the proposer does with it."""
        if promise.ballot != self.ballot:
            return Verdict.STALE
        wanted = self._pages.get(sender, self._first)
        if promise.from_slot != wanted or promise.next_slot <= promise.from_slot:
            return Verdict.STALE
        if any(checksum(vote.value) != vote.checksum for vote in promise.votes):
            return Verdict.DAMAGED
        watermark = max(self.watermark, promise.watermark)
        if any(vote.slot >= watermark + self._far for vote in promise.votes):
            return Verdict.FAR
        self.watermark = watermark
        self._pages[sender] = promise.next_slot
        for vote in promise.votes:
            known = self.revealed.get(vote.slot)
            if known is None or vote.ballot > known.ballot:
                self.revealed[vote.slot] = vote
        return Verdict.GOOD if promise.next_slot == NO_MORE else Verdict.MORE


class Memory:
    """The votes on record, those of this drain, and what the node has under way itself."""

    __slots__ = (
        "_config",
        "_drained",
        "_forgot",
        "asked",
        "phase1",
        "tally",
        "unproposed",
        "votes",
    )

    def __init__(self, config: ReplicaConfig, votes: Mapping[Slot, Vote]) -> None:
        self._config = config
        self._drained: dict[Slot, Vote] = {}
        self.votes: dict[Slot, Vote] = dict(votes)
        self.phase1: Phase1 | None = None
        self.unproposed: dict[Slot, Vote] = {}
        """What the phase 1 of one that was elected in this drain has revealed."""
        self.tally = Tally(config.quorums, config.node)
        self.asked: Ballot = NO_BALLOT
        """The ballot of the pre-votes whose answers still count."""
        self._forgot = False

    def hear_promise(self, sender: NodeId, promise: Promise) -> Verdict:
        """A promise arrives; what the proposer does with it."""
        return Verdict.STALE if self.phase1 is None else self.phase1.hear(sender, promise)

    def judge_vote(self, accept: Accept, watermark: Slot) -> Verdict:
        """What the acceptor makes of a proposal whose ballot is good."""
        if accept.slot < watermark:
            return Verdict.STALE
        if accept.slot >= watermark + self._config.limits.vote_slots_max:
            return Verdict.FAR
        known = self._drained.get(accept.slot) or self.votes.get(accept.slot)
        if known is None or known.ballot != accept.ballot:
            return Verdict.GOOD
        same = (known.checksum, known.value) == (accept.checksum, accept.value)
        return Verdict.AGAIN if same else Verdict.OTHER

    def vote_untaken(self, accept: Accept) -> None:
        """The acceptor voted, and has not handed out the record yet."""
        vote = Vote(accept.slot, accept.ballot, accept.checksum, accept.value)
        self._drained[accept.slot] = vote

    def begin_phase1(self, ballot: Ballot, watermark: Slot) -> None:
        """The node asks for promises of `ballot`; its own acceptor's is the first."""
        far = max(OPEN_SLOTS_MIN, 2 * self._config.limits.vote_slots_max)
        own = {**self.votes, **self._drained}.values()
        self.phase1 = Phase1(ballot, watermark, own, far)

    def elect(self) -> None:
        """It leads, and hands out its proposals at the end of the drain."""
        self.tally.clear()
        self.unproposed = self.phase1.revealed if self.phase1 is not None else {}

    def ask(self, ballot: Ballot) -> None:
        """Pre-votes for `ballot` left; in vain, if it stood or followed in the same drain."""
        if not self._forgot:
            self.asked = ballot

    def stop_asking(self) -> None:
        """It stands, or has heard of somebody who stands or leads."""
        self.asked = NO_BALLOT
        self._forgot = True

    def end_drain(self) -> None:
        """All that followed was handed out."""
        self._forgot = False
        self.unproposed = {}

    def end_phase1(self) -> None:
        """It leads, or has given up."""
        self.phase1 = None

    def record(self, records: Iterable[Record], checkpoint: bool) -> None:
        """Records were handed out; with `checkpoint` they restate all that is kept."""
        if checkpoint:
            self.votes = {}
        for record in records:
            if isinstance(record, Voted):
                vote = Vote(record.slot, record.ballot, record.checksum, record.value)
                self.votes[record.slot] = vote
        self._drained = {}

    def advance(self, watermark: Slot) -> None:
        """Every slot below is chosen and known: its vote is forgotten."""
        for votes in (self.votes, self._drained):
            for slot in [slot for slot in votes if slot < watermark]:
                del votes[slot]
