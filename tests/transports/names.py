"""A host's name that has the addresses that a test wants."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import trio

MANY = "many.test"


class _Names(trio.abc.HostnameResolver):
    def __init__(self, addresses: Sequence[str], seconds: float = 0) -> None:
        self._addresses = addresses
        self._seconds = seconds

    async def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        await trio.sleep(self._seconds)
        if not self._addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server answers")
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


def have_no_server(seconds: float) -> None:
    """Let every look-up take so long, and fail, until the end of the test."""
    trio.socket.set_custom_hostname_resolver(_Names((), seconds))
