"""Limits are each node's own: a narrow leader after a wide one must still decide everything."""

from __future__ import annotations

from core_kit import commands_of, drain

from paxos_core import Limits, QuorumSystem, Replica, ReplicaConfig
from paxos_core import messages as m

WIDE = Limits(window_slots=64, vote_slots_max=128)
NARROW = Limits(window_slots=2, vote_slots_max=4)
COMMANDS = [b"%d" % number for number in range(30)]


class Cluster:
    """Replicas in lockstep; those in `silent` neither hear nor say anything."""

    def __init__(self, *limits: Limits) -> None:
        quorums = QuorumSystem(range(1, len(limits) + 1))
        self.replicas = {
            node: Replica(ReplicaConfig(node, quorums, seed=node, limits=its))
            for node, its in enumerate(limits, 1)
        }
        self.silent: set[int] = set()
        self.stands = 1
        self.lost: tuple[type[m.Message], ...] = ()
        self.decided: dict[int, list[bytes]] = {node: [] for node in self.replicas}

    def settle(self) -> None:
        said = True
        while said:
            said = False
            for node, replica in self.replicas.items():
                ready = drain(replica)
                self.decided[node] += commands_of(ready)
                for to, message in ready.messages:
                    if not self.is_lost(node, to, message):
                        said = True
                        self.replicas[to].receive(node, message)

    def is_lost(self, node: int, to: int, message: m.Message) -> bool:
        if isinstance(message, m.PreVote) and node != self.stands:
            return True
        return bool({node, to} & self.silent) or isinstance(message, self.lost)

    def tick(self, times: int) -> None:
        for _ in range(times):
            for replica in self.replicas.values():
                replica.tick()
            self.settle()

    def elect(self, node: int) -> None:
        """Let `node` alone stand, until it leads."""
        self.stands = node
        while self.replicas[node].leader != node:
            self.tick(1)


def after_a_wide_leader(*limits: Limits) -> Cluster:
    """Node 2, a narrow one, leads; node 1 has died with all commands proposed and none chosen."""
    cluster = Cluster(*limits)
    cluster.elect(1)
    cluster.lost = (m.Accepted,)
    for command in COMMANDS:
        cluster.replicas[1].propose(command)
        cluster.settle()
    cluster.lost = ()
    cluster.silent = {1}
    cluster.elect(2)
    return cluster


def test_what_is_above_the_reach_of_a_leaders_own_vote_gets_that_vote_later() -> None:
    """Of three nodes one is dead, so nothing is chosen without the leader's own acceptor."""
    cluster = after_a_wide_leader(WIDE, NARROW, WIDE)
    cluster.tick(60)
    assert cluster.decided[2] == cluster.decided[3] == COMMANDS


def test_what_others_choose_above_a_leaders_reach_is_not_forgotten() -> None:
    """Three wide acceptors are a quorum by themselves, for slots that the leader cannot keep."""
    cluster = after_a_wide_leader(WIDE, NARROW, WIDE, WIDE, WIDE)
    cluster.tick(60)
    for node in (2, 3, 4, 5):
        assert cluster.decided[node] == COMMANDS
