"""Every run of a puzzle, breadth first: the fewest steps to its goal, or that there are none.

The nodes are those of the laboratory, and so are the steps. What a node does depends
on its own state and on what it is given, so each is done once and looked up from then
on. How often a node may stand, propose, crash and hold its disk is bounded; what is
left out because it only costs steps is said in `docs/play.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from paxos_core.durable import (
    DurableState,
    Record,
    RecordError,
    Snapshot,
    Voted,
    encode_record,
)
from paxos_core.errors import Poisoned
from paxos_core.messages import Accept, Accepted, Message
from paxos_core.ready import Decided, Event
from paxos_core.testing.explore.freeze import freeze, stop_clocks
from paxos_core.testing.laboratory.judges import JUDGES
from paxos_core.testing.laboratory.laboratory import Laboratory
from paxos_core.testing.laboratory.lights import Judge, Lights
from paxos_core.testing.script_node import ScriptNode
from paxos_core.types import NodeId

STATES_MAX: Final = 100_000
SILENT: Final = frozenset({"Heartbeat", "HeartbeatAck", "Nack", "Learn"})
"""Kinds of message that are always lost in a search: none of them carries a vote or a promise."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search may do beyond delivering: how often, and to whom."""

    campaigns: int = 2
    campaigners: tuple[NodeId, ...] = (1, 2, 3)
    commands: tuple[tuple[NodeId, tuple[str, ...]], ...] = (
        (1, ("blue",)),
        (2, ("green",)),
        (3, ("red",)),
    )
    """What each node proposes, one after the other."""
    crashes: int = 0
    crashers: tuple[NodeId, ...] = ()
    holds: int = 0
    holders: tuple[NodeId, ...] = ()


class State(NamedTuple):
    """All that there is: it is also the key under which a state is known."""

    nodes: tuple[int, ...]
    """The number of each node's own state."""
    flight: tuple[int, ...]
    """The numbers of the frames on their way, in ascending order."""
    facts: int
    """What was said, written and decided: bit i is fact number i."""
    used: tuple[int, ...]
    """Campaigns, crashes, holds; then the proposals of each node."""


Step = tuple[str, NodeId, int]
"""The verb, the node, and the number of the frame to deliver or of the command to propose."""

Done = tuple[int, tuple[int, ...], int]
"""The node's state after a step, the frames that left it, the facts that it adds."""


@dataclass(slots=True)
class Report:
    """How far a search has come."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    """Every run of so many steps was seen."""
    complete: bool = False
    """There are no other states."""
    ended: bool = False
    path: list[str] | None = None
    """The shortest way to the goal, as actions, if there is one."""


@dataclass(slots=True)
class _Notes:
    """What one step of one node led to; a `NodeWatcher`."""

    frames: list[tuple[NodeId, NodeId, Message]] = field(default_factory=list)
    facts: list[tuple[Any, ...]] = field(default_factory=list)

    def started(self, node: NodeId, state: DurableState) -> None:
        pass

    def changed(self, node: NodeId, event: Event) -> None:
        pass

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        pass

    def decided(self, node: NodeId, entry: Decided) -> None:
        self.facts.append(("decided", node, entry.slot, tuple(entry.commands), entry))

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        self.frames.append((node, to, message))

    def wrote(self, node: NodeId, records: list[Record], checkpoint: bool) -> None:
        for record in records:
            if isinstance(record, Voted):
                self.facts.append(("wrote", node, encode_record(record), record))


class _Nodes:
    """The states that one node was in, numbered, and what each step made of them."""

    def __init__(self, first: ScriptNode) -> None:
        self.states: list[ScriptNode] = []
        self._numbers: dict[Any, int] = {}
        self.steps: dict[tuple[int, str, int], Done] = {}
        self.first = self.number(first)

    def number(self, node: ScriptNode) -> int:
        """The number of the state that `node` is in."""
        replica = node.replica
        if replica is not None:
            shift = replica._outbox._persisted
            node.held = [(write - shift, *rest) for write, *rest in node.held]  # type: ignore[misc]
            stop_clocks(replica)
        held = tuple((w, tuple(map(encode_record, r)), c) for w, r, c in node.held)
        key = freeze(replica), tuple(node.disk), held, node.holding, tuple(node.commands)
        number = self._numbers.setdefault(key, len(self.states))
        if number == len(self.states):
            self.states.append(node)
        return number


class Search:
    """One search. `advance` does a slice of it; `report` is how far it has come."""

    def __init__(self, start: Laboratory, goal: str, scope: Scope, steps_max: int) -> None:
        self._start = start
        self._scope = scope
        self._steps_max = steps_max
        self._judge: type[Judge] = next(judge for judge in JUDGES if judge.name == goal)
        self._commands = dict(scope.commands)
        self._frames: list[tuple[NodeId, NodeId, bytes, Message]] = []
        self._frame_numbers: dict[tuple[NodeId, NodeId, bytes], int] = {}
        self._facts: list[tuple[Any, ...]] = []
        self._fact_numbers: dict[tuple[Any, ...], int] = {}
        self._verdicts: dict[int, bool] = {}
        self._nodes = {
            node: _Nodes(state.copy(_Notes())) for node, state in start.cluster.nodes.items()
        }
        self._parents: dict[State, tuple[State, Step] | None] = {}
        self._level: list[State] = []
        self._next: list[State] = []
        self.report = Report()
        self._begin()

    def _begin(self) -> None:
        cluster = self._start.cluster
        flight = [
            self._number_frame(f.source, f.target, f.data, f.message)
            for f in cluster.frames
            if f.kind not in SILENT
        ]
        first = State(
            tuple(nodes.first for nodes in self._nodes.values()),
            tuple(sorted(flight)),
            self._facts_so_far(),
            (0,) * (3 + len(self._nodes)),
        )
        self._parents[first] = None
        self._level = [first]
        self.report.states = 1

    def _facts_so_far(self) -> int:
        """What the actions before the search have left behind."""
        notes = _Notes()
        run = Laboratory(self._start.setup)
        run.cluster.watchers.append(notes)
        for action in self._start.actions:
            run.act(action)
        mask = 0
        for fact in _facts_of(notes):
            mask |= self._number_fact(fact)
        return mask

    # The search

    def advance(self, transitions: int) -> Report:
        """Go on for about so many transitions."""
        report = self.report
        until = report.transitions + transitions
        while not report.ended and report.transitions < until:
            if self._level:
                self._expand(self._level.pop())
                report.ended = report.ended or report.states >= STATES_MAX
            else:
                self._level, self._next = self._next, []
                self._turn()
        return report

    def _turn(self) -> None:
        """A level is done."""
        report = self.report
        report.depth += 1
        if not self._level:
            report.complete = report.ended = True
        elif report.depth >= self._steps_max:
            report.ended = True

    def _expand(self, state: State) -> None:
        report = self.report
        for step in self._steps(state):
            after = self._apply(state, step)
            report.transitions += 1
            if after in self._parents:
                continue
            self._parents[after] = state, step
            report.states += 1
            if self._is_goal(after.facts):
                report.path = self._lines(after)
                report.ended = True
                return
            self._next.append(after)

    def _steps(self, state: State) -> Iterator[Step]:
        up = {
            node
            for (node, nodes), number in zip(self._nodes.items(), state.nodes, strict=True)
            if nodes.states[number].replica is not None
        }
        for frame in sorted(set(state.flight)):
            target = self._frames[frame][1]
            if target in up:
                yield "deliver", target, frame
        campaigns, crashes, holds, *proposals = state.used
        for node in self._scope.campaigners if campaigns < self._scope.campaigns else ():
            if node in up:
                yield "campaign", node, -1
        for index, (node, nodes) in enumerate(self._nodes.items()):
            mine = nodes.states[state.nodes[index]]
            if mine.leads and proposals[index] < len(self._commands.get(node, ())):
                yield "propose", node, proposals[index]
            yield from self._mishaps(mine, crashes < self._scope.crashes, holds < self._scope.holds)

    def _mishaps(self, node: ScriptNode, may_crash: bool, may_hold: bool) -> Iterator[Step]:
        """What may become of a node and its disk."""
        up = node.replica is not None
        if node.id in self._scope.crashers:
            if not up:
                yield "restart", node.id, -1
            elif may_crash:
                yield "crash", node.id, -1
        if node.holding and node.held:
            yield "sync", node.id, -1
        elif may_hold and up and not node.holding and node.id in self._scope.holders:
            yield "hold", node.id, -1

    def _apply(self, state: State, step: Step) -> State:
        verb, node, which = step
        index = node - 1
        number = state.nodes[index]
        key = (number, verb, which)
        nodes = self._nodes[node]
        done = nodes.steps.get(key)
        if done is None:
            done = nodes.steps[key] = self._do(nodes, number, verb, which)
        after, sent, facts = done
        flight = list(state.flight)
        if verb == "deliver":
            flight.remove(which)
        flight = sorted((*flight, *sent)) if sent else flight
        locals_ = (*state.nodes[:index], after, *state.nodes[index + 1 :])
        return State(
            locals_, tuple(flight), state.facts | facts, self._use(state.used, verb, index)
        )

    def _use(self, used: tuple[int, ...], verb: str, index: int) -> tuple[int, ...]:
        at = {"campaign": 0, "crash": 1, "hold": 2, "propose": 3 + index}.get(verb)
        return used if at is None else (*used[:at], used[at] + 1, *used[at + 1 :])

    def _do(self, nodes: _Nodes, number: int, verb: str, which: int) -> Done:
        """Have the real core do it, once."""
        notes = _Notes()
        node = nodes.states[number].copy(notes)
        try:
            self._act(node, verb, which)
        except (AssertionError, Poisoned, RecordError):
            # It stops itself, as in the laboratory.
            if node.replica is not None:
                node.crash()
        sent = [
            self._number_frame(source, to, node.codec.encode(message), message)
            for source, to, message in notes.frames
            if type(message).__name__ not in SILENT
        ]
        facts = 0
        for fact in _facts_of(notes):
            facts |= self._number_fact(fact)
        return nodes.number(node), tuple(sent), facts

    def _act(self, node: ScriptNode, verb: str, which: int) -> None:
        match verb:
            case "deliver":
                node.receive(self._frames[which][2])
            case "campaign":
                node.campaign()
            case "propose":
                node.propose(self._commands[node.id][which])
            case "crash":
                node.crash()
            case "restart":
                node.start()
            case "hold":
                node.holding = True
            case "sync":
                node.sync()

    # Numbers

    def _number_frame(self, source: NodeId, to: NodeId, data: bytes, message: Message) -> int:
        number = self._frame_numbers.setdefault((source, to, data), len(self._frames))
        if number == len(self._frames):
            self._frames.append((source, to, data, message))
        return number

    def _number_fact(self, fact: tuple[Any, ...]) -> int:
        """The bit of a fact; its last member is what the judge is told."""
        number = self._fact_numbers.setdefault(fact[:-1], len(self._facts))
        if number == len(self._facts):
            self._facts.append(fact)
        return 1 << number

    # The goal

    def _is_goal(self, facts: int) -> bool:
        known = self._verdicts.get(facts)
        if known is None:
            known = self._verdicts[facts] = self._judge_facts(facts)
        return known

    def _judge_facts(self, facts: int) -> bool:
        lights = Lights(self._start.cluster.quorums, [self._judge])
        for number, (kind, node, *_, what) in enumerate(self._facts):
            if not facts >> number & 1:
                continue
            if kind == "sent":
                lights.sent(node, 0, what)
            elif kind == "wrote":
                lights.wrote(node, [what], False)
            else:
                lights.decided(node, what)
        return bool(lights.red)

    def _lines(self, state: State) -> list[str]:
        """The actions that lead from the start to `state`."""
        steps: list[Step] = []
        while (before := self._parents[state]) is not None:
            state, step = before
            steps.append(step)
        run = Laboratory(self._start.setup, self._start.actions)
        lines: list[str] = []
        for verb, node, which in reversed(steps):
            line = f"{verb} {node}"
            if verb == "propose":
                line += f" {self._commands[node][which]}"
            if verb == "deliver":
                data = self._frames[which][2]
                number = next(
                    i
                    for i, f in enumerate(run.cluster.frames)
                    if (f.target, f.data) == (node, data)
                )
                line = f"deliver {run.pick(number)}"
            run.act(line)
            lines.append(line)
        return lines


def _facts_of(notes: _Notes) -> Iterator[tuple[Any, ...]]:
    for node, _, message in notes.frames:
        if isinstance(message, Accept):
            # To whom, and how far its sender knows the log, is nothing to a judge.
            message = replace(message, watermark=0)
            yield "sent", node, message.slot, message.ballot, message.value, message
        elif isinstance(message, Accepted):
            told = message.ballot, message.first_slot, message.last_slot
            yield "sent", node, *told, replace(message)
    yield from notes.facts
