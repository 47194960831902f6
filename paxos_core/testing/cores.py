"""Which core each simulated node runs: Python's own, or one that the caller brings.

The core in C is behind a library that this package may not load; whoever can
hands in a `MakeCore`. It must decide as `Replica` does, and keep its state
nowhere but in the records that it gives out.
"""

from __future__ import annotations

from typing import Final, Protocol

from paxos_core.config import ReplicaConfig
from paxos_core.durable import DurableState
from paxos_core.quorum import QuorumSystem
from paxos_core.replicated_log import ReplicatedLog
from paxos_core.testing.chance import CORE, stream
from paxos_core.types import NodeId

PYTHON: Final = "python"
C: Final = "c"
MIXED: Final = "mixed"
CORES: Final = (PYTHON, C, MIXED)


class MakeCore(Protocol):
    """Makes a core outside Python: it takes and gives `RawFrame` and `RawRecord`."""

    def __call__(self, config: ReplicaConfig, cluster: int, state: DurableState) -> ReplicatedLog:
        """A core that continues from `state`. What it raises fails the seed."""
        ...


def foreign_nodes(seed: int, core: str, quorums: QuorumSystem) -> frozenset[NodeId]:
    """The nodes whose core is not Python's; with ``mixed`` some, never all of several."""
    members = list(quorums.members)
    if core != MIXED:
        return frozenset(members if core == C else ())
    chance = stream(seed, CORE)
    chance.shuffle(members)
    return frozenset(members[: chance.between(1, max(1, len(members) - 1))])
