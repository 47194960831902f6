"""What UDP and raw Ethernet share: one socket, packets out at once, packets in by the drain.

Small frames of a batch to one receiver travel in one packet, so a busy endpoint
makes fewer system calls. A replica's packets are taken only from its own address;
the way back to a client is learnt from its packets, in a bounded table.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import repeat
from typing import Generic, TypeVar

import trio

from transports import _linux
from transports._packets import (
    FRAME_OVERHEAD_BYTES,
    HEADER_BYTES,
    LENGTH_BYTES,
    pack,
    share_out,
    unpack,
)
from transports.api import (
    FIRST_CLIENT_ID,
    LAST_CLIENT_ID,
    Frame,
    NodeId,
    Transport,
    TransportError,
    TransportStats,
    group_frames,
)
from transports.framing import FramingError

Way = TypeVar("Way", bound=tuple[object, ...] | bytes)
"""How the layer below addresses an endpoint: a socket address, a MAC."""

_INT_MAX = (1 << 31) - 1
_PACKET_BYTES_MAX = 65_600
_PACKETS_PER_DRAIN = 256
_LONG_DRAIN_PACKETS = 32
_LONE_PACKET_BYTES = 512
"""Above it, a packet has many commands, and more such are behind it."""
_MEMINFO = struct.Struct(f"{_linux.SK_MEMINFO_VARS}I")

_SEND_CAUSES = {
    errno.EAGAIN: "queue_full",
    errno.ENOBUFS: "queue_full",
    errno.ENOMEM: "queue_full",
    errno.EMSGSIZE: "oversized",
}


class DatagramTransport(Transport, Generic[Way]):
    """An open endpoint on one socket. `stats.frames_sent` counts frames that the kernel took.

    Causes in `stats.dropped`, in frames: `empty`, `oversized` (also for the layer
    below), `unknown_peer`, `unresolved` (a replica whose address is not known yet),
    `queue_full`, `unreachable`, `closed`; in packets that arrived: `malformed` (also
    truncated), `misdirected` (meant for another endpoint), `unknown_sender`,
    `misattributed` (a replica's id, but not from its address), `oversized`, and
    `receive_queue_full`, which the kernel counts and which is looked up now and then.
    """

    padded = False
    """Whether packets may come with bytes behind them."""

    def __init__(
        self,
        local: NodeId,
        replicas: Collection[NodeId],
        sock: socket.socket,
        frame_bytes_max: int,
        clients_max: int,
    ) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.stats = TransportStats()
        self._local = local
        self._others = frozenset(replicas) - {local}
        self._learns = local in replicas
        self._ways: dict[NodeId, Way] = {}
        self._clients: OrderedDict[NodeId, Way] = OrderedDict()
        self._clients_max = clients_max
        self._sock = sock
        self._fd = sock.fileno()
        self._more = select.epoll()
        self._more.register(self._fd, select.EPOLLIN)
        self._received = bytearray(_PACKET_BYTES_MAX)
        self._received_view = memoryview(self._received)
        self._kernel_drops = 0
        self._closed = False

    @abstractmethod
    def _read(self) -> tuple[memoryview, Way]:
        """Take one packet out of the socket: its bytes and where it came from."""

    @abstractmethod
    def _write(self, way: Way, packet: bytes) -> None:
        """Hand one packet to the kernel. Raises `OSError` if it does not take it."""

    def send(self, batch: Sequence[Frame]) -> None:
        """Hand each receiver's frames to the kernel at once; see `Transport.send`."""
        grouped = group_frames(batch, self.frame_bytes_max, self.stats)
        for receiver, frames in grouped.items():
            way = self._ways.get(receiver) or self._clients.get(receiver)
            if way is None or self._closed:
                self.stats.dropped[self._why_no_way(receiver)] += len(frames)
                continue
            if len(frames) == 1:
                self._send_packet(receiver, way, frames)
                continue
            for load in share_out(frames, FRAME_OVERHEAD_BYTES + self.frame_bytes_max):
                self._send_packet(receiver, way, load)

    async def receive(self) -> list[Frame]:
        """Wait for the socket, then read what it has, within a bound; see `Transport.receive`."""
        while True:
            if self._closed:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._fd)
            # No await from here on: a cancelled call has read nothing.
            frames = self._drain()
            if frames:
                return frames

    def receive_soon(self, seconds: float) -> list[Frame]:
        """Wait in epoll itself; see `Transport.receive_soon`."""
        if self._closed or not self._more.poll(seconds, 1):
            return []
        return self._drain(soon=True)

    def close(self) -> None:
        """Close the socket; a task that waits in `receive` gets `ClosedResourceError`."""
        if self._closed:
            return
        self._closed = True
        trio.lowlevel.notify_closing(self._fd)
        self._more.close()
        self._sock.close()

    # Sending

    def _why_no_way(self, receiver: NodeId) -> str:
        if self._closed:
            return "closed"
        return "unresolved" if receiver in self._others else "unknown_peer"

    def _send_packet(self, receiver: NodeId, way: Way, frames: Sequence[bytes]) -> None:
        packet = pack(self._local, receiver, frames)
        try:
            self._write(way, packet)
        except OSError as error:
            self.stats.dropped[self._why_not_sent(error)] += len(frames)
            return
        self.stats.frames_sent += len(frames)
        self.stats.bytes_sent += len(packet) - HEADER_BYTES - LENGTH_BYTES * len(frames)

    def _why_not_sent(self, error: OSError) -> str:
        return _SEND_CAUSES.get(error.errno or 0, "unreachable")

    # Receiving

    def _drain(self, soon: bool = False) -> list[Frame]:
        arrived: list[Frame] = []
        if self._closed:
            return arrived
        packets = 0
        size = 0
        while packets < _PACKETS_PER_DRAIN:
            if packets == 1:
                # While little goes on, a small packet comes alone. Who asks again at once
                # does not look for more behind it: the next wait finds it for the same call.
                if soon and size <= _LONE_PACKET_BYTES:
                    break
                # To learn that nothing follows, this costs a third of a read that raises.
                if not self._more.poll(0, 1):
                    break
            try:
                packet, source = self._read()
            except BlockingIOError:
                break
            except OSError as error:
                self._receive_failed(error)
                break
            packets += 1
            size = len(packet)
            self._take_in(packet, source, arrived)
        if packets >= _LONG_DRAIN_PACKETS:
            # The queue overflows only while it is long, so nobody else needs to ask.
            self._count_kernel_drops()
        return arrived

    def _receive_failed(self, error: OSError) -> None:
        """Note what a read reports; it tells of an earlier packet or of the host, not of data."""

    def _take_in(self, packet: memoryview, source: Way, arrived: list[Frame]) -> None:
        """Add the packet's frames to `arrived`, or count why not."""
        try:
            sender, receiver, frames = unpack(packet, self.padded)
        except FramingError:
            self.stats.dropped["malformed"] += 1
            return
        is_replica = receiver == self._local and self._ways.get(sender) == source
        if not is_replica:
            cause = self._mistrust(sender, receiver, source)
            if cause is not None:
                self.stats.dropped[cause] += 1
                return
        size = sum(map(len, frames))
        if size > self.frame_bytes_max and max(map(len, frames)) > self.frame_bytes_max:
            self.stats.dropped["oversized"] += 1
            return
        if not is_replica:
            self._learn(sender, source)
        self.stats.frames_received += len(frames)
        self.stats.bytes_received += size
        arrived.extend(zip(repeat(sender), frames))

    def _mistrust(self, sender: NodeId, receiver: NodeId, source: Way) -> str | None:
        """Return the cause why a packet is not from whom it says, or not for us."""
        if receiver != self._local:
            return "misdirected"
        if sender in self._others:
            return None if self._ways.get(sender) == source else "misattributed"
        if self._learns and FIRST_CLIENT_ID <= sender <= LAST_CLIENT_ID:
            return None
        return "unknown_sender"

    def _learn(self, client: NodeId, source: Way) -> None:
        """Remember the way back; the client that was silent longest makes room."""
        self._clients[client] = source
        self._clients.move_to_end(client)
        if len(self._clients) > self._clients_max:
            self._clients.popitem(last=False)

    def _count_kernel_drops(self) -> None:
        try:
            info = self._sock.getsockopt(socket.SOL_SOCKET, _linux.SO_MEMINFO, _MEMINFO.size)
        except OSError:  # a kernel before 4.12
            return
        drops = _MEMINFO.unpack(info)[_linux.SK_MEMINFO_DROPS]
        new, self._kernel_drops = (drops - self._kernel_drops) % 2**32, drops
        if new:
            self.stats.dropped["receive_queue_full"] += new


@asynccontextmanager
async def open_nursery_of_own() -> AsyncIterator[trio.Nursery]:
    """Give a nursery that ends with the context. The caller's error comes out as it is."""
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except BaseException as error:
            # Raised again below: the nursery would wrap the caller's error in a group.
            failure = error
        nursery.cancel_scope.shield = True
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def check_ids(local: NodeId, peers: Mapping[NodeId, str]) -> None:
    """Check the ids, as `OpenTransport` says. Raises `TransportError`."""
    for peer in peers:
        if not 0 < peer < FIRST_CLIENT_ID:
            raise TransportError(f"a replica's id is in 1..{FIRST_CLIENT_ID - 1}, not {peer}")
    if local not in peers and not FIRST_CLIENT_ID <= local <= LAST_CLIENT_ID:
        raise TransportError(
            f"endpoint {local} has no address: add it to the peers, "
            f"or take a client's id, from {FIRST_CLIENT_ID} up"
        )


def enlarge_buffers(sock: socket.socket, buffer_bytes: int) -> None:
    """Ask for `buffer_bytes` each way; without CAP_NET_ADMIN the host's limit is what one gets."""
    buffer_bytes = min(buffer_bytes, _INT_MAX)
    for force, plain in (
        (_linux.SO_RCVBUFFORCE, socket.SO_RCVBUF),
        (_linux.SO_SNDBUFFORCE, socket.SO_SNDBUF),
    ):
        try:
            sock.setsockopt(socket.SOL_SOCKET, force, buffer_bytes)
        except OSError:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, plain, buffer_bytes)


def reason(error: OSError) -> str:
    """Return the system's words for an error, in lower case and without its number."""
    return os.strerror(error.errno or 0).lower()


__all__ = [
    "DatagramTransport",
    "Way",
    "check_ids",
    "enlarge_buffers",
    "open_nursery_of_own",
    "reason",
]
