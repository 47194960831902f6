"""Other quorums after a stop of all nodes: the rule in docs/guides/operate.md, and why."""

from __future__ import annotations

from itertools import product

import pytest
from core_kit import campaign, drain, of_type, value_of

from paxos_core import QuorumSystem, Replica, ReplicaConfig, replay
from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.durable import Promised, Record, Voted
from paxos_core.types import NodeId, make_ballot

OLD = make_ballot(1, 1)
CHOSEN = value_of(b"acknowledged")


def started_again(node: NodeId, voted: bool, quorums: QuorumSystem) -> Replica:
    """From what was on disk when node 1 had led, and slot 0 was chosen by those that voted."""
    records: list[Record] = [Promised(OLD)]
    if voted:
        records.append(Voted(0, OLD, checksum(CHOSEN), CHOSEN))
    return Replica(ReplicaConfig(node, quorums), replay(records))


def first_proposal(voters: int, members: int, phase1: int, phase2: int) -> bytes:
    """What the last node proposes for slot 0. Those that voted are the first nodes, those
    that promise the last ones: the two have as few in common as can be.
    """
    quorums = QuorumSystem(range(1, members + 1), phase1, phase2)
    leader = started_again(members, members <= voters, quorums)
    prepare = campaign(leader)
    for node in range(members - phase1 + 1, members):
        acceptor = started_again(node, node <= voters, quorums)
        acceptor.receive(members, prepare)
        (promise,) = of_type(drain(acceptor).messages, m.Promise)
        leader.receive(node, promise)
    said = drain(leader).messages
    leader.propose(b"another")
    for _ in range(leader.config.timing.resend_ticks + 1):
        # What a phase 1 quorum of one opened at once is sent again.
        said += drain(leader).messages
        leader.tick()
    return next(it.value for it in of_type(said, m.Accept) if it.slot == 0)


@pytest.mark.parametrize("members", [3, 5])
def test_what_was_chosen_survives_where_the_new_phase_1_meets_the_old_phase_2(
    members: int,
) -> None:
    for old_phase2, phase1 in product(range(1, members + 1), repeat=2):
        kept = first_proposal(old_phase2, members, phase1, members + 1 - phase1) == CHOSEN
        assert kept == (phase1 + old_phase2 > members), (old_phase2, phase1)


def test_a_cluster_that_is_given_two_nodes_more_forgets() -> None:
    """Majorities both times: two of three had chosen, and three of five know nothing of it."""
    assert first_proposal(2, members=5, phase1=3, phase2=3) != CHOSEN
