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
from transports.api import FIRST_CLIENT_ID, Transport
from transports.ethernet import availability, open_ethernet

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


@contextmanager
def own_network(mtu_bytes: int = 1500) -> Iterator[None]:
    """This thread is in a namespace with `STATIONS` interfaces joined by a bridge."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            _furnish(str(mtu_bytes))
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0
    finally:
        os.close(home)


def _furnish(mtu: str) -> None:
    ip("link", "set", "lo", "up")
    ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
    ip("link", "set", "br0", "up")
    for station in range(1, STATIONS + 1):
        here, there = f"p{station}", f"s{station}"
        peer = ("peer", "name", there, "mtu", mtu)
        ip("link", "add", here, "mtu", mtu, "address", mac(station), "type", "veth", *peer)
        ip("link", "set", there, "master", "br0", "up")
        ip("link", "set", here, "up")


def send_raw(address: str, content: bytes) -> None:
    """Have the last station send a packet of the transport's EtherType, up to the MTU."""
    frame = read_mac(address) + read_mac(mac(STATIONS)) + ETHERTYPE.to_bytes(2, "big")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((f"p{STATIONS}", 0))
        sock.send(frame + content[:1_500])


@asynccontextmanager
async def open_station(
    local: int, peers: Mapping[int, str], **options: object
) -> AsyncIterator[Transport]:
    """`open_ethernet` on the interface that is the endpoint's own."""
    station = STATIONS if local >= FIRST_CLIENT_ID else local
    async with open_ethernet(local, peers, interface=f"p{station}", **options) as transport:
        yield transport
