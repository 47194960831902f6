"""A process of the bench: the client of a Paxos cluster, one load after the other.

Argument: the configuration file. It speaks the protocol of `meter`; besides a job it takes
``{"leader": true}`` and ``{"agree": seconds}``. It checks, with the journal's running number
as witness, that each acknowledged command was applied once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import aclosing

import trio

from transports.bench.load import LoadFailed, find_leader, run_job, submit_checked, wait_agreed
from transports.bench.meter import read_job
from transports.bench.wire import Message, read_messages, run_worker, say
from transports.node.client import Client, open_client
from transports.node.config import load_config

OPEN_SECONDS = 20.0


async def answer(client: Client, message: Message, tell: Callable[[], Message] = dict) -> None:
    """Do what one message asks for, and say what came of it. Raises `LoadFailed`.

    `tell` is what this process says of itself at both ends of a load's window.
    """
    if "job" in message:
        say({"result": await run_job(client, read_job(message["job"]), tell)})
    elif "leader" in message:
        say({"leader": await find_leader(client)})
    elif "agree" in message:
        await wait_agreed(client, float(message["agree"]))
        say({"agreed": True})
    else:
        raise LoadFailed(f"asked for what no client does: {sorted(message)}")


async def run(path: str) -> None:
    """Be the client until stdin ends."""
    async with open_client(load_config(path), timeout=OPEN_SECONDS, dedicated=True) as client:
        await submit_checked(client, b"", None)
        say({"ready": {"command_bytes_max": client.command_bytes_max}})
        async with (
            trio.lowlevel.FdStream(os.dup(0)) as stdin,
            aclosing(read_messages(stdin)) as messages,
        ):
            async for message in messages:
                await answer(client, message)


def main() -> int:
    """Serve."""
    return run_worker("client", lambda: trio.run(run, sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
