"""The proposer: phase 1 for all open slots at once, then phase 2 slot by slot.

Safety rests on one choice here, P2c of Paxos Made Simple (2.2): a proposer that
has heard from a quorum proposes, for each slot, "the value of the highest-numbered
proposal among the responses", and only where there is none a value of its own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from paxos_core.acceptor import Acceptor
from paxos_core.batch import (
    BATCH_COMMANDS_MAX,
    BATCH_HEADER_BYTES,
    COMMAND_HEADER_BYTES,
    NOOP,
    encode_batch,
)
from paxos_core.checksum import checksum
from paxos_core.config import ReplicaConfig
from paxos_core.learner import Learner
from paxos_core.messages import NO_MORE, Accept, Accepted, Prepare, Promise, Vote
from paxos_core.ready import Outbox
from paxos_core.types import NO_BALLOT, Ballot, NodeId, Slot

OPEN_SLOTS_MIN = 1 << 16
"""How far above the highest watermark a promise may show votes at least, however few slots
an acceptor of ours votes for: another's limits may be wider. More is not believed."""


class Phase(Enum):
    """What the proposer is doing."""

    IDLE = "idle"
    PREPARE = "prepare"
    LEAD = "lead"


# An enum's member costs four times what a name does, and these are asked for at every turn.
IDLE, PREPARE, LEAD = Phase


@dataclass(slots=True)
class Proposal:
    """A value on its way to being chosen; `mask` holds the acceptors that confirmed it."""

    accept: Accept
    mask: int
    sent_tick: int


class Proposer:
    """One proposer's state in its current ballot."""

    __slots__ = (
        "_acceptor",
        "_config",
        "_from_slot",
        "_learner",
        "_outbox",
        "_pages",
        "_peers",
        "_prepare_tick",
        "_promised_mask",
        "_votes",
        "ballot",
        "in_flight",
        "next_slot",
        "open_slots_max",
        "pending",
        "pending_bytes",
        "phase",
        "promised_watermark",
    )

    def __init__(
        self, config: ReplicaConfig, outbox: Outbox, acceptor: Acceptor, learner: Learner
    ) -> None:
        self._config = config
        self._peers = config.peers
        self.open_slots_max = max(OPEN_SLOTS_MIN, 2 * config.limits.vote_slots_max)
        self._outbox = outbox
        self._acceptor = acceptor
        self._learner = learner
        self.phase = IDLE
        self.ballot: Ballot = NO_BALLOT
        self._from_slot: Slot = 0
        self._pages: dict[NodeId, Slot] = {}
        """Acceptor -> where the page begins that it owes us; `NO_MORE` if it promised all."""
        self._promised_mask = 0
        self._prepare_tick = 0
        self._votes: dict[Slot, Vote] = {}
        """Of those that promises showed the highest for each slot."""
        self.promised_watermark: Slot = 0
        """The highest that a promise told of."""
        self.next_slot: Slot = 0
        self.in_flight: dict[Slot, Proposal] = {}
        """Proposed and not chosen yet, ascending by slot."""
        self.pending: deque[bytes] = deque()
        """Commands that wait for a slot."""
        self.pending_bytes = 0

    # Phase 1

    def prepare(self, ballot: Ballot, now: int) -> None:
        """Phase 1a. "A proposer chooses a new proposal number n and sends a request to each
        member of some set of acceptors" (2.2), once for every slot that is open.

        Gated: the ballot is on record before anybody hears it, so that a
        restarted proposer never uses it for another value.
        """
        assert ballot > self.ballot
        assert ballot > self._acceptor.promised
        self.phase = PREPARE
        self.ballot = ballot
        self._from_slot = self._learner.watermark
        self._pages = dict.fromkeys(self._config.quorums.members, self._from_slot)
        self._promised_mask = 0
        self._votes = {}
        self.promised_watermark = 0
        self.in_flight = {}
        self._prepare_tick = now
        prepare = Prepare(ballot, self._from_slot)
        self._acceptor.receive_prepare(self._config.node, prepare)
        for node in self._peers:
            self._outbox.send_gated(node, prepare)

    def receive_promise(self, sender: NodeId, promise: Promise) -> bool:
        """A page of phase 1b; asks for the next page, or counts the promise. True if it
        was the page that we waited for, and there are more.

        Of the votes for a slot the one with the highest ballot is kept (P2c).
        """
        if self.phase is not PREPARE or promise.ballot != self.ballot:
            return False
        if promise.from_slot != self._pages.get(sender, NO_MORE):
            return False
        if promise.next_slot <= promise.from_slot:
            return False
        if any(checksum(vote.value) != vote.checksum for vote in promise.votes):
            # Damaged on its way: neither a value to propose, nor word that there is none.
            return False
        watermark = max(self.promised_watermark, promise.watermark)
        if any(vote.slot >= watermark + self.open_slots_max for vote in promise.votes):
            # No acceptor votes so far above its watermark: what may be proposed is bounded.
            return False
        self.promised_watermark = watermark
        self._learner.hear_watermark(promise.watermark)
        self._merge(promise.votes)
        self._pages[sender] = promise.next_slot
        if promise.next_slot != NO_MORE:
            self._ask_page(sender, Prepare(self.ballot, promise.next_slot))
            return True
        self._promised_mask |= self._config.quorums.bits[sender]
        return False

    def _ask_page(self, sender: NodeId, prepare: Prepare) -> None:
        if sender == self._config.node:
            self._acceptor.receive_prepare(sender, prepare)
        else:
            self._outbox.send_gated(sender, prepare)

    def _merge(self, votes: list[Vote]) -> None:
        for vote in votes:
            known = self._votes.get(vote.slot)
            if known is None or vote.ballot > known.ballot:
                self._votes[vote.slot] = vote

    def can_lead(self) -> bool:
        """Whether a phase 1 quorum has promised, and every slot it called chosen is learnt.

        The second half is what lets an acceptor forget votes below its watermark:
        nobody proposes there.
        """
        return (
            self.phase is PREPARE
            and self._config.quorums.is_phase1(self._promised_mask)
            and self._learner.watermark >= self.promised_watermark
        )

    def lead(self, now: int) -> None:
        """Begin phase 2: propose again whatever a quorum's votes leave open.

        A slot between them that nobody voted for gets a no-op (section 3: "it
        fills the gap immediately by proposing, as commands 135 and 136, a special
        'no-op' command").
        """
        assert self.can_lead()
        first = self._learner.watermark
        end = max(self._votes, default=first - 1) + 1
        assert end - first <= self.open_slots_max
        self.phase = LEAD
        self.next_slot = first
        votes, self._votes = self._votes, {}
        while self.next_slot < end:
            vote = votes.get(self.next_slot)
            self._propose(vote.value if vote else NOOP, vote.checksum if vote else None, now)

    # Phase 2

    def enqueue(self, command: bytes) -> None:
        """A command to be proposed with the next batch."""
        self.pending.append(command)
        self.pending_bytes += COMMAND_HEADER_BYTES + len(command)

    def fill_window(self, now: int) -> None:
        """Propose what is pending, batch by batch, as far as the window allows."""
        if self.phase is not LEAD:
            return
        # Counted from the watermark, not in slots without a quorum: else one slot that
        # stays open lets the others run on to where acceptors, our own too, do not vote.
        end = self._learner.watermark + self._config.limits.window_slots
        while self.pending and self.next_slot < end:
            self._propose(encode_batch(self._next_batch()), None, now)

    def _next_batch(self) -> list[bytes]:
        pending = self.pending
        batch: list[bytes] = []
        room = self._config.value_bytes_max - BATCH_HEADER_BYTES
        while pending and len(batch) < BATCH_COMMANDS_MAX:
            room -= COMMAND_HEADER_BYTES + len(pending[0])
            if room < 0:
                break
            command = pending.popleft()
            self.pending_bytes -= COMMAND_HEADER_BYTES + len(command)
            batch.append(command)
        assert batch, "a command larger than a value was queued"
        return batch

    def _propose(self, value: bytes, crc: int | None, now: int) -> None:
        """Phase 2a for the next slot: to all acceptors, our own included."""
        slot = self.next_slot
        self.next_slot = slot + 1
        if crc is None:
            crc = checksum(value)
        accept = Accept(self.ballot, slot, self._learner.watermark, crc, value)
        self.in_flight[slot] = Proposal(accept, 0, now)
        messages = self._outbox.messages
        for node in self._peers:
            messages.append((node, accept))
        if self._acceptor.vote(accept):
            self._acceptor.confirm(self._config.node, self.ballot, slot)

    def receive_accepted(self, sender: NodeId, accepted: Accepted) -> None:
        """Phase 2b: a slot's value is chosen once a phase 2 quorum has accepted it."""
        if self.phase is not LEAD or accepted.ballot != self.ballot:
            return
        quorums = self._config.quorums
        bit = quorums.bits[sender]
        # No further than the learner keeps values: one that is counted as chosen and then
        # forgotten would be sent no more, and the log would stand still there.
        end = min(accepted.last_slot + 1, self.next_slot, self._learner.keeps_below)
        for slot in range(max(accepted.first_slot, self._learner.watermark), end):
            proposal = self.in_flight.get(slot)
            if proposal is None:
                continue
            proposal.mask |= bit
            if quorums.is_phase2(proposal.mask):
                del self.in_flight[slot]
                good = self._learner.learn(slot, proposal.accept.checksum, proposal.accept.value)
                assert good, f"the value of slot {slot} was damaged in memory"

    def advance(self, watermark: Slot) -> bool:
        """Every slot below `watermark` is chosen, perhaps learnt from others: proposals
        there wait for nothing any more. False if we lead, and one was chosen that is not
        what we proposed, or for which we proposed nothing: then somebody leads with a
        higher ballot. To stay would be unsafe, not only vain: whoever voted in our ballot
        takes our watermark as word that our proposals below it were chosen.
        """
        log = self._learner.log
        ours = True
        while self.in_flight and (slot := next(iter(self.in_flight))) < watermark:
            accept = self.in_flight.pop(slot).accept
            ours = ours and log.get(slot) == (accept.checksum, accept.value)
        return self.phase is not LEAD or (ours and watermark <= self.next_slot)

    # Time

    def resend(self, now: int) -> None:
        """Send again what has waited `resend_ticks` for an answer."""
        wait = self._config.timing.resend_ticks
        if self.phase is PREPARE and now - self._prepare_tick >= wait:
            self._prepare_tick = now
            for node in self._peers:
                if self._pages[node] != NO_MORE:
                    self._outbox.send_gated(node, Prepare(self.ballot, self._pages[node]))
        for proposal in self.in_flight.values():
            if now - proposal.sent_tick >= wait:
                self._resend_proposal(proposal, now)

    def _resend_proposal(self, proposal: Proposal, now: int) -> None:
        proposal.sent_tick = now
        accept = proposal.accept
        if self._acceptor.has_yet_to_vote(accept) and self._acceptor.vote(accept):
            # Too far above the watermark when it was proposed, as a wider leader's votes may be.
            self._acceptor.confirm(self._config.node, accept.ballot, accept.slot)
        accept = Accept(
            accept.ballot, accept.slot, self._learner.watermark, accept.checksum, accept.value
        )
        for node in self._peers:
            if not proposal.mask & self._config.quorums.bits[node]:
                self._outbox.send(node, accept)

    def stop(self) -> None:
        """Give up the ballot, and forget what waited for it: its clients will ask again."""
        self.phase = IDLE
        self._votes = {}
        self._pages = {}
        self.in_flight = {}
        self.pending.clear()
        self.pending_bytes = 0
