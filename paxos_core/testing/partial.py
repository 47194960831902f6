"""Links that stay cut after the last fault, so that few nodes still see a quorum.

The three scenarios of Omni-Paxos (Ng, Haridi, Carbone, EuroSys 2023, section 2)
over whatever state a run has got into: quorum loss (everyone keeps one link, to
a hub), a constrained election (the same, and the old leader is cut off), and a
chain. A leader must come within the same time-outs as in a whole network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations

from paxos_core.quorum import QuorumSystem
from paxos_core.testing.chance import Chance
from paxos_core.testing.network import Pair
from paxos_core.types import NodeId

CHAIN_SEES = 3
"""A node within a chain reaches itself and its two neighbours."""


def draw_partial(
    quorums: QuorumSystem, voting: Sequence[NodeId], leader: NodeId, chance: Chance
) -> tuple[str, list[Pair]]:
    """(what it is called, the directed links to cut) of one scenario.

    `voting` are the nodes that run and vote, the one with the shortest log first. One of
    them still reaches a quorum of both kinds, itself included. No links are cut where no
    scenario leaves that.
    """
    need = max(quorums.phase1, quorums.phase2)
    shapes = [name for name, sees in _sees(len(voting), leader in voting) if sees >= need]
    if not shapes:
        return "whole", []
    shape = chance.choice(shapes)
    order = list(voting)
    if shape != "constrained election":
        chance.shuffle(order)
    if shape == "chain":
        order += [node for node in quorums.members if node not in voting]
        return shape, _all_but(quorums, list(pairwise(order)))
    hub = next(node for node in order if node != leader or len(order) == 1)
    others = [node for node in quorums.members if node != hub]
    if shape == "constrained election":
        others = [node for node in others if node != leader]
    return shape, _all_but(quorums, [(hub, node) for node in others])


def _sees(voters: int, led: bool) -> list[tuple[str, int]]:
    """How many voters the best placed node of each scenario reaches."""
    found = [("quorum loss", voters), ("chain", min(voters, CHAIN_SEES))]
    # The rarest, as it needs a leader and a node to spare: it gets half of the draws.
    return [*found, *[("constrained election", voters - 1)] * 2] if led else found


def _all_but(quorums: QuorumSystem, links: Sequence[Pair]) -> list[Pair]:
    kept = {pair for a, b in links for pair in ((a, b), (b, a))}
    return [pair for pair in permutations(quorums.members, 2) if pair not in kept]
