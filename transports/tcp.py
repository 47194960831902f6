"""TCP: one stream to each replica, made again when it breaks; runs anywhere.

An endpoint dials every replica. A replica listens on its own address; what it has
for a client goes back on the stream that the client dialled, and two replicas use
the one that the lower id dialled. All streams are watched by one epoll object, itself watched by
trio: a wait costs the same for one stream as for a thousand, and returns with
everything that has arrived. Sending writes at once; what the socket does not take
waits in a bounded buffer, which a task of its own empties.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import repeat

import trio

from transports._tcp_sockets import dial, listen, set_up, within_file_limit
from transports.api import (
    FIRST_CLIENT_ID,
    LAST_CLIENT_ID,
    Frame,
    NodeId,
    Transport,
    TransportError,
    TransportStats,
    group_frames,
    read_addresses,
    read_options,
    split_host_port,
)
from transports.framing import (
    LENGTH_BYTES,
    FrameReader,
    FramingError,
    Hello,
    join_frames,
    joined_bytes,
    pack_hello,
    unpack_hello,
)

_RECV_BYTES = 256 * 1024
_EVENTS_MAX = 64
_ACCEPTS_MAX = 64
_OPEN_WAIT_SECONDS = 0.25
_ACCEPT_PAUSE_SECONDS = 0.1
_HOST_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """What `open_tcp` takes. Every queue and count that a peer can fill is bounded here."""

    frame_bytes_max: int = 1 << 20
    queue_bytes_max: int = 4 << 20
    """Unsent bytes kept per stream; a frame that would exceed it is dropped (`queue_full`)."""
    clients_bytes_max: int = 256 << 20
    """Unsent bytes kept for all clients together, shared equally; each may have one frame."""
    connections_max: int = 1024
    """Clients connected at a time; one more is refused (`refused`). Fewer if the process may
    not open so many files. Each may leave one frame unfinished, which is kept."""
    hello_seconds: float = 5.0
    """A stream that has not said who it is by then is closed (`malformed`)."""
    connect_seconds: float = 2.0
    """For one attempt to connect, and for looking up a name."""
    reconnect_first_seconds: float = 0.02
    reconnect_last_seconds: float = 0.5
    """The pause before dialling again: doubled from the first to the last."""
    unacknowledged_seconds: float = 10.0
    """A peer's host that acknowledges nothing for so long is given up (TCP_USER_TIMEOUT)."""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_authority: str = ""
    """Files, for TLS with mutual authentication; see `transports._tcp_tls`. Empty: no TLS."""


class _Stream:
    """One connection, dialled (`peer` known from the start) or accepted (known by its hello)."""

    __slots__ = ("fd", "introduced", "join", "lost", "peer", "reader", "sock", "unsent")

    def __init__(self, sock: socket.socket, peer: NodeId | None, frame_bytes_max: int) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = peer
        self.reader = FrameReader(frame_bytes_max)
        self.join: Callable[[Sequence[bytes]], bytes] = join_frames
        self.unsent = bytearray()
        self.introduced = trio.Event()
        self.lost = trio.Event()


class TcpTransport(Transport):
    """An open TCP endpoint. `stats.frames_sent` counts frames taken, delivered or not.

    Causes in `stats.dropped`, in frames: `empty`, `oversized`, `unknown_peer`,
    `disconnected`, `queue_full`, `closed`; in streams: `malformed` (bytes that are
    not frames, or no hello), `unknown_sender` (a hello from an id that is not a
    peer's), `misdirected` (a hello meant for another endpoint), `refused`.
    """

    def __init__(
        self,
        local: NodeId,
        peers: Mapping[NodeId, str],
        listener: socket.socket | None,
        options: TcpOptions,
        nursery: trio.Nursery,
    ) -> None:
        self.frame_bytes_max = options.frame_bytes_max
        self.stats = TransportStats()
        self._local = local
        self._peers = peers
        self._options = options
        self._nursery = nursery
        self._closed = False
        self._streams: dict[int, _Stream] = {}
        self._accepted: dict[NodeId, _Stream] = {}
        self._dialled: dict[NodeId, _Stream] = {}
        self._routes: dict[NodeId, _Stream] = {}
        self._nudges: dict[NodeId, trio.Event] = {}
        self._received = bytearray(_RECV_BYTES)
        self._received_view = memoryview(self._received)
        self._epoll = select.epoll()
        self._epoll_fd = self._epoll.fileno()
        self._listener = listener
        self._listener_fd = -1
        if listener is not None:
            self._listener_fd = listener.fileno()
            self._epoll.register(self._listener_fd, select.EPOLLIN)

    def send(self, batch: Sequence[Frame]) -> None:
        """Write each receiver's frames at once, as one piece; see `Transport.send`."""
        grouped = group_frames(batch, self.frame_bytes_max, self.stats)
        for receiver, frames in grouped.items():
            stream = self._routes.get(receiver)
            if stream is None:
                self.stats.dropped[self._why_no_route(receiver)] += len(frames)
            else:
                self._write(stream, frames)

    async def receive(self) -> list[Frame]:
        """Wait for the epoll object, then read each ready stream once; see `Transport.receive`."""
        while True:
            if self._closed:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._epoll_fd)
            # No await from here on: a cancelled call has read nothing.
            frames = self._drain()
            if frames:
                return frames

    def receive_soon(self, seconds: float) -> list[Frame]:
        """Wait in the epoll object itself; see `Transport.receive_soon`."""
        return self._drain(seconds)

    # Sending

    def _why_no_route(self, receiver: NodeId) -> str:
        if self._closed:
            return "closed"
        if receiver in self._peers and receiver != self._local:
            return "disconnected"
        return "unknown_peer"

    def _write(self, stream: _Stream, frames: list[bytes]) -> None:
        size = joined_bytes(frames)
        room = self._room(stream)
        if size > room:
            frames, size = self._keep_what_fits(frames, room)
            if not frames:
                return
        data = stream.join(frames)
        if stream.unsent:
            stream.unsent += data
        else:
            try:
                sent = stream.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.stats.dropped["disconnected"] += len(frames)
                self._lose(stream)
                return
            if sent < len(data):
                stream.unsent += memoryview(data)[sent:]
                self._nursery.start_soon(self._flush, stream)
        self.stats.frames_sent += len(frames)
        self.stats.bytes_sent += size - LENGTH_BYTES * len(frames)

    def _room(self, stream: _Stream) -> int:
        """Bytes that may still wait for a stream: clients share a bound of their own."""
        most = self._options.queue_bytes_max
        if stream.peer is not None and stream.peer >= FIRST_CLIENT_ID:
            share = self._options.clients_bytes_max // max(1, len(self._accepted))
            most = min(most, max(share, self.frame_bytes_max + LENGTH_BYTES))
        return most - len(stream.unsent)

    def _keep_what_fits(self, frames: list[bytes], room: int) -> tuple[list[bytes], int]:
        kept: list[bytes] = []
        size = 0
        for frame in frames:
            if size + LENGTH_BYTES + len(frame) > room:
                break
            kept.append(frame)
            size += LENGTH_BYTES + len(frame)
        self.stats.dropped["queue_full"] += len(frames) - len(kept)
        return kept, size

    async def _flush(self, stream: _Stream) -> None:
        """Empty the buffer of a stream whose socket was full, then end."""
        while stream.unsent:
            try:
                await trio.lowlevel.wait_writable(stream.fd)
                sent = stream.sock.send(stream.unsent)
            except trio.ClosedResourceError:
                return
            except BlockingIOError:
                continue
            except OSError:
                self._lose(stream)
                return
            del stream.unsent[:sent]

    # Receiving

    def _drain(self, wait_seconds: float = 0) -> list[Frame]:
        arrived: list[Frame] = []
        if self._closed:
            return arrived
        accept = False
        for fd, _event in self._epoll.poll(wait_seconds, _EVENTS_MAX):
            stream = self._streams.get(fd)
            if stream is not None:
                self._read(stream, arrived)
            elif fd == self._listener_fd:
                accept = True
        # Last, so that a new socket cannot take the number of one closed in this loop.
        if accept:
            self._accept()
        return arrived

    def _read(self, stream: _Stream, arrived: list[Frame]) -> None:
        """Read once: epoll tells again of what is left, and each stream gets its turn."""
        try:
            size = stream.sock.recv_into(self._received)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        if size == 0:
            self._lose(stream)
            return
        try:
            frames = stream.reader.feed(bytes(self._received_view[:size]))
            if stream.peer is None and frames and not self._identify(stream, frames.pop(0)):
                return
        except FramingError:
            if stream.peer is not None and self._dialled.get(stream.peer) is stream:
                self.stats.foreign[stream.peer] += 1
            self._drop_stream(stream, "malformed")
            return
        if frames:
            assert stream.peer is not None
            self.stats.frames_received += len(frames)
            self.stats.bytes_received += sum(map(len, frames))
            arrived.extend(zip(repeat(stream.peer), frames))

    def _identify(self, stream: _Stream, frame: bytes) -> bool:
        """Take a hello; False if the stream was closed for it. Raises `FramingError`."""
        hello = unpack_hello(frame)
        sender = hello.sender
        if hello.receiver != self._local:
            self._drop_stream(stream, "misdirected")
            return False
        is_client = sender >= FIRST_CLIENT_ID
        if sender == self._local or not (is_client or sender in self._peers):
            self._drop_stream(stream, "unknown_sender")
            return False
        older = self._accepted.get(sender)
        if older is not None:
            self._lose(older)
        clients = sum(peer >= FIRST_CLIENT_ID for peer in self._accepted)
        if is_client and clients >= self._options.connections_max:
            self._drop_stream(stream, "refused")
            return False
        stream.peer = sender
        stream.introduced.set()
        self._accepted[sender] = stream
        self._choose_route(sender)
        if sender in self._nudges:
            # A replica that dials us is up: no need to wait before dialling it.
            self._nudges[sender].set()
        return True

    # Streams: accepting, dialling, losing

    def _adopt(self, sock: socket.socket, peer: NodeId | None) -> _Stream:
        set_up(sock, self._options.unacknowledged_seconds)
        stream = _Stream(sock, peer, self.frame_bytes_max)
        self._streams[stream.fd] = stream
        self._epoll.register(stream.fd, select.EPOLLIN)
        return stream

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(_ACCEPTS_MAX):
            try:
                sock, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _HOST_FULL:
                    # Left registered, the listener would wake us without end.
                    self._epoll.unregister(self._listener_fd)
                    self._nursery.start_soon(self._resume_accepting)
                    return
                continue
            if len(self._streams) >= self._options.connections_max + 2 * len(self._peers):
                self.stats.dropped["refused"] += 1
                sock.close()
                continue
            stream = self._adopt(sock, None)
            self._nursery.start_soon(self._expect_hello, stream)

    async def _resume_accepting(self) -> None:
        await trio.sleep(_ACCEPT_PAUSE_SECONDS)
        if not self._closed:
            self._epoll.register(self._listener_fd, select.EPOLLIN)

    async def _expect_hello(self, stream: _Stream) -> None:
        with trio.move_on_after(self._options.hello_seconds):
            await stream.introduced.wait()
        if stream.peer is None and not stream.lost.is_set():
            self._drop_stream(stream, "malformed")

    async def keep_dialled(self, peer: NodeId, tried: trio.Event) -> None:
        """Have a stream to `peer` for ever. Sets `tried` after the first attempt."""
        pause = self._options.reconnect_first_seconds
        while True:
            self._nudges[peer] = nudge = trio.Event()
            sock = await self._dial(peer)
            dialled_at = trio.current_time()
            if sock is not None:
                stream = self._introduce(sock, peer)
                tried.set()
                await stream.lost.wait()
            tried.set()
            # One that closes on us at once is not yet a success.
            if trio.current_time() - dialled_at > self._options.reconnect_last_seconds:
                pause = self._options.reconnect_first_seconds
            with trio.move_on_after(pause):
                await nudge.wait()
            pause = min(2 * pause, self._options.reconnect_last_seconds)

    async def _dial(self, peer: NodeId) -> socket.socket | None:
        return await dial(self._peers[peer], self._options.connect_seconds)

    def _introduce(self, sock: socket.socket, peer: NodeId) -> _Stream:
        """Say hello on a stream just dialled, and use it for what is sent to `peer`."""
        stream = self._adopt(sock, peer)
        self._dialled[peer] = stream
        self._choose_route(peer)
        try:
            sock.send(stream.join([pack_hello(Hello(self._local, peer))]))
        except OSError:
            self._lose(stream)
        return stream

    def _drop_stream(self, stream: _Stream, cause: str) -> None:
        self.stats.dropped[cause] += 1
        self._lose(stream)

    def _lose(self, stream: _Stream) -> None:
        """Close a stream and forget it. Its dialler, if it has one, dials again."""
        if stream.lost.is_set():
            return
        stream.lost.set()
        stream.introduced.set()
        trio.lowlevel.notify_closing(stream.fd)
        self._epoll.unregister(stream.fd)
        del self._streams[stream.fd]
        stream.sock.close()
        stream.unsent.clear()
        if stream.peer is None:
            return
        for table in (self._dialled, self._accepted):
            if table.get(stream.peer) is stream:
                del table[stream.peer]
        self._choose_route(stream.peer)

    def _choose_route(self, peer: NodeId) -> None:
        """Send to `peer` on the stream that the lower id dialled, if it is up, else on the other.

        Both ends choose alike, so a pair's traffic shares one stream, and what goes one
        way acknowledges what came the other: two segments for a round trip, not four.
        """
        accepted, dialled = self._accepted.get(peer), self._dialled.get(peer)
        stream = (accepted or dialled) if peer < self._local else (dialled or accepted)
        if stream is not None:
            self._routes[peer] = stream
        else:
            self._routes.pop(peer, None)

    def close(self) -> None:
        """Close every socket; a task that waits in `receive` gets `ClosedResourceError`."""
        self._closed = True
        for stream in list(self._streams.values()):
            self._lose(stream)
        trio.lowlevel.notify_closing(self._epoll_fd)
        self._epoll.close()
        if self._listener is not None:
            self._listener.close()


def _check_ids(local: NodeId, peers: Mapping[NodeId, str]) -> None:
    for peer in peers:
        if not 0 < peer < FIRST_CLIENT_ID:
            raise TransportError(f"a replica's id is in 1..{FIRST_CLIENT_ID - 1}, not {peer}")
    read_addresses("tcp", peers, split_host_port)
    if local not in peers and not FIRST_CLIENT_ID <= local <= LAST_CLIENT_ID:
        raise TransportError(
            f"endpoint {local} has no address: add it to the peers, "
            f"or take a client's id, from {FIRST_CLIENT_ID} up"
        )


@asynccontextmanager
async def open_tcp(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[TcpTransport]:
    """Open endpoint `local`; `peers` maps replicas to `host:port`. Options: `TcpOptions`.

    Waits a moment (0.25 s at most) for the first streams, so that the first frames
    to replicas that are up are not lost. Raises `TransportError`.
    """
    chosen = read_options(TcpOptions, "tcp", options)
    if chosen.queue_bytes_max < chosen.frame_bytes_max + LENGTH_BYTES:
        raise TransportError(
            f"tcp: queue_bytes_max must hold one frame: at least frame_bytes_max + {LENGTH_BYTES}"
        )
    _check_ids(local, peers)
    make: Callable[..., TcpTransport] = TcpTransport
    if chosen.tls_certificate or chosen.tls_key or chosen.tls_authority:
        # Here, because it takes a while to import and most do not need it.
        from transports._tcp_tls import securing

        make = securing(chosen, local)
    chosen = replace(chosen, connections_max=within_file_limit(chosen.connections_max))
    listener = await listen(local, peers[local]) if local in peers else None
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        transport = make(local, dict(peers), listener, chosen, nursery)
        try:
            first_tries = []
            for peer in peers:
                if peer != local:
                    first_tries.append(tried := trio.Event())
                    nursery.start_soon(transport.keep_dialled, peer, tried)
            with trio.move_on_after(_OPEN_WAIT_SECONDS):
                for tried in first_tries:
                    await tried.wait()
            yield transport
        except BaseException as error:
            # Raised again below: the nursery would wrap the caller's error in a group.
            failure = error
        transport.close()
        nursery.cancel_scope.shield = True
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def availability() -> str | None:
    """Return why TCP cannot run here, or None if it can."""
    return None if hasattr(select, "epoll") else "needs epoll, which Linux has"


__all__ = ["TcpOptions", "TcpTransport", "availability", "open_tcp"]
