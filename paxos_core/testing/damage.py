"""Frames that arrive whole and readable, but with a value that is not what was sent.

Links check what they carry with 16 or 32 bits or not at all, and memory forgets; so values
have a checksum of their own from client to state machine. Numbers have none: a ballot that
changes on its way is a lie, which Paxos does not bear (`testing/lies`).
"""

from __future__ import annotations

from paxos_core.messages import Accept, Chosen, Message, Promise, SnapshotChunk
from paxos_core.testing.chance import DAMAGE, Chance, stream
from paxos_core.testing.network import Pair


class Damage:
    """Turns over one bit of the value in some of the frames that carry one."""

    __slots__ = ("_dice", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._dice: dict[Pair, Chance] = {}

    def pass_through(self, pair: Pair, frame: bytes, message: Message, permille: int) -> bytes:
        """The frame of `message` as it goes on: itself, or a copy with another value.

        That happens to `permille` of a thousand that carry one.
        """
        size = _value_bytes(message)
        if size == 0:
            return frame
        dice = self._dice.get(pair)
        if dice is None:
            dice = self._dice[pair] = stream(self._seed, DAMAGE, *pair)
        return turn_over(frame, size, dice) if dice.happens(permille) else frame


def turn_over(frame: bytes, size: int, dice: Chance) -> bytes:
    """`frame` with one bit of its last `size` bytes turned over."""
    spoilt = bytearray(frame)
    spoilt[len(frame) - 1 - dice.below(size)] ^= 1 << dice.below(8)
    return bytes(spoilt)


def _value_bytes(message: Message) -> int:
    """How many bytes at the end of its frame are a value with a checksum."""
    match message:
        case Accept(value=value) | Chosen(value=value) | SnapshotChunk(chunk=value):
            return len(value)
        case Promise(votes=[*_, last]):
            return len(last.value)
        case _:
            return 0
