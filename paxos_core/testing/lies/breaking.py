"""Lies that make the others disagree: Paxos does not survive them, for it is not Byzantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.proposer import Phase
from paxos_core.testing.lies.kinds import Harm, Lie, Willing, everyone, highest, invented, lie
from paxos_core.types import (
    U64_MAX,
    NodeId,
    ballot_round,
    make_ballot,
)

if TYPE_CHECKING:
    from paxos_core.testing.lies.cluster import LyingCluster


@lie("forgets its votes", Harm.BREAKS, "Promise without the votes that it gave")
class Forgets(Willing):
    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        cluster.say(to, m.Promise(promise.ballot, promise.from_slot, m.NO_MORE, 0, []))


@lie("invents votes", Harm.BREAKS, "Promise with votes it never gave, in a high ballot")
class Invents(Willing):
    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        ballot, first = promise.ballot, promise.from_slot
        votes = [m.Vote(first + at, ballot - 1, *invented(cluster)) for at in range(2)]
        cluster.say(to, m.Promise(ballot, first, m.NO_MORE, 0, votes))


@lie("votes for everything", Harm.BREAKS, "Accepted for every slot, with no vote behind it")
class VotesForAll(Willing):
    deaf_to = (m.Accept,)

    def tick(self, cluster: LyingCluster) -> None:
        for member in cluster.honest:
            proposer = member.replica._proposer
            if proposer.in_flight:
                cluster.say(member.node, m.Accepted(proposer.ballot, 0, U64_MAX))


@lie("two values in one ballot", Harm.BREAKS, "as leader, Accept with another value for each")
class TwoValues(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, _ = highest(cluster)
        if cluster.chance.happens(150):
            mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
            for member in cluster.honest:
                crc, value = invented(cluster)
                slot = member.replica.status().watermark
                cluster.say(member.node, m.Accept(mine, slot, 0, crc, value))
                cluster.say(member.node, m.Heartbeat(mine, slot + 1, 1))


@lie("proposes without asking", Harm.BREAKS, "Accept in a higher ballot with no phase 1 before it")
class SkipsPhase1(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, watermark = highest(cluster)
        if cluster.chance.happens(150):
            mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
            crc, value = invented(cluster)
            everyone(cluster, m.Accept(mine, watermark, 0, crc, value))
            everyone(cluster, m.Heartbeat(mine, watermark + 1, 1))


@lie("watermark too high in its ballot", Harm.BREAKS,
     "as leader, Heartbeat that calls chosen what one acceptor voted for")  # fmt: skip
class HighLeader(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, _ = highest(cluster)
        if cluster.chance.happens(150):
            mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
            member = cluster.chance.choice(cluster.honest)
            slot = member.replica.status().watermark
            cluster.say(member.node, m.Accept(mine, slot, 0, *invented(cluster)))
            cluster.say(member.node, m.Heartbeat(mine, slot + 1, 1))


@lie("false word of a choice", Harm.BREAKS, "Chosen with a value that was not")
class FalseChosen(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        for member in cluster.honest:
            slot = member.replica.status().watermark
            cluster.say(member.node, m.Chosen(slot, slot + 1, 0, *invented(cluster)))


@lie("false snapshot", Harm.BREAKS, "SnapshotChunk of a sound snapshot, of another state")
class FalseSnapshot(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        for member in cluster.honest:
            slot = member.replica.status().watermark + 1
            data: bytes = msgpack.packb([b"lie%d" % cluster.chance.below(1000)])
            size = len(data)
            chunk = m.SnapshotChunk(slot, 0, size, size, checksum(data), data)
            cluster.say(member.node, chunk)


@lie("forged sender", Harm.BREAKS, "PreVoteReply, Promise and Accepted in the name of others")
class ForgedSender(Willing):
    deaf_to = (m.Accept,)

    def tick(self, cluster: LyingCluster) -> None:
        for member in cluster.honest:
            for other in cluster.honest:
                if other is not member:
                    self._pose(cluster, member.node, other.node)

    def _pose(self, cluster: LyingCluster, to: NodeId, as_node: NodeId) -> None:
        replica = cluster.members[to].replica
        proposer, asked = replica._proposer, replica._election._asked
        if proposer.in_flight:
            cluster.say(to, m.Accepted(proposer.ballot, 0, U64_MAX), as_node)
        elif proposer.phase is Phase.PREPARE:
            first = proposer._from_slot
            cluster.say(to, m.Promise(proposer.ballot, first, m.NO_MORE, 0, []), as_node)
        elif asked:
            cluster.say(to, m.PreVoteReply(asked, 1, 0, 0), as_node)
