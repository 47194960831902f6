"""What the tests of ZeroMQ share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio
import trio.testing
import zmq
import zmq.auth

from transports.api import Frame
from transports.testing import free_tcp_addresses
from transports.zeromq import ZeroMqTransport

CLIENT = 70_000


def over_tcp(n: int) -> dict[int, str]:
    return {i: f"tcp://{address}" for i, address in free_tcp_addresses(n).items()}


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def inject(address: str, data: bytes) -> None:
    stream: trio.SocketStream
    if address.startswith("ipc://"):
        stream = await trio.open_unix_socket(address.removeprefix("ipc://"))
    else:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(address))
    async with stream:
        if data:
            await stream.send_all(data)


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


async def until_received(sender: ZeroMqTransport, receiver: ZeroMqTransport, frame: Frame) -> None:
    """Send `frame`, which `receiver` must get, until it does."""
    while True:
        sender.send([frame])
        with trio.move_on_after(0.02):
            if frame[1] in [got for _, got in await receiver.receive()]:
                return


@asynccontextmanager
async def draining(transport: ZeroMqTransport) -> AsyncIterator[list[Frame]]:
    arrived: list[Frame] = []

    async def drain() -> None:
        while True:
            arrived.extend(await transport.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        yield arrived
        nursery.cancel_scope.cancel()


@contextmanager
def foreign_socket(
    address: str, identity: bytes | None, kind: int = zmq.DEALER
) -> Iterator[zmq.Socket[bytes]]:
    """A ZeroMQ socket that is not ours."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    stranger = context.socket(kind)
    if identity is not None:
        stranger.setsockopt(zmq.ROUTING_ID, identity)
    try:
        stranger.connect(address)
        yield stranger
    finally:
        context.destroy(linger=0)
