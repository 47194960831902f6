"""Every run of a puzzle, breadth first: the fewest actions to its goal, or a proof that
there are none.

The nodes are those of the laboratory, and `Allowance` bounds what may happen to them. The
search ends when it has seen everything within those bounds, and then nothing was left out:

* The network is the set of all frames ever sent. Each may arrive at any time, any number
  of times, or never. So every order, loss, delay and copy is there without a step of its
  own, and what can arrive only grows.
* A run in a laboratory, where a frame is gone once it has arrived, is one of these runs.
  So no way to the goal is missed, and none is shorter than the shortest found, copies not
  counted; that one is played in a laboratory before it is told, with the copies it needs.
* A state is what the nodes are, what was sent, and what a judge was told. Two states are
  taken for one only if all that is the same, every field of a replica, but for what
  `NodeStates` takes out: the time-outs drawn, how many writes are finished, and of
  messages that are alike and wait for the same write all but one, since copies are free.
* A proof asks whether there is a way, not for the shortest. So whatever a node would send
  without changing, it sends at once: what can arrive only grows, and whatever could have
  followed without it still can. `_settle` does that, and states are far fewer.
* None of this relies on a rule of the protocol, so a core that lacks one is searched alike.
  It does rely on this: what a node does follows from its replica's fields, its disk and
  its input, not from a drawn time-out or from the absolute number of a write; and no
  time passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from paxos_core.messages import Accept
from paxos_core.testing.explore.invariants import Bits, bits_of
from paxos_core.testing.laboratory.allowance import Allowance
from paxos_core.testing.laboratory.judges import JUDGES
from paxos_core.testing.laboratory.laboratory import Laboratory
from paxos_core.testing.laboratory.lights import Judge, Lights
from paxos_core.testing.laboratory.states import Fact, Frame, NodeStates, Notes
from paxos_core.types import NodeId

STATES_MAX: Final = 3_000_000
"""About 0.6 GiB."""
_LOCAL_BITS: Final = 20
"""A node has at most so many states, as a power of two."""
_LOCAL_MASK: Final = (1 << _LOCAL_BITS) - 1

State = int
"""The numbers of the nodes' own states, and above them a bit for each thing that happened:
an allowance used up, a frame sent, a fact told to a judge."""

Step = tuple[str, NodeId, Any]
"""The verb, the node, and the bytes to deliver or the command to propose."""

Done = tuple[int, Bits]
"""The node's state after a step, and what happened."""


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
    """A way to the goal, as actions, if there is one; the shortest if that was asked for."""


class Search:
    """One search. `advance` does a slice of it; `report` is how far it has come.

    `start` is where it begins, and `goal` the name of the light that is to turn red. With
    `shortest` the way that it finds is the shortest; without, there are far fewer states.
    """

    def __init__(
        self,
        start: Laboratory,
        goal: str,
        allowance: Allowance,
        states_max: int = STATES_MAX,
        *,
        shortest: bool = True,
    ) -> None:
        self._start = start
        self._shortest = shortest
        self._states_max = states_max
        self._judge: type[Judge] = next(judge for judge in JUDGES if judge.name == goal)
        self._down = allowance.down
        self._commands = allowance.proposals
        nodes = start.cluster.nodes
        self._ids = list(nodes)
        self._nodes = [NodeStates(node.copy(Notes())) for node in nodes.values()]
        self._shift = _LOCAL_BITS * len(nodes)
        self._bits: dict[Any, int] = {}
        self._tokens = {
            (verb, node): [self._bit((verb, node, time)) for time in range(count)]
            for verb, counts in allowance.counts.items()
            for node, count in counts.items()
        }
        self._frames: dict[int, Frame] = {}
        self._to: dict[NodeId, Bits] = dict.fromkeys(nodes, 0)
        self._facts: dict[int, Fact] = {}
        self._judged: Bits = 0
        self._verdicts: dict[Bits, bool] = {}
        self._done: list[dict[tuple[int, int | str], Done]] = [{} for _ in nodes]
        self._deaf: list[dict[int, Bits]] = [{} for _ in nodes]
        """For each node and each of its states: the frames known to change nothing."""
        self._answers: list[dict[tuple[int, Bits], Bits]] = [{} for _ in nodes]
        """For each node, a state of it and what can arrive: what that has it send unchanged."""
        first = self._settle(self._first())
        self._parents: dict[State, State] = {first: first}
        self._level = [first]
        self._next: list[State] = []
        self.report = Report(states=1)

    def _first(self) -> State:
        """Where the actions before the search have led to, and what they left behind."""
        notes = Notes()
        run = Laboratory(self._start.setup)
        run.cluster.watchers.append(notes)
        for action in self._start.actions:
            run.act(action)
        happened = 0
        for fact in notes.facts():
            happened |= self._fact_bit(fact)
        for frame in run.cluster.frames:
            happened |= self._frame_bit((frame.source, frame.target, frame.data))
        state = happened << self._shift
        for index, nodes in enumerate(self._nodes):
            state |= nodes.first << _LOCAL_BITS * index
        return state

    @property
    def core_steps(self) -> int:
        """How often the real core did something."""
        return sum(nodes.core_steps for nodes in self._nodes)

    # The search

    def advance(self, transitions: int) -> Report:
        """Go on for about so many transitions."""
        report = self.report
        until = report.transitions + transitions
        while not report.ended and report.transitions < until:
            if self._level:
                self._expand(self._level.pop())
                report.ended = report.ended or report.states >= self._states_max
                continue
            self._level, self._next = self._next, []
            report.depth += 1
            report.complete = report.ended = not self._level
        return report

    def _expand(self, state: State) -> None:
        report = self.report
        parents = self._parents
        happened = state >> self._shift
        for after, new in self._successors(state):
            report.transitions += 1
            if after in parents:
                continue
            parents[after] = state
            report.states += 1
            if new & self._judged & ~happened and self._is_goal(after >> self._shift):
                report.path = self._lines(after)
                report.ended = True
                return
            self._next.append(after)

    def _successors(self, state: State) -> Iterator[tuple[State, Bits]]:
        """What one step makes of `state`, and what happens in it."""
        happened = state >> self._shift
        for index, node in enumerate(self._ids):
            at = _LOCAL_BITS * index
            number = state >> at & _LOCAL_MASK
            rest = state & ~(_LOCAL_MASK << at)
            for after, new in self._moves(index, node, number, happened):
                yield self._settle(rest | after << at | new << self._shift), new

    def _settle(self, state: State) -> State:
        """`state`, after everything that only sends: no node changes, no judge is told."""
        happened, before = state >> self._shift, -1
        while not self._shortest and happened != before:
            before = happened
            for index, node in enumerate(self._ids):
                number = state >> _LOCAL_BITS * index & _LOCAL_MASK
                happened |= self._answered(index, number, happened & self._to[node])
        return state | happened << self._shift

    def _answered(self, index: int, number: int, frames: Bits) -> Bits:
        """What a node sends and stays as it is, for whatever of `frames` arrives."""
        known = self._answers[index].get((number, frames))
        if known is None:
            known = 0
            for _, new in self._silent(index, number, frames):
                known |= new
            self._answers[index][number, frames] = known
        return known

    def _silent(self, index: int, number: int, frames: Bits) -> Iterator[tuple[int, Bits]]:
        """Each of `frames` that only has the node send, and what it sends."""
        for frame in bits_of(frames & ~self._deaf[index].get(number, 0)):
            after, new = self._done[index].get((number, frame)) or self._deliver(
                index, number, frame
            )
            if after == number and not new & self._judged:
                yield frame, new

    def _moves(self, index: int, node: NodeId, number: int, happened: Bits) -> Iterator[Done]:
        done = self._done[index]
        deaf = self._deaf[index].get(number, 0)
        for frame in bits_of(happened & self._to[node] & ~deaf):
            known = done.get((number, frame))
            if known is None:
                known = self._deliver(index, number, frame)
            yield known
        for token, verb, what in self._own_moves(index, node, number, happened):
            key = number, f"{verb} {what}"
            known = done.get(key)
            if known is None:
                known = done[key] = self._do(index, number, verb, what)
            yield known[0], known[1] | token

    def _deliver(self, index: int, number: int, frame: int) -> Done:
        """Have a frame arrive. A node that is down is deaf."""
        nodes = self._nodes[index]
        if nodes.states[number].replica is None:
            known = number, 0
        else:
            known = self._do(index, number, "deliver", self._frames[frame][2])
        self._done[index][number, frame] = known
        if known == (number, 0):
            self._deaf[index][number] = self._deaf[index].get(number, 0) | 1 << frame
        return known

    def _own_moves(
        self, index: int, node: NodeId, number: int, happened: Bits
    ) -> Iterator[tuple[Bits, str, str | None]]:
        """What a node may do by itself: the allowance that it uses up, the verb, the command."""
        local = self._nodes[index].states[number]
        if local.replica is None:
            if node not in self._down:
                yield 0, "restart", None
            return
        for verb in ("campaign", "crash"):
            for token in self._left(verb, node, happened)[:1]:
                yield token, verb, None
        if local.leads and (tokens := self._left("propose", node, happened)):
            yield tokens[0], "propose", self._commands[node][-len(tokens)]
        if local.holding:
            yield 0, "sync", None

    def _left(self, verb: str, node: NodeId, happened: Bits) -> list[Bits]:
        """What is left of an allowance; it is used up in order."""
        return [token for token in self._tokens.get((verb, node), ()) if not happened & token]

    def _do(self, index: int, number: int, verb: str, what: Any) -> Done:
        outcome = self._nodes[index].do(number, verb, what)
        assert outcome.number <= _LOCAL_MASK, "a node has too many states to number"
        happened = 0
        for frame in outcome.frames:
            if frozenset(frame[:2]) not in self._start.cluster.cut_cables:
                happened |= self._frame_bit(frame)
        for fact in outcome.facts:
            happened |= self._fact_bit(fact)
        return outcome.number, happened

    # Bits

    def _bit(self, key: Any) -> Bits:
        return 1 << self._bits.setdefault(key, len(self._bits))

    def _frame_bit(self, frame: Frame) -> Bits:
        bit = self._bit(frame)
        self._frames[bit.bit_length() - 1] = frame
        self._to[frame[1]] |= bit
        return bit

    def _fact_bit(self, fact: Fact) -> Bits:
        bit = self._bit(fact[:-1])
        self._facts.setdefault(bit.bit_length() - 1, fact)
        self._judged |= bit
        return bit

    # The goal

    def _is_goal(self, happened: Bits) -> bool:
        facts = happened & self._judged
        known = self._verdicts.get(facts)
        if known is None:
            known = self._verdicts[facts] = self._judge_facts(facts)
        return known

    def _judge_facts(self, facts: Bits) -> bool:
        lights = Lights(self._start.cluster.quorums, [self._judge])
        # Bits are numbered as the search meets them, over all runs. In one run a vote
        # follows its proposal, and says nothing to a judge that does not know that.
        known = [self._facts[number] for number in bits_of(facts)]
        known.sort(key=lambda fact: not isinstance(fact[-1], Accept))
        for kind, node, *_, what in known:
            if kind == "sent":
                lights.sent(node, 0, what)
            elif kind == "wrote":
                lights.wrote(node, [what], False)
            else:
                lights.decided(node, what)
        return bool(lights.red)

    def _lines(self, state: State) -> list[str]:
        """The actions that lead from the start to `state`."""
        steps = self._steps_to(state)
        run = Laboratory(self._start.setup, self._start.actions)
        before_now = len(run.actions)
        left = Counter(step for step in steps if step[0] == "deliver")
        for step in steps:
            verb, node, what = step
            if verb != "deliver":
                run.act(f"{verb} {node}" + (f" {what}" if verb == "propose" else ""))
                continue
            frames = run.cluster.frames
            alike = [i for i, f in enumerate(frames) if (f.target, f.data) == (node, what)]
            if left[step] > len(alike) == 1:
                run.act(f"copy {run.pick(alike[0])}")
            run.act(f"deliver {run.pick(alike[0])}")
            left[step] -= 1
        return run.actions[before_now:]

    def _steps_to(self, state: State) -> list[Step]:
        """The steps from the start to `state`; of those that only send, what later ones need."""
        steps: list[Step] = []
        wanted: Bits = 0
        while True:
            before = self._parents[state]
            step, arrived, unsettled = (
                (None, 0, self._first()) if before == state else self._between(before, state)
            )
            for number, new in reversed(list(self._settling(unsettled))):
                if new & wanted:
                    wanted = wanted & ~new | 1 << number
                    steps.append(self._arrival(number))
            if step is None:
                return steps[::-1]
            wanted |= arrived
            steps.append(step)
            state = before

    def _settling(self, state: State) -> Iterator[tuple[int, Bits]]:
        """What `_settle` does to `state`, one by one: what arrives, and what is sent then."""
        happened, before = state >> self._shift, -1
        while not self._shortest and happened != before:
            before = happened
            for index, node in enumerate(self._ids):
                number = state >> _LOCAL_BITS * index & _LOCAL_MASK
                for frame, new in self._silent(index, number, happened & self._to[node]):
                    if new & ~happened:
                        yield frame, new & ~happened
                    happened |= new

    def _arrival(self, number: int) -> Step:
        _, node, data = self._frames[number]
        return "deliver", node, data

    def _between(self, before: State, after: State) -> tuple[Step, Bits, State]:
        """The step from `before` to `after`, what had to arrive, and what is not settled yet."""
        happened = before >> self._shift
        for index, node in enumerate(self._ids):
            at = _LOCAL_BITS * index
            number = before >> at & _LOCAL_MASK
            rest = before & ~(_LOCAL_MASK << at)
            done = self._done[index]
            for frame in bits_of(happened & self._to[node]):
                known = done.get((number, frame))
                unsettled = known and rest | known[0] << at | known[1] << self._shift
                if unsettled and self._settle(unsettled) == after:
                    return self._arrival(frame), 1 << frame, unsettled
            for token, verb, what in self._own_moves(index, node, number, happened):
                known = done.get((number, f"{verb} {what}"))
                unsettled = known and rest | known[0] << at | (known[1] | token) << self._shift
                if unsettled and self._settle(unsettled) == after:
                    return (verb, node, what), 0, unsettled
        raise AssertionError("no step leads from the one state to the other")
