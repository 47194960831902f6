"""The healed phase: what must come true once nothing goes wrong any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paxos_core.testing.chance import PARTIAL, stream
from paxos_core.testing.failure import Violation
from paxos_core.testing.partial import draw_partial
from paxos_core.testing.plan import TICK_UNITS
from paxos_core.types import NodeId

if TYPE_CHECKING:
    from paxos_core.testing.members import SimulatedNode
    from paxos_core.testing.simulator import Simulation

ELECTION_TIMEOUTS_MAX = 4
SETTLE_TICKS = 250
NAMES = 1 << 20
"""Numbers of last commands that each round has to itself."""


class Healing:
    """Ends all faults, then waits for a leader, for every outcome, and for agreement."""

    def __init__(self, simulation: Simulation, number: int = 0) -> None:
        self._simulation = simulation
        self._number = number
        self._healed_at = 0
        self._led_at = -1
        self._finals: dict[int, bytes] = {}
        """The last command of each client, by its endpoint."""
        self._crowded = False
        """Older commands still waited for a slot when the last were submitted."""

    def begin(self, _: None, __: None) -> None:
        """End every fault and restart everything, but for what is gone for good."""
        simulation = self._simulation
        simulation.say("all is healed")
        simulation.allow_steps()
        self._healed_at = simulation.now
        simulation.faults.over = True
        simulation.network.heal()
        simulation.lose_late_frames()
        simulation.forget(simulation.faults, simulation.faults.disks)
        gone = self._choose_gone()
        for node in simulation.nodes.values():
            node.armed = 0
            node.stands = False
            node.period_units = TICK_UNITS
            node.disk_units_max = min(simulation.plan.disk_units_max, TICK_UNITS)
            if node in gone:
                simulation.crash(node)
                node.gone = True
        simulation.faults.end_on_disks()
        for client in simulation.clients.values():
            client.period_units = TICK_UNITS
        for node in simulation.nodes.values():
            simulation.sync(node)
            if node.paused:
                simulation.resume(node)
            if node.service is None:
                simulation.start(node)
        if "partial" in simulation.plan.kinds:
            self._keep_some_cut()
        simulation.at(TICK_UNITS, self._check)

    def _keep_some_cut(self) -> None:
        """The network is whole only once there is a leader."""
        simulation = self._simulation
        leader = simulation.faults.leader()
        living = {n.id: n.service.applied for n in self._living() if n.voting and n.service}
        voting = sorted(living, key=lambda node: living[node])
        name, pairs = draw_partial(
            simulation.plan.quorums,
            voting,
            leader.id if leader is not None else 0,
            stream(simulation.options.seed, PARTIAL, self._number),
        )
        simulation.network.block(pairs)
        simulation.monitor.counts[f"partial: {name}"] += 1
        simulation.say(f"but for {name}: {pairs} stay cut")

    def _choose_gone(self) -> list[SimulatedNode]:
        voting = [node for node in self._simulation.nodes.values() if node.voting]
        return voting[: self._simulation.plan.gone]

    def _living(self) -> list[SimulatedNode]:
        return [node for node in self._simulation.nodes.values() if not node.gone]

    def _check(self, _: None, __: None) -> None:
        simulation = self._simulation
        simulation.at(TICK_UNITS, self._check)
        if self._led_at < 0:
            self._await_leader()
            return
        waiting = sum(client.client.outstanding for client in simulation.clients.values())
        if waiting == 0 and not self._finals:
            self._submit_finals()
            return
        # One that comes back may have promised more than it could tell, and depose the leader.
        settled = waiting == 0 and not self._ask_again()
        if settled and self._has_leader() and self._agree():
            self._finish()
            return
        limit = self._led_at + (SETTLE_TICKS + self._deadline_ticks()) * TICK_UNITS
        if simulation.now > limit:
            states = [(n.id, n.service.applied) for n in self._living() if n.service]
            raise Violation(
                "liveness", f"{waiting} commands without outcome, nodes have applied {states}"
            )

    def _deadline_ticks(self) -> int:
        return max(client.deadline_ticks for client in self._simulation.plan.clients)

    def _await_leader(self) -> None:
        simulation = self._simulation
        waited = simulation.now - self._healed_at
        if self._has_leader():
            self._led_at = simulation.now
            simulation.network.heal()
            timeout_units = simulation.plan.timing.election_ticks_max * TICK_UNITS
            timeouts = -(-waited // timeout_units)
            unit = "time-out" if timeouts == 1 else "time-outs"
            simulation.monitor.counts[f"leader within {timeouts} {unit}"] += 1
            return
        limit = ELECTION_TIMEOUTS_MAX * simulation.plan.timing.election_ticks_max * TICK_UNITS
        if waited > limit:
            raise Violation("liveness", f"no leader in {ELECTION_TIMEOUTS_MAX} election time-outs")

    def _has_leader(self) -> bool:
        """A phase 2 quorum of voters follow one node that leads and reaches them."""
        return any(
            node.service is not None
            and node.service.replica.leader == node.id
            and self._count_followers(node.id) >= self._simulation.plan.quorums.phase2
            for node in self._living()
        )

    def _count_followers(self, leader: NodeId) -> int:
        joins = self._simulation.network.joins
        return sum(
            node.service is not None
            and node.voting
            and node.service.replica.leader == leader
            and joins(leader, node.id)
            for node in self._living()
        )

    def _submit_finals(self) -> None:
        self._crowded = self._is_crowded()
        self._submit_last(list(self._simulation.clients), b"")

    def _submit_last(self, endpoints: list[int], suffix: bytes) -> None:
        for endpoint in endpoints:
            command = b"f%d%b" % (endpoint + self._number * NAMES, suffix)
            self._finals[endpoint] = command
            self._simulation.seats.submit(self._simulation.clients[endpoint], [command])

    def _ask_again(self) -> bool:
        """Whether last commands found no room beside older ones; they do once those are through."""
        if not self._crowded:
            return False
        overloaded = self._simulation.monitor.overloaded
        full = [e for e, command in self._finals.items() if command in overloaded]
        if full and not self._is_crowded():
            self._crowded = False
            self._submit_last(full, b"again")
        return bool(full)

    def _is_crowded(self) -> bool:
        """Whether commands wait for a slot anywhere."""
        services = [node.service for node in self._living()]
        return any(service.replica.status().pending_bytes for service in services if service)

    def _agree(self) -> bool:
        services = [node.service for node in self._living()]
        applied = {service.applied for service in services if service}
        if len(applied) != 1:
            return False
        digests = {service.digest for service in services if service}
        if len(digests) != 1:
            raise Violation("logs are prefixes of one another", "equal lengths, unequal logs")
        # One that is gone may have applied more than its followers know of: they are still at it.
        known = len(self._simulation.monitor.order)
        return all(
            len(getattr(service.machine, "names", ())) == known for service in services if service
        )

    def _finish(self) -> None:
        simulation = self._simulation
        order = simulation.monitor.order
        for node in self._living():
            assert node.service is not None
            machine = node.service.machine
            if getattr(machine, "names", None) != order:
                raise Violation(
                    "acknowledged commands are never lost", f"node {node.id} lacks some"
                )
        for client in simulation.clients.values():
            if any(client.commands):
                raise Violation("liveness", "a command was given no outcome")
        missing = set(self._finals.values()) - set(order)
        if missing and not simulation.plan.kinds & {"evict", "impatient"}:
            raise Violation("liveness", f"{missing} were not applied in a healthy cluster")
        simulation.end_round()
