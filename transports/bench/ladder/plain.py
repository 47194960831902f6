"""The rungs `echo` and `hops`: plain blocking sockets between processes, nothing above them.

The hops are those of a commit: client, leader, follower, leader, client, with frames of the
sizes that the protocol has for one command. They have one follower: a cluster's leader wakes
two, so this is a strict floor.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

from paxos_core import Codec
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.session import encode_group, pack_results
from transports._packets import FRAME_OVERHEAD_BYTES
from transports.bench.cluster import START_SECONDS, make_directory
from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.pins import apply_pins
from transports.bench.ladder.stands import Ground, Running
from transports.bench.processes import Worker, open_worker
from transports.bench.saved.schema import Stand
from transports.bench.wire import Message
from transports.framing import LENGTH_BYTES, Hello, join_frames, pack_hello

COMMAND_BYTES: Final = 64
RESULT: Final = b"100000"
"""A number of the journal's, as it is after a second or so."""
HELLO_BYTES: Final = len(join_frames([pack_hello(Hello(1, 1))]))
ADDED_BYTES: Final = {
    "tcp": LENGTH_BYTES,
    "udp": FRAME_OVERHEAD_BYTES,
    "ethernet": FRAME_OVERHEAD_BYTES,
    "zeromq": HELLO_BYTES + LENGTH_BYTES,
}
"""What each transport adds to a frame that travels alone, below it the layer's own headers."""
NODES: Final = {"follower": 2, "leader": 1, "echo": 1, "client": None}


def frame_bytes(kind: str, command_bytes: int) -> dict[str, int]:
    """The sizes of the frames that one command makes, as `worker_plain` names them."""
    commands = encode_batch([bytes(command_bytes)])
    value = encode_batch([encode_group(1, 1, 1, commands)])
    frames: dict[str, m.Message] = {
        "request": m.Request(1, 1, 1, 1, commands),
        "accept": m.Accept(1, 1, 1, 1, value),
        "accepted": m.Accepted(1, 1, 1),
        "reply": m.Reply(1, 1, 1, pack_results([RESULT])),
    }
    encode = Codec(1, 1).encode
    return {name: len(encode(frame)) + ADDED_BYTES[kind] for name, frame in frames.items()}


class PlainRunning:
    """A chain of processes. Made by `PlainKind`."""

    def __init__(self, workers: Mapping[str, Worker], largest: int) -> None:
        self._workers = workers
        self._largest = largest
        self.client = workers["client"]

    @property
    def pids(self) -> Mapping[str, int]:
        """Role -> process."""
        return {role: worker.pid for role, worker in self._workers.items()}

    def command_bytes_max(self) -> int:
        """What fits one packet on every layer."""
        return self._largest

    async def ask(self) -> Mapping[str, Message]:
        """Nothing: they do one thing each."""
        return {}

    async def settle(self) -> None:
        """Nobody has ended. Raises `MeasureFailed`."""
        for worker in self._workers.values():
            worker.check_alive()


class PlainKind:
    """Opens a chain of these roles, from its last process to the client."""

    def __init__(self, *roles: str) -> None:
        self._roles = roles

    def unavailable(self, stand: Stand) -> str:
        """Whatever joins processes by sockets."""
        layer = LAYERS[stand.layer]
        if layer.transport in ADDED_BYTES:
            return ""
        if stand.rung == "echo" and stand.layer == "kmod-relay":
            return ""
        return f"{layer.title}: there is no socket of its own for this rung"

    def open(self, stand: Stand, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """The processes, each told where the one behind listens. Raises `MeasureFailed`."""
        return _open(stand, ground, self._roles)


@asynccontextmanager
async def _open(stand: Stand, ground: Ground, roles: tuple[str, ...]) -> AsyncIterator[Running]:
    kind, place = LAYERS[stand.layer].transport, ground.place
    sizes = frame_bytes(kind, COMMAND_BYTES) if stand.rung == "hops" else {}
    shared = {"kind": kind, "sizes": sizes, "interface": place.interface}
    base = make_directory(ground.directory)
    workers: dict[str, Worker] = {}
    behind: object = None
    try:
        async with AsyncExitStack() as stack:
            for role in roles:
                node = NODES[role]
                job = {**shared, "role": role, "host": place.host(node), "next": behind}
                workers[role] = await stack.enter_async_context(
                    open_worker(
                        "worker_plain",
                        json.dumps(job),
                        name=f"plain {kind}, {role}",
                        errors=base / f"{role}.err",
                        entering=place.entering(node),
                    )
                )
                behind = (await workers[role].read("ready", START_SECONDS))["ready"]
            assert isinstance(behind, dict)
            running = PlainRunning(workers, int(behind["command_bytes_max"]))
            apply_pins(ground.pins, running.pids)
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)
