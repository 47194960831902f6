"""The acceptor: promises and votes. Safety alone; it knows no time and no leader.

All that Paxos promises rests on this file and on the proposer's choice of
value. The acceptor obeys two rules of Paxos Made Simple (section 2.2):

* P1a: "An acceptor can accept a proposal numbered n iff it has not responded to
  a prepare request having a number greater than n."
* A promise carries "the proposal with the highest number less than n that it
  has accepted, if any".

Its votes are kept only from the watermark up. Below it every slot is chosen
and known here, so a proposer is told the watermark instead and must learn
those slots; no vote there can matter any more.
"""

from __future__ import annotations

from collections.abc import Mapping

from paxos_core.codec import VOTE_OVERHEAD_BYTES
from paxos_core.durable import Promised, Voted
from paxos_core.messages import NO_MORE, Accept, Accepted, Nack, Prepare, Promise, Vote
from paxos_core.ready import Outbox
from paxos_core.types import Ballot, NodeId, Slot, WriteId, format_ballot


class Acceptor:
    """One acceptor's state: the ballot it promised, and its votes for unchosen slots."""

    __slots__ = (
        "_log",
        "_outbox",
        "_page_bytes",
        "_run",
        "_run_gate",
        "_vote_slots_max",
        "promised",
        "votes",
        "watermark",
    )

    def __init__(
        self,
        outbox: Outbox,
        promised: Ballot,
        votes: dict[Slot, Vote],
        watermark: Slot,
        page_bytes: int,
        vote_slots_max: int,
        log: Mapping[Slot, tuple[int, bytes]],
    ) -> None:
        self._outbox = outbox
        self._log = log
        self._page_bytes = page_bytes
        self._vote_slots_max = vote_slots_max
        self._run: Accepted | None = None
        """The last Accepted, which may still wait at the gate, and then take in the next slot."""
        self._run_gate: WriteId | None = None
        """The write that it waits for, or waited."""
        self.promised = promised
        self.votes = votes
        self.watermark = watermark

    def receive_prepare(self, sender: NodeId, prepare: Prepare) -> None:
        """Phase 1b. "If an acceptor receives a prepare request with number n greater than
        that of any prepare request to which it has already responded, then it responds"
        (2.2, phase 1 (b)). An equal number is the same proposer asking again, for the
        next page or after a loss.
        """
        if prepare.ballot < self.promised:
            self._outbox.send(sender, Nack(prepare.ballot, self.promised))
            return
        self._promise(prepare.ballot)
        self._outbox.send_gated(sender, self._promise_page(prepare))

    def receive_accept(self, sender: NodeId, accept: Accept) -> bool:
        """Phase 2b. "It accepts the proposal unless it has already responded to a prepare
        request having a number greater than n" (2.2, phase 2 (b)).

        Returns whether the ballot was good; a Nack has been sent if not. The
        Accepted is left to `confirm`, so that a run of slots takes one message.
        """
        if accept.ballot < self.promised:
            self._outbox.send(sender, Nack(accept.ballot, self.promised))
            return False
        self._promise(accept.ballot)
        return True

    def vote(self, accept: Accept) -> bool:
        """Accept a proposal whose ballot `receive_accept` let pass; whether it may be confirmed.

        Below the watermark the slot is chosen, and a vote there would never be
        asked for again: it is confirmed without being kept, but only for the chosen
        value itself, since a proposer that is deposed without knowing it may
        propose another. Far above the watermark the vote is withheld: what an
        acceptor keeps is bounded.
        """
        assert accept.ballot == self.promised, (
            f"a vote in {format_ballot(accept.ballot)}, "
            f"where {format_ballot(self.promised)} is promised"
        )
        slot = accept.slot
        if slot < self.watermark:
            return self._log.get(slot) == (accept.checksum, accept.value)
        if slot >= self.watermark + self._vote_slots_max:
            return False
        known = self.votes.get(slot)
        if known is not None and known.ballot == accept.ballot:
            # The same ballot proposes one value for a slot; anything else is no Paxos.
            return known.checksum == accept.checksum and known.value == accept.value
        assert known is None or known.ballot < accept.ballot
        self.votes[slot] = Vote(slot, accept.ballot, accept.checksum, accept.value)
        self._outbox.record(Voted(slot, accept.ballot, accept.checksum, accept.value))
        return True

    def has_yet_to_vote(self, accept: Accept) -> bool:
        """Whether there is no vote for this proposal, whose slot is not below the watermark."""
        known = self.votes.get(accept.slot)
        return known is None or known.ballot != accept.ballot

    def confirm(self, to: NodeId, ballot: Ballot, slot: Slot) -> None:
        """Tell the proposer of a vote in `ballot`, once it is on stable storage.

        Votes for a run of slots that one drain brought share one message.
        """
        run = self._run
        gate = self._outbox.gate
        if (
            # Only a message that still waits, and for the same write, may say more.
            run is not None
            and gate is not None
            and gate == self._run_gate
            and run.ballot == ballot
            and run.last_slot + 1 == slot
        ):
            run.last_slot = slot
            return
        self._run = Accepted(ballot, slot, slot)
        self._run_gate = gate
        self._outbox.send_gated(to, self._run)

    def advance(self, watermark: Slot) -> None:
        """Every slot below `watermark` is chosen and known here: forget the votes."""
        assert watermark >= self.watermark
        votes = self.votes
        if watermark - self.watermark <= len(votes):
            for slot in range(self.watermark, watermark):
                votes.pop(slot, None)
        else:
            for slot in [slot for slot in votes if slot < watermark]:
                del votes[slot]
        self.watermark = watermark

    def _promise(self, ballot: Ballot) -> None:
        if ballot > self.promised:
            self.promised = ballot
            self._outbox.record(Promised(ballot))

    def _promise_page(self, prepare: Prepare) -> Promise:
        first = max(prepare.from_slot, self.watermark)
        page: list[Vote] = []
        room = self._page_bytes
        for slot in sorted(slot for slot in self.votes if slot >= first):
            vote = self.votes[slot]
            room -= VOTE_OVERHEAD_BYTES + len(vote.value)
            if page and room < 0:
                return Promise(prepare.ballot, prepare.from_slot, slot, self.watermark, page)
            page.append(vote)
        return Promise(prepare.ballot, prepare.from_slot, NO_MORE, self.watermark, page)
