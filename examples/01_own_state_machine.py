"""A state machine of one's own on three nodes, which go on when one of them is killed.

Run: python examples/01_own_state_machine.py
"""

from __future__ import annotations

import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgpack
import trio

from transports.node import ClusterConfig, Node, StoreIdentity, create_store, open_client, open_node


class Phonebook:
    """`name=number` sets, `name` asks. A state machine is these three methods."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, bytes] = {}

    def apply(self, command: bytes) -> bytes:
        """Deterministic, and never raises: every node must be able to follow, whatever comes."""
        name, sets, number = command.partition(b"=")
        if sets:
            self.numbers[name] = number
        return self.numbers.get(name, b"unknown")

    def snapshot(self) -> bytes:
        """The whole state, for a node that lags too far for the log."""
        packed: bytes = msgpack.packb(self.numbers)
        return packed

    def restore(self, snapshot: bytes) -> None:
        """The state that `snapshot` gave."""
        self.numbers = msgpack.unpackb(snapshot)


def free_addresses(*nodes: int) -> dict[int, str]:
    with ExitStack() as opened:
        ports = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in nodes]
        return {n: f"127.0.0.1:{s.getsockname()[1]}" for n, s in zip(nodes, ports, strict=True)}


async def main(directory: Path) -> None:
    config = ClusterConfig(free_addresses(1, 2, 3), base=directory)
    for node in config.nodes:  # Once in a node's life; `paxos init` does the same.
        create_store(config.store_path(node), StoreIdentity(config.cluster_id, node, voting=True))
    books = {node: Phonebook() for node in config.nodes}
    running: dict[int, Node] = {}
    scopes: dict[int, trio.CancelScope] = {}

    async def run(node: int) -> None:
        with trio.CancelScope() as scopes[node]:
            async with open_node(config, node, books[node]) as running[node]:
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery, open_client(config) as client:
        for node in config.nodes:
            nursery.start_soon(run, node)
        print("ada is", (await client.submit(b"ada=1815")).decode())
        leader = await running[1].wait_for_leader()
        scopes[leader].cancel()
        print("the leader is gone")
        print("alan is", (await client.submit(b"alan=1912")).decode())
        books[leader] = Phonebook()  # What it knew is in its store and with the others.
        nursery.start_soon(run, leader)
        while books[leader].numbers != {b"ada": b"1815", b"alan": b"1912"}:
            await client.status(leader)  # A question and its answer: time for more to arrive.
        print("it is back, and knows both")
        nursery.cancel_scope.cancel()
    print("Lesson: a majority goes on, and who comes back catches up.")


with tempfile.TemporaryDirectory() as scratch:
    trio.run(main, Path(scratch))
