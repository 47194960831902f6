"""A process of the bench: one node with the journal as its state machine.

Arguments: the configuration file, the node's id, and ``first`` or ``again``.
"""

from __future__ import annotations

import sys

import trio

from transports.bench.wire import say, wait_for_end
from transports.node.config import load_config
from transports.node.machines import Journal
from transports.node.node import open_node


async def run(path: str, node: int, *, first_start: bool) -> None:
    """Be the node until stdin ends."""
    config = load_config(path)
    async with open_node(config, node, Journal(), first_start=first_start, dedicated=True):
        say({"ready": node})
        await wait_for_end()


def main() -> int:
    """Run the node; 1 if it could not start or had to stop, with the reason on stdout."""
    path, node, start = sys.argv[1:]
    try:
        trio.run(lambda: run(path, int(node), first_start=start == "first"))
    except Exception as error:
        say({"error": f"node {node}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
