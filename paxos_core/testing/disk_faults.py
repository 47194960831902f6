"""Faults of the disk, which begin at one node, and what its operator does when they are over.

A disk that loses what was acknowledged costs the cluster a vote for good, so only
as many do as the quorums can spare: what is left must still elect and decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paxos_core.testing.chance import Chance
from paxos_core.testing.plan import Fault

if TYPE_CHECKING:
    from paxos_core.testing.members import SimulatedNode
    from paxos_core.testing.simulator import Simulation

LOSING: Final = ("wipe", "rot", "lostwrite", "misdirect", "oldlog")
"""They destroy what was acknowledged."""
DISK_FAULTS: Final = (*LOSING, "failsync", "full")


class DiskFaults:
    """Begins and ends the plan's faults of the disk."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._lost = 0
        self.over = False

    def begin(self, fault: Fault, node: SimulatedNode, chance: Chance) -> bool:
        """`fault` begins at `node`; whether it may."""
        if fault.kind in LOSING and not self._may_lose(node):
            return False
        simulation = self._simulation
        copy: tuple[int, bytes] | None = None
        match fault.kind:
            case "wipe":
                simulation.crash(node)
                node.disk.lose()
            case "rot":
                node.disk.rot(chance)
                if chance.happens(500):
                    simulation.crash(node)
            case "lostwrite":
                node.disk.stray = "lost"
            case "misdirect":
                node.disk.stray = "misdirected"
            case "oldlog":
                copy = node.disk.copy_log()
            case "failsync":
                node.disk.failing = True
            case "full":
                node.disk.full = True
        simulation.at(fault.duration, self._end, node, copy)
        return True

    def end_all(self) -> None:
        """Hardware works from now on, and what it has destroyed is found."""
        self.over = True
        for node in self._simulation.nodes.values():
            self._repair(node)
            if node.disk.is_damaged:
                self._simulation.crash(node)

    def _may_lose(self, node: SimulatedNode) -> bool:
        """Whether the others can do without the vote of `node`; then they may have to."""
        plan = self._simulation.plan
        if not node.voting or node.disk.is_damaged or self._lost + plan.gone >= plan.spare:
            return False
        self._lost += 1
        return True

    def _repair(self, node: SimulatedNode) -> None:
        node.disk.stray = ""
        node.disk.failing = node.disk.full = False

    def _end(self, node: SimulatedNode, copy: tuple[int, bytes] | None) -> None:
        if self.over:
            return
        simulation = self._simulation
        self._repair(node)
        if copy is not None:
            simulation.crash(node, power=False)
            if not node.disk.is_damaged and node.disk.put_back(copy):
                simulation.monitor.counts["old log put back"] += 1
        if node.disk.is_damaged:
            simulation.crash(node)
        if node.service is None:
            simulation.start(node)
