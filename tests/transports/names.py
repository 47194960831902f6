"""A host's name that has the addresses that a test wants."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import trio

MANY = "many.test"


class _Names(trio.abc.HostnameResolver):
    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        assert host == MANY.encode()
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, int(port)))
            for address in self._addresses
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


def give_many(*addresses: str) -> None:
    """Let the name `MANY` have these, in this order, until the end of the test."""
    trio.socket.set_custom_hostname_resolver(_Names(addresses))
