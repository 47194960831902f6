"""What every rung, layer and peer offers to the engine: something that runs and takes loads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transports.bench.places import Place
from transports.bench.processes import Worker
from transports.bench.saved.schema import Effort, Stand
from transports.bench.wire import Message


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a stand is put up."""

    directory: Path
    """For stores, configurations and what processes say when they die; removed by its owner."""
    place: Place
    """Loopback, or the one laboratory of this run."""
    effort: Effort
    pins: Mapping[str, list[int]]
    """Role -> processors; see `pins.apply`."""


class Running(Protocol):
    """A stand that is up.

    Its client speaks the protocol of `loads`: a job goes in; `measuring` comes out when the
    warm-up is over, `result` at the end.
    """

    @property
    def client(self) -> Worker:
        """The process that loads it."""
        ...

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process; roles as in `ProcessCost`. The client is among them."""
        ...

    def command_bytes_max(self) -> int:
        """The largest command that fits here."""
        ...

    async def ask(self) -> Mapping[str, Message]:
        """What processes say of themselves just now, by role: `parts` (name -> seconds since
        they began) and `syncs`. Empty where nobody says anything."""
        ...

    async def settle(self) -> None:
        """After a load: all that runs has done the same. Raises `MeasureFailed` if it has not."""
        ...


class StandKind(Protocol):
    """Opens stands of one rung, or of one peer."""

    def unavailable(self, stand: Stand) -> str:
        """Why `stand` cannot run here, with the cure; empty if it can."""
        ...

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """Put it up. Raises `MeasureFailed`."""
        ...
