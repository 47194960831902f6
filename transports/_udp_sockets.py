"""The socket and the addresses of the UDP transport: names, families, binding."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import cast

import trio

from transports._datagrams import enlarge_buffers, reason
from transports.api import NodeId, TransportError, read_addresses, split_host_port

SocketAddress = tuple[str, int] | tuple[str, int, int, int]

_FAMILY_NAMES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}

_BIND_CURES = {
    errno.EADDRINUSE: "stop the process that uses it, or give the replica another port",
    errno.EADDRNOTAVAIL: "give the replica an address that this machine has",
    errno.EINVAL: "a link-local address needs its interface, as in [fe80::1%eth0]:7100",
    errno.EACCES: "choose a port above 1023, or run with the right to use this one",
}


def numeric_family(address: str) -> socket.AddressFamily | None:
    """Return the family of a numeric address, None for a name. Raises `TransportError`."""
    host, _port = split_host_port(address)
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return None
    if number.is_unspecified or number.is_multicast:
        raise TransportError(
            f"bad address {address!r}: it is not one host's; write the replica's own address"
        )
    return socket.AF_INET if number.version == 4 else socket.AF_INET6


async def choose_family(peers: Mapping[NodeId, str]) -> socket.AddressFamily:
    """Return the one family that all replicas use: that of the numbers, else IPv4 if names have it.

    Every endpoint is given the same peers, so every one chooses alike. Raises `TransportError`.
    """
    families = set(read_addresses("udp", peers, numeric_family).values()) - {None}
    if len(families) > 1:
        raise TransportError(
            "udp: the replicas' addresses mix IPv4 and IPv6, and a socket speaks one of them: "
            "give all of them addresses of one kind"
        )
    for family in families:
        assert family is not None
        return family
    known = await _first_known(
        [
            (address, family)
            for _peer, address in sorted(peers.items())
            for family in (socket.AF_INET, socket.AF_INET6)
        ]
    )
    if known is not None:
        return known
    raise TransportError(
        f"udp: no replica's name is known here: {', '.join(sorted(peers.values()))}; "
        "check the hosts' names"
    )


async def _first_known(
    places: Sequence[tuple[str, socket.AddressFamily]],
) -> socket.AddressFamily | None:
    """Return the family of the first place that is known, None if none is.

    All are looked up at once: a name server that does not answer costs its time once.
    """
    known = [False] * len(places)
    looked_up = [trio.Event() for _ in places]

    async def ask(at: int) -> None:
        known[at] = await look_up(*places[at]) is not None
        looked_up[at].set()

    async with trio.open_nursery() as nursery:
        for at in range(len(places)):
            nursery.start_soon(ask, at)
        for at, (_address, family) in enumerate(places):
            await looked_up[at].wait()
            if known[at]:
                nursery.cancel_scope.cancel()
                return family
    return None


async def look_up(address: str, family: socket.AddressFamily) -> SocketAddress | None:
    """Resolve `host:port`; None if the name is not known, or not in this family."""
    host, port = split_host_port(address)
    try:
        found = await trio.socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    return cast(SocketAddress, found[0][4])


async def bind(
    local: NodeId, address: str | None, family: socket.AddressFamily, buffer_bytes: int
) -> socket.socket:
    """Open the socket, on the replica's `address` or, for None, on a port of the system's choice.

    Raises `TransportError` with the cause and the cure.
    """
    place = await look_up(address, family) if address is not None else ("", 0)
    if place is None:
        raise TransportError(
            f"replica {local} cannot use {address}: its name has no {_FAMILY_NAMES[family]} "
            "address here; check the host's name"
        )
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise TransportError(
            f"udp: no {_FAMILY_NAMES[family]} on this machine: {reason(error)}; "
            "give the replicas addresses of the other kind"
        ) from error
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        enlarge_buffers(sock, buffer_bytes)
        sock.bind(place)
    except OSError as error:
        sock.close()
        raise TransportError(
            f"endpoint {local} cannot use {address or 'a UDP port'}: {reason(error)}; "
            f"{_BIND_CURES.get(error.errno or 0, 'choose another address')}"
        ) from error
    return sock
