"""A twin made of Python, whole or with one thing planted in it: what the harness must find."""

from __future__ import annotations

from collections.abc import Callable

from paxos_core import Replica

from .outputs import Outputs
from .setup import Setup
from .sides import PythonSide, Side

Plant = Callable[[Replica], None]


class Stub(PythonSide):
    """Does what Python does, but for what is planted after each input, or in the outputs."""

    def __init__(
        self,
        setup: Setup,
        plant: Plant | None = None,
        change: Callable[[Outputs], None] | None = None,
    ) -> None:
        super().__init__(setup)
        self._plant = plant
        self._change = change

    def frame(self, sender: int, frame: bytes) -> str:
        word = super().frame(sender, frame)
        self._spoil()
        return word

    def tick(self) -> str:
        word = super().tick()
        self._spoil()
        return word

    def take(self) -> Outputs:
        out = super().take()
        if self._change is not None:
            self._change(out)
        self._spoil()
        return out

    def _spoil(self) -> None:
        if self._plant is not None:
            self._plant(self.replica)


def planted(
    plant: Plant | None = None, change: Callable[[Outputs], None] | None = None
) -> Callable[[Setup], Side]:
    """Makes such twins."""
    return lambda setup: Stub(setup, plant, change)
