"""UDP: one socket, a datagram for each receiver's frames of a batch; runs anywhere.

Nothing is connected and nothing is repeated: what the network loses is lost. A
replica's datagrams are taken only from its configured address, a client's way back
is learnt from its own. The frames of one batch to one receiver share datagrams of
at most `frame_bytes_max` and a small header.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from transports._datagrams import DatagramTransport, check_ids, open_nursery_of_own
from transports._packets import FRAME_OVERHEAD_BYTES
from transports._udp_sockets import SocketAddress, bind, choose_family, look_up, numeric_family
from transports.api import NodeId, TransportError, read_options

_UDP_BYTES_MAX = 65_507
_OPEN_WAIT_SECONDS = 0.25
_FIRST_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class UdpOptions:
    """What `open_udp` takes."""

    frame_bytes_max: int = 8_192
    """At most 65,481. Above 1,446 (IPv6: 1,426) a full frame is fragmented on an MTU of 1,500."""
    clients_max: int = 4_096
    """Clients whose way back is remembered; one more displaces the one silent longest."""
    buffer_bytes: int = 4 << 20
    """Asked of the kernel for each direction; it grants no more than its own limit."""
    resolve_seconds: float = 5.0
    """The pause between two look-ups of replicas' names; the first ones are shorter."""


class UdpTransport(DatagramTransport[SocketAddress]):
    """An open UDP endpoint. Causes in `stats.dropped`: see `DatagramTransport`."""

    def __init__(
        self,
        local: NodeId,
        peers: Mapping[NodeId, str],
        sock: socket.socket,
        options: UdpOptions,
    ) -> None:
        super().__init__(local, peers, sock, options.frame_bytes_max, options.clients_max)
        self._peers = dict(peers)
        self._options = options

    def _read(self) -> tuple[memoryview, SocketAddress]:
        size, source = self._sock.recvfrom_into(self._received)
        return self._received_view[:size], source

    def _write(self, way: SocketAddress, packet: bytes) -> None:
        self._sock.sendto(packet, way)

    async def find(self, peer: NodeId) -> None:
        """Look up a replica's address. One that is not found keeps what was known of it."""
        way = await look_up(self._peers[peer], socket.AddressFamily(self._sock.family))
        if way is not None:
            self._ways[peer] = way

    async def keep_found(self, peer: NodeId, tried: trio.Event) -> None:
        """Look up a name again for ever: it may become known, or move. Sets `tried` after once."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            await self.find(peer)
            tried.set()
            await trio.sleep(pause)
            pause = min(2 * pause, self._options.resolve_seconds)


def _check_options(options: UdpOptions) -> None:
    most = _UDP_BYTES_MAX - FRAME_OVERHEAD_BYTES
    if options.frame_bytes_max > most:
        raise TransportError(
            f"udp: frame_bytes_max is at most {most}, not {options.frame_bytes_max}: "
            "a datagram holds no more"
        )


@asynccontextmanager
async def open_udp(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[UdpTransport]:
    """Open endpoint `local`; `peers` maps replicas to `host:port`. Options: `UdpOptions`.

    All replicas use IPv4, or all IPv6. Waits a moment (0.25 s at most) for names; one
    that cannot be resolved is looked up again. Raises `TransportError`.
    """
    chosen = read_options(UdpOptions, "udp", options)
    _check_options(chosen)
    check_ids(local, peers)
    family = await choose_family(peers)
    sock = await bind(local, peers.get(local), family, chosen.buffer_bytes)
    transport = UdpTransport(local, peers, sock, chosen)
    try:
        async with open_nursery_of_own() as nursery:
            first_tries = []
            for peer, address in peers.items():
                if peer != local and numeric_family(address) is None:
                    first_tries.append(tried := trio.Event())
                    nursery.start_soon(transport.keep_found, peer, tried)
                elif peer != local:
                    await transport.find(peer)
            with trio.move_on_after(_OPEN_WAIT_SECONDS):
                for tried in first_tries:
                    await tried.wait()
            yield transport
    finally:
        transport.close()


def availability() -> str | None:
    """Return why UDP cannot run here, or None if it can."""
    return None


__all__ = ["UdpOptions", "UdpTransport", "availability", "open_udp"]
