"""The laboratory: a cluster of the real core to play with, step by step, and to break.

``Laboratory.replay(text)`` gives the run that a text describes; `docs/play.md` says what
can stand in it. Rules of the protocol can be taken out of a run (`rules`), lights show
which invariants still hold (`judges`), and puzzles ask for the fewest steps to break one
(`puzzles`). `paxos play` is a page around all this.
"""

from paxos_core.testing.laboratory.lights import Red
from paxos_core.testing.laboratory.puzzles import PUZZLES, Puzzle
from paxos_core.testing.laboratory.rules import RULES, Rule
from paxos_core.testing.laboratory.run import Laboratory
from paxos_core.testing.laboratory.saved import save_as_test
from paxos_core.testing.laboratory.setup import Setup
from paxos_core.testing.laboratory.workbench import Workbench

__all__ = [
    "PUZZLES",
    "RULES",
    "Laboratory",
    "Puzzle",
    "Red",
    "Rule",
    "Setup",
    "Workbench",
    "save_as_test",
]
