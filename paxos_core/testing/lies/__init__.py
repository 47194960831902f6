"""A cluster of real replicas with one liar in it: which lies do the others survive?

``run(kind, seed)`` lets member 3 of 3 (or 5 of 5) lie in one way and says what came
of it; docs/lies.md has the table.
"""

from paxos_core.testing.lies import breaking, harmless, stalling
from paxos_core.testing.lies.cluster import Disagreement, LyingCluster
from paxos_core.testing.lies.kinds import LIES, Harm, Lie
from paxos_core.testing.lies.run import Outcome, run, smallest

__all__ = [
    "LIES",
    "Disagreement",
    "Harm",
    "Lie",
    "LyingCluster",
    "Outcome",
    "breaking",
    "harmless",
    "run",
    "smallest",
    "stalling",
]
