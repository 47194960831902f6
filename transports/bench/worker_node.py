"""A process of the bench: one node with the journal as its state machine.

Arguments: the configuration file, the node's id, ``first`` or ``again``, and ``parts`` or
``plain``. Asked over stdin by ``{"counters": true}``, it says where its time went.
"""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from functools import partial

import trio

from transports.bench.parts import Parts
from transports.bench.wire import Message, read_messages, run_worker, say
from transports.node.config import load_config
from transports.node.machines import Journal
from transports.node.node import Node, open_node


async def run(path: str, node: int, *, first_start: bool, parts: bool = False) -> None:
    """Be the node until stdin ends."""
    config = load_config(path)
    watch = Parts() if parts else None
    async with (
        open_node(
            config,
            node,
            Journal(),
            first_start=first_start,
            dedicated=True,
            watch=watch.watch if watch else None,
        ) as running,
        trio.lowlevel.FdStream(os.dup(0)) as stdin,
        aclosing(read_messages(stdin)) as messages,
    ):
        say({"ready": node})
        async for _ in messages:
            say({"counters": watch.tell() if watch else _plain(running)})


def _plain(node: Node) -> Message:
    return {"parts": {}, "syncs": node.syncs}


def main() -> int:
    """Run the node."""
    path, node, start, parts = sys.argv[1:]
    work = partial(run, path, int(node), first_start=start == "first", parts=parts == "parts")
    return run_worker(f"node {node}", lambda: trio.run(work))


if __name__ == "__main__":
    sys.exit(main())
