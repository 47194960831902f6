"""The search: breadth first, so that the first broken state has a shortest path to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from paxos_core.testing.failure import Violation

State = int
"""A whole state as one number: a model packs it, so that millions fit in memory."""


class BrokenStep(Exception):
    """A step that ends in no state: the system itself broke on the way. `label` names it."""

    def __init__(self, label: str, violation: Violation) -> None:
        super().__init__(f"{label}: {violation}")
        self.label = label
        self.violation = violation


class Model(Protocol):
    """What can be explored."""

    def initial(self) -> State:
        """Where every run begins."""

    def successors(self, state: State) -> Iterable[State]:
        """Every state one step away; repeated ones cost time alone. Raises `BrokenStep`."""

    def check(self, state: State) -> None:
        """Raises `Violation` if an invariant does not hold in `state`."""

    def label(self, before: State, after: State) -> str:
        """The step from one to the other, for people."""


@dataclass(slots=True)
class Exploration:
    """What a search saw. `path` leads to what broke, if something did."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    complete: bool = False
    violation: Violation | None = None
    path: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        seen = f"{self.states:,} states, {self.transitions:,} transitions, depth {self.depth}"
        if self.violation is not None:
            steps = "".join(f"\n{number:4} {label}" for number, label in enumerate(self.path, 1))
            return f"{seen}\nBROKEN {self.violation}, after {len(self.path)} steps:{steps}"
        return f"{seen}; {'all that there are' if self.complete else 'stopped early'}"


Progress = Callable[[Exploration, int], None]
"""Told after each level, with how many states wait to be expanded."""


class Search:
    """One search. `run` may be interrupted from outside; `seen` is then what was reached."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._parents: dict[State, State] = {}
        self._last: State = 0
        self.seen = Exploration()

    def run(self, states_max: int | None = None, progress: Progress | None = None) -> Exploration:
        """Until nothing is new, an invariant breaks, or `states_max` states are known."""
        first = self._model.initial()
        self._parents[first] = first
        level = [first]
        try:
            self._model.check(first)
            while level:
                level = self._expand(level, states_max)
                self.count()
                self.seen.depth += bool(level)
                if progress is not None:
                    progress(self.seen, len(level))
                if states_max is not None and len(self._parents) >= states_max:
                    return self.seen
        except Violation as violation:
            self._break(violation, self._last)
        except BrokenStep as broken:
            self._break(broken.violation, self._last)
            self.seen.path.append(broken.label)
        else:
            self.seen.complete = True
        return self.seen

    def _expand(self, level: list[State], states_max: int | None) -> list[State]:
        """The next level: what is new one step behind `level`."""
        parents = self._parents
        successors = self._model.successors
        check = self._model.check
        new: list[State] = []
        for state in level:
            self._last = state
            for after in successors(state):
                self.seen.transitions += 1
                if after in parents:
                    continue
                parents[after] = state
                self._last = after
                check(after)
                new.append(after)
            if states_max is not None and len(parents) >= states_max:
                break
        return new

    def count(self) -> None:
        """Bring `seen.states` up to date, after `run` was interrupted."""
        self.seen.states = len(self._parents)

    def _break(self, violation: Violation, state: State) -> None:
        path = [state]
        while (before := self._parents[path[-1]]) != path[-1]:
            path.append(before)
        path.reverse()
        self.seen.states = len(self._parents)
        self.seen.depth = len(path) - 1
        self.seen.violation = violation
        self.seen.path = [self._model.label(before, after) for before, after in pairwise(path)]


def explore(
    model: Model, states_max: int | None = None, progress: Progress | None = None
) -> Exploration:
    """Search `model` to its end, to the first broken invariant, or to `states_max` states."""
    return Search(model).run(states_max, progress)
