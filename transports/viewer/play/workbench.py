"""What one page works with: runs side by side, a step back and forth in each, puzzles.

Bounded: so many branches, so many actions in each, one search at a time. Pure, but for
the clock that tells whether the page that began a search has left.
Every method that cannot do what it is asked raises `ScriptError`, and then nothing
has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from paxos_core.testing.laboratory.laboratory import Laboratory
from paxos_core.testing.laboratory.puzzles import PUZZLES, Puzzle
from paxos_core.testing.laboratory.saved import save_as_test
from paxos_core.testing.laboratory.setup import Setup, read_setup
from paxos_core.testing.script_node import ScriptError
from transports.viewer.play.proofs import Proofs
from transports.viewer.play.view import view_of

BRANCHES_MAX: Final = 12
ONE_NODE_VERBS: Final = ("campaign", "propose", "crash", "restart", "hold")
"""What a puzzle may let one node do, and another not, or not again."""
CABLE_VERBS: Final = ("cut", "heal")


@dataclass(slots=True)
class Branch:
    """A run as a list of actions. The first `given` of them cannot be taken back."""

    number: int
    setup: Setup
    actions: list[str]
    undone: list[str] = field(default_factory=list)
    """What was taken back, the last one first to come again at the end."""
    given: int = 0
    puzzle: Puzzle | None = None
    parent: int | None = None

    @property
    def own(self) -> int:
        """How many actions are the user's own."""
        return len(self.actions) - self.given


class Workbench:
    """The branches of one page, one of which is on the table."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._branches: dict[int, Branch] = {}
        self._last = 0
        self._proofs = Proofs(clock)
        self.begin(Setup())

    # Which run

    def begin(self, setup: Setup) -> None:
        """A new run, on a table of its own."""
        self._show(self._add(setup, []), Laboratory(setup, traced=True))

    def begin_line(self, line: str) -> None:
        """The same, where `setup` is a line: ``cluster 3 without=sync-first``."""
        self.begin(read_setup(line.split()))

    def begin_puzzle(self, name: str) -> None:
        """A puzzle at its beginning."""
        puzzle = self._puzzle(name)
        run = puzzle.begin(traced=True)
        branch = self._add(puzzle.setup, run.actions)
        branch.given, branch.puzzle = len(puzzle.given), puzzle
        self._show(branch, run)

    def fork(self) -> None:
        """A copy of the run, to go on otherwise from here."""
        now = self.branch
        branch = self._add(now.setup, now.actions)
        branch.given, branch.puzzle, branch.parent = now.given, now.puzzle, now.number
        self._show(branch, self.run)

    def select(self, number: int) -> None:
        """Put another run on the table."""
        branch = self._known(number)
        self._show(branch, Laboratory(branch.setup, branch.actions, traced=True))

    def close(self, number: int) -> None:
        """Throw a run away."""
        branch = self._known(number)
        if len(self._branches) == 1:
            raise ScriptError("this is the only run: begin another one first")
        del self._branches[number]
        if branch is self.branch:
            self.select(next(reversed(self._branches)))

    def _add(self, setup: Setup, actions: list[str]) -> Branch:
        if len(self._branches) >= BRANCHES_MAX:
            raise ScriptError(f"there are {BRANCHES_MAX} runs: close one first")
        self._last += 1
        branch = Branch(self._last, setup, list(actions))
        self._branches[branch.number] = branch
        return branch

    def _show(self, branch: Branch, run: Laboratory) -> None:
        self.branch = branch
        self.run = run

    def _known(self, number: int) -> Branch:
        branch = self._branches.get(number)
        if branch is None:
            raise ScriptError(f"there is no run {number}")
        return branch

    def _puzzle(self, name: str) -> Puzzle:
        puzzle = PUZZLES.get(name)
        if puzzle is None:
            raise ScriptError(f"there is no puzzle {name[:40]!r}")
        return puzzle

    # What is done in it

    def act(self, action: str) -> None:
        """One action more."""
        if self.branch.puzzle is not None:
            self.branch.puzzle.check_action(self.run, action)
        self.run.act(action)
        self.branch.actions = list(self.run.actions)
        self.branch.undone = []

    def undo(self) -> None:
        """Take the last action back."""
        branch = self.branch
        if not branch.own:
            raise ScriptError("there is nothing to take back")
        self._go_to(len(branch.actions) - 1)

    def redo(self) -> None:
        """Do again what was taken back last."""
        branch = self.branch
        if not branch.undone:
            raise ScriptError("there is nothing to do again")
        self._go_to(len(branch.actions) + 1)

    def go_to(self, count: int) -> None:
        """To where the run was after so many actions, back or forth."""
        branch = self.branch
        if not branch.given <= count <= len(branch.actions) + len(branch.undone):
            raise ScriptError("the run was never there")
        self._go_to(count)

    def _go_to(self, count: int) -> None:
        branch = self.branch
        whole = branch.actions + branch.undone[::-1]
        self.run = Laboratory(branch.setup, whole[:count], traced=True)
        branch.actions, branch.undone = whole[:count], whole[count:][::-1]

    # Puzzles

    def hint(self, number: int) -> str:
        """A hint of the puzzle, from 0."""
        puzzle = self.branch.puzzle
        if puzzle is None or not 0 <= number < len(puzzle.hints):
            raise ScriptError("there is no such hint")
        return puzzle.hints[number]

    def prove(self, name: str, page: int = 0, run: int = 0) -> dict[str, Any]:
        """Go on with the proof that puzzle `name` cannot be solved with its rule on, a slice
        at a time; see `Proofs` for whose it is.
        """
        return self._proofs.go_on(self._puzzle(name), page, run)

    def stop_proof(self, page: int = 0, run: int = 0) -> None:
        """Stop it, and forget what it knew."""
        self._proofs.stop(page, run)

    # What the page shows

    def view(self) -> dict[str, Any]:
        """Everything, for JSON."""
        branch = self.branch
        return {
            **view_of(self.run),
            "branch": branch.number,
            "branches": [_branch(one) for one in self._branches.values()],
            "undone": branch.undone[::-1],
            "given": branch.given,
            "puzzle": self._puzzle_view(branch),
            "forbidden": self._forbidden(),
        }

    def _forbidden(self) -> dict[str, str]:
        """Why the puzzle refuses what it would refuse now: by ``campaign 1``, or ``cut``."""
        puzzle = self.branch.puzzle
        if puzzle is None:
            return {}
        refused = {}
        nodes = self.run.cluster.nodes
        wanted = [f"{verb} {node}" for node in nodes for verb in ONE_NODE_VERBS]
        for action in (*wanted, *CABLE_VERBS):
            try:
                puzzle.check_action(self.run, action)
            except ScriptError as error:
                refused[action] = str(error)
        return refused

    def _puzzle_view(self, branch: Branch) -> dict[str, Any] | None:
        puzzle = branch.puzzle
        if puzzle is None:
            return None
        red = self.run.red.get(puzzle.goal)
        return {
            **describe_puzzle(puzzle),
            "actions": branch.own,
            "solved": None if red is None else red.action - branch.given,
        }

    def save(self) -> str:
        """The run as a test."""
        return save_as_test(self.run)


def describe_puzzle(puzzle: Puzzle) -> dict[str, Any]:
    """What is told of a puzzle before it is solved."""
    return {
        "name": puzzle.name,
        "title": puzzle.title,
        "story": puzzle.story,
        "goal": puzzle.goal,
        "par": puzzle.par,
        "allowance": puzzle.allowance.words,
        "hints": len(puzzle.hints),
        "without": sorted(puzzle.setup.without),
    }


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        "number": branch.number,
        "line": branch.setup.line,
        "actions": len(branch.actions),
        "parent": branch.parent,
        "puzzle": None if branch.puzzle is None else branch.puzzle.title,
    }
