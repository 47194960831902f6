"""Single-decree Paxos as its author specifies it (Lamport, *Paxos Made Simple* and the
TLA+ module Paxos): what the search itself is checked with.

TLC counts 3,921 states for 3 acceptors, 2 values and 2 ballots. A search that
counts otherwise, here, loses states or invents them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from paxos_core.testing.explore.search import State
from paxos_core.testing.failure import Violation

Acceptor = tuple[int, int, int]
"""(highest ballot answered, ballot of the last vote, its value); -1 where there is none."""

Message = tuple[str, int, int, int, int]
"""(phase, acceptor, ballot, ballot of the vote, value); -1 for what a phase does not say."""

Whole = tuple[tuple[Acceptor, ...], frozenset[Message]]
NOBODY = -1


class AbstractPaxos:
    """Messages are never taken back: one that is lost is one that nobody reads."""

    def __init__(self, ballots: int = 2, acceptors: int = 3, values: int = 2) -> None:
        self._ballots = range(ballots)
        self._values = range(values)
        self._acceptors = range(acceptors)
        self._quorum = acceptors // 2 + 1
        self._numbers: dict[Whole, State] = {}
        self._wholes: list[Whole] = []

    def initial(self) -> State:
        """Nothing said, nothing promised."""
        return self._number((tuple((-1, -1, -1) for _ in self._acceptors), frozenset()))

    def successors(self, state: State) -> Iterator[State]:
        """Every enabled action."""
        for _, whole in self._actions(self._wholes[state]):
            yield self._number(whole)

    def label(self, before: State, after: State) -> str:
        """The action's name, as in the specification."""
        wanted = self._wholes[after]
        return next(name for name, whole in self._actions(self._wholes[before]) if whole == wanted)

    def check(self, state: State) -> None:
        """At most one value is chosen."""
        messages = self._wholes[state][1]
        votes: dict[tuple[int, int], int] = {}
        for phase, _, ballot, _, value in messages:
            if phase == "2b":
                votes[ballot, value] = votes.get((ballot, value), 0) + 1
        chosen = {value for (_, value), count in votes.items() if count >= self._quorum}
        if len(chosen) > 1:
            raise Violation("one value is chosen", f"{len(chosen)} values are")

    def _number(self, whole: Whole) -> State:
        number = self._numbers.setdefault(whole, len(self._wholes))
        if number == len(self._wholes):
            self._wholes.append(whole)
        return number

    def _actions(self, whole: Whole) -> Iterator[tuple[str, Whole]]:
        acceptors, messages = whole
        for ballot in self._ballots:
            yield f"Phase1a({ballot})", _say(whole, ("1a", NOBODY, ballot, -1, -1))
            if not any(m[0] == "2a" and m[2] == ballot for m in messages):
                for value in self.free_values(messages, ballot):
                    said = ("2a", NOBODY, ballot, -1, value)
                    yield f"Phase2a({ballot}, {value})", _say(whole, said)
        for message in messages:
            phase, _, ballot, _, value = message
            for number in self._acceptors if phase in ("1a", "2a") else ():
                seen, vote, voted = acceptors[number]
                name = f"Phase{phase[0]}b({number}, {ballot})"
                if phase == "1a" and self.may_promise(ballot, seen):
                    said = ("1b", number, ballot, vote, voted)
                    yield name, _act(whole, number, (ballot, vote, voted), said)
                if phase == "2a" and ballot >= seen:
                    said = ("2b", number, ballot, -1, value)
                    yield name, _act(whole, number, (ballot, ballot, value), said)

    def may_promise(self, ballot: int, seen: int) -> bool:
        """Phase 1b: only what is above all that was answered."""
        return ballot > seen

    def free_values(self, messages: frozenset[Message], ballot: int) -> set[int]:
        """Phase 2a: the values that some quorum's promises leave free (P2c)."""
        promises = [m for m in messages if m[0] == "1b" and m[2] == ballot]
        free: set[int] = set()
        for quorum in combinations(self._acceptors, self._quorum):
            shown = [m for m in promises if m[1] in quorum]
            if {m[1] for m in shown} != set(quorum):
                continue
            highest = max(shown, key=lambda m: m[3])
            free |= {highest[4]} if highest[3] >= 0 else set(self._values)
        return free


def _say(whole: Whole, message: Message) -> Whole:
    return whole[0], whole[1] | {message}


def _act(whole: Whole, number: int, acceptor: Acceptor, message: Message) -> Whole:
    acceptors = whole[0]
    changed = (*acceptors[:number], acceptor, *acceptors[number + 1 :])
    return changed, whole[1] | {message}
