"""A simulated network: it carries bytes, late, twice, out of order or not at all.

Each direction of each link has its own dice and throws once per frame, so the
fate of the n-th frame on a link depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from paxos_core.testing.chance import NETWORK, Chance, stream
from paxos_core.types import NodeId

Pair = tuple[NodeId, NodeId]
Deliver = Callable[[int, NodeId, bytes], None]
"""``(delay, to, frame)``: have `frame` arrive after `delay`."""

_KIND_AT = 4
FRACTION = 1024
"""Rates are given in parts of this."""


@dataclass(slots=True)
class Rates:
    """How badly the network behaves. Probabilities in parts of `FRACTION`, times in units."""

    delay_min: int = 1
    delay_span: int = 30
    loss: int = 0
    duplicate: int = 0
    duplicate_span: int = 1
    late: int = 0
    late_span: int = 1
    damage_permille: int = 0
    """Of a thousand frames with a value, how many have it changed; done before they get here."""


class Network:
    """Decides the fate of each frame."""

    __slots__ = (
        "_blocked", "_deliver", "_dice", "_muted", "_noise", "_seed", "carried", "lost", "rates",
    )  # fmt: skip

    def __init__(self, seed: int, rates: Rates, deliver: Deliver) -> None:
        self._seed = seed
        self._deliver = deliver
        self._dice: dict[Pair, Chance] = {}
        self._blocked: dict[Pair, int] = {}
        self._noise: dict[Pair, int] = {}
        self._muted: dict[int, int] = {}
        self.rates = rates
        self.carried = 0
        self.lost = 0

    def carry(self, sender: NodeId, to: NodeId, frame: bytes) -> None:
        """Take one frame from `sender`."""
        pair = (sender, to)
        dice = self._dice.get(pair)
        if dice is None:
            dice = self._dice[pair] = stream(self._seed, NETWORK, sender, to)
        throw = dice.next()
        self.carried += 1
        rates = self.rates
        if pair in self._blocked or (self._muted and frame[_KIND_AT] in self._muted):
            self.lost += 1
            return
        loss = rates.loss
        if self._noise:
            loss += self._noise.get(pair, 0)
        if loss and (throw & 1023) < loss:
            self.lost += 1
            return
        delay = rates.delay_min + (throw >> 20 & 0xFFF) % rates.delay_span
        if rates.late and (throw >> 32 & 1023) < rates.late:
            delay += (throw >> 42) % rates.late_span
        self._deliver(delay, to, frame)
        if rates.duplicate and (throw >> 10 & 1023) < rates.duplicate:
            self._deliver(delay + (throw >> 50) % rates.duplicate_span, to, frame)

    def block(self, pairs: Iterable[Pair]) -> None:
        """Let nothing through from the first to the second of each pair."""
        for pair in pairs:
            self._blocked[pair] = self._blocked.get(pair, 0) + 1

    def joins(self, one: NodeId, other: NodeId) -> bool:
        """Whether nothing is cut between these two, in either direction."""
        return (one, other) not in self._blocked and (other, one) not in self._blocked

    def unblock(self, pairs: Iterable[Pair]) -> None:
        """Undo one `block` of these pairs."""
        for pair in pairs:
            left = self._blocked.get(pair, 0) - 1
            if left > 0:
                self._blocked[pair] = left
            else:
                self._blocked.pop(pair, None)

    def add_noise(self, pairs: Iterable[Pair], loss: int) -> None:
        """Lose so much more on these links; a negative number undoes it."""
        for pair in pairs:
            self._noise[pair] = self._noise.get(pair, 0) + loss

    def mute(self, kinds: Iterable[int]) -> None:
        """Lose every message of these kinds (numbers on the wire), and let the others through."""
        for kind in kinds:
            self._muted[kind] = self._muted.get(kind, 0) + 1

    def unmute(self, kinds: Iterable[int]) -> None:
        """Undo one `mute` of these kinds."""
        for kind in kinds:
            self._muted[kind] -= 1
            if self._muted[kind] == 0:
                del self._muted[kind]

    def heal(self) -> None:
        """From now on nothing is lost, doubled or held back."""
        self._blocked.clear()
        self._noise.clear()
        self._muted.clear()
        self.rates = Rates(self.rates.delay_min, min(self.rates.delay_span, 30))

    def spoil(self, rates: Rates) -> None:
        """Behave as badly as `rates` say, again."""
        self.rates = rates
