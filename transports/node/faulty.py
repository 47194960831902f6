"""A transport for configurations: any other one, troubled on purpose by `transports.faulty`.

    transport = "transports.node.faulty:open_faulty"

    [transport_options]
    over = "udp"
    loss = 0.1
    delay_ms = 5

Nodes and clients of one configuration all suffer alike. Options not named in
`FaultyOptions` go to the transport underneath.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields

from transports.api import NodeId, Transport, TransportError, read_options
from transports.faulty import Faults, faulty
from transports.registry import call_opener

_TINY = 1e-300
"""Nothing, where only what is above zero may be asked for."""


@dataclass(frozen=True, slots=True)
class FaultyOptions:
    """What `open_faulty` takes; probabilities are below 1."""

    over: str = ""
    """The transport underneath. It must be given."""
    loss: float = _TINY
    """The probability that a frame is lost."""
    duplication: float = _TINY
    """The probability that it arrives twice."""
    reorder: float = _TINY
    """The probability that it is held back for up to 10 ms more, so that others overtake it."""
    delay_ms: float = _TINY
    """How long every frame is held back."""
    seed: int = 1
    """Of the generator; each endpoint's is another."""


@asynccontextmanager
async def open_faulty(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[Transport]:
    """Open endpoint `local` of the transport `over`, troubled. Raises `TransportError`."""
    own = {option.name for option in fields(FaultyOptions)}
    mine = {name: value for name, value in options.items() if name in own}
    chosen = read_options(FaultyOptions, "faulty", mine)
    _check(chosen)
    faults = Faults(
        loss=chosen.loss,
        duplication=chosen.duplication,
        reorder=chosen.reorder,
        delay_seconds=_delay_seconds(chosen),
    )
    others = {name: value for name, value in options.items() if name not in own}
    async with call_opener(chosen.over, local, peers, others) as transport:
        yield faulty(transport, local, faults, chosen.seed + local)


def _check(options: FaultyOptions) -> FaultyOptions:
    if not options.over:
        raise TransportError(
            "faulty: the option over is missing: name the transport underneath, such as tcp"
        )
    for name in ("loss", "duplication", "reorder"):
        if getattr(options, name) >= 1:
            raise TransportError(
                f"faulty: option {name} is a probability, below 1, not {getattr(options, name)!r}"
            )
    return options


def _delay_seconds(options: FaultyOptions) -> tuple[float, float]:
    # A frame that is not delayed shall not pass through the queue of those that are.
    seconds = 0.0 if options.delay_ms == _TINY else options.delay_ms / 1000
    return seconds, seconds


def availability() -> str | None:
    """Return None: what is underneath says for itself whether it can run here."""
    return None


__all__ = ["FaultyOptions", "availability", "open_faulty"]
