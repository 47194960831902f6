"""A holder that falls asleep, another that takes its lock, and why a token is needed.

Run: python -m examples.lock
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from examples.lock.client import LockClient
from examples.lock.machine import Locks
from transports.node import ClusterConfig, open_client, open_node

NODES = {1: "hub/1", 2: "hub/2", 3: "hub/3"}


class Storage:
    """What the lock guards. It has seen a token, and takes nothing from an older one."""

    def __init__(self) -> None:
        self.token, self.text = 0, ""

    def write(self, token: int, text: str) -> bool:
        """Whether it was taken."""
        if token < self.token:
            return False
        self.token, self.text = token, text
        return True


async def main() -> None:
    config = ClusterConfig(NODES, transport="memory", store="memory")
    storage, now_ms = Storage(), [1_000_000]
    async with AsyncExitStack() as stack:
        for node in NODES:
            await stack.enter_async_context(open_node(config, node, Locks(), first_start=True))
        client = await stack.enter_async_context(open_client(config))
        ada, alan = (LockClient(client, name, lambda: now_ms[0]) for name in ("ada", "alan"))
        first = await ada.ask("acquire", "page", lease_ms=5000)
        print(f"ada has the lock for 5 s, token {first.token}")
        refused = await alan.ask("acquire", "page", lease_ms=5000)
        print(f"alan has to wait for {refused.left_ms / 1000:.0f} s")
        now_ms[0] += 6000
        print("ada's process stands still for 6 s, and knows nothing of it")
        second = await alan.ask("acquire", "page", lease_ms=5000)
        print(f"alan has the lock, token {second.token}")
        assert second.token > first.token
        print(f"alan writes: {storage.write(second.token, 'by alan')}")
        print(f"ada wakes, believes that she has the lock, and writes: "
              f"{storage.write(first.token, 'by ada')}")  # fmt: skip
        assert storage.text == "by alan"
    print("Lesson: a lease says who may hold a lock; only a token keeps a sleeper from using it.")


trio.run(main)
