"""Who leads: heartbeats and time-outs. Liveness alone; no mistake here is unsafe.

A leader is the proposer that finished phase 1 last. Three rules keep one in
office wherever some node sees a quorum, also when links fail one by one (the
three scenarios of Omni-Paxos, Ng, Haridi, Carbone, EuroSys 2023):

* A node that hears nothing of its leader asks the others before it disturbs
  anyone (`PreVote`); they agree only if they too hear no leader. So one cut
  link cannot depose a leader that a quorum still hears.
* A leader whose heartbeats no quorum answers steps down, so that the others
  stop hearing it and may elect one that has a quorum.
* Anyone may lead, however far behind: phase 1 and catching up bring it the log.

Time-outs are drawn from a specified generator, so a run repeats from its seed.
"""

from __future__ import annotations

from enum import Enum

from paxos_core.config import ReplicaConfig
from paxos_core.jitter import SplitMix64
from paxos_core.messages import Heartbeat, HeartbeatAck, PreVote, PreVoteReply
from paxos_core.ready import LeaderChanged, Outbox
from paxos_core.types import (
    NO_BALLOT,
    NO_NODE,
    ROUND_BELIEVED_MAX,
    Ballot,
    NodeId,
    Slot,
    ballot_node,
    ballot_round,
    next_ballot,
)


class Role(Enum):
    """What a replica is to the others."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Verdict(Enum):
    """What the passing of time asks of the replica."""

    WAIT = "wait"
    CANVASS = "canvass"
    STEP_DOWN = "step down"


class Election:
    """One replica's view of who leads."""

    __slots__ = (
        "_answered_mask",
        "_asked",
        "_checked_sequence",
        "_config",
        "_grants_mask",
        "_jitter",
        "_outbox",
        "_reached_mask",
        "_sequence",
        "_timeout_ticks",
        "_waited_ticks",
        "leader",
        "leader_ballot",
        "led_ticks",
        "role",
        "seen",
        "silent_ticks",
    )

    def __init__(self, config: ReplicaConfig, outbox: Outbox, promised: Ballot) -> None:
        self._config = config
        self._outbox = outbox
        self._jitter = SplitMix64(config.seed)
        self.role = Role.FOLLOWER
        self.leader: NodeId = NO_NODE
        self.leader_ballot: Ballot = NO_BALLOT
        self.seen: Ballot = promised
        """The highest ballot heard of."""
        self.silent_ticks = 0
        """Since a leader, or a candidate that we promised to, was heard."""
        self.led_ticks = 0
        self._waited_ticks = 0
        """Of `_timeout_ticks`, after which we ask whether we may stand."""
        self._timeout_ticks = self._draw_timeout()
        self._asked: Ballot = NO_BALLOT
        """The ballot that we asked about last; none once we stand, or follow."""
        self._grants_mask = 0
        """Who has lost its leader as well, ourselves included."""
        self._reached_mask = 0
        """Who has answered at all."""
        self._answered_mask = 0
        """As a leader: who has answered since the last check."""
        self._sequence = 0
        """Of the last round of heartbeats."""
        self._checked_sequence = 0
        """Of the last round before the last check."""

    # Time

    def tick(self, watermark: Slot, far_behind: bool) -> Verdict:
        """One tick passed; sends heartbeats when they are due. `far_behind`: whether catching
        up may take long.
        """
        if self.role is Role.LEADER:
            return self._tick_leader(watermark)
        self.silent_ticks += 1
        self._waited_ticks += 1
        if self._waited_ticks < self._timeout_ticks or not self._config.voting:
            return Verdict.WAIT
        return self._let_others_first() if far_behind else Verdict.CANVASS

    def _let_others_first(self) -> Verdict:
        """Phase 1 of a node that is far behind ends when it has caught up, and nobody else
        may lead meanwhile. So it asks after all others could, and after a vain phase 1 it
        waits again.
        """
        if self.role is Role.CANDIDATE:
            return Verdict.STEP_DOWN
        timing = self._config.timing
        spread = timing.election_ticks_max - timing.election_ticks_min
        if self._asked == NO_BALLOT and self._waited_ticks <= self._timeout_ticks + spread:
            return Verdict.WAIT
        return Verdict.CANVASS

    def _tick_leader(self, watermark: Slot) -> Verdict:
        timing = self._config.timing
        self.led_ticks += 1
        if self.led_ticks % timing.election_ticks_min == 0:
            own = self._config.quorums.bits[self._config.node]
            if not self._config.quorums.is_phase2(self._answered_mask | own):
                return Verdict.STEP_DOWN
            self._answered_mask = 0
            self._checked_sequence = self._sequence
        if self.led_ticks % timing.heartbeat_ticks == 0:
            self._beat(watermark)
        return Verdict.WAIT

    def _beat(self, watermark: Slot) -> None:
        self._sequence += 1
        beat = Heartbeat(self.leader_ballot, watermark, self._sequence)
        for node in self._config.peers:
            self._outbox.send(node, beat)

    def _draw_timeout(self) -> int:
        timing = self._config.timing
        return self._jitter.between(timing.election_ticks_min, timing.election_ticks_max)

    # Asking before disturbing

    def canvass(self, watermark: Slot) -> bool:
        """Ask every peer whether it has lost its leader too. True if nobody need be asked.

        Asking costs nobody anything, so it is repeated sooner than a time-out.
        """
        self.role = Role.FOLLOWER
        self._set_leader(NO_NODE, NO_BALLOT)
        self._waited_ticks = 0
        timing = self._config.timing
        self._timeout_ticks = self._jitter.between(
            timing.heartbeat_ticks, timing.election_ticks_min
        )
        self._asked = self.next_ballot()
        self._grants_mask = self._reached_mask = self._config.quorums.bits[self._config.node]
        for node in self._config.peers:
            self._outbox.send(node, PreVote(self._asked, watermark))
        return self._may_stand()

    def _may_stand(self) -> bool:
        """Who can reach no phase 2 quorum could lead nobody: it would only depose who can."""
        quorums = self._config.quorums
        return quorums.is_phase1(self._grants_mask) and quorums.is_phase2(self._reached_mask)

    def receive_pre_vote(
        self, sender: NodeId, pre_vote: PreVote, promised: Ballot, watermark: Slot
    ) -> None:
        """Grant only without a leader of our own: neither leading nor hearing one."""
        timing = self._config.timing
        # Two nodes that lost one leader together must not refuse each other for a tick.
        lost = self.silent_ticks >= timing.election_ticks_min - timing.heartbeat_ticks
        granted = self.role is not Role.LEADER and lost
        self._outbox.send(sender, PreVoteReply(pre_vote.ballot, int(granted), promised, watermark))

    def receive_pre_vote_reply(self, sender: NodeId, reply: PreVoteReply) -> bool:
        """True once a phase 1 quorum has lost its leader."""
        self.see(reply.promised)
        if self._asked == NO_BALLOT or reply.ballot != self._asked:
            return False
        self._reached_mask |= self._config.quorums.bits[sender]
        if reply.granted:
            self._grants_mask |= self._config.quorums.bits[sender]
        return self._may_stand()

    def next_ballot(self) -> Ballot:
        """A ballot of ours above all that we have heard of."""
        return next_ballot(self.seen, self._config.node)

    def see(self, ballot: Ballot) -> None:
        """Somebody uses or has promised `ballot`."""
        if ballot_round(ballot) <= ROUND_BELIEVED_MAX:
            self.seen = max(self.seen, ballot)

    # Changes of office

    def become_candidate(self, ballot: Ballot) -> None:
        """Phase 1 of `ballot` begins."""
        self.role = Role.CANDIDATE
        # Our own is above whatever is believed of others, so it is never in doubt.
        self.seen = max(self.seen, ballot)
        self._asked = NO_BALLOT
        self.silent_ticks = 0
        self._rest()
        self._set_leader(NO_NODE, NO_BALLOT)

    def become_leader(self, ballot: Ballot, watermark: Slot) -> None:
        """Phase 1 of `ballot` is done: say so at once."""
        self.role = Role.LEADER
        self.led_ticks = 0
        self._answered_mask = 0
        self._checked_sequence = self._sequence
        self._set_leader(self._config.node, ballot)
        self._beat(watermark)

    def become_follower(self) -> None:
        """Lead no more, and wait a whole time-out."""
        self.role = Role.FOLLOWER
        self._asked = NO_BALLOT
        self._rest()
        self._set_leader(NO_NODE, NO_BALLOT)

    def follow(self, ballot: Ballot) -> None:
        """The leader of `ballot` was heard."""
        self.silent_ticks = 0
        self._waited_ticks = 0
        if ballot == self.leader_ballot:
            return
        self.role = Role.FOLLOWER
        self._asked = NO_BALLOT
        self.see(ballot)
        self._rest()
        self._set_leader(ballot_node(ballot), ballot)

    def yield_to(self, ballot: Ballot) -> None:
        """Another's phase 1 of `ballot` was promised: give it a time-out to finish."""
        self.see(ballot)
        self.become_follower()
        self.silent_ticks = 0

    def hear_candidate(self) -> None:
        """The candidate that we promised to asks for more pages, or again: it is at work.

        Else a phase 1 of more pages than fit a time-out would never end. It may keep us
        no longer than its own time-out after its last page.
        """
        self.silent_ticks = 0
        self._waited_ticks = 0

    def hear_page(self) -> None:
        """A promise's page came, and has another behind it: our phase 1 goes on."""
        self._waited_ticks = 0

    def _rest(self) -> None:
        self._waited_ticks = 0
        self._timeout_ticks = self._draw_timeout()

    def _set_leader(self, leader: NodeId, ballot: Ballot) -> None:
        if (leader, ballot) == (self.leader, self.leader_ballot):
            return
        self.leader = leader
        self.leader_ballot = ballot
        self._outbox.events.append(LeaderChanged(leader, ballot))

    # Keeping office

    def answer_heartbeat(self, sender: NodeId, beat: Heartbeat, watermark: Slot) -> None:
        """Tell the leader that it is heard."""
        self._outbox.send(sender, HeartbeatAck(beat.ballot, watermark, beat.sequence))

    def hear_ack(self, sender: NodeId, sequence: int) -> None:
        """A peer answered a heartbeat; one from before the last check says nothing of now."""
        if sequence > self._checked_sequence:
            self.hear_answer(sender)

    def hear_answer(self, sender: NodeId) -> None:
        """A peer answered us in our ballot: it hears us, and we hear it."""
        self._answered_mask |= self._config.quorums.bits[sender]
