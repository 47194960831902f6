"""Faults that begin, last for a while, and end."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Final

from paxos_core.codec import KINDS
from paxos_core.testing.chance import Chance
from paxos_core.testing.disk_faults import DISK_FAULTS, DiskFaults
from paxos_core.testing.network import FRACTION, Pair
from paxos_core.testing.plan import TICK_UNITS, Fault

if TYPE_CHECKING:
    from paxos_core.testing.members import SimulatedNode
    from paxos_core.testing.simulator import Simulation

NODE_FAULTS: Final = ("crash", "armed", "pause", "slowdisk", "jump", "drift")


class FaultRunner:
    """Carries out the plan's faults on one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._blocked: dict[int, list[Pair]] = {}
        self.disks = DiskFaults(simulation)
        self.over = False
        """All is healed: what still would end, has ended."""

    def begin(self, fault: Fault, _: None) -> None:
        """`fault` begins."""
        if self.over:
            return
        simulation = self._simulation
        chance = Chance(fault.dice)
        node = self._target(chance) if fault.kind in (*NODE_FAULTS, *DISK_FAULTS) else None
        simulation.say_fault(fault, node)
        match fault.kind:
            case kind if node is not None and kind in NODE_FAULTS:
                self._begin_at_node(fault, node, chance)
            case _ if node is not None:
                if not self.disks.begin(fault, node, chance):
                    simulation.say("the quorums can spare no disk: it is left out")
                    return
            case "die":
                simulation.seats.end(chance.below(len(simulation.plan.clients)))
            case "churn":
                self._churn(simulation.now + fault.duration, chance)
            case "mute":
                kinds = [kind for kind in KINDS.values() if chance.happens(200)]
                simulation.network.mute(kinds)
                simulation.at(fault.duration, self._end_mute, kinds)
            case _:
                self._begin_on_links(fault, chance)
        simulation.monitor.counts[f"fault {fault.kind}"] += 1

    def end_on_disks(self) -> None:
        """No disk breaks any more, and what was destroyed is found."""
        self.disks.end_all()

    def begin_again(self) -> None:
        """Another round of faults."""
        self.over = self.disks.over = False

    # One node

    def _target(self, chance: Chance) -> SimulatedNode:
        """Often the leader: there a fault does most."""
        nodes = list(self._simulation.nodes.values())
        node = chance.choice(nodes)
        leader = self.leader() if chance.happens(500) else None
        return leader or node

    def leader(self) -> SimulatedNode | None:
        """The node with the highest ballot among those that believe they lead."""
        leading = [
            (service.replica.status().ballot, node)
            for node in self._simulation.nodes.values()
            if (service := node.service) is not None and service.replica.leader == node.id
        ]
        return max(leading, key=lambda pair: pair[0])[1] if leading else None

    def _begin_at_node(self, fault: Fault, node: SimulatedNode, chance: Chance) -> None:
        simulation = self._simulation
        end = self._end_at_node
        match fault.kind:
            case "crash":
                simulation.crash(node)
            case "armed":
                node.armed = chance.between(1, 3)
            case "pause":
                simulation.pause(node)
            case "slowdisk":
                node.disk_units_max = 1500
            case "jump":
                self._jump(node, chance)
            case "drift":
                node.period_units = chance.between(TICK_UNITS // 4, TICK_UNITS * 4)
        simulation.at(fault.duration, end, fault, node)

    def _jump(self, node: SimulatedNode, chance: Chance) -> None:
        """Forward: many ticks at once. Back: none for a while."""
        if chance.happens(500):
            self._simulation.monitor.counts["clock jumped forward"] += 1
            self._simulation.leap(node, chance.between(2, 60))
        else:
            self._simulation.monitor.counts["clock stood"] += 1
            node.stands = True

    def _end_at_node(self, fault: Fault, node: SimulatedNode) -> None:
        if self.over:
            return
        simulation = self._simulation
        match fault.kind:
            case "crash" | "armed":
                node.armed = 0
                if node.service is None:
                    simulation.start(node)
            case "pause":
                simulation.resume(node)
            case "slowdisk":
                node.disk_units_max = simulation.plan.disk_units_max
            case "jump":
                node.stands = False
            case "drift":
                node.period_units = node.usual_period_units

    # Links

    def _churn(self, until: int, chance: Chance) -> None:
        """Time and again, let whoever leads reach one other node at most."""
        simulation = self._simulation
        if self.over or simulation.now >= until:
            return
        leader = self.leader()
        if leader is not None:
            spared = chance.choice([*simulation.nodes])
            pairs = [(leader.id, other) for other in simulation.nodes if other != spared]
            simulation.network.block(pairs)
            simulation.at(chance.between(8, 25) * TICK_UNITS, self._end_churn, pairs)
        simulation.at(chance.between(500, 2500), self._churn, until, chance)

    def _end_churn(self, pairs: list[Pair], _: None) -> None:
        if not self.over:
            self._simulation.network.unblock(pairs)

    def _end_mute(self, kinds: list[int], _: None) -> None:
        if not self.over:
            self._simulation.network.unmute(kinds)

    def _begin_on_links(self, fault: Fault, chance: Chance) -> None:
        simulation = self._simulation
        everyone = [*simulation.nodes, *simulation.clients]
        if fault.kind == "burst":
            pairs = [p for p in permutations(everyone, 2) if chance.happens(500)]
            simulation.network.add_noise(pairs, FRACTION * 6 // 10)
        else:
            pairs = cut_links(fault.kind, list(simulation.nodes), list(simulation.clients), chance)
            simulation.network.block(pairs)
        simulation.at(fault.duration, self._end_on_links, fault, pairs)

    def _end_on_links(self, fault: Fault, pairs: list[Pair]) -> None:
        if self.over:
            return
        if fault.kind == "burst":
            self._simulation.network.add_noise(pairs, -(FRACTION * 6 // 10))
        else:
            self._simulation.network.unblock(pairs)


def cut_links(kind: str, nodes: list[int], clients: list[int], chance: Chance) -> list[Pair]:
    """Which directed links a fault of this kind cuts."""
    chance.shuffle(nodes)
    match kind:
        case "split":
            sides = {node: chance.below(2) for node in (*nodes, *clients)}
            return [(a, b) for a, b in permutations(sides, 2) if sides[a] != sides[b]]
        case "isolate":
            first, *others = nodes
            return [pair for other in others for pair in ((first, other), (other, first))]
        case "oneway":
            return [pair for pair in permutations(nodes, 2) if chance.happens(300)]
        case "chain":
            near = {frozenset(pair) for pair in pairwise(nodes)}
            return [p for p in permutations(nodes, 2) if frozenset(p) not in near]
    raise AssertionError(f"no links are cut by {kind}")
