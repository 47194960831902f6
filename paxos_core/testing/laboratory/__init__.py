"""The laboratory: a cluster of the real core to play with, step by step, and to break.

``Laboratory.replay(text)`` gives the run that a text describes; `docs/play.md` says what
can stand in it. Rules of the protocol can be taken out of a run (`removable`), lights show
which invariants still hold (`judges`), and puzzles ask for the fewest actions to break one
(`puzzles`). `paxos play` is a page around all this.
"""

from paxos_core.testing.laboratory.laboratory import Laboratory
from paxos_core.testing.laboratory.lights import Red
from paxos_core.testing.laboratory.puzzles import PUZZLES, Puzzle
from paxos_core.testing.laboratory.removable import REMOVABLE, Removable
from paxos_core.testing.laboratory.saved import save_as_test
from paxos_core.testing.laboratory.setup import Setup

__all__ = [
    "PUZZLES",
    "REMOVABLE",
    "Laboratory",
    "Puzzle",
    "Red",
    "Removable",
    "Setup",
    "save_as_test",
]
