"""Everything of the project that touches the operating system.

A transport carries opaque frames between endpoints; `transports.api` says what one
must promise, `resolve` finds one by name, and `transports.testing` checks one.
`transports.node` joins a transport, a store and the core into a running replica.
"""

from transports.api import (
    FIRST_CLIENT_ID,
    LAST_CLIENT_ID,
    Frame,
    NodeId,
    OpenTransport,
    Transport,
    TransportError,
    TransportStats,
    UnknownTransport,
)
from transports.registry import TransportInfo, describe, resolve

__all__ = [
    "FIRST_CLIENT_ID",
    "LAST_CLIENT_ID",
    "Frame",
    "NodeId",
    "OpenTransport",
    "Transport",
    "TransportError",
    "TransportInfo",
    "TransportStats",
    "UnknownTransport",
    "describe",
    "resolve",
]
