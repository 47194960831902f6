"""ZeroMQ: messages over libzmq's own connections, TCP or IPC, encrypted if asked; needs pyzmq.

A replica binds one ROUTER socket, on which it hears everybody and answers clients, and
every endpoint has another that dials the replicas and carries what is for them. What
one `send` has for one receiver goes as one message: a hello, then the frames, each
behind its length, which are the very bytes that the TCP transport's stream begins with.

libzmq tells of arrivals by a descriptor that is edge-triggered, and any call on the
socket can swallow the edge. One task that alone calls a socket would never miss it, but
to hand it what others send would cost each batch a pass of trio's scheduler. So `send`
calls the socket from whichever task has frames, and what such an owner is for holds
in another way: all calls come from one thread; one task at a time waits for the
descriptor; and no await stands between a call on the inbound socket and the look at
its events, which wakes who waits (`_restore_edge`). `receive` reads until there is
nothing, or looks again the next time. Monitor and gatekeeper have a task each.
"""

from __future__ import annotations

import select
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import count, repeat

import trio
import zmq

from transports._zeromq_curve import (
    CurveKeys,
    Gatekeeper,
    load_keys,
    secure_dialler,
    secure_listener,
    user_of,
)
from transports._zeromq_outbox import Outbox, Route
from transports._zeromq_sockets import (
    HELLO_BYTES,
    IDENTITY_BYTES,
    ZeroMqOptions,
    allow_family,
    bind,
    check_address,
    endpoint_of,
    forget_path,
    hello,
    identity_of,
    make_router,
    process_identity_of,
    resolve,
)
from transports._zeromq_watch import ConnectionWatch
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
)
from transports.framing import (
    LENGTH_BYTES,
    FrameReader,
    FramingError,
    joined_bytes,
)

_MESSAGES_MAX = 256
"""Messages read in one go; then other tasks get their turn."""
_LONE_BODY_BYTES = 512
"""Above it, a message has many commands, and more such are behind it."""
_CLIENTS_MAX = 1024
"""Clients of which the routing id and the hello are kept ready."""
_IO_THREADS = 2
"""So that what comes and what goes need not wait for one another; measured, a tenth faster."""
_OPEN_WAIT_SECONDS = 0.25
_NOBLOCK = zmq.NOBLOCK
_MORE = zmq.NOBLOCK | zmq.SNDMORE


class ZeroMqTransport(Transport):
    """An open ZeroMQ endpoint. `stats.frames_sent` counts frames taken, delivered or not.

    Causes in `stats.dropped`, in frames: `empty`, `oversized`, `unknown_peer`,
    `disconnected`, `queue_full`, `closed`; in messages: `malformed`, `unknown_sender`
    (a routing id that is no peer's), `misdirected` (meant for another endpoint),
    `impostor` (a key that is not that endpoint's); in connections: `malformed` (not
    ZeroMQ), `unauthenticated` (no key, or a wrong one), `handshake_failed` (dialled,
    and closed by the other side before it was up).
    """

    def __init__(
        self,
        local: NodeId,
        peers: Mapping[NodeId, str],
        listener: zmq.Socket[bytes] | None,
        dialler: zmq.Socket[bytes],
        options: ZeroMqOptions,
        keys: CurveKeys | None,
        stats: TransportStats,
        nursery: trio.Nursery,
    ) -> None:
        self.frame_bytes_max = options.frame_bytes_max
        self.stats = stats
        self._local = local
        self._peers = {peer: address for peer, address in peers.items() if peer != local}
        self._options = options
        self._keys = keys
        self._listener = listener
        self._dialler = dialler
        self._inbound = dialler if listener is None else listener
        self._inbound_fd = self._inbound.fileno()
        self._epoll = select.epoll()
        self._epoll.register(self._inbound_fd, select.EPOLLIN)
        self._outbox = Outbox(self.stats, options, nursery, self._restore_edge)
        self._reader = FrameReader(options.frame_bytes_max)
        self._routes = {
            peer: Route(dialler, identity_of(peer), hello(local, peer), False)
            for peer in self._peers
        }
        self._senders = {identity_of(peer): (peer, hello(peer, local)) for peer in self._peers}
        self._client_of = lru_cache(_CLIENTS_MAX)(self._find_client)
        self._client_route = lru_cache(_CLIENTS_MAX)(self._make_client_route)
        self._receiving = False
        self._parked = False
        self._unread = True
        """Whether frames may be waiting though the descriptor does not say so."""
        self._closed = False

    def send(self, batch: Sequence[Frame]) -> None:
        """Hand each receiver's frames over as one message; see `Transport.send`."""
        grouped = group_frames(batch, self.frame_bytes_max, self.stats)
        if self._closed:
            self.stats.dropped["closed"] += sum(map(len, grouped.values()))
            return
        for receiver, frames in grouped.items():
            route = self._route(receiver)
            if route is None:
                self.stats.dropped["unknown_peer"] += len(frames)
            else:
                self._outbox.send(route, frames)
        if self._listener is None or max(grouped, default=0) >= FIRST_CLIENT_ID:
            self._restore_edge()

    async def receive(self) -> list[Frame]:
        """Wait for the descriptor, then read all there is; see `Transport.receive`."""
        if self._receiving:
            raise trio.BusyResourceError("another task is in receive")
        self._receiving = True
        try:
            while True:
                if self._closed or (self._unread and self._is_readable()):
                    await trio.lowlevel.checkpoint()
                else:
                    await self._park()
                if self._closed:
                    raise trio.ClosedResourceError
                # No await from here on: a cancelled call has read nothing.
                frames = self._drain()
                if frames:
                    return frames
        finally:
            self._receiving = False

    def receive_soon(self, seconds: float) -> list[Frame]:
        """Wait for the descriptor itself; see `Transport.receive_soon`."""
        if self._closed:
            return []
        frames = self._drain(soon=True) if self._unread else []
        if not frames and self._epoll.poll(seconds, 1):
            frames = self._drain(soon=True)
        return frames

    # The edge

    def _is_readable(self) -> bool:
        events = self._inbound.getsockopt(zmq.EVENTS)
        assert isinstance(events, int)
        return bool(events & zmq.POLLIN)

    async def _park(self) -> None:
        """Wait until the descriptor is readable, or `_restore_edge` says that frames came."""
        self._parked = True
        try:
            await trio.lowlevel.wait_readable(self._inbound_fd)
        except trio.ClosedResourceError:
            pass
        finally:
            self._parked = False

    def _restore_edge(self) -> None:
        """To be called after anything done with the inbound socket but reading it empty."""
        self._unread = True
        if self._parked and self._is_readable():
            self._parked = False
            # Wakes the task that waits; nothing is closed, and it looks again.
            trio.lowlevel.notify_closing(self._inbound_fd)

    # Sending

    def _route(self, receiver: NodeId) -> Route | None:
        """Return the way to `receiver`: a replica's is dialled, a client's was learnt by ZeroMQ."""
        route = self._routes.get(receiver)
        if route is not None or self._listener is None:
            return route
        return self._client_route(receiver)

    def _make_client_route(self, client: NodeId) -> Route | None:
        if self._listener is None or not FIRST_CLIENT_ID <= client <= LAST_CLIENT_ID:
            return None
        return Route(self._listener, identity_of(client), hello(self._local, client), True)

    # Receiving

    def _drain(self, soon: bool = False) -> list[Frame]:
        arrived: list[Frame] = []
        inbound = self._inbound
        for _ in range(_MESSAGES_MAX):
            try:
                if self._keys is None:
                    identity, user = inbound.recv(_NOBLOCK), ""
                else:
                    identity, user = self._recv_identity()
            except zmq.Again:
                self._unread = False
                return arrived
            body = inbound.recv(_NOBLOCK)
            if inbound.getsockopt(zmq.RCVMORE):
                inbound.recv_multipart(_NOBLOCK)
                self.stats.dropped["malformed"] += 1
                continue
            # An empty message is how `_is_reachable` asks.
            if body:
                self._take_in(identity, user, body, arrived)
                if soon and len(body) <= _LONE_BODY_BYTES:
                    # While little goes on, it came alone. Who asks again at once finds out
                    # then, when what follows from this has been sent.
                    break
        # The edge told of these and of what is left.
        self._unread = True
        return arrived

    def _recv_identity(self) -> tuple[bytes, str]:
        """Read a routing id with the user whom the gatekeeper put behind the connection."""
        part = self._inbound.recv(_NOBLOCK, copy=False)
        if self._listener is None:
            return part.bytes, ""
        try:
            return part.bytes, str(part.get("User-Id"))
        except zmq.ZMQError:
            return part.bytes, ""

    def _take_in(self, identity: bytes, user: str, body: bytes, arrived: list[Frame]) -> None:
        """Take the frames out of a message, or count why not."""
        known = self._senders.get(identity[:IDENTITY_BYTES]) or self._client_of(identity)
        if known is None:
            self.stats.dropped["unknown_sender"] += 1
            return
        sender, head = known
        if self._keys is not None and self._listener is not None and user != user_of(sender):
            self.stats.dropped["impostor"] += 1
            return
        if not body.startswith(head):
            self.stats.dropped[self._why_not(body, sender)] += 1
            return
        try:
            frames = self._reader.feed(body[HELLO_BYTES:])
        except FramingError:
            frames = []
        size = joined_bytes(frames)
        if not frames or size != len(body) - HELLO_BYTES:
            self._reader = FrameReader(self.frame_bytes_max)
            self.stats.dropped["malformed"] += 1
            return
        self.stats.frames_received += len(frames)
        self.stats.bytes_received += size - LENGTH_BYTES * len(frames)
        arrived.extend(zip(repeat(sender), frames))

    def _find_client(self, identity: bytes) -> tuple[NodeId, bytes] | None:
        """Return the client that a routing id names, with its hello, if this is a replica."""
        client = endpoint_of(identity)
        if client is None or client < FIRST_CLIENT_ID or self._listener is None:
            return None
        return client, hello(client, self._local)

    def _why_not(self, body: bytes, sender: NodeId) -> str:
        sender_only = hello(sender, self._local)[:-8]
        return "misdirected" if body.startswith(sender_only) else "malformed"

    # Dialling

    async def keep_dialled(self, peer: NodeId) -> None:
        """Have a connection to `peer` for ever.

        libzmq dials again by itself, but gives up on who broke its protocol once, and
        knows no names: one not reached for two rounds is resolved and dialled anew, at
        the next address that its name has.
        """
        for turn in count():
            endpoint = await self._dial(peer, turn)
            misses = 0
            while misses < 2:
                await trio.sleep(self._options.connect_seconds)
                misses = 0 if endpoint and self._is_reachable(peer) else misses + 1
            if endpoint:
                self._dialler.disconnect(endpoint)
                self._restore_edge()

    async def _dial(self, peer: NodeId, turn: int) -> str | None:
        try:
            endpoints = await resolve(self._peers[peer])
        except (OSError, UnicodeError):
            return None
        endpoint = endpoints[turn % len(endpoints)]
        if self._keys is not None:
            secure_dialler(self._dialler, self._keys, peer)
        allow_family(self._dialler, endpoint)
        self._dialler.connect(endpoint)
        self._restore_edge()
        return endpoint

    def _is_reachable(self, peer: NodeId) -> bool:
        try:
            self._dialler.send(identity_of(peer), _MORE)
            self._dialler.send(b"", _NOBLOCK)
        except zmq.Again:
            return True
        except zmq.ZMQError:
            return False
        finally:
            self._restore_edge()
        return True

    async def wait_open(self, watch: ConnectionWatch) -> None:
        """Wait until each replica was reached, or was not there, for a moment at most."""
        with trio.move_on_after(_OPEN_WAIT_SECONDS):
            await watch.wait_tried(len(self._peers))
        # What was told is known to the socket itself only after it looked.
        self._dialler.getsockopt(zmq.EVENTS)
        self._restore_edge()

    def close(self) -> None:
        """Have a task that waits in `receive` get `ClosedResourceError`."""
        self._closed = True
        self._outbox.clear()
        self._epoll.close()
        trio.lowlevel.notify_closing(self._inbound_fd)


def _check_ids(local: NodeId, peers: Mapping[NodeId, str]) -> None:
    for peer in peers:
        if not 0 < peer < FIRST_CLIENT_ID:
            raise TransportError(f"a replica's id is in 1..{FIRST_CLIENT_ID - 1}, not {peer}")
    read_addresses("zeromq", peers, check_address)
    if local not in peers and not FIRST_CLIENT_ID <= local <= LAST_CLIENT_ID:
        raise TransportError(
            f"endpoint {local} has no address: add it to the peers, "
            f"or take a client's id, from {FIRST_CLIENT_ID} up"
        )


def _read(options: Mapping[str, object]) -> ZeroMqOptions:
    chosen = read_options(ZeroMqOptions, "zeromq", options)
    if chosen.queue_bytes_max < chosen.frame_bytes_max + LENGTH_BYTES:
        raise TransportError(
            "zeromq: queue_bytes_max must hold one frame: "
            f"at least frame_bytes_max + {LENGTH_BYTES}"
        )
    if chosen.curve_keys and not zmq.has("curve"):
        raise TransportError("zeromq: this libzmq has no CURVE; install one that has")
    return chosen


@asynccontextmanager
async def open_zeromq(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[ZeroMqTransport]:
    """Open endpoint `local`; `peers` maps replicas to `tcp://host:port` or `ipc:///path`.

    Options: `ZeroMqOptions`. Waits a moment (0.25 s at most) for the first connections,
    so that the first frames to replicas that are up are not lost. Raises `TransportError`.
    """
    chosen = _read(options)
    _check_ids(local, peers)
    keys = load_keys(chosen.curve_keys, local, peers) if chosen.curve_keys else None
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(_IO_THREADS)
    try:
        async with _open(context, local, peers, chosen, keys) as transport:
            yield transport
    finally:
        # With LINGER at 0 this waits for nobody, only for libzmq's thread to end.
        context.destroy(linger=0)


@asynccontextmanager
async def _open(
    context: zmq.Context[zmq.Socket[bytes]],
    local: NodeId,
    peers: Mapping[NodeId, str],
    options: ZeroMqOptions,
    keys: CurveKeys | None,
) -> AsyncIterator[ZeroMqTransport]:
    stats = TransportStats()
    secured = keys is not None
    own = identity_of(local)
    # A client is answered on the connection that it dialled, by its routing id.
    dialling = process_identity_of(local) if local in peers else own
    dialler = make_router(context, dialling, options)
    watch = ConnectionWatch(dialler, stats, secured, dials=True)
    parts: list[ConnectionWatch | Gatekeeper] = [watch]
    listener = None
    if local in peers:
        listener = make_router(context, own, options)
        parts.append(ConnectionWatch(listener, stats, secured, dials=False))
        if keys is not None:
            parts.append(Gatekeeper(context, keys))
            secure_listener(listener, keys)
        await bind(listener, local, peers[local])
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        transport = ZeroMqTransport(local, peers, listener, dialler, options, keys, stats, nursery)
        try:
            for part in parts:
                nursery.start_soon(part.run)
            for peer in peers:
                if peer != local:
                    nursery.start_soon(transport.keep_dialled, peer)
            await transport.wait_open(watch)
            yield transport
        except BaseException as error:
            # Raised again below: the nursery would wrap the caller's error in a group.
            failure = error
        transport.close()
        nursery.cancel_scope.shield = True
        nursery.cancel_scope.cancel()
    for part in parts:
        part.close()
    if listener is not None:
        forget_path(peers[local])
    if failure is not None:
        raise failure


def availability() -> str | None:
    """Return why ZeroMQ cannot run here, or None if it can."""
    return None


__all__ = ["ZeroMqOptions", "ZeroMqTransport", "availability", "open_zeromq"]
