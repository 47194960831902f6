"""The randomness of election time-outs: splitmix64 (Steele, Lea, Flood, 2014).

Specified to the bit, so that the C twin, given the same seed, waits exactly as long.
"""

from __future__ import annotations

from paxos_core.types import U64_MAX


class SplitMix64:
    """A generator of 64-bit numbers; the seed (any 64-bit number) is its whole state."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        self.state = seed & U64_MAX

    def next(self) -> int:
        """The next number, 0 .. 2**64 - 1."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & U64_MAX
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & U64_MAX
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & U64_MAX
        return z ^ (z >> 31)

    def between(self, low: int, high: int) -> int:
        """A number in ``low..high``, both included."""
        return low + self.next() % (high - low + 1)
