"""Three ways to lose links one by one (Ng, Haridi, Carbone: Omni-Paxos, EuroSys 2023, section 2).

In each of them some node still sees a quorum, so that commands must go on being
decided, within a bounded number of election time-outs and without an endless
change of leaders.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations

import pytest

from paxos_core.config import Timing
from paxos_core.quorum import QuorumSystem
from paxos_core.testing import Options, Simulation
from paxos_core.testing.plan import KINDS, TICK_UNITS, draw_plan

TIMING = Timing(heartbeat_ticks=2, election_ticks_min=8, election_ticks_max=14, resend_ticks=3)
TIMEOUT_UNITS = TIMING.election_ticks_max * TICK_UNITS
TIMEOUTS_MAX = 4


class Cluster:
    def __init__(self, seed: int, size: int, quorums: tuple[int, int] | None = None) -> None:
        options = Options(seed, without=frozenset(KINDS), nodes=size, commands=0)
        plan = draw_plan(options)
        plan.timing = TIMING
        if quorums is not None:
            plan.quorums = QuorumSystem(range(1, size + 1), *quorums)
        plan.chaos_units = 1 << 40
        plan.clients = [replace(plan.clients[0], deadline_ticks=10_000)]
        self.simulation = Simulation(options, plan=plan)
        self.nodes = self.simulation.nodes
        self.cut: set[tuple[int, int]] = set()
        self.submitted = 0
        self.run_until_decided(limit_units=TIMEOUTS_MAX * TIMEOUT_UNITS)

    def run(self, units: int) -> None:
        end = self.simulation.now + units
        while self.simulation.now < end:
            self.simulation.one_step()

    def run_until_decided(self, limit_units: int) -> None:
        """A new command is applied by a quorum of nodes within the limit."""
        (client,) = self.simulation.clients.values()
        command = b"w%d" % self.submitted
        self.submitted += 1
        self.simulation.seats.submit(client, [command])
        end = self.simulation.now + limit_units
        while command not in self.simulation.monitor.order:
            self.simulation.one_step()
            assert self.simulation.now < end, f"{command!r} is not decided"

    def leaders(self) -> list[int]:
        return [n.id for n in self.nodes.values() if n.service and n.service.replica.leader == n.id]

    def leader(self) -> int:
        (leader,) = self.leaders()
        return leader

    def keep_links(self, links: Iterable[tuple[int, int]]) -> None:
        """Cut every link between nodes but these, both ways."""
        kept = {pair for a, b in links for pair in ((a, b), (b, a))}
        self.simulation.network.block(p for p in permutations(self.nodes, 2) if p not in kept)

    def elections(self) -> int:
        return self.simulation.monitor.counts["leader elected"]


@pytest.mark.parametrize("seed", range(8))
def test_quorum_loss(seed: int):
    """Everyone, the leader too, is left with one link: to the hub. The leader lives on, and
    the hub hears it, but only the hub has a quorum."""
    cluster = Cluster(seed, 5)
    old = cluster.leader()
    hub = next(node for node in cluster.nodes if node != old)
    cluster.keep_links((hub, node) for node in cluster.nodes)
    cluster.run_until_decided(TIMEOUTS_MAX * TIMEOUT_UNITS)
    assert hub in cluster.leaders()
    elections = cluster.elections()
    cluster.run(10 * TIMEOUT_UNITS)
    assert cluster.elections() == elections
    cluster.run_until_decided(TIMEOUT_UNITS)


@pytest.mark.parametrize("seed", range(8))
def test_constrained_election(seed: int):
    """The leader is cut off, and the only node with a quorum has the oldest log."""
    cluster = Cluster(seed, 5)
    old = cluster.leader()
    hub = next(node for node in cluster.nodes if node != old)
    others = [node for node in cluster.nodes if node != hub]
    cluster.keep_links(permutations(others, 2))
    for _ in range(5):
        cluster.run_until_decided(TIMEOUTS_MAX * TIMEOUT_UNITS)
    lagging = cluster.nodes[hub].service
    assert lagging is not None
    assert lagging.applied < len(cluster.simulation.monitor.chosen)
    cluster.simulation.network.heal()
    cluster.keep_links((hub, node) for node in others if node != old)
    cluster.run_until_decided(TIMEOUTS_MAX * TIMEOUT_UNITS)
    assert hub in cluster.leaders()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("leads_at", ["end", "middle"])
def test_chained(seed: int, leads_at: str):
    """Three nodes in a row: the ends do not hear each other, and must not depose in turn."""
    cluster = Cluster(seed, 3)
    old = cluster.leader()
    first, second = (node for node in cluster.nodes if node != old)
    links = [(old, first), (first, second)] if leads_at == "end" else [(first, old), (old, second)]
    cluster.keep_links(links)
    elections = cluster.elections()
    for _ in range(5):
        cluster.run_until_decided(TIMEOUTS_MAX * TIMEOUT_UNITS)
        cluster.run(2 * TIMEOUT_UNITS)
    assert cluster.elections() == elections
    assert old in cluster.leaders()


@pytest.mark.parametrize("seed", range(8))
def test_whoever_cannot_lead_deposes_nobody(seed: int):
    """A star in which a single promise elects and every vote is needed: the rays could be
    elected by themselves, but only the hub could get anything decided."""
    cluster = Cluster(seed, 5, quorums=(1, 5))
    hub = 1 + seed % 5
    cluster.keep_links((hub, node) for node in cluster.nodes if node != hub)
    for _ in range(5):
        cluster.run_until_decided(2 * TIMEOUTS_MAX * TIMEOUT_UNITS)
        cluster.run(2 * TIMEOUT_UNITS)
    elections = cluster.elections()
    cluster.run(10 * TIMEOUT_UNITS)
    assert cluster.elections() == elections
