"""Of two nodes that lost their leader one needs a long snapshot: the other leads, and in time."""

from __future__ import annotations

import pytest
from core_kit import drain

from paxos_core import Limits, QuorumSystem, Replica, ReplicaConfig
from paxos_core import messages as m

LIMITS = Limits(log_bytes_max=1000, log_keep_slots=2, page_bytes_max=1000)
TIME_OUTS_TICKS = 4 * 30


def replicas(seed: int) -> dict[int, Replica]:
    quorums = QuorumSystem((1, 2, 3))
    return {
        node: Replica(
            ReplicaConfig(node, quorums, frame_bytes_max=1400, seed=4 * seed + node, limits=LIMITS)
        )
        for node in quorums.members
    }


class Network:
    """Lockstep, one tick from node to node; the silent ones are cut off."""

    def __init__(self, seed: int) -> None:
        self.replicas = replicas(seed)
        self.silent: set[int] = set()
        self.late: list[tuple[int, int, m.Message]] = []

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            arriving, self.late = self.late, []
            for sender, to, message in arriving:
                if not {sender, to} & self.silent:
                    self.replicas[to].receive(sender, message)
            for node, replica in self.replicas.items():
                replica.tick()
                said = drain(replica).messages
                self.late += [(node, to, message) for to, message in said]

    def leaders(self) -> set[int]:
        return {
            node
            for node, replica in self.replicas.items()
            if node not in self.silent and replica.leader == node
        }


@pytest.mark.parametrize("seed", range(20))
def test_a_leader_is_there_within_four_time_outs(seed: int) -> None:
    network = Network(seed)
    while not network.leaders():
        network.tick()
    (first,) = network.leaders()
    ahead, behind = {1, 2, 3} - {first}
    network.silent = {behind}
    for _ in range(20):
        network.replicas[first].propose(b"x" * 100)
        network.tick()
    network.tick(10)
    # What `behind` needs now takes a thousand round trips.
    for node in (first, ahead):
        replica = network.replicas[node]
        replica.compact(replica.status().watermark, bytes(1 << 20))
    network.silent = {first}
    for _ in range(TIME_OUTS_TICKS):
        network.tick()
        if network.leaders():
            break
    assert network.leaders() == {ahead}
