"""What a transport must promise. Everything above it relies on this page alone.

A transport carries *frames*: opaque byte strings of at most `frame_bytes_max`
bytes, each from one endpoint to one other. It may lose, duplicate and reorder
frames. It must not corrupt a frame, join or split frames, or attribute a frame
to an endpoint that did not send it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Options = TypeVar("Options", bound=DataclassInstance)

Address = TypeVar("Address")

NodeId = int
"""An endpoint: 1..65535 a replica, above that a client's endpoint (up to 2**63 - 1)."""

Frame = tuple[NodeId, bytes]
"""(the other endpoint, the bytes): the receiver of what is sent, the sender of what came."""

FIRST_CLIENT_ID = 1 << 16
"""The least id of a client's endpoint; below it are replicas."""
LAST_CLIENT_ID = (1 << 63) - 1
"""The greatest."""

OPTION_MAX = 1 << 40
"""The most that a number among a transport's options may be: beyond any use."""


@dataclass(slots=True)
class TransportStats:
    """Counted since the transport was opened; all are frames unless the name says bytes."""

    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """cause -> frames (or streams) dropped, e.g. `queue_full`, `unknown_peer`, `oversized`,
    `malformed`, `disconnected`."""
    foreign: Counter[NodeId] = field(default_factory=Counter)
    """Replica -> how often its address, when dialled, answered in another language. Only
    layers that dial can tell; to the others such a peer looks dead."""


class TransportError(Exception):
    """A transport could not be opened. The message names the cause and the cure, in one line."""


class UnknownTransport(TransportError):
    """No transport goes by that name. The message lists those that do."""


class Transport(ABC):
    """An open endpoint. Made by an `open_transport` context manager, usable until it exits."""

    frame_bytes_max: int
    """The largest frame that `send` takes; larger ones are dropped and counted."""

    stats: TransportStats

    @abstractmethod
    def send(self, batch: Sequence[Frame]) -> None:
        """Hand over frames, each to its receiver. Never blocks and never raises for loss.

        What cannot be taken now (unknown receiver, full queue, too large, closed
        connection) is dropped and counted in `stats.dropped`. So is an empty frame
        (cause `empty`): not every layer can carry one. A clogged receiver never
        delays frames to another.
        """

    @abstractmethod
    async def receive(self) -> list[Frame]:
        """Wait for a frame, then return all that are ready (at least one).

        A checkpoint, always. One task at a time may call it; a second raises
        `trio.BusyResourceError`. Cancelled, it has consumed nothing: no frame is
        lost. Raises `trio.ClosedResourceError` once the transport is closed.
        """

    def receive_soon(self, seconds: float) -> list[Frame]:
        """Like `receive`, but blocks the whole thread, for `seconds` at most; may return nothing,
        or not all that is ready.

        For a process that has nothing else to do: it saves a pass of trio's
        scheduler. Never called while another task waits in `receive`. A transport
        that has no cheaper way than `receive` leaves it as it is.
        """
        return []

    def describe(self) -> Mapping[str, Any]:
        """Return what only this layer can tell of itself, for people; mostly nothing.

        Names to numbers, strings and maps of these. A node's status has it.
        """
        return {}


class OpenTransport(Protocol):
    """The signature of an opener; what the registry maps a name to."""

    def __call__(
        self, local: NodeId, peers: Mapping[NodeId, str], **options: object
    ) -> AbstractAsyncContextManager[Transport]:
        """Open endpoint `local`; inside the context it is usable at once.

        `peers` maps every replica to its address, `local`'s own included if it
        is a replica: a replica listens there. A client's endpoint (a `local` of
        at least `FIRST_CLIENT_ID`) is not in `peers`; replicas learn the way
        back to it from its frames, and a client reaches only replicas.
        A replica that is not up yet is no error: frames to it are lost.

        Raises `TransportError` when it cannot be opened: a bad address, an
        address in use, a missing right, an unknown option.
        """
        ...


def group_frames(
    batch: Sequence[Frame], frame_bytes_max: int, stats: TransportStats
) -> dict[NodeId, list[bytes]]:
    """Each receiver's frames, in order; those of an impossible size are counted in `stats`."""
    grouped: dict[NodeId, list[bytes]] = {}
    for receiver, frame in batch:
        if not 0 < len(frame) <= frame_bytes_max:
            stats.dropped["oversized" if frame else "empty"] += 1
        elif receiver in grouped:
            grouped[receiver].append(frame)
        else:
            grouped[receiver] = [frame]
    return grouped


def read_options(kind: type[Options], transport: str, options: Mapping[str, object]) -> Options:
    """Build the dataclass `kind`, whose fields are numbers with defaults, from an opener's options.

    An `int` is accepted where a `float` is declared; a number must be positive, and at most
    `OPTION_MAX`. Raises `TransportError` for an unknown name, another type or another value.
    """
    known = {option.name: option for option in fields(kind)}
    for name, value in options.items():
        if name not in known:
            raise TransportError(
                f"{transport} has no option {name!r}; its options are: {', '.join(sorted(known))}"
            )
        wanted = type(known[name].default)
        accepted = (int, float) if wanted is float else (wanted,)
        if type(value) not in accepted:
            raise TransportError(
                f"{transport}: option {name} takes {wanted.__name__}, not {value!r}"
            )
        if isinstance(value, int | float) and not value > 0:
            raise TransportError(f"{transport}: option {name} must be above zero, not {value!r}")
        if isinstance(value, int | float) and value > OPTION_MAX:
            raise TransportError(f"{transport}: option {name} is at most {OPTION_MAX}; give less")
    return kind(**options)


def read_addresses(
    transport: str, peers: Mapping[NodeId, str], read: Callable[[str], Address]
) -> dict[NodeId, Address]:
    """Have `read` read each replica's address.

    Raises its `TransportError` with the names of transport and replica before it.
    """
    found: dict[NodeId, Address] = {}
    for peer, address in peers.items():
        try:
            found[peer] = read(address)
        except TransportError as error:
            raise TransportError(f"{transport}: replica {peer}: {error}") from error
    return found


def split_host_port(address: str) -> tuple[str, int]:
    """Split `host:port`, `1.2.3.4:port` or `[::1]:port`. Else `TransportError`."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    valid_port = port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536
    valid_host = bool(host) and not any(c.isspace() or c in "[]/" for c in host)
    if not (colon and valid_port and valid_host and bracketed == (":" in host)):
        raise TransportError(
            f"bad address {address!r}: write host:port, or [IPv6]:port, with a port in 1..65535"
        )
    return host, int(port)


__all__ = [
    "FIRST_CLIENT_ID",
    "LAST_CLIENT_ID",
    "OPTION_MAX",
    "Frame",
    "NodeId",
    "OpenTransport",
    "Transport",
    "TransportError",
    "TransportStats",
    "UnknownTransport",
    "group_frames",
    "read_addresses",
    "read_options",
    "split_host_port",
]
