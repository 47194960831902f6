"""A process of the bench that is a whole cluster: nodes and client as tasks of one loop.

Argument: the configuration file, of a cluster over the transport `memory`. It speaks as
`worker_load` does, so the same loads run here, and what is left out is the layer alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing

import trio

from transports.bench.load import submit_checked
from transports.bench.wire import Message, read_messages, run_worker, say
from transports.bench.worker_load import answer
from transports.node.client import open_client
from transports.node.config import load_config
from transports.node.dedicated import collect_less
from transports.node.machines import Journal
from transports.node.node import Node, open_node


async def run(path: str) -> None:
    """Be the cluster and its client until stdin ends."""
    config = load_config(path)
    async with AsyncExitStack() as stack:
        nodes: list[Node] = [
            await stack.enter_async_context(open_node(config, node, Journal(), first_start=True))
            for node in config.nodes
        ]
        client = await stack.enter_async_context(open_client(config))
        await submit_checked(client, b"", None)
        collect_less()
        say({"ready": {"command_bytes_max": client.command_bytes_max}})
        stdin = await stack.enter_async_context(trio.lowlevel.FdStream(os.dup(0)))
        messages = await stack.enter_async_context(aclosing(read_messages(stdin)))
        async for message in messages:
            await answer(client, message, lambda: _tell(nodes))


def _tell(nodes: Sequence[Node]) -> Message:
    """Syncs; where the time of each task goes nobody can tell."""
    return {"parts": {}, "syncs": sum(node.syncs for node in nodes)}


def main() -> int:
    """Serve."""
    return run_worker("cluster", lambda: trio.run(run, sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
