"""Lists of durable records as no replica would write them, to start a pair from."""

from __future__ import annotations

from dataclasses import replace

from paxos_core import encode_record
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    Promised,
    Record,
    Snapshot,
    Voted,
)
from paxos_core.testing.chance import Chance, stream

from .adversary import draw_setup
from .moves import state_of
from .pair import MakeSide, Pair
from .setup import TAKE, TICK
from .sides import BadRecords
from .twin import Twin

_RECORDS = 34
SLOTS = 6
_SLOT_AT = range(4, 12)


def draw_record(chance: Chance) -> Record:
    """One record about a few slots and ballots, so that many are about the same."""
    slot = chance.below(SLOTS)
    ballot = chance.between(1, 3) << 16 | chance.between(1, 3)
    value = encode_batch([b"%d" % chance.below(3)])
    match chance.below(9):
        case 0 | 1:
            return Promised(ballot)
        case 2 | 3 | 4:
            return Voted(slot, ballot, checksum(value), value)
        case 5 | 6:
            return ChosenValue(slot, checksum(value), value)
        case 7:
            return ChosenUpTo(slot)
    data = state_of(slot, chance.choice((0, 9, 700)))
    return Snapshot(slot, checksum(data), data)


def damage(chance: Chance, data: bytes) -> bytes:
    """Cut it, put something behind it, or flip a bit.

    Not in a slot: the store's own checksum guards that, and a C core has no room for
    votes just anywhere.
    """
    spoilt = bytearray(data)
    match chance.below(3):
        case 0:
            del spoilt[chance.below(len(spoilt)) :]
        case 1:
            spoilt += b"\0"
        case _:
            at = chance.below(len(spoilt))
            spoilt[at if at not in _SLOT_AT else 0] ^= 1 << chance.below(8)
    return bytes(spoilt)


def resurrect(seed: int, make: MakeSide = Twin) -> bool:
    """Start a pair from such records, and let it live a little; whether it started.

    Raises `Difference`.
    """
    chance = stream(seed, _RECORDS)
    records = [encode_record(draw_record(chance)) for _ in range(chance.between(1, 14))]
    if chance.happens(200):
        at = chance.below(len(records))
        records[at] = damage(chance, records[at])
    try:
        pair = Pair(replace(draw_setup(chance), records=tuple(records)), make)
    except BadRecords:
        return False
    pair.apply(TAKE)
    for _ in range(20):
        pair.apply(TICK)
        pair.apply(TAKE)
        pair.persisted(pair.taken)
    return True
