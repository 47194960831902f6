"""Ethernet: raw frames with an EtherType of their own; needs Linux and CAP_NET_RAW.

Replicas are addressed by the MAC of the interface that each uses; there is no IP and
no UDP underneath. Several endpoints may share an interface, because the receiver's
id goes with every packet, and a filter in the kernel spares each the others' packets.
But what an interface sends, it does not hear: two endpoints on one interface cannot
reach one another, unless it is `lo`.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from transports._datagrams import DatagramTransport, check_ids, open_nursery_of_own, reason
from transports._ethernet_sockets import (
    ETHERNET_HEADER_BYTES,
    FRAME_BYTES_MAX,
    Interface,
    check_link,
    claim,
    inspect,
    listen,
    look_at,
    open_socket,
    read_mac,
)
from transports._packets import FRAME_OVERHEAD_BYTES
from transports.api import NodeId, TransportError, read_addresses, read_options

_SOURCE = slice(6, 12)
_INTERFACE_LOST = (errno.ENETDOWN, errno.ENXIO, errno.ENODEV)


@dataclass(frozen=True, slots=True)
class EthernetOptions:
    """What `open_ethernet` takes."""

    interface: str = ""
    """The name of the interface, as in `eth0`. It must be given."""
    frame_bytes_max: int = 0
    """At most the interface's MTU less 26, which is also what one gets without this option."""
    ethertype: int = 0x88B5
    """The one that IEEE 802 sets apart for local experiments."""
    clients_max: int = 4_096
    """Clients whose way back is remembered; one more displaces the one silent longest."""
    buffer_bytes: int = 4 << 20
    """Asked of the kernel for each direction; it grants no more than its own limit."""
    reopen_seconds: float = 0.1
    """How often an interface that went down or away is looked for."""


class EthernetTransport(DatagramTransport[bytes]):
    """An open Ethernet endpoint. Causes in `stats.dropped`: see `DatagramTransport`.

    And `interface_down`, for frames that were sent while the interface was down or
    missing. It is used again as soon as it is up, also when it was made anew.
    """

    padded = True

    def __init__(
        self,
        local: NodeId,
        peers: Mapping[NodeId, bytes],
        sock: socket.socket,
        interface: Interface,
        options: EthernetOptions,
        nursery: trio.Nursery,
    ) -> None:
        most = interface.mtu_bytes - FRAME_OVERHEAD_BYTES
        frame_bytes_max = options.frame_bytes_max or min(most, FRAME_BYTES_MAX)
        super().__init__(local, peers, sock, frame_bytes_max, options.clients_max)
        self._ways.update((peer, peers[peer]) for peer in self._others)
        self._peers = peers
        self._options = options
        self._nursery = nursery
        self._watching = False
        self._after_destination = b""
        self._use(interface)

    def _use(self, interface: Interface) -> None:
        self._after_destination = interface.mac + self._options.ethertype.to_bytes(2, "big")

    def _read(self) -> tuple[memoryview, bytes]:
        size = self._sock.recv_into(self._received)
        packet = self._received_view[ETHERNET_HEADER_BYTES:size]
        return packet, bytes(self._received_view[_SOURCE])

    def _write(self, way: bytes, packet: bytes) -> None:
        self._sock.send(way + self._after_destination + packet)

    def _why_not_sent(self, error: OSError) -> str:
        if error.errno not in _INTERFACE_LOST:
            return super()._why_not_sent(error)
        self._watch()
        return "interface_down"

    def _receive_failed(self, error: OSError) -> None:
        if error.errno in _INTERFACE_LOST:
            self._watch()

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._nursery.start_soon(self._await_interface)

    async def _await_interface(self) -> None:
        """Wait until the interface is up, and listen to it again, then end."""
        while True:
            if self._listen_again():
                self._watching = False
                return
            await trio.sleep(self._options.reopen_seconds)

    def _listen_again(self) -> bool:
        try:
            interface = look_at(self._sock, self._options.interface)
            is_ours = self._peers.get(self._local, interface.mac) == interface.mac
            if not (interface.up and is_ours):
                return False
            # One that was made anew has the old name and another number.
            self._sock.bind((self._options.interface, self._options.ethertype))
        except (OSError, TransportError):
            return False
        self._use(interface)
        return True


@asynccontextmanager
async def open_ethernet(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[EthernetTransport]:
    """Open endpoint `local`; `peers` maps replicas to MACs, as in `02:00:00:00:00:01`.

    Options: `EthernetOptions`; `interface` must be given and be up. Raises `TransportError`.
    """
    chosen = read_options(EthernetOptions, "ethernet", options)
    check_link("ethernet", chosen.interface, chosen.ethertype)
    check_ids(local, peers)
    macs = read_addresses("ethernet", peers, read_mac)
    name, ethertype = chosen.interface, chosen.ethertype
    with open_socket() as sock:
        interface = inspect("ethernet", sock, name, local, macs, chosen.frame_bytes_max)
        holder = claim(local, name, ethertype) if local in peers else None
        try:
            try:
                listen(sock, local, name, ethertype, chosen.buffer_bytes)
            except OSError as error:
                raise TransportError(
                    f"ethernet: interface {name} cannot be used: {reason(error)}; choose another"
                ) from error
            async with open_nursery_of_own() as nursery:
                transport = EthernetTransport(local, macs, sock, interface, chosen, nursery)
                await trio.lowlevel.checkpoint()
                try:
                    yield transport
                finally:
                    transport.close()
        finally:
            if holder is not None:
                holder.close()


def availability() -> str | None:
    """Return why raw Ethernet cannot be used here, or None if it can."""
    try:
        open_socket().close()
    except TransportError as error:
        return str(error).removeprefix("ethernet: ")
    return None


__all__ = ["EthernetOptions", "EthernetTransport", "availability", "open_ethernet"]
