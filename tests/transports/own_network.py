"""A network of this process's own, for tests over raw Ethernet; it ends with them.

    p1 ---veth--- s1 \\
    p2 ---veth--- s2 -- br0        node N is on pN, clients are on the last one
    ...              /

The namespace has no name, so nothing of it can be left behind.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import pytest

from transports._ethernet_sockets import read_mac
from transports.api import FIRST_CLIENT_ID
from transports.ethernet import EthernetTransport, availability, open_ethernet

OPENER: Final = "own_network:open_station"
CLONE_NEWNET: Final = 0x40000000
ETHERTYPE: Final = 0x88B5
STATIONS: Final = 4


def need_network() -> None:
    """Skip the test where no namespace can be made, but have it fail in CI."""
    reason = availability()
    if os.geteuid() != 0:
        reason = "needs root, to make a network namespace"
    try:
        subprocess.run(["ip", "-V"], check=True, capture_output=True)
    except OSError:
        reason = "needs the command ip, of Debian's iproute2"
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def mac(station: int) -> str:
    return f"02:00:00:00:00:{station:02x}"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


PEERS: Final = {station: mac(station) for station in range(1, STATIONS)}


@contextmanager
def own_namespace() -> Iterator[None]:
    """This thread is in a namespace with a loopback interface alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0
    finally:
        os.close(home)


@contextmanager
def own_network(mtu_bytes: int = 1500) -> Iterator[None]:
    """This thread is in a namespace with `STATIONS` interfaces joined by a bridge."""
    with own_namespace():
        _furnish(mtu_bytes)
        yield


def _furnish(mtu_bytes: int) -> None:
    ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
    ip("link", "set", "br0", "up")
    for station in range(1, STATIONS + 1):
        add_station(station, mtu_bytes)


def add_station(station: int, mtu_bytes: int = 1500) -> None:
    here, there, mtu = f"p{station}", f"s{station}", str(mtu_bytes)
    peer = ("peer", "name", there, "mtu", mtu)
    ip("link", "add", here, "mtu", mtu, "address", mac(station), "type", "veth", *peer)
    ip("link", "set", there, "master", "br0", "up")
    ip("link", "set", here, "up")


def raw_frame(receiver: str, content: bytes, source: str = mac(STATIONS)) -> bytes:
    return read_mac(receiver) + read_mac(source) + ETHERTYPE.to_bytes(2, "big") + content


def send_raw(address: str, content: bytes) -> None:
    """Have the last station send a packet of the transport's EtherType, up to the MTU."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((f"p{STATIONS}", 0))
        sock.send(raw_frame(address, content[:1_500]))


@asynccontextmanager
async def open_station(
    local: int, peers: Mapping[int, str] = PEERS, **options: object
) -> AsyncIterator[EthernetTransport]:
    """`open_ethernet` on the interface that is the endpoint's own."""
    station = STATIONS if local >= FIRST_CLIENT_ID else local
    options = {"interface": f"p{station}", **options}
    async with open_ethernet(local, peers, **options) as transport:
        yield transport
