"""A core that is watched: the same calls, the same answers, and an event for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.codec import Codec, DecodeError
from paxos_core.config import ReplicaConfig
from paxos_core.durable import Record, Voted
from paxos_core.election import Role
from paxos_core.errors import CommandTooLarge, NotLeader, Overloaded, Poisoned
from paxos_core.ready import Ready
from paxos_core.replicated_log import ReplicatedLog
from paxos_core.status import ReplicaStatus
from paxos_core.trace import shape
from paxos_core.trace.memory import Memory, Verdict
from paxos_core.trace.recorder import Recorder
from paxos_core.trace.step import (
    COMPACT,
    PERSISTED,
    PROPOSE,
    RECEIVE,
    START,
    TAKE,
    TICK,
    Given,
    Outcome,
    Step,
)
from paxos_core.trace.why import explain
from paxos_core.types import NO_BALLOT, NodeId, Slot, WriteId, is_proposer

START_SLOTS_MAX: Final = 1000
"""Of a long log, a start shows the end."""


class _Input:
    """An input whose event is held back for its own `take`."""

    __slots__ = ("after", "arrival", "at", "before", "given", "log", "verdict", "whole")

    def __init__(self, log: TracedLog, given: Given, at: float) -> None:
        self.log = log
        self.given = given
        self.at = at
        self.before = self.after = log.known_status
        self.arrival = ""
        self.whole: shape.Shape | None = None
        self.verdict = Verdict.GOOD

    def finish(self) -> None:
        """Nothing was taken after it."""
        self.log.tell(self, None)


class TracedLog:
    """`core`, watched: implements `ReplicatedLog` and adds no call that `core` could feel.

    `votes` are those of the records that `core` started from, as they were before any
    input. `deferred` says that inputs wait inside it until `take` (a core outside Python).
    With ``ticks=False`` ticks are not its inputs: it has a clock of its own. `drained` is
    called after a `take` with nothing to write: the end of a drain.
    """

    def __init__(
        self,
        core: ReplicatedLog,
        codec: Codec,
        votes: Mapping[Slot, m.Vote],
        recorder: Recorder,
        *,
        deferred: bool = False,
        ticks: bool = True,
        drained: Callable[[], None] = lambda: None,
    ) -> None:
        self.core = core
        self.config: ReplicaConfig = core.config
        self._codec = codec
        self._reader = Codec(codec.cluster, codec.sender)
        self._codecs: dict[NodeId, Codec] = {}
        self._recorder = recorder
        self._deferred = deferred
        self._ticks = ticks
        self._drained = drained
        self._memory = Memory(core.config, votes)
        self._shown: shape.Shape = {}
        self.known_status: ReplicaStatus = core.status()
        """As of the last event."""
        self.sendings: list[tuple[NodeId, m.Message, str]] = []
        """What the last `take` handed out, with each message's id."""
        recorder.settle()
        self._last = _Input(self, Given(START), recorder.now)
        self._untaken = 1
        recorder.hold(self._last)

    # What is only asked

    @property
    def leader(self) -> NodeId:
        """As `ReplicatedLog.leader`."""
        return self.core.leader

    @property
    def snapshot_due(self) -> bool:
        """As `ReplicatedLog.snapshot_due`."""
        return self.core.snapshot_due

    def status(self) -> ReplicaStatus:
        """As `ReplicatedLog.status`."""
        return self.core.status()

    # Inputs

    def receive(self, sender: NodeId, message: m.Message) -> None:
        """As `ReplicatedLog.receive`."""
        if self._recorder.stopped or isinstance(message, m.ClientMessage):
            # What clients and those who ask say is nothing to a core.
            self.core.receive(sender, message)
            return
        given = Given(RECEIVE, sender=sender, message=self._read(message))
        held = self._begin(given)
        held.arrival = self._recorder.take_arrival()
        if not self._recorder.knows(held.arrival):
            frame = self._encode_of(sender, message)
            ident = held.arrival or self._recorder.next_id(self.config.node)
            to = self.config.node
            held.whole = shape.message_shape(ident, sender, to, given.message, frame)
        held.verdict = self._judge(sender, given.message)
        self._act(held, lambda: self.core.receive(sender, message))

    def _judge(self, sender: NodeId, message: m.Message | None) -> Verdict:
        if sender not in self.config.peers:
            return Verdict.STALE
        if isinstance(message, m.Promise):
            return self._memory.hear_promise(sender, message)
        if not isinstance(message, m.Accept):
            return Verdict.GOOD
        if not is_proposer(sender, message.ballot) or checksum(message.value) != message.checksum:
            return Verdict.DAMAGED
        return self._memory.judge_vote(message, self.known_status.watermark)

    def tick(self) -> None:
        """As `ReplicatedLog.tick`."""
        if self._recorder.stopped or not self._ticks:
            self.core.tick()
            return
        self._act(self._begin(Given(TICK)), self.core.tick)

    def propose(self, command: bytes) -> None:
        """As `ReplicatedLog.propose`."""
        if self._recorder.stopped:
            self.core.propose(command)
            return
        text = shape.commands_text([command]) if type(command) is bytes else ""
        held = self._begin(Given(PROPOSE, command=command, text=text))
        self._act(held, lambda: self.core.propose(command))

    def persisted(self, write_id: WriteId) -> None:
        """As `ReplicatedLog.persisted`."""
        if self._recorder.stopped:
            self.core.persisted(write_id)
            return
        held = self._begin(Given(PERSISTED, write_id=write_id))
        self._act(held, lambda: self.core.persisted(write_id))

    def compact(self, slot: Slot, data: bytes) -> None:
        """As `ReplicatedLog.compact`."""
        if self._recorder.stopped:
            self.core.compact(slot, data)
            return
        held = self._begin(Given(COMPACT, slot=slot, size=len(data)))
        self._act(held, lambda: self.core.compact(slot, data))

    def act(self, kind: str, text: str, action: Callable[[], object]) -> None:
        """Have `action` done to the core, as an event of `kind` that a person brought about."""
        if self._recorder.stopped:
            action()
            return
        self._act(self._begin(Given(kind, text=text)), action)

    def take(self) -> Ready:
        """As `ReplicatedLog.take`."""
        recorder = self._recorder
        if recorder.stopped:
            return self.core.take()
        alone = self._untaken == 1 and recorder.release(self._last)
        if not alone:
            recorder.settle()
        held = self._last if alone else _Input(self, Given(TAKE), recorder.now)
        self._untaken = 0
        try:
            ready = self.core.take()
        except (AssertionError, Poisoned) as error:
            self.tell(held, None, error)
            raise
        held.after = self.core.status()
        outcome = self._read_ready(ready)
        self.sendings = []
        self.tell(held, outcome, ready=ready)
        if not ready.records:
            self._drained()
        return ready

    # Events

    def _begin(self, given: Given) -> _Input:
        self._recorder.settle()
        return _Input(self, given, self._recorder.now)

    def _act(self, held: _Input, action: Callable[[], object]) -> None:
        try:
            action()
        except (NotLeader, Overloaded, CommandTooLarge, AssertionError, Poisoned) as error:
            # Refused, or the core takes no further part: nothing is to be taken for it.
            self.tell(held, None, error)
            raise
        if not self._deferred:
            held.after = self.core.status()
        self._last = held
        self._untaken += 1
        self._recorder.hold(held)

    def tell(
        self,
        held: _Input,
        outcome: Outcome | None,
        error: Exception | None = None,
        ready: Ready | None = None,
    ) -> None:
        """Make the event of an input, of what was taken, or of both, and put it on record."""
        given = held.given
        known = outcome is not None or error is not None or given.kind in (START, COMPACT)
        waits = self._deferred and not known
        step = Step(
            self.config, given, held.before, held.after, self._memory, held.verdict, outcome,
            waits, error,
        )  # fmt: skip
        rule, why = explain(step)
        keys = self._keys(held, outcome, ready)
        state = self._changes(step)
        if state:
            keys["state"] = state
        self.known_status = held.after
        if given.kind in (TICK, TAKE) and not (state or outcome or error):
            return
        keys |= {"why": why, "rule": rule}
        self._recorder.put(self.config.node, given.kind, held.at, keys, held.arrival)

    def _keys(self, held: _Input, outcome: Outcome | None, ready: Ready | None) -> dict[str, Any]:
        given = held.given
        keys: dict[str, Any] = {}
        if given.kind == RECEIVE:
            keys["message"] = held.whole or {"id": held.arrival}
        if given.kind == PERSISTED:
            keys["confirmed"] = given.write_id
        if given.text:
            keys["text"] = given.text
        if outcome is None or ready is None:
            return keys
        if ready.messages:
            keys["sent"] = self._shapes(ready, outcome)
        if outcome.records:
            keys["write"] = outcome.write_id
            keys["records"] = list(map(shape.record_shape, outcome.records))
        if outcome.checkpoint:
            keys["checkpoint"] = True
        if outcome.decided and given.kind != START:
            keys["decided"] = list(map(shape.decided_shape, outcome.decided))
        return keys

    def _shapes(self, ready: Ready, outcome: Outcome) -> list[shape.Shape]:
        shapes: list[shape.Shape] = []
        node = self.config.node
        last: m.Message | None = None
        for (to, message), (_, read) in zip(ready.messages, outcome.messages, strict=True):
            ident = self._recorder.next_id(node)
            if message is last:
                # One message to several is one object.
                shapes.append({**shapes[-1], "id": ident, "to": to})
            else:
                frame = self._codec.encode(message)
                shapes.append(shape.message_shape(ident, node, to, read, frame))
                last = message
            self.sendings.append((to, message, ident))
        return shapes

    def _changes(self, step: Step) -> shape.Shape:
        """What changed in the state; the whole of it at a start."""
        whole = step.given.kind == START
        status = shape.status_shape(step.after)
        state = shape.changes(self._shown, status)
        self._shown = status
        before = dict(self._memory.votes)
        chosen = self._remember(step, whole)
        votes = _changed_votes({} if whole else before, self._memory.votes)
        if votes or whole:
            state["votes"] = votes
        if chosen or whole:
            state["chosen"] = chosen
        return state

    def _remember(self, step: Step, whole: bool) -> dict[str, str]:
        """Move the memory on; the chosen values that are new."""
        memory, out, after = self._memory, step.out, step.after
        chosen: dict[str, str] = {}
        if out is not None:
            memory.record(out.records, out.checkpoint)
            shown = out.decided[-START_SLOTS_MAX:] if whole else out.decided
            chosen = {
                shape.slot_key(entry.slot): shape.commands_text(entry.commands) for entry in shown
            }
        elif isinstance(step.given.message, m.Accept) and self._votes_now(step, step.given.message):
            memory.vote_untaken(step.given.message)
        self._count(step)
        memory.advance(after.watermark)
        self._ask(step)
        if step.elected and out is None:
            memory.elect()
        elif out is not None:
            memory.end_drain()
        if step.campaigns and not step.elected:
            memory.begin_phase1(after.promised, after.watermark)
        elif after.role is not Role.CANDIDATE:
            memory.end_phase1()
        return chosen

    def _count(self, step: Step) -> None:
        """Move on what is known of a leader's proposals."""
        tally, given, message = self._memory.tally, step.given, step.given.message
        if step.after.role is not Role.LEADER:
            tally.clear()
            return
        if step.counts and isinstance(message, m.Accepted):
            slots = tally.fresh(step.sender, message.first_slot, message.last_slot)
            tally.count(step.sender, slots)
        if given.kind == PERSISTED:
            tally.count_own(given.write_id)
        if step.elected:
            tally.clear()
        if step.out is not None:
            ballot = step.after.ballot
            own = [r.slot for r in step.out.records if isinstance(r, Voted) and r.ballot == ballot]
            tally.propose([*step.accepts, *own])
            tally.write(step.out.write_id, own)
        tally.advance(step.after.watermark)

    def _ask(self, step: Step) -> None:
        """Move on what is known of the node's own pre-votes."""
        before, after = step.before, step.after
        if after.promised > before.promised or after.ballot not in (before.ballot, NO_BALLOT):
            self._memory.stop_asking()
        for question in step.sent(m.PreVote):
            self._memory.ask(question.ballot)

    def _votes_now(self, step: Step, accept: m.Accept) -> bool:
        """Whether the core has voted for this, in a drain that is not over."""
        good = step.verdict is Verdict.GOOD and not step.waits and step.error is None
        return good and accept.ballot >= step.before.promised and self.config.voting

    # Reading

    def _encode_of(self, sender: NodeId, message: m.Message) -> bytes:
        """The frame that `sender` sent, as it must have been."""
        if isinstance(message, m.RawFrame):
            return message.frame
        codec = self._codecs.get(sender)
        if codec is None:
            codec = Codec(self._reader.cluster, sender)
            if sender in self.config.quorums.bits:
                self._codecs[sender] = codec
        return codec.encode(message)

    def _read(self, message: m.Message) -> m.Message | None:
        """What an encoded message says; `None` if nobody can tell."""
        if not isinstance(message, m.RawFrame):
            return message
        try:
            return self._reader.decode(message.frame)[1]
        except DecodeError:
            return None

    def _read_ready(self, ready: Ready) -> Outcome:
        messages: list[tuple[NodeId, m.Message | None]] = []
        last: m.Message | None = None
        read: m.Message | None = None
        for to, message in ready.messages:
            if message is not last:
                read, last = self._read(message), message
            messages.append((to, read))
        records: list[Record] = list(map(shape.plain_record, ready.records))
        return Outcome(
            messages, records, ready.write_id, ready.checkpoint, ready.decided, ready.install,
            ready.events,
        )  # fmt: skip


def _changed_votes(
    before: Mapping[Slot, m.Vote], after: Mapping[Slot, m.Vote]
) -> dict[str, shape.Shape | None]:
    """What is new or another, and `None` for what is gone."""
    changed: dict[str, shape.Shape | None] = {
        shape.slot_key(slot): None for slot in sorted(before) if slot not in after
    }
    for slot in sorted(after):
        vote = after[slot]
        if before.get(slot) != vote:
            changed[shape.slot_key(slot)] = shape.vote_shape(vote)
    return changed
