"""One replica: acceptor, proposer, learner and election put together. The public API.

Inputs change the state and return nothing; `take` hands out what followed::

    replica = Replica(config, state)      # `state` from replaying the records, or fresh
    replica.receive(sender, message)      # a peer's message; never raises on what a peer did
    replica.tick()                        # time passed; the driver owns the clock
    replica.propose(command)              # raises NotLeader or Overloaded
    replica.persisted(write_id)           # records up to here are on stable storage
    ready = replica.take()                # what to write, to send, to apply

The same inputs in the same order give the same outputs. An invariant is an
`assert`: the first one that fails poisons the replica, which then takes no further
part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from paxos_core import messages as m
from paxos_core.acceptor import Acceptor
from paxos_core.batch import BATCH_HEADER_BYTES, COMMAND_HEADER_BYTES, decode_batch
from paxos_core.catchup import CatchUp
from paxos_core.checksum import checksum
from paxos_core.codec import BODY_HEADER_BYTES, FIELD_BYTES, HEADER_BYTES
from paxos_core.config import ReplicaConfig
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    DurableState,
    Promised,
    Record,
    Snapshot,
    Voted,
)
from paxos_core.election import Election, Role, Verdict
from paxos_core.errors import CommandTooLarge, NotLeader, Overloaded, Poisoned
from paxos_core.learner import Learner
from paxos_core.proposer import IDLE, LEAD, PREPARE, Proposer
from paxos_core.ready import Decided, Outbox, Ready, SnapshotTooLarge
from paxos_core.status import ReplicaStatus
from paxos_core.types import Ballot, NodeId, Slot, WriteId, is_proposer

UNRECORDED_BYTES_MAX = 1 << 20

_Given = ParamSpec("_Given")
_Got = TypeVar("_Got")


def _input(
    act: Callable[Concatenate[Replica, _Given], _Got],
) -> Callable[Concatenate[Replica, _Given], _Got]:
    """Around every input: refuses a poisoned replica, and poisons it on a broken invariant."""

    @wraps(act)
    def guarded(self: Replica, /, *given: _Given.args, **named: _Given.kwargs) -> _Got:
        if self.poison is not None:
            raise Poisoned(self.poison)
        try:
            return act(self, *given, **named)
        except AssertionError as error:
            self.poison = str(error) or "an invariant is broken"
            raise

    return guarded


class Replica:
    """One member of the cluster. See the module's text for the contract.

    Raises `RuntimeError` under ``python -O``, which would switch the invariants off.
    """

    def __init__(self, config: ReplicaConfig, state: DurableState | None = None) -> None:
        if not __debug__:
            raise RuntimeError("paxos_core relies on its assertions: do not run it with python -O")
        state = state if state is not None else DurableState()
        self.config = config
        self.poison: str | None = None
        self._now = 0
        self._outbox = Outbox(config.node)
        self._acceptor = Acceptor(
            self._outbox,
            state.promised,
            state.votes,
            state.watermark,
            config.frame_bytes_max - HEADER_BYTES - 4 * FIELD_BYTES - BODY_HEADER_BYTES,
            config.limits.vote_slots_max,
            # The learner's own table, which it fills and empties but never replaces.
            state.log,
        )
        self._learner = Learner(state.first_slot, state.log, config.limits.vote_slots_max)
        assert self._learner.watermark == state.watermark
        self._proposer = Proposer(config, self._outbox, self._acceptor, self._learner)
        self._election = Election(config, self._outbox, state.promised)
        self._catchup = CatchUp(config, self._outbox, self._learner, state.snapshot)
        self._recorded: Slot = state.watermark
        """The last watermark on record, or in `ready.records`."""
        self._unrecorded: list[ChosenValue] = []
        """Chosen since, and no vote of ours says so; to be recorded with the next watermark."""
        self._unrecorded_bytes = 0
        self._kept_bytes = 0
        """Of the log when the last snapshot was taken, or refused."""
        self._deliver_replayed(state)
        self._handlers: dict[type, Callable[[NodeId, Any], None]] = {
            m.PreVote: self._receive_pre_vote,
            m.PreVoteReply: self._receive_pre_vote_reply,
            m.Prepare: self._receive_prepare,
            m.Promise: self._receive_promise,
            m.Accept: self._receive_accept,
            m.Accepted: self._receive_accepted,
            m.Nack: self._receive_nack,
            m.Heartbeat: self._receive_heartbeat,
            m.HeartbeatAck: self._receive_heartbeat_ack,
            m.Learn: self._catchup.receive_learn,
            m.Chosen: self._receive_chosen,
            m.SnapshotRequest: self._catchup.receive_snapshot_request,
            m.SnapshotChunk: self._receive_snapshot_chunk,
        }

    def _deliver_replayed(self, state: DurableState) -> None:
        self._outbox.install = state.snapshot
        for slot in range(self._learner.first_slot, self._learner.watermark):
            self._decide(slot, *self._learner.log[slot])

    # Inputs

    @_input
    def receive(self, sender: NodeId, message: m.Message) -> None:
        """A message from another member. Whatever it says, this does not raise for it.

        Messages from outside the membership are ignored, except `Learn` and
        `SnapshotRequest`, which change nothing and which anyone may ask.
        """
        handler = self._handlers.get(type(message))
        if handler is None or sender == self.config.node:
            return
        if sender not in self.config.quorums.bits and not isinstance(
            message, m.Learn | m.SnapshotRequest
        ):
            return
        handler(sender, message)
        self._settle()

    @_input
    def tick(self) -> None:
        """One tick passed."""
        self._now += 1
        behind = self._learner.known_chosen - self._learner.watermark
        # Nobody need have the log any more: then it takes a snapshot.
        far_behind = behind > self.config.limits.log_keep_slots
        verdict = self._election.tick(self._learner.watermark, far_behind)
        if verdict is Verdict.STEP_DOWN:
            self._step_down()
        elif verdict is Verdict.CANVASS:
            self._canvass()
        self._proposer.resend(self._now)
        self._catchup.tick(self._election.leader)
        if self._now % self.config.timing.heartbeat_ticks == 0:
            self._record_chosen()
        self._settle()

    @_input
    def propose(self, command: bytes) -> None:
        """Have `command` (opaque) decided; it comes back in `Ready.decided` if it is.

        It may be lost when leadership is, or be decided although the proposer
        never hears of it: `session.py` makes that exactly once for clients.

        Raises `NotLeader`, `Overloaded`, `CommandTooLarge`, and `TypeError` for no `bytes`.
        """
        if type(command) is not bytes:
            raise TypeError(f"a command is bytes, not {type(command).__name__}")
        if self._proposer.phase is not LEAD:
            raise NotLeader(self._election.leader)
        if len(command) > self.command_bytes_max:
            raise CommandTooLarge(
                f"a command of {len(command)} bytes: at most {self.command_bytes_max} fit"
            )
        pending = self._proposer.pending_bytes + COMMAND_HEADER_BYTES + len(command)
        if pending > self.config.limits.pending_bytes_max:
            raise Overloaded(f"{self._proposer.pending_bytes} bytes wait to be proposed")
        self._proposer.enqueue(command)

    @_input
    def persisted(self, write_id: WriteId) -> None:
        """Every batch of records up to `write_id` is on stable storage."""
        self._outbox.persisted(write_id)
        self._settle()

    @_input
    def take(self) -> Ready:
        """Everything that followed from the inputs so far; each thing is handed out once."""
        if self._proposer.pending:
            self._proposer.fill_window(self._now)
            self._settle()
        self._catchup.new_drain()
        if self._outbox.records or self._unrecorded_bytes > UNRECORDED_BYTES_MAX:
            self._record_chosen()
        return self._outbox.take()

    # Snapshots

    @property
    def command_bytes_max(self) -> int:
        """The largest command that `propose` takes."""
        return self.config.value_bytes_max - BATCH_HEADER_BYTES - COMMAND_HEADER_BYTES

    @property
    def snapshot_due(self) -> bool:
        """Whether the log has grown enough to be worth a snapshot."""
        grown_bytes = self._learner.log_bytes - self._kept_bytes
        if grown_bytes <= self.config.limits.log_bytes_max:
            return False
        snapshot = self._catchup.snapshot
        return snapshot is None or grown_bytes > len(snapshot.data)

    @_input
    def compact(self, slot: Slot, data: bytes) -> None:
        """`data` is the application's state after every slot below `slot`: trim the log behind it.

        `slot` is at most the watermark, and not below the last snapshot's: an
        application that is behind what was delivered says how far it is. A snapshot
        over `snapshot_bytes_max` trims nothing, and says so as an event: to stop
        for it would stop every replica alike.
        """
        if len(data) > self.config.limits.snapshot_bytes_max:
            self._kept_bytes = self._learner.log_bytes
            self._outbox.events.append(SnapshotTooLarge(len(data)))
            return
        known = self._catchup.snapshot
        assert slot <= self._learner.watermark, "compact() is ahead of what was delivered"
        assert known is None or slot >= known.slot, "compact() is behind the last snapshot"
        self._catchup.snapshot = Snapshot(slot, checksum(data), data)
        self._learner.trim(max(slot - self.config.limits.log_keep_slots, self._learner.first_slot))
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Restate everything that must survive, so that older records can be forgotten."""
        snapshot = self._catchup.snapshot
        assert snapshot is not None
        self._kept_bytes = self._learner.log_bytes
        records: list[Record] = [Promised(self._acceptor.promised), snapshot]
        log = self._learner.log
        for slot in range(max(snapshot.slot, self._learner.first_slot), self._learner.watermark):
            records.append(ChosenValue(slot, *log[slot]))
        records.append(ChosenUpTo(self._learner.watermark))
        for _, vote in sorted(self._acceptor.votes.items()):
            records.append(Voted(vote.slot, vote.ballot, vote.checksum, vote.value))
        self._outbox.restate(records)
        self._forget_unrecorded()

    @property
    def leader(self) -> NodeId:
        """Who leads, as far as is known here; 0 for nobody."""
        return self._election.leader

    def status(self) -> ReplicaStatus:
        """How this replica is."""
        return ReplicaStatus(
            node=self.config.node,
            role=self._election.role,
            voting=self.config.voting,
            leader=self._election.leader,
            ballot=self._election.leader_ballot,
            promised=self._acceptor.promised,
            watermark=self._learner.watermark,
            first_slot=self._learner.first_slot,
            in_flight_slots=len(self._proposer.in_flight),
            pending_bytes=self._proposer.pending_bytes,
            log_bytes=self._learner.log_bytes,
            lags=self._learner.lags,
        )

    # Handlers: guards that ignore, then the act

    def _receive_pre_vote(self, sender: NodeId, pre_vote: m.PreVote) -> None:
        if not self.config.voting:
            return
        self._learner.hear_watermark(pre_vote.watermark)
        self._election.receive_pre_vote(
            sender, pre_vote, self._acceptor.promised, self._learner.watermark
        )

    def _receive_pre_vote_reply(self, sender: NodeId, reply: m.PreVoteReply) -> None:
        self._learner.hear_watermark(reply.watermark)
        if self._election.receive_pre_vote_reply(sender, reply):
            self._campaign()

    def _receive_prepare(self, sender: NodeId, prepare: m.Prepare) -> None:
        if not self.config.voting or not is_proposer(sender, prepare.ballot):
            return
        promised = self._acceptor.promised
        self._acceptor.receive_prepare(sender, prepare)
        if self._acceptor.promised > promised:
            self._proposer.stop()
            self._election.yield_to(prepare.ballot)
        elif prepare.ballot == promised:
            self._election.hear_candidate()

    def _receive_promise(self, sender: NodeId, promise: m.Promise) -> None:
        if self._proposer.receive_promise(sender, promise):
            self._election.hear_page()

    def _receive_accept(self, sender: NodeId, accept: m.Accept) -> None:
        if not is_proposer(sender, accept.ballot) or checksum(accept.value) != accept.checksum:
            return
        if self.config.voting:
            if not self._acceptor.receive_accept(sender, accept):
                return
            self._follow(accept.ballot)
            if self._acceptor.vote(accept):
                self._acceptor.confirm(sender, accept.ballot, accept.slot)
        elif accept.ballot >= self._election.leader_ballot:
            self._follow(accept.ballot)
        self._hear_chosen(accept.ballot, accept.watermark)

    def _receive_accepted(self, sender: NodeId, accepted: m.Accepted) -> None:
        if accepted.ballot != self._proposer.ballot:
            return
        if sender != self.config.node and self._election.role is Role.LEADER:
            self._election.hear_answer(sender)
        self._proposer.receive_accepted(sender, accepted)

    def _receive_nack(self, sender: NodeId, nack: m.Nack) -> None:
        """Somebody promised a higher ballot: ours can no longer count on it.

        An established leader takes a ballot above it at once, so that an acceptor
        that comes back with an old promise costs no election. A new one gives
        way, or two could raise each other for ever.
        """
        if nack.ballot != self._proposer.ballot or nack.promised <= nack.ballot:
            return
        self._election.see(nack.promised)
        if self._proposer.phase is IDLE:
            return
        established = self._election.led_ticks >= self.config.timing.election_ticks_min
        if self._election.role is Role.LEADER and established:
            self._campaign()
        else:
            self._step_down()

    def _receive_heartbeat(self, sender: NodeId, beat: m.Heartbeat) -> None:
        if not is_proposer(sender, beat.ballot):
            return
        if beat.ballot < self._acceptor.promised:
            self._outbox.send(sender, m.Nack(beat.ballot, self._acceptor.promised))
            return
        if beat.ballot < self._election.leader_ballot:
            return
        self._follow(beat.ballot)
        if self.config.voting:
            self._election.answer_heartbeat(sender, beat, self._learner.watermark)
        self._hear_chosen(beat.ballot, beat.watermark)

    def _receive_heartbeat_ack(self, sender: NodeId, ack: m.HeartbeatAck) -> None:
        if self._election.role is not Role.LEADER or ack.ballot != self._proposer.ballot:
            return
        self._election.hear_ack(sender, ack.sequence)
        self._learner.hear_watermark(ack.watermark)

    def _receive_chosen(self, sender: NodeId, chosen: m.Chosen) -> None:
        before = self._learner.watermark
        self._catchup.receive_chosen(sender, chosen)
        if self._learner.has_next:
            self._deliver()
        if self._learner.watermark != before:
            # A second copy of a page must not ask for the next one again.
            self._catchup.after_chosen(sender, chosen)

    def _receive_snapshot_chunk(self, sender: NodeId, chunk: m.SnapshotChunk) -> None:
        snapshot = self._catchup.receive_snapshot_chunk(sender, chunk)
        if snapshot is None:
            return
        self._catchup.snapshot = snapshot
        self._learner.restart(snapshot.slot)
        self._advance()
        self._outbox.install = snapshot
        # Whatever was decided but not taken yet lies below the snapshot.
        self._outbox.decided = []
        self._checkpoint()
        self._catchup.installed(sender)

    # What follows from inputs

    def _settle(self) -> None:
        """Deliver our own messages to ourselves, then what became chosen."""
        # Mostly there is nothing, and it must cost nothing to see that.
        to_self = self._outbox.to_self
        while to_self:
            message = to_self.popleft()
            match message:
                case m.Accepted():
                    self._receive_accepted(self.config.node, message)
                case m.Promise():
                    self._receive_promise(self.config.node, message)
                case _:
                    raise AssertionError(f"a {type(message).__name__} to ourselves")
        if self._learner.has_next:
            self._deliver()
        if self._proposer.phase is PREPARE and self._proposer.can_lead():
            self._lead()

    def _deliver(self) -> None:
        for slot, crc, value in self._learner.deliver():
            self._note_unrecorded(slot, crc, value)
            self._decide(slot, crc, value)
        self._advance()

    def _advance(self) -> None:
        """The watermark moved: below it nothing need be voted for or proposed."""
        watermark = self._learner.watermark
        self._acceptor.advance(watermark)
        if not self._proposer.advance(watermark):
            self._step_down()

    def _decide(self, slot: Slot, crc: int, value: bytes) -> None:
        # A value that is no batch is no batch for every replica: all skip it alike.
        self._outbox.decided.append(Decided(slot, crc, decode_batch(value) or []))

    def _note_unrecorded(self, slot: Slot, crc: int, value: bytes) -> None:
        """Keep what replay could not find: a chosen value that our own vote does not hold."""
        vote = self._acceptor.votes.get(slot)
        if vote is None or vote.checksum != crc or vote.value != value:
            self._unrecorded.append(ChosenValue(slot, crc, value))
            self._unrecorded_bytes += len(value)

    def _record_chosen(self) -> None:
        if self._recorded == self._learner.watermark:
            return
        for record in self._unrecorded:
            self._outbox.record(record)
        self._outbox.record(ChosenUpTo(self._learner.watermark))
        self._forget_unrecorded()

    def _forget_unrecorded(self) -> None:
        self._unrecorded = []
        self._unrecorded_bytes = 0
        self._recorded = self._learner.watermark

    def _follow(self, ballot: Ballot) -> None:
        if self._proposer.phase is not IDLE and ballot > self._proposer.ballot:
            self._proposer.stop()
        self._election.follow(ballot)

    def _hear_chosen(self, ballot: Ballot, watermark: Slot) -> None:
        """The leader of `ballot` says every slot below `watermark` is chosen.

        If our vote for such a slot is in this very ballot, its value is the chosen
        one: a ballot proposes one value for a slot, and a value proposed after
        another was chosen is the same value (P2b). A vote in an older ballot
        tells nothing; that slot is asked for.
        """
        learner = self._learner
        learner.hear_watermark(watermark)
        votes = self._acceptor.votes
        # A watermark may be any number, but there are no more of our votes than these.
        for slot in range(learner.watermark, min(watermark, learner.watermark + len(votes))):
            vote = votes.get(slot)
            if vote is None or vote.ballot != ballot:
                break
            if not learner.learn(slot, vote.checksum, vote.value):
                break

    def _canvass(self) -> None:
        self._proposer.stop()
        if self._election.canvass(self._learner.watermark):
            self._campaign()

    def _campaign(self) -> None:
        ballot = self._election.next_ballot()
        self._election.become_candidate(ballot)
        self._proposer.prepare(ballot, self._now)

    def _lead(self) -> None:
        self._proposer.lead(self._now)
        self._election.become_leader(self._proposer.ballot, self._learner.watermark)

    def _step_down(self) -> None:
        self._proposer.stop()
        self._election.become_follower()
