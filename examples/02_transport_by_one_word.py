"""One program, and one word that says what carries its messages.

Run: python examples/02_transport_by_one_word.py memory
     python examples/02_transport_by_one_word.py tcp      (or udp, or zeromq)
"""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack

import trio

from transports.api import TransportError
from transports.node import ClusterConfig, open_client, open_node


class Longest:
    """Remembers the longest command."""

    longest = b""

    def apply(self, command: bytes) -> bytes:
        """The longest so far, this one included."""
        self.longest = max(self.longest, command, key=len)
        return self.longest

    def snapshot(self) -> bytes:
        """The whole state."""
        return self.longest

    def restore(self, snapshot: bytes) -> None:
        """Go on from there."""
        self.longest = snapshot


def addresses(transport: str) -> dict[int, str]:
    """Only the notation of an address differs."""
    if transport == "memory":
        return {node: f"hub/{node}" for node in (1, 2, 3)}
    with ExitStack() as opened:
        ports = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        scheme = "tcp://" if transport == "zeromq" else ""
        return {n: f"{scheme}127.0.0.1:{s.getsockname()[1]}" for n, s in enumerate(ports, 1)}


async def main(transport: str) -> None:
    config = ClusterConfig(addresses(transport), transport=transport, store="memory")
    async with (
        # Without a store that lasts, the very first start has to be said: see docs/durability.md.
        open_node(config, 1, Longest(), first_start=True) as node,
        open_node(config, 2, Longest(), first_start=True),
        open_node(config, 3, Longest(), first_start=True),
        open_client(config) as client,
    ):
        for word in ("oak", "birch", "elm"):
            longest = await client.submit(word.encode())
            print(f"after {word} the longest is {longest.decode()}")
        print(f"node 1 sent {node.status()['frames_sent']} frames over {transport}")
    print("Lesson: the layer below is one word; nothing above it changes.")


try:
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "tcp")
except TransportError as error:
    sys.exit(str(error))
