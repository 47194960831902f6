"""The states that one node of a search was in, numbered, and what each step made of them.

What a node does depends on its own state and on what it is given. So each step is done
by the real core once, and looked up from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from paxos_core.durable import (
    DurableState,
    Record,
    RecordError,
    Snapshot,
    Voted,
    encode_record,
)
from paxos_core.election import Election
from paxos_core.errors import Poisoned
from paxos_core.messages import Accept, Accepted, Message
from paxos_core.ready import Decided, Event, Outbox
from paxos_core.testing.explore.freeze import freeze, renumber_writes
from paxos_core.testing.script_node import ScriptNode
from paxos_core.types import NodeId

Frame = tuple[NodeId, NodeId, bytes]
"""From, to, and the bytes."""

Fact = tuple[Any, ...]
"""What a judge is told, last, behind what makes it a fact of its own."""


@dataclass(slots=True)
class Notes:
    """What one step of one node led to; a `NodeWatcher`."""

    frames: list[tuple[NodeId, NodeId, Message]] = field(default_factory=list)
    told: list[Fact] = field(default_factory=list)

    def started(self, node: NodeId, state: DurableState) -> None:
        """See `NodeWatcher`, here and below."""

    def changed(self, node: NodeId, event: Event) -> None:
        """Nothing that a judge of a puzzle reads."""

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """There are no snapshots in a puzzle."""

    def decided(self, node: NodeId, entry: Decided) -> None:
        """It delivers a slot."""
        self.told.append(("decided", node, entry.slot, tuple(entry.commands), entry))

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        """A message leaves it."""
        self.frames.append((node, to, message))

    def wrote(self, node: NodeId, records: list[Record], checkpoint: bool) -> None:
        """Its disk has finished a write."""
        for record in records:
            if isinstance(record, Voted):
                self.told.append(("wrote", node, encode_record(record), record))

    def facts(self) -> Iterator[Fact]:
        """Everything that a judge of a puzzle reads."""
        for node, _, message in self.frames:
            if isinstance(message, Accept):
                # To whom, and how far its sender knows the log, is nothing to a judge.
                message = replace(message, watermark=0)
                yield "sent", node, message.slot, message.ballot, message.value, message
            elif isinstance(message, Accepted):
                told = message.ballot, message.first_slot, message.last_slot
                yield "sent", node, *told, replace(message)
        yield from self.told


@dataclass(slots=True)
class Outcome:
    """What one step led to: the number of the node's next state, and what became of it."""

    number: int
    frames: list[Frame]
    facts: list[Fact]


class NodeStates:
    """The states of one node."""

    def __init__(self, first: ScriptNode) -> None:
        self.states: list[ScriptNode] = []
        self._numbers: dict[Any, int] = {}
        self.core_steps = 0
        """How often the real core did something."""
        self.first = self._number(first)

    def do(self, number: int, verb: str, what: Any) -> Outcome:
        """One step from state `number`: `what` is a frame's bytes or a command."""
        self.core_steps += 1
        notes = Notes()
        node = self.states[number].copy(notes)
        try:
            _act(node, verb, what)
        except (AssertionError, Poisoned, RecordError):
            # It stops itself, as in the laboratory.
            if node.replica is not None:
                node.crash()
        frames = [(source, to, node.codec.encode(message)) for source, to, message in notes.frames]
        return Outcome(self._number(node), frames, list(notes.facts()))

    def _number(self, node: ScriptNode) -> int:
        """The number of the state that `node` is in."""
        replica = node.replica
        if replica is not None:
            shift = replica._outbox._persisted
            node.held = [(write - shift, *rest) for write, *rest in node.held]  # type: ignore[misc]
            renumber_writes(replica, replica._outbox)
            _forget_draws(replica._election)
            _forget_copies(replica._outbox)
        held = tuple((w, tuple(map(encode_record, r)), c) for w, r, c in node.held)
        key = freeze(replica), tuple(node.disk), held, node.holding, tuple(node.commands)
        number = self._numbers.setdefault(key, len(self.states))
        if number == len(self.states):
            self.states.append(node)
        return number


def _act(node: ScriptNode, verb: str, what: Any) -> None:
    match verb:
        case "deliver":
            node.receive(what)
        case "campaign":
            node.campaign()
        case "propose":
            node.propose(what)
        case "crash":
            node.crash()
        case "restart":
            node.start()
        case "sync":
            node.sync()
        case _:
            raise AssertionError(verb)


def _forget_draws(election: Election) -> None:
    """What was drawn for a time-out, which only a tick looks at. Nothing else is taken out of
    an election: who has answered is kept, though nothing but time should ask for it.
    """
    election._jitter.state = election._timeout_ticks = 0


def _forget_copies(outbox: Outbox) -> None:
    """Of messages that are alike and wait for the same write, keep the last.

    They leave together, and one that was sent can arrive any number of times anyway.
    The last, because an acceptor may still lengthen that one (`Acceptor.confirm`).
    Without this, each copy that reaches a node whose disk is held would be a new state.
    """
    kept: dict[Any, Any] = {}
    for waiting in reversed(outbox._gated):
        write, to, message = waiting
        kept.setdefault((write, to, freeze(message)), waiting)
    outbox._gated.clear()
    outbox._gated.extendleft(kept.values())
