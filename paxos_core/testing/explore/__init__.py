"""Model checking: every state that a small cluster can reach, breadth first.

``python -m paxos_core.testing.explore`` explores the real core, and with
``--abstract`` Lamport's single-decree Paxos, with the same search.
"""

from paxos_core.testing.explore.abstract import AbstractPaxos
from paxos_core.testing.explore.cluster import ClusterModel, Scope
from paxos_core.testing.explore.search import Exploration, Model, explore

__all__ = ["AbstractPaxos", "ClusterModel", "Exploration", "Model", "Scope", "explore"]
