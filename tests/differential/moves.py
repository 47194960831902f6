"""What the adversary may do, each as often as it stands in `MOVES`."""

from __future__ import annotations

from dataclasses import fields

from paxos_core import Codec
from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.codec import KINDS
from paxos_core.types import NODE_MAX, U64_MAX, ballot_node

from .adversary import Adversary, Move, episode
from .pair import MakeSide
from .setup import CLUSTER
from .twin import Twin

# Time, the driver and the disk


def tick(world: Adversary) -> None:
    """Time passes."""
    world.pair.tick()


def wait(world: Adversary) -> None:
    """A time-out's worth of ticks, with what follows taken now and then."""
    for _ in range(world.chance.between(2, world.config.timing.election_ticks_max + 1)):
        world.pair.tick()
        if world.chance.happens(300):
            world.take()


def take(world: Adversary) -> None:
    """The driver takes."""
    world.take()


def persist(world: Adversary) -> None:
    """The disk is done with all, with some of it, or says again what it said."""
    taken = world.pair.taken
    if taken:
        late = world.chance.choice((0, 0, 0, 1, 3))
        world.persist(max(0, taken - late))


def take_and_persist(world: Adversary) -> None:
    """A quick disk."""
    world.take()
    persist(world)


def restart(world: Adversary) -> None:
    """A crash, now and then."""
    if world.chance.happens(200):
        world.restart()


def compact(world: Adversary) -> None:
    """The application restates itself at some slot that was delivered; any size."""
    world.take()
    snapshot = world.pair.python.replica._catchup.snapshot
    least, most = (snapshot.slot if snapshot else 0), world.pair.delivered
    if least > most:
        return
    slot = world.chance.choice((most, most, least + world.chance.below(most - least + 1)))
    bound = world.config.limits.snapshot_bytes_max
    size = world.chance.choice((0, 1, bound, bound + 1, world.chance.below(bound + 1)))
    world.pair.compact(slot, state_of(slot, size))


def state_of(slot: int, size: int) -> bytes:
    """An application's state: the same for the same slot and size."""
    return (b"%d," % slot * (size // 2 + 1))[:size]


def propose(world: Adversary) -> None:
    """Commands of any size; many at once, so that queue and window fill."""
    room = world.pair.python.replica.command_bytes_max
    chance = world.chance
    for _ in range(chance.choice((1, 1, 3, 12))):
        size = chance.choice((0, 1, 5, chance.below(room + 1), room, room + 1))
        world.pair.propose(b"c" * size)


# Answers to what the pair has asked


def answer(world: Adversary) -> None:
    """What a peer says to one of the last messages; sometimes not what it should."""
    if not world.asked:
        return
    to, message = world.chance.choice(world.asked)
    sender = to if world.chance.happens(960) else world.anyone()
    match message:
        case m.PreVote(ballot, _):
            granted = int(world.chance.happens(850))
            promised = world.ballot(sender) if world.chance.happens(150) else 0
            world.tell(sender, m.PreVoteReply(ballot, granted, promised, claim(world)))
        case m.Prepare():
            answer_prepare(world, sender, message)
        case m.Accept():
            answer_accept(world, sender, message)
        case m.Heartbeat(ballot, _, sequence):
            sequence -= world.chance.choice((0, 0, 0, 1, 4)) if sequence > 4 else 0
            world.tell(sender, m.HeartbeatAck(ballot, claim(world), sequence))
        case m.Learn(from_slot):
            page_of_log(world, sender, from_slot)
        case m.SnapshotRequest(slot, offset):
            chunks(world, sender, slot, offset)


def answer_all(world: Adversary) -> None:
    """Everybody answers, and the disk is quick: what a healthy cluster does."""
    take_and_persist(world)
    asked, world.asked = world.asked, []
    for pair in asked:
        world.asked = [pair]
        answer(world)
    world.asked = []
    take_and_persist(world)


def campaign(world: Adversary) -> None:
    """The pair loses its leader, and everybody lets it lead."""
    config = world.config
    for _ in range(2 * config.timing.election_ticks_max):
        world.pair.tick()
        world.take()
        if any(isinstance(message, m.PreVote) for _, message in world.asked):
            break
    for _ in range(3):
        take_and_persist(world)
        asked, world.asked = world.asked, []
        for to, message in asked:
            if isinstance(message, m.PreVote):
                world.tell(to, m.PreVoteReply(message.ballot, 1, 0, world.watermark))
            elif isinstance(message, m.Prepare):
                votes = [vote(world, to)] if world.chance.happens(300) else []
                page = (message.ballot, message.from_slot, m.NO_MORE, world.watermark, votes)
                world.tell(to, m.Promise(*page))
        take_and_persist(world)


def decide(world: Adversary) -> None:
    """A leader's good day: commands, and the acceptors' answers, some of them late."""
    chance = world.chance
    for _ in range(chance.between(1, 4)):
        for _ in range(chance.between(1, 6)):
            world.pair.propose(b"d" * chance.choice((0, 3, 40, 200)))
        world.take()
        asked, world.asked = world.asked, []
        for to, message in asked:
            if isinstance(message, m.Accept) and chance.happens(800):
                world.tell(to, m.Accepted(message.ballot, message.slot, message.slot))
        if chance.happens(600):
            persist(world)


def prepare(world: Adversary) -> None:
    """A peer prepares, and asks for page after page."""
    chance = world.chance
    sender = world.peer()
    ballot = world.ballot(sender)
    first = claim(world)
    for _ in range(chance.between(1, 4)):
        world.tell(sender, m.Prepare(ballot, first))
        take_and_persist(world)
        for _, message in world.asked:
            if isinstance(message, m.Promise) and message.next_slot != m.NO_MORE:
                first = message.next_slot
        take_and_persist(world)


def claim(world: Adversary) -> int:
    """A watermark: near ours, seldom absurd."""
    chance = world.chance
    if world.absurd and chance.happens(20):
        return world.slot()
    return max(0, world.watermark + chance.choice((0, 0, 0, 0, -1, 1, 3)))


def answer_prepare(world: Adversary, sender: int, prepare: m.Prepare) -> None:
    """A promise, its pages in order or not, its votes sound or not; or a refusal."""
    chance = world.chance
    if chance.happens(60):
        world.tell(sender, m.Nack(prepare.ballot, world.ballot(world.peer())))
        return
    first = prepare.from_slot
    if chance.happens(60):
        first = world.slot()
    last = chance.choice((m.NO_MORE, m.NO_MORE, m.NO_MORE, first + 1, first + 3, first, 0))
    votes = [vote(world, sender) for _ in range(chance.choice((0, 0, 1, 2, 4)))]
    watermark = claim(world)
    if votes and world.absurd and chance.happens(600):
        # At the very edge of what is believed.
        known = world.pair.python.replica._proposer.promised_watermark
        edge = max(known, watermark) + world.setup.open_slots_max
        votes[0].slot = min(edge - chance.below(2), U64_MAX)
    world.tell(sender, m.Promise(prepare.ballot, first, last & U64_MAX, watermark, votes))


def vote(world: Adversary, sender: int) -> m.Vote:
    """A vote for a slot that is open, or for any."""
    chance = world.chance
    slot = world.watermark + chance.below(5) if chance.happens(900) else world.slot()
    value = world.value(slot)[:200]
    crc = checksum(value) ^ (1 << chance.below(40) if chance.happens(30) else 0)
    ballot = world.ballot(world.peer()) if chance.happens(800) else chance.next()
    return m.Vote(slot, ballot, crc, value)


def answer_accept(world: Adversary, sender: int, accept: m.Accept) -> None:
    """Accepted for this slot, or for a run of them; or a refusal."""
    chance = world.chance
    if chance.happens(50):
        world.tell(sender, m.Nack(accept.ballot, world.ballot(world.peer())))
        return
    first = accept.slot - chance.choice((0, 0, 0, 1, 3)) if accept.slot > 3 else accept.slot
    last = accept.slot + chance.choice((0, 0, 0, 1, 5)) & U64_MAX
    if world.absurd and chance.happens(50):
        first, last = chance.choice(((0, U64_MAX), (last + 1, first), (U64_MAX, U64_MAX)))
    world.tell(sender, m.Accepted(accept.ballot, first, last & U64_MAX))


def page_of_log(world: Adversary, sender: int, from_slot: int) -> None:
    """Chosen values: whole pages, or with gaps, reordered, damaged."""
    chance = world.chance
    end = from_slot + chance.between(1, 5)
    slots = list(range(from_slot, min(end, U64_MAX)))
    if chance.happens(200):
        chance.shuffle(slots)
    for slot in slots:
        if chance.happens(60):
            continue
        value = world.value(slot)
        crc = checksum(value) ^ (1 if chance.happens(20) else 0)
        page_end = end if chance.happens(950) else world.slot()
        world.tell(sender, m.Chosen(slot, page_end & U64_MAX, claim(world), crc, value))


def chunks(world: Adversary, sender: int, slot: int, offset: int) -> None:
    """A snapshot from `offset` on: in order or not, of one size or another, damaged."""
    chance = world.chance
    if slot <= world.watermark or chance.happens(100):
        slot = world.watermark + chance.between(-1, 4)
    bound = world.config.limits.snapshot_bytes_max
    # Few sizes per slot, so that one snapshot is met again.
    total = (0, 1, bound, bound + 1, 37, 300)[(slot + chance.choice((0, 0, 0, 1))) % 6]
    data = state_of(slot, total)
    crc = checksum(data) ^ (1 if chance.happens(30) else 0)
    step = chance.choice((1, 20, world.config.frame_bytes_max - 160)) if total < 50 else 340
    starts = list(range(min(offset, total) if chance.happens(800) else 0, max(total, 1), step))
    if chance.happens(100):
        chance.shuffle(starts)
    for start in starts[: chance.choice((2, 30))]:
        if chance.happens(30):
            continue
        part = data[start : start + step]
        end = chance.choice((total, start + len(part), start + len(part), 0))
        told = total + (chance.choice((-1, 1)) if chance.happens(20) else 0)
        world.tell(sender, m.SnapshotChunk(slot & U64_MAX, start, end, told & U64_MAX, crc, part))


# Unasked


def lead(world: Adversary) -> None:
    """Another node leads: it prepares, proposes in order, and keeps its watermark up."""
    chance = world.chance
    sender = world.peer()
    ballot = world.ballot(sender)
    if chance.happens(300):
        world.tell(sender, m.Prepare(ballot, claim(world)))
    first = world.watermark + chance.choice((0, 0, 0, 1))
    for slot in range(first, first + chance.choice((1, 2, 6, 12))):
        value = world.value(slot)
        watermark = chance.choice((world.watermark, slot, slot, claim(world)))
        crc = checksum(value) ^ (1 if chance.happens(30) else 0)
        world.tell(sender, m.Accept(ballot, slot, watermark, crc, value))
    if chance.happens(700):
        watermark = chance.choice((first + 1, first + 3, claim(world)))
        world.tell(sender, m.Heartbeat(ballot, watermark, chance.below(9)))


def follow(world: Adversary) -> None:
    """The leader that the pair knows goes on."""
    chance = world.chance
    ballot = world.pair.python.replica._election.leader_ballot
    sender = ballot_node(ballot)
    if sender in (0, world.config.node):
        return
    for _ in range(chance.choice((1, 1, 4))):
        slot = world.watermark + chance.below(3)
        value = world.value(slot)
        world.tell(sender, m.Accept(ballot, slot, world.watermark, checksum(value), value))
    world.tell(sender, m.Heartbeat(ballot, world.watermark + chance.below(4), chance.below(9)))


def ask(world: Adversary) -> None:
    """Members and strangers ask for the log and for snapshots."""
    chance = world.chance
    for _ in range(chance.choice((1, 1, 7))):
        sender = chance.choice((world.peer(), chance.between(1, 9), NODE_MAX + chance.below(9)))
        snapshot = world.pair.python.replica._catchup.snapshot
        known = snapshot.slot if snapshot else 0
        if chance.happens(500):
            world.tell(sender, m.Learn(chance.choice((0, known, world.watermark, world.slot()))))
        else:
            offset = chance.choice((0, 0, 1, 352, 353, world.slot()))
            world.tell(sender, m.SnapshotRequest(chance.choice((known, world.slot())), offset))


def learn(world: Adversary) -> None:
    """Chosen values that nobody asked for."""
    page_of_log(world, world.anyone(), max(0, world.watermark + world.chance.between(-2, 2)))


def send_snapshot(world: Adversary) -> None:
    """A snapshot that nobody asked for."""
    wanted = world.pair.python.replica._catchup._wanted
    offset = len(world.pair.python.replica._catchup._buffer)
    if wanted is not None and world.chance.happens(700):
        chunks(world, world.peer(), wanted.slot, offset)
    else:
        chunks(world, world.peer(), world.watermark + world.chance.between(0, 3), 0)


def anything(world: Adversary) -> None:
    """A message of any kind with any numbers that are near something."""
    chance = world.chance
    kind = chance.choice(tuple(KINDS))
    sender = world.anyone()
    slot = world.slot()
    value = world.value(slot)
    made: dict[str, object] = {}
    for f in fields(kind):
        match f.name, str(f.type):
            case "checksum", _:
                made[f.name] = checksum(value) if chance.happens(900) else world.slot()
            case "slot", _:
                made[f.name] = slot
            case _, "bytes":
                made[f.name] = value
            case _, "list[Vote]":
                made[f.name] = [vote(world, sender) for _ in range(chance.below(3))]
            case _, "Ballot":
                made[f.name] = world.ballot(sender)
            case _:
                made[f.name] = chance.choice((claim(world), world.slot(), chance.below(3)))
    world.tell(sender, kind(**made))


def again(world: Adversary) -> None:
    """A frame that has come already comes again, late."""
    if world.said:
        world.pair.frame(*world.chance.choice(world.said))


def mangle(world: Adversary) -> None:
    """A frame with bits flipped, an end cut off or put on, or of another cluster or sender."""
    chance = world.chance
    if not world.said:
        return
    sender, frame = chance.choice(world.said)
    spoilt = bytearray(frame)
    match chance.below(6):
        case 0 | 1:
            for _ in range(chance.between(1, 3)):
                spoilt[chance.below(min(len(spoilt), 90))] ^= 1 << chance.below(8)
        case 2:
            del spoilt[chance.below(len(spoilt)) :]
        case 3:
            spoilt += b"\x00" * chance.between(1, 40)
        case 4:
            spoilt[13] ^= 1
        case 5:
            sender = world.anyone()
    if len(spoilt) <= world.config.frame_bytes_max:
        world.pair.frame(sender, bytes(spoilt))


def noise(world: Adversary) -> None:
    """Bytes."""
    size = world.chance.below(80)
    data = b"".join(world.chance.next().to_bytes(8, "big") for _ in range(size // 8 + 1))
    head = Codec(CLUSTER, 2).encode(m.Nack(1, 2))[: world.chance.below(40)]
    world.pair.frame(world.anyone(), (head + data)[:size])


MOVES: list[Move] = [
    *(tick,) * 5,
    *(wait,) * 2,
    *(take,) * 4,
    *(persist,) * 4,
    *(take_and_persist,) * 3,
    *(answer,) * 8,
    *(answer_all,) * 3,
    *(decide,) * 3,
    *(prepare,) * 2,
    campaign,
    *(propose,) * 2,
    *(lead,) * 4,
    *(follow,) * 3,
    *(learn,) * 2,
    *(again,) * 2,
    *(send_snapshot,) * 2,
    *(anything,) * 3,
    ask,
    compact,
    mangle,
    noise,
    restart,
]


def attack(seed: int, make: MakeSide = Twin) -> int:
    """One episode of everything; how many steps were compared. Raises `Difference`."""
    return episode(seed, MOVES, campaign, make)
