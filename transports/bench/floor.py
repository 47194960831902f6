"""The floor: the four hops of a commit between plain processes with blocking sockets.

client -> leader -> follower -> leader -> client, with frames of the sizes that the
protocol has for one command. No Paxos, no trio, and one follower: a cluster has two,
and its leader writes to both and wakes both, so the floor is a strict one.
"""

from __future__ import annotations

import json
import shutil
from contextlib import AsyncExitStack

from paxos_core import Codec
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.session import encode_group, pack_results
from transports._packets import FRAME_OVERHEAD_BYTES
from transports.bench.cluster import LOAD_SPARE_SECONDS, START_SECONDS, Setup, make_directory
from transports.bench.measure import Effort
from transports.bench.processes import Worker, open_worker
from transports.bench.wire import Message
from transports.framing import LENGTH_BYTES, Hello, join_frames, pack_hello

LEADER, FOLLOWER = 1, 2
RESULT = b"100000"
"""A number of the journal's, as it is after a second or so."""
HELLO_BYTES = len(join_frames([pack_hello(Hello(1, 1))]))
ADDED_BYTES = {
    "tcp": LENGTH_BYTES,
    "udp": FRAME_OVERHEAD_BYTES,
    "ethernet": FRAME_OVERHEAD_BYTES,
    "zeromq": HELLO_BYTES + LENGTH_BYTES,
}
"""What each transport adds to a frame that travels alone, below it the layer's own headers."""


def frame_bytes(kind: str, command_bytes: int) -> dict[str, int]:
    """The sizes of the frames that one command makes, as `floor_worker` names them."""
    commands = encode_batch([bytes(command_bytes)])
    value = encode_batch([encode_group(1, 1, 1, commands)])
    frames: dict[str, m.Message] = {
        "request": m.Request(1, 1, 1, 1, commands),
        "accept": m.Accept(1, 1, 1, 1, value),
        "accepted": m.Accepted(1, 1, 1),
        "reply": m.Reply(1, 1, 1, pack_results([RESULT])),
    }
    encode = Codec(1, LEADER).encode
    return {name: len(encode(frame)) + ADDED_BYTES[kind] for name, frame in frames.items()}


async def floor(setup: Setup, effort: Effort) -> Message:
    """What `measure.latency` returns, of the floor of the same layer. Raises `MeasureFailed`."""
    kind = next(kind for kind in ADDED_BYTES if kind in setup.transport)
    shared: Message = {
        "kind": kind,
        "frame_bytes": frame_bytes(kind, setup.command_bytes),
        "interface": setup.place.interface,
        **effort.window(),
    }
    base = make_directory(setup.directory)
    try:
        async with AsyncExitStack() as stack:

            async def start(role: str, node: int | None, behind: object) -> Worker:
                job = {**shared, "role": role, "host": setup.place.host(node), "next": behind}
                return await stack.enter_async_context(
                    open_worker(
                        "floor_worker",
                        json.dumps(job),
                        name=f"floor ({kind}), {role}",
                        errors=base / f"{role}.err",
                        entering=setup.place.entering(node),
                    )
                )

            follower = await start("follower", FOLLOWER, None)
            said = await follower.read("ready", START_SECONDS)
            leader = await start("leader", LEADER, said["ready"])
            said = await leader.read("ready", START_SECONDS)
            client = await start("client", None, said["ready"])
            message = await client.read("result", effort.window_seconds + LOAD_SPARE_SECONDS)
            result: Message = message["result"]
            return result
    finally:
        shutil.rmtree(base, ignore_errors=True)
