"""One pair against a world that lies, repeats, forgets and crashes it, drawn from a seed.

The adversary looks at the Python half to aim: at ballots beside the promised
one, at slots beside the watermark, at the answer to what was just asked. What
it does besides stands in `moves.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paxos_core import Codec, Limits, QuorumSystem, ReplicaConfig, Timing, decode_record
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.testing.chance import Chance, stream
from paxos_core.testing.disk import Disk
from paxos_core.types import NODE_MAX, ROUND_BELIEVED_MAX, U64_MAX

from .outputs import Outputs
from .pair import MakeSide, Pair
from .setup import CLUSTER, Setup
from .twin import Twin

_ADVERSARY = 32
STEPS = 260
RECENT = 24


class Adversary:
    """One episode: a configuration, a disk, and pairs that live from crash to crash."""

    def __init__(self, seed: int, make: MakeSide = Twin) -> None:
        self.chance = stream(seed, _ADVERSARY)
        self.make = make
        self.hostile = self.chance.happens(300)
        """Whether one ballot may propose two values: that poisons, and ends the episode."""
        self.absurd = self.chance.happens(250)
        """Whether numbers far from all others are said: what is believed of them stays."""
        self.setup = draw_setup(self.chance)
        self.disk = Disk(lambda record: None)
        self.values: dict[int, bytes] = {}
        self.asked: list[tuple[int, m.Message]] = []
        """What the pair said lately, and to whom: to be answered."""
        self.said: list[tuple[int, bytes]] = []
        """What it was told: to be repeated, and mangled."""
        self.pair = Pair(self.setup, make)

    # What the moves use

    @property
    def config(self) -> ReplicaConfig:
        """Of the pair."""
        return self.setup.config

    @property
    def watermark(self) -> int:
        """The pair's."""
        return self.pair.python.replica._learner.watermark

    def tell(self, sender: int, message: m.Message) -> None:
        """A message to the pair."""
        self.tell_frame(sender, Codec(CLUSTER, sender).encode(message))

    def tell_frame(self, sender: int, frame: bytes) -> None:
        """A frame to the pair."""
        if len(frame) > self.config.frame_bytes_max:
            return
        self.said.append((sender, frame))
        del self.said[:-RECENT]
        self.pair.frame(sender, frame)

    def take(self) -> Outputs:
        """Take, and give the records to the disk."""
        out = self.pair.take()
        if out.records:
            records = [decode_record(record) for record in out.records]
            self.disk.begin(out.write_id, records, out.checkpoint)
        decode = Codec(CLUSTER, self.config.node).decode
        for to, frame in out.messages:
            message = decode(frame)[1]
            self.asked.append((to, message))
            if isinstance(message, m.Accept):
                self.values[message.slot] = message.value
        del self.asked[:-RECENT]
        return out

    def persist(self, write_id: int) -> None:
        """The disk has finished this write."""
        self.disk.finish(write_id)
        self.pair.persisted(write_id)

    def restart(self) -> None:
        """Crash; of what the disk had not finished, a prefix is there afterwards."""
        self.disk.crash(self.chance)
        self.asked.clear()
        config = replace(self.config, seed=self.chance.next())
        if config.voting and self.chance.happens(50):
            config = replace(config, voting=False)
        records = tuple(self.disk.open().records)
        self.setup = replace(self.setup, config=config, records=records)
        self.pair = Pair(self.setup, self.make)

    # Numbers and values

    def peer(self) -> int:
        """Another member; ourselves where there is none."""
        peers = self.config.peers
        return self.chance.choice(peers) if peers else self.config.node

    def anyone(self) -> int:
        """Mostly a peer; sometimes ourselves, or no member at all."""
        if self.chance.happens(900):
            return self.peer()
        return self.chance.choice((self.config.node, 0, NODE_MAX, NODE_MAX - 1, 70000, U64_MAX))

    def slot(self) -> int:
        """Near the watermark; seldom far."""
        chance = self.chance
        if self.absurd and chance.happens(40):
            far = (0, 1, 1 << 32, (1 << 63) - 1, 1 << 63, U64_MAX - 1, U64_MAX)
            return chance.choice(far)
        ahead = self.config.limits.vote_slots_max
        if self.absurd and chance.happens(60):
            return self.watermark + self.setup.open_slots_max + chance.between(-2, 2)
        if chance.happens(500):
            return self.watermark + chance.below(4)
        return max(0, self.watermark + chance.between(-6, ahead + 2))

    def ballot(self, node: int) -> int:
        """Of `node` mostly, beside those that matter now."""
        chance = self.chance
        if self.absurd and chance.happens(40):
            return chance.choice((0, 1, node, 1 << 16, U64_MAX, U64_MAX - 1, 1 << 63))
        if self.absurd and chance.happens(20):
            return ROUND_BELIEVED_MAX + chance.below(2) << 16 | node
        replica = self.pair.python.replica
        known = (
            replica._acceptor.promised,
            replica._acceptor.promised,
            replica._election.leader_ballot,
            replica._proposer.ballot,
            replica._election.seen,
            replica._election._asked,
        )
        ballot = chance.choice(known)
        if chance.happens(300):
            return ballot
        above = max(1, (ballot >> 16) + chance.choice((-1, 0, 0, 0, 1, 1, 2)))
        owner = node if chance.happens(950) else self.peer()
        return (above << 16 | owner) & U64_MAX

    def value(self, slot: int) -> bytes:
        """The one value that anyone proposes for `slot`; several where the world is hostile."""
        variant = self.chance.below(3) if self.hostile else 0
        if variant:
            return encode_batch([b"x%d" % variant])
        value = self.values.get(slot)
        if value is None:
            value = self.values[slot] = self.new_value(slot)
        return value

    def new_value(self, slot: int) -> bytes:
        """Of any size that fits: a batch, a no-op, or bytes that are no batch."""
        chance = self.chance
        room = self.config.value_bytes_max
        match chance.below(12):
            case 0:
                return encode_batch([])
            case 1:
                return b""
            case 2:
                return b"\xff" * chance.between(1, room)
            case 3:
                return encode_batch([b"f" * (room - 10)])
        commands = [b"%d.%d" % (slot, part) for part in range(chance.between(1, 3))]
        return encode_batch(commands)


def draw_setup(chance: Chance) -> Setup:
    """A configuration with everything small, so that every bound is met soon."""
    size = chance.choice((1, 3, 3, 3, 3, 5, 5, 7))
    members = draw_members(chance, size)
    phase2 = chance.between(1, size)
    quorums = (
        QuorumSystem(members, size + 1 - phase2, phase2)
        if chance.happens(400)
        else QuorumSystem(members)
    )
    beat = chance.between(1, 3)
    least = beat + chance.between(1, 4)
    window = chance.between(1, 4)
    config = ReplicaConfig(
        node=chance.choice(members),
        quorums=quorums,
        frame_bytes_max=chance.choice((512, 512, 521, 700, 1400)),
        seed=chance.next(),
        voting=chance.happens(880),
        timing=Timing(beat, least, least + chance.below(5), chance.between(1, 4)),
        limits=Limits(
            window_slots=window,
            pending_bytes_max=chance.choice((1, 60, 500, 4000)),
            vote_slots_max=2 * window + chance.below(9),
            log_bytes_max=chance.choice((1, 400, 3000, 1 << 20)),
            log_keep_slots=chance.choice((1, 2, 3, 40)),
            snapshot_bytes_max=chance.choice((1, 60, 900, 5000)),
            page_bytes_max=chance.choice((1, 100, 700, 5000)),
        ),
    )
    open_slots = 1 << chance.between(5, 7)
    return Setup(config, open_slots_max=open_slots, log_slots_max=1 << 10, memory_bytes=1 << 19)


def draw_members(chance: Chance, size: int) -> tuple[int, ...]:
    """The first ids, or any."""
    if chance.happens(500):
        return tuple(range(1, size + 1))
    found: set[int] = set()
    while len(found) < size:
        found.add(chance.choice((NODE_MAX, chance.between(1, NODE_MAX), chance.between(1, 9))))
    return tuple(sorted(found))


Move = Callable[[Adversary], None]


def episode(
    seed: int, moves: list[Move], prelude: Move, make: MakeSide = Twin, steps: int = STEPS
) -> int:
    """One episode of about `steps` steps, some of them after `prelude`; how many were compared.

    Raises `Difference`.
    """
    adversary = Adversary(seed, make)
    if adversary.chance.happens(400):
        prelude(adversary)
    before = Pair.compared
    while Pair.compared - before < steps:
        if adversary.pair.over:
            # A poisoned replica is started again, as a node would be.
            adversary.restart()
            if adversary.chance.happens(500):
                break
        adversary.chance.choice(moves)(adversary)
    adversary.take()
    return Pair.compared - before
