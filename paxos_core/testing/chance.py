"""The simulator's dice: one stream of numbers per purpose.

Every decision draws from a stream keyed by what it is about (the seed, a link,
a fault's index). So taking one fault out of a run leaves the dice of all the
others as they were, which is what makes minimising a failure work.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Final, TypeVar

from paxos_core.jitter import SplitMix64
from paxos_core.types import U64_MAX

# What a stream is for: the first part of its key, the only ones that there are. Seeds are
# what they are through these numbers, so none is changed, and a new stream gets a new one.
SHAPE: Final = 1
SWARM: Final = 2
FAULT: Final = 3
LOAD: Final = 4
LIMITS: Final = 5
ROUND: Final = 6
FRAME: Final = 7
OWN_LIMITS: Final = 8
NODE: Final = 11
GARBAGE: Final = 12
CORE: Final = 13
"""Which core a node has. Alone; a client's key has its endpoint behind the number."""
CLIENT: Final = 13
PARTIAL: Final = 21
DAMAGE: Final = 22
NETWORK: Final = 0x6E6574
LIAR: Final = 0x6C
LIARS_NETWORK: Final = 0x6E
LIARS_SEEDS: Final = 0x73

T = TypeVar("T")


class Chance(SplitMix64):
    """SplitMix64 with the few draws the simulator needs."""

    __slots__ = ()

    def below(self, bound: int) -> int:
        """A number in ``0..bound - 1``."""
        return self.next() % bound

    def happens(self, permille: int) -> bool:
        """True in `permille` of a thousand draws."""
        return self.next() % 1000 < permille

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`, each as likely."""
        return items[self.next() % len(items)]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Reorder `items` in place (Fisher and Yates)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.next() % (last + 1)
            items[last], items[other] = items[other], items[last]


def stream(seed: int, *key: int) -> Chance:
    """The dice for `key` in the run of `seed`; unlike keys give unrelated numbers."""
    chance = Chance(seed)
    for part in key:
        chance.state = chance.next() ^ (part & U64_MAX)
    chance.next()
    return chance
