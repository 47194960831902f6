"""A small cluster of the real core, as something to explore.

The network is the set of all frames ever sent. Each may arrive at any time,
any number of times, or never: so loss, repetition and reordering need no steps
of their own. A node that crashes starts again at once; one that stays down is
one to which nothing arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from paxos_core import messages as m
from paxos_core.codec import Codec
from paxos_core.config import Limits, ReplicaConfig
from paxos_core.describe import describe_message
from paxos_core.durable import Record, Voted
from paxos_core.proposer import Phase
from paxos_core.quorum import QuorumSystem
from paxos_core.testing.explore.invariants import Bits, Facts, bits_of
from paxos_core.testing.explore.node import ExploredNode, Input, Outcome
from paxos_core.testing.explore.search import BrokenStep, State
from paxos_core.types import NodeId

CLUSTER = 1
LOCAL_BITS = 20
"""A node has at most so many states, as a power of two."""


SILENT: Final = frozenset({"HeartbeatAck"})
QUIET: Final = SILENT | {"Heartbeat", "Nack", "Learn"}


@dataclass(frozen=True, slots=True)
class Scope:
    """How much may happen. Each number bounds one kind of step over the whole cluster."""

    nodes: int = 3
    proposers: tuple[NodeId, ...] = (1, 2)
    stands: int = 2
    """Ballots: how often a proposer begins phase 1."""
    commands: int = 1
    """Per proposer, each with values of its own."""
    ticks: int = 0
    crashes: int = 0
    compactions: int = 0
    slow_disks: bool = False
    """Writes finish in steps of their own, and a crash loses those that did not."""
    silent: frozenset[str] = SILENT
    """Kinds of message that are always lost."""
    phase1: int | None = None
    phase2: int | None = None
    frame_bytes_max: int = 1024
    window_slots: int = 2


Move = tuple[Bits, int, int, Input]
"""(the token it uses up or 0, the node's index, the frame's number or -1, the input)."""


class ClusterModel:
    """The model. A state packs each node's number, then the facts, into one int."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        members = range(1, scope.nodes + 1)
        quorums = QuorumSystem(members, scope.phase1, scope.phase2)
        limits = Limits(
            window_slots=scope.window_slots,
            vote_slots_max=2 * scope.window_slots,
            log_keep_slots=1,
        )
        self.nodes = [
            ExploredNode(
                ReplicaConfig(node, quorums, scope.frame_bytes_max, limits=limits),
                Codec(CLUSTER, node),
                not scope.slow_disks,
            )
            for node in members
        ]
        self.facts = Facts(quorums)
        self._numbers: dict[Any, int] = {}
        self._frames: dict[int, tuple[NodeId, NodeId, bytes]] = {}
        self._to: list[Bits] = [0] * scope.nodes
        self._deaf: list[dict[int, Bits]] = [{} for _ in members]
        """For each node and state: the frames known to change nothing."""
        self._steps: list[dict[tuple[int, Input | int], tuple[int, Bits]]] = [{} for _ in members]
        self._tokens = self._make_tokens()
        self._fact_shift = LOCAL_BITS * scope.nodes

    def _make_tokens(self) -> dict[str, list[Bits]]:
        scope = self.scope
        counts = {"stand": scope.stands, "tick": scope.ticks, "crash": scope.crashes}
        counts["compact"] = scope.compactions
        counts |= {f"propose {node}": scope.commands for node in scope.proposers}
        return {
            name: [1 << self._number((name, i)) for i in range(count)]
            for name, count in counts.items()
        }

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    # States

    def initial(self) -> State:
        """Every disk is empty, nobody has said anything."""
        return self._pack([node.begin() for node in self.nodes], 0)

    def _pack(self, locals_: list[int], facts: Bits) -> State:
        state = facts
        for number in reversed(locals_):
            state = state << LOCAL_BITS | number
        return state

    def unpack(self, state: State) -> tuple[list[int], Bits]:
        """Each node's number, and the facts."""
        mask = (1 << LOCAL_BITS) - 1
        locals_ = [state >> LOCAL_BITS * index & mask for index in range(len(self.nodes))]
        return locals_, state >> self._fact_shift

    def check(self, state: State) -> None:
        """Every invariant."""
        locals_, facts = self.unpack(state)
        chosen = self.facts.check(facts)
        states = [node.states[number] for node, number in zip(self.nodes, locals_, strict=True)]
        for node, local in zip(self.nodes, states, strict=True):
            self.facts.check_node(facts, node.id, local, chosen)
        self.facts.check_disks(states, chosen)

    # Steps

    def successors(self, state: State) -> Iterator[State]:
        """What one step makes of `state`."""
        locals_, facts = self.unpack(state)
        for token, index, frame, given in self._moves(locals_, facts):
            number = locals_[index]
            key = (number, frame if frame >= 0 else given)
            known = self._steps[index].get(key)
            if known is None:
                known = self._steps[index][key] = self._take(index, number, frame, given)
            after, new = known
            if after == number and not (new | token) & ~facts:
                if frame >= 0 and not new:
                    self._deaf[index][number] = self._deaf[index].get(number, 0) | 1 << frame
                continue
            shift = LOCAL_BITS * index
            rest = state & ~(((1 << LOCAL_BITS) - 1) << shift)
            yield rest | after << shift | (new | token) << self._fact_shift

    def _moves(self, locals_: list[int], facts: Bits) -> Iterator[Move]:
        for index, number in enumerate(locals_):
            deaf = self._deaf[index].get(number, 0)
            for frame in bits_of(facts & self._to[index] & ~deaf):
                sender, _, data = self._frames[frame]
                yield 0, index, frame, ("receive", sender, data)
            yield from self._own_moves(index, number, facts)

    def _own_moves(self, index: int, number: int, facts: Bits) -> Iterator[Move]:
        node = self.nodes[index]
        local = node.states[number]
        if node.id in self.scope.proposers:
            if token := self._left("stand", facts):
                yield token, index, -1, ("stand",)
            if local.replica._proposer.phase is Phase.LEAD:
                name = f"propose {node.id}"
                if token := self._left(name, facts):
                    command = f"{'abcdefgh'[index]}{self._tokens[name].index(token)}".encode()
                    yield token, index, -1, ("propose", command)
        if token := self._left("tick", facts):
            yield token, index, -1, ("tick",)
        if token := self._left("crash", facts):
            for kept in range(len(local.pending) + 1):
                yield token, index, -1, ("crash", kept)
        if local.pending:
            yield 0, index, -1, ("sync",)
        if local.applied and (token := self._left("compact", facts)):
            yield token, index, -1, ("compact",)

    def _left(self, name: str, facts: Bits) -> Bits:
        for token in self._tokens[name]:
            if not facts & token:
                return token
        return 0

    def _take(self, index: int, number: int, frame: int, given: Input) -> tuple[int, Bits]:
        node = self.nodes[index]
        outcome = node.step(number, given)
        if outcome.violation is not None:
            raise BrokenStep(self._describe(index, frame, given), outcome.violation)
        assert len(node.states) < 1 << LOCAL_BITS, "a node has too many states to number"
        return outcome.number, self._note(node.id, outcome)

    def _note(self, node: NodeId, outcome: Outcome) -> Bits:
        """The facts that an outcome adds."""
        new = 0
        for to, frame in outcome.frames:
            new |= self._note_frame(node, to, frame)
        for record in outcome.records:
            new |= self._note_record(node, record)
        return new

    def _note_frame(self, sender: NodeId, to: NodeId, frame: bytes) -> Bits:
        message = self.nodes[0]._codec.decode(frame)[1]
        if type(message).__name__ in self.scope.silent:
            return 0
        number = self._number((sender, to, frame))
        if number not in self._frames:
            self._frames[number] = (sender, to, frame)
            self._to[to - 1] |= 1 << number
            self.facts.add_message(1 << number, sender, message)
        return 1 << number

    def _note_record(self, node: NodeId, record: Record) -> Bits:
        if not isinstance(record, Voted):
            return 0
        key = ("voted", node, record.slot, record.ballot, record.value)
        is_new = key not in self._numbers
        bit = 1 << self._number(key)
        if is_new:
            self.facts.add_vote(bit, node, record)
        return bit

    # For people

    def label(self, before: State, after: State) -> str:
        """The step between two states."""
        locals_, facts = self.unpack(before)
        for token, index, frame, given in self._moves(locals_, facts):
            number = locals_[index]
            known = self._steps[index].get((number, frame if frame >= 0 else given))
            if known is None:
                continue
            changed = list(locals_)
            changed[index] = known[0]
            if self._pack(changed, facts | known[1] | token) == after:
                return self._describe(index, frame, given)
        raise AssertionError("no step leads from the one state to the other")

    def _describe(self, index: int, frame: int, given: Input) -> str:
        node = self.nodes[index]
        match given:
            case ("receive", sender, data):
                message: m.Message = node._codec.decode(data)[1]
                return f"{sender} -> {node.id} {describe_message(message)}"
            case ("propose", command):
                return f"{node.id} proposes {command.decode()}"
            case ("crash", kept):
                return f"{node.id} crashes and starts again; {kept} unfinished writes are kept"
            case ("sync",):
                return f"{node.id} has written what it was given first"
            case (verb, *_):
                return f"{node.id} {verb}s"
        raise AssertionError(given)
