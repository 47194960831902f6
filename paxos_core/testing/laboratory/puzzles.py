"""The puzzles: how each begins, what is to be brought about, and in how few actions it can be.

An action is about one message at a time. Each par is the length of the shortest
path that `Search` finds without the rule. With it, the same search within the same
allowance comes to its end, having seen `proof_states` states. The tests find both again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from paxos_core.testing.laboratory.allowance import Allowance
from paxos_core.testing.laboratory.laboratory import Laboratory
from paxos_core.testing.laboratory.lights import (
    ONE_PROPOSAL,
    ONE_VALUE,
)
from paxos_core.testing.laboratory.removable import (
    HIGHEST_ACCEPTED,
    MEETING_QUORUMS,
    PROMISE_CHECK,
    SYNC_FIRST,
)
from paxos_core.testing.laboratory.search import Search
from paxos_core.testing.laboratory.setup import Setup
from paxos_core.testing.script_node import ScriptError

VERBS: Final = frozenset(
    {"deliver", "drop", "copy", "campaign", "propose", "crash", "restart", "hold", "sync"}
)
"""What can be done in a puzzle. Time, cables and `stabilize` do many things at once."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A puzzle. `goal` is the light that has to turn red."""

    name: str
    title: str
    story: str
    setup: Setup
    given: tuple[str, ...]
    """What has happened before the first action."""
    goal: str
    par: int
    hints: tuple[str, ...]
    allowance: Allowance
    """How much may happen, whoever plays."""
    proof_states: int
    """How many states there are with the rule."""
    lawful: Setup
    """The same cluster with the rule."""
    lawful_given: tuple[str, ...]

    def begin(self, *, traced: bool = False) -> Laboratory:
        """The run at its beginning."""
        return Laboratory(self.setup, self.given, traced=traced)

    def search(self) -> Search:
        """The search for the shortest path to the goal."""
        return Search(self.begin(), self.goal, self.allowance)

    def proof(self) -> Search:
        """The same search with the rule: it sees every run, and finds nothing."""
        lawful = Laboratory(self.lawful, self.lawful_given)
        return Search(lawful, self.goal, self.allowance, shortest=False)

    def check_action(self, run: Laboratory, action: str) -> None:
        """That `action` is one thing, and within the allowance. Raises `ScriptError`."""
        verb, *rest = action.split() or [""]
        if verb not in VERBS:
            raise ScriptError(f"in a puzzle there is no {verb[:20]!r}: one thing at a time")
        if verb in ("deliver", "drop", "copy"):
            picks = {run.pick(index) for index in range(len(run.cluster.frames))}
            if " ".join(rest) not in picks:
                raise ScriptError("in a puzzle an action is about one message")
        self.allowance.check(run.actions[len(self.given) :], action)


def _make(
    setup: Setup, given: str, lawful: Setup, lawful_given: str | None = None
) -> tuple[Setup, tuple[str, ...], Setup, tuple[str, ...]]:
    lines = tuple(given.split("; ")) if given else ()
    others = tuple(lawful_given.split("; ")) if lawful_given else lines
    return setup, lines, lawful, others


_A_DUEL: Final = Allowance({1: 1, 3: 1}, {1: ("blue",), 3: ("red",)})
_BLUE: Final = (
    "campaign 1; deliver 1 -> 2 Prepare; deliver 2 -> 1 Promise; "
    "propose 1 blue; deliver 1 -> 2 Accept"
)


def _puzzle(
    name: str,
    title: str,
    story: str,
    goal: str,
    par: int,
    hints: tuple[str, ...],
    runs: tuple[Setup, tuple[str, ...], Setup, tuple[str, ...]],
    allowance: Allowance,
    proof_states: int,
) -> Puzzle:
    setup, given, lawful, lawful_given = runs
    return Puzzle(
        name, title, story, setup, given, goal, par, hints, allowance, proof_states,
        lawful, lawful_given,
    )  # fmt: skip


_ALL: Final = (
    _puzzle(
        "blue-and-red",
        "Blue is chosen, choose red",
        "Nodes 1 and 2 have voted for blue in ballot 1.1, and two of three are a quorum: blue is "
        "chosen for slot 0. A new leader does not look at the votes that its promises show. "
        "Have another value chosen for the same slot.",
        ONE_VALUE,
        5,
        (
            "Two nodes have to vote for the other value, and one of them knows blue.",
            "Node 3 has heard nothing yet. Who needs only one promise more?",
            "Let node 3 campaign, and ask node 2.",
        ),
        _make(Setup(3, without=frozenset({HIGHEST_ACCEPTED})), _BLUE, Setup(3)),
        Allowance({3: 1}, {3: ("red",)}),
        42_054,
    ),
    _puzzle(
        "half-and-half",
        "Half and half",
        "Four nodes; two of them elect a leader, and two decide. The cables between 1 and 4 and "
        "between 2 and 3 are cut. Bring about that two values are chosen for slot 0. Nobody need "
        "crash, and no message need be lost.",
        ONE_VALUE,
        10,
        (
            "With two of four there are quorums that have no node in common.",
            "Let 1 and 2 do all that they need to, then 3 and 4.",
            "Each half: campaign, one Prepare, one Promise, propose, one Accept.",
        ),
        _make(
            Setup(4, 2, 2, frozenset({MEETING_QUORUMS})),
            "cut 1 4; cut 2 3",
            Setup(4, 3, 2),
        ),
        _A_DUEL,
        22_043,
    ),
    _puzzle(
        "a-promise-forgotten",
        "A promise forgotten",
        "Acceptors forget what they promised, and answer whoever asks, in whatever ballot. A "
        "leader still proposes the highest vote that it was shown. Have two values chosen for "
        "slot 0.",
        ONE_VALUE,
        10,
        (
            "A leader that was shown no vote is free to propose what it likes.",
            "Let both have their promises before either proposes.",
            "The node that they share votes twice, and the second time below its promise.",
        ),
        _make(Setup(3, without=frozenset({PROMISE_CHECK})), "", Setup(3)),
        _A_DUEL,
        353_261,
    ),
    _puzzle(
        "said-and-lost",
        "Said, and lost",
        "Node 1 leads. Nodes tell their votes before the disk has them, and the disk of node 2 is "
        "slow: what it is given it does not finish. Have two values chosen for slot 0.",
        ONE_VALUE,
        9,
        (
            "A crash takes what the disk has not finished.",
            "A vote that was told has been counted, whether it is still there or not.",
            "After its crash node 2 has never heard of blue. Let node 3 ask it.",
        ),
        _make(
            Setup(3, without=frozenset({SYNC_FIRST})),
            "campaign 1; stabilize; hold 2",
            Setup(3),
        ),
        Allowance({3: 1}, {1: ("blue",), 3: ("red",)}, crashes={2: 1}),
        116_988,
    ),
    _puzzle(
        "one-ballot-two-values",
        "One ballot, two values",
        "Nodes speak before the disk has finished, and the disk of node 1 is slow. Node 3 is "
        "down. Bring about that node 1 proposes two values in one and the same ballot.",
        ONE_PROPOSAL,
        10,
        (
            "A node takes the next ballot above all that it has heard of.",
            "What has node 1 heard of, after a crash that took all that its disk was given?",
            "Let it lead and propose; then crash it, start it, and let it lead again.",
        ),
        _make(Setup(3, without=frozenset({SYNC_FIRST})), "crash 3; hold 1", Setup(3)),
        Allowance({1: 2}, {1: ("blue", "green")}, crashes={1: 1}, down=(3,)),
        2_067,
    ),
)

PUZZLES: Final[dict[str, Puzzle]] = {puzzle.name: puzzle for puzzle in _ALL}
