"""Lies that the others neither disagree nor stall for, while a quorum of them is connected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paxos_core import messages as m
from paxos_core.codec import Codec
from paxos_core.testing.lies.kinds import Harm, Lie, Willing, everyone, highest, invented, lie
from paxos_core.types import (
    ROUND_BELIEVED_MAX,
    ROUND_MAX,
    SLOT_BELIEVED_MAX,
    U64_MAX,
    NodeId,
    ballot_node,
    ballot_round,
    make_ballot,
)

if TYPE_CHECKING:
    from paxos_core.testing.lies.cluster import LyingCluster


@lie("wrong ballots", Harm.NONE, "answers in ballots that nobody asked about")
class WrongBallots(Lie):
    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        if isinstance(message, m.Promise | m.Accepted | m.Nack | m.HeartbeatAck):
            rounds = cluster.chance.choice((-1, 1, 2, 1 << 40))
            ballot = max(0, min(U64_MAX, message.ballot + (rounds << 16)))
            cluster.say(to, replace(message, ballot=ballot))
        else:
            cluster.tell_truth(to, message)


@lie("votes for slots never proposed", Harm.NONE, "Accepted for slots far ahead, to the last")
class VotesFarAhead(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, _ = highest(cluster)
        first = 1000 + cluster.chance.below(1 << 62)
        everyone(cluster, m.Accepted(ballot, first, cluster.chance.choice((first, U64_MAX))))
        everyone(cluster, m.Accepted(ballot, 900, 100))


@lie("promises with damaged values", Harm.NONE, "Promise with values that fail their checksum")
class DamagedPromises(Willing):
    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        crc, value = invented(cluster)
        vote = m.Vote(promise.from_slot, promise.ballot - 1, crc ^ 1, value)
        cluster.say(to, m.Promise(promise.ballot, promise.from_slot, m.NO_MORE, 0, [vote]))


@lie("mixed pages", Harm.NONE, "pages of Promise out of turn, backwards, twice, of other slots")
class MixedPages(Willing):
    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        at, ballot = promise.from_slot, promise.ballot
        pages = [
            m.Promise(ballot, at + 1, m.NO_MORE, 0, []),
            m.Promise(ballot, max(0, at - 1), m.NO_MORE, 0, []),
            m.Promise(ballot, at, at, 0, []),
            m.Promise(ballot, at, 0, 0, []),
            m.Promise(ballot, at + 7, at + 9, 0, []),
        ]
        cluster.chance.shuffle(pages)
        for page in pages:
            # One that fits by chance would be a promise that forgets votes.
            if page.from_slot != at or page.next_slot <= at:
                cluster.say(to, page)
        cluster.tell_truth(to, promise)


@lie("endless pages", Harm.NONE, "every page of Promise has another behind it")
class EndlessPages(Willing):
    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        cluster.say(to, replace(promise, next_slot=promise.from_slot + 1))


@lie("votes out of reach", Harm.NONE, "Promise with votes so far up that no acceptor votes there")
class VotesOutOfReach(Willing):
    def promise(self, cluster: LyingCluster, to: NodeId, promise: m.Promise) -> None:
        crc, value = invented(cluster)
        slot = cluster.chance.choice((1 << 17, 1 << 40, U64_MAX))
        vote = m.Vote(slot, max(1, promise.ballot - 1), crc, value)
        cluster.say(to, replace(promise, votes=[*promise.votes, vote]))


@lie("watermarks too high in answers", Harm.NONE,
     "HeartbeatAck, PreVote and PreVoteReply that know of slots nobody has")  # fmt: skip
class HighWatermarks(Lie):
    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        if isinstance(message, m.HeartbeatAck | m.PreVote | m.PreVoteReply):
            more = cluster.chance.choice((1, 5, 1 << 40, 1 << 62))
            cluster.say(to, replace(message, watermark=message.watermark + more))
        else:
            cluster.tell_truth(to, message)


@lie("another's ballot", Harm.NONE,
     "Heartbeat, Accept and Prepare in the leader's ballot, watermark too high")  # fmt: skip
class OthersBallot(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, watermark = highest(cluster)
        if ballot_node(ballot) == cluster.liar.node:
            return
        crc, value = invented(cluster)
        everyone(cluster, m.Heartbeat(ballot, watermark + 4, 1 << 40))
        everyone(cluster, m.Accept(ballot, watermark, watermark + 4, crc, value))
        everyone(cluster, m.Prepare(ballot + (1 << 16), watermark))


@lie("forged envelope", Harm.NONE, "frames whose envelope names another than the transport does")
class ForgedEnvelope(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, watermark = highest(cluster)
        crc, value = invented(cluster)
        for member in cluster.honest:
            for other in cluster.honest:
                for message in (
                    m.Accepted(ballot, 0, U64_MAX),
                    m.Chosen(watermark, watermark + 1, watermark + 1, crc, value),
                    m.Heartbeat(ballot, watermark + 4, 1),
                ):
                    frame = Codec(other.codec.cluster, other.node).encode(message)
                    cluster.carry(cluster.liar.node, member.node, frame)


@lie("replays", Harm.NONE, "everything that anybody ever sent, again, at any time, as it was")
class Replays(Lie):
    def __init__(self) -> None:
        self._heard: list[tuple[NodeId, NodeId, bytes]] = []

    def overhear(self, cluster: LyingCluster, named: NodeId, to: NodeId, frame: bytes) -> None:
        if len(self._heard) < 3000 and to != cluster.liar.node:
            self._heard.append((named, to, frame))

    def tick(self, cluster: LyingCluster) -> None:
        heard, self._heard = self._heard, []
        for _ in range(min(12, len(heard))):
            cluster.carry(*cluster.chance.choice(heard))
        # What is carried is overheard again: only what the others sent is kept.
        self._heard = heard


@lie("no frames at all", Harm.NONE,
     "noise, frames of other clusters and versions, cut ones, giant lengths")  # fmt: skip
class Noise(Lie):
    def __init__(self) -> None:
        self._last = bytes(60)

    def overhear(self, cluster: LyingCluster, named: NodeId, to: NodeId, frame: bytes) -> None:
        self._last = frame

    def tick(self, cluster: LyingCluster) -> None:
        chance, node = cluster.chance, cluster.liar.node
        last = node.to_bytes(8, "big").join((self._last[:15], self._last[23:]))
        noise = b"".join(chance.next().to_bytes(8, "big") for _ in range(9))
        giant = last[:-1] + b"\xff" if len(last) < 70 else last[:60] + b"\xff" * 4 + last[64:]
        for member in cluster.honest:
            for frame in (
                noise, last[: chance.below(len(last))], last + noise, giant, b"",
                last[:5] + b"\xcf" + noise[:8] + last[14:], last[:2] + b"\x02" + last[3:],
            ):  # fmt: skip
                cluster.carry(node, member.node, frame)


@lie("grants and asks always", Harm.NONE, "PreVoteReply that grants all, PreVote at every tick")
class Grants(Lie):
    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        if isinstance(message, m.PreVoteReply):
            cluster.say(to, replace(message, granted=1))
        else:
            cluster.tell_truth(to, message)

    def tick(self, cluster: LyingCluster) -> None:
        ballot, watermark = highest(cluster)
        mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
        everyone(cluster, m.PreVote(mine, watermark))


@lie("unbelievable numbers", Harm.NONE, "ballots and snapshots beyond what is believed of anyone")
class Unbelievable(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, node = make_ballot(ROUND_MAX, cluster.liar.node), cluster.liar.node
        crc, value = invented(cluster)
        everyone(cluster, m.Prepare(ballot, 0))
        everyone(cluster, m.Heartbeat(make_ballot(ROUND_BELIEVED_MAX + 1, node), 9, 9))
        everyone(cluster, m.PreVoteReply(1, 1, U64_MAX, 0))
        everyone(cluster, m.Accept(ballot, 0, 0, crc, value))
        total = len(value)
        everyone(cluster, m.SnapshotChunk(SLOT_BELIEVED_MAX + 1, 0, total, total, crc, value))


@lie("snapshots that are none", Harm.NONE,
     "SnapshotChunk with a wrong checksum, giant or contradictory sizes, in pieces")  # fmt: skip
class BadSnapshots(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        _, watermark = highest(cluster)
        slot = watermark + 1 + cluster.chance.below(20)
        crc, value = invented(cluster)
        size = len(value)
        for chunk in (
            m.SnapshotChunk(slot, 0, size, size, crc ^ 1, value),
            m.SnapshotChunk(slot, 0, size, U64_MAX, crc, value),
            m.SnapshotChunk(slot, 0, size, 1 << 13, crc, value),
            m.SnapshotChunk(slot, U64_MAX, size, size, crc, value),
            m.SnapshotChunk(slot, 0, size, size - 1, crc, value),
        ):
            everyone(cluster, chunk)


@lie("damaged proposals and values", Harm.NONE, "Accept and Chosen that fail their checksum")
class DamagedValues(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        ballot, watermark = highest(cluster)
        crc, value = invented(cluster)
        slot = watermark + cluster.chance.below(4)
        everyone(cluster, m.Chosen(slot, slot + 1, watermark, crc ^ 1, value))
        mine = make_ballot(ballot_round(ballot) + 1, cluster.liar.node)
        everyone(cluster, m.Accept(mine, slot, watermark, crc ^ 1, value))


@lie("silent acceptor", Harm.NONE, "neither promises nor votes, and answers heartbeats")
class Silent(Lie):
    def change(self, cluster: LyingCluster, to: NodeId, message: m.Message) -> None:
        if not isinstance(message, m.Promise | m.Accepted):
            cluster.tell_truth(to, message)


@lie("asks for everything", Harm.NONE, "Learn and SnapshotRequest from every slot, all the time")
class Asks(Lie):
    def tick(self, cluster: LyingCluster) -> None:
        everyone(cluster, m.Learn(cluster.chance.below(20)))
        everyone(cluster, m.SnapshotRequest(cluster.chance.below(20), U64_MAX))
