"""Lies that keep the others from deciding, and do not make them disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paxos_core import messages as m
from paxos_core.testing.lies.kinds import Harm, Lie, everyone, highest, invented, lie
from paxos_core.types import (
    ROUND_BELIEVED_MAX,
    NodeId,
    ballot_round,
    make_ballot,
)

if TYPE_CHECKING:
    from paxos_core.testing.lies.cluster import LyingCluster


class NeverStands(Lie):
    """Leaves it to the others to lead."""

    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        if not isinstance(message, m.PreVote | m.Prepare):
            cluster.tell_truth(to, message)


@lie("refuses everything", Harm.STALLS, "Nack with a higher promise to every ballot")
class Refuses(NeverStands):
    def tick(self, cluster: LyingCluster) -> None:
        for member in cluster.honest:
            ballot = member.replica._proposer.ballot
            cluster.say(member.node, m.Nack(ballot, ballot + (1 << 16)))


@lie("watermark too high in a promise", Harm.STALLS, "Promise that knows of slots nobody has")
class HighPromise(NeverStands):
    def overhear(self, cluster: LyingCluster, named: NodeId, to: NodeId, frame: bytes) -> None:
        sender, message = cluster.liar.codec.decode(frame)
        if isinstance(message, m.Prepare) and sender == named:
            # As soon as anybody is asked: whose promise comes first has said it.
            ballot, first = message.ballot, message.from_slot
            cluster.say(sender, m.Promise(ballot, first, m.NO_MORE, 1 << 40, []))


@lie("campaigns for ever", Harm.STALLS, "Prepare in a higher ballot at every tick")
class Campaigns(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, watermark = highest(cluster)
        mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
        everyone(cluster, m.Prepare(mine, watermark))


@lie("leads and does nothing", Harm.STALLS, "Heartbeat in a higher ballot, and no Accept")
class IdleLeader(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, _ = highest(cluster)
        mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
        everyone(cluster, m.Heartbeat(mine, 0, cluster.now))


@lie("the last ballot", Harm.LASTS, "Prepare in the last ballot that is believed: none is above it")
class LastBallot(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        everyone(cluster, m.Prepare(make_ballot(ROUND_BELIEVED_MAX, cluster.liar.node), 0))


@lie("promised the last ballot", Harm.LASTS,
     "PreVoteReply: promised the last ballot that is believed")  # fmt: skip
class PromisedLast(NeverStands):
    def tick(self, cluster: LyingCluster) -> None:
        promised = make_ballot(ROUND_BELIEVED_MAX, cluster.liar.node)
        everyone(cluster, m.PreVoteReply(1, 0, promised, 0))


@lie("two values for a slot ahead", Harm.LASTS,
     "Chosen twice, with two values, for a slot that cannot be delivered yet")  # fmt: skip
class Contradicts(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        for member in cluster.honest:
            slot = member.replica.status().watermark + 9
            for _ in range(2):
                cluster.say(member.node, m.Chosen(slot, slot + 1, 0, *invented(cluster)))
