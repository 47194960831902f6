"""The sockets of the ZeroMQ transport: how one is made, bound and addressed."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
import zmq

from transports.api import NodeId, TransportError, split_host_port
from transports.framing import LENGTH_BYTES, Hello, join_frames, pack_hello

HELLO_BYTES = len(join_frames([pack_hello(Hello(1, 1))]))
_JOINED_BYTES_MIN = 64 * 1024
_CURVE_BYTES = 64
"""More than encryption adds to a message; ZeroMQ's limit counts it."""
IDENTITY_BYTES = 8
_INT_MAX = (1 << 31) - 1
_PROCESS_BYTES = 8
_IDENTITY_MARK = 1 << 63
_KEEPALIVE_IDLE_SECONDS = 10
_KEEPALIVE_INTERVAL_SECONDS = 5
_KEEPALIVE_PROBES = 3

_BIND_CURES = {
    errno.EADDRINUSE: "stop the process that uses it, or give the replica another address",
    errno.EADDRNOTAVAIL: "give the replica an address that this machine has",
    errno.ENODEV: "give the replica an address that this machine has",
    errno.EACCES: "choose one that this user may use: a port above 1023, or a directory of its own",
    errno.ENOENT: "make its directory first",
    errno.ENOTDIR: "make its directory first",
    errno.EINVAL: "a link-local address needs its interface, as in tcp://[fe80::1%eth0]:7100",
}
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.EAFNOSUPPORT)


@dataclass(frozen=True, slots=True)
class ZeroMqOptions:
    """What `open_zeromq` takes. Every queue that a peer can fill is bounded here."""

    frame_bytes_max: int = 1 << 20
    queue_bytes_max: int = 4 << 20
    """Unsent bytes kept for each receiver while ZeroMQ's own queue is full (`queue_full`)."""
    clients_bytes_max: int = 256 << 20
    """The same for all clients together, shared equally; each may have one frame."""
    queue_messages_max: int = 64
    """Messages that ZeroMQ itself holds for each connection and direction (its high-water mark).

    A message carries what one `send` has for one receiver, as far as it fits.
    """
    handshake_seconds: float = 5.0
    """A connection that has not finished ZeroMQ's handshake by then is closed (`malformed`)."""
    connect_seconds: float = 2.0
    reconnect_first_seconds: float = 0.02
    reconnect_last_seconds: float = 0.2
    """The pause before dialling again: doubled from the first to the last."""
    unacknowledged_seconds: float = 10.0
    """A peer's host that acknowledges nothing for so long is given up (TCP_USER_TIMEOUT)."""
    curve_keys: str = ""
    """A directory of CURVE keys; see `transports._zeromq_curve`. Empty: no encryption."""


def joined_bytes_max(options: ZeroMqOptions) -> int:
    """Return how many bytes of frames, with their lengths, go in one message."""
    return max(options.frame_bytes_max + LENGTH_BYTES, _JOINED_BYTES_MIN)


def identity_of(endpoint: NodeId) -> bytes:
    """Return the routing id of an endpoint: 8 bytes, the first of them never zero.

    ZeroMQ keeps those that begin with a zero byte for peers without one.
    """
    return (endpoint | _IDENTITY_MARK).to_bytes(IDENTITY_BYTES, "big")


def process_identity_of(replica: NodeId) -> bytes:
    """Return a routing id for a replica's connections to others: its own, and 8 bytes by chance.

    Nobody answers on these, so nobody has to know it. One that two processes shared would
    have the later one's connection taken for the earlier one's, which stays open, and
    what came on it would be lost without a sign, even after the later process has ended.
    """
    return identity_of(replica) + secrets.token_bytes(_PROCESS_BYTES)


def endpoint_of(identity: bytes) -> NodeId | None:
    """Return the endpoint that a routing id names, or None if it names none."""
    if len(identity) != IDENTITY_BYTES or not identity[0] & 0x80:
        return None
    return int.from_bytes(identity, "big") & ~_IDENTITY_MARK or None


def check_address(address: str) -> None:
    """Raise `TransportError` unless `address` is `tcp://host:port` or `ipc:///path`."""
    scheme, _, rest = address.partition("://")
    if scheme == "tcp":
        if split_host_port(rest)[0] == "*":
            raise TransportError(
                f"bad address {address!r}: write the host by which the others reach it, not *"
            )
        return
    if scheme != "ipc" or not rest.startswith("/") or "\0" in rest:
        raise TransportError(
            f"bad address {address!r}: write tcp://host:port, or ipc:///path with an absolute path"
        )
    if len(os.fsencode(rest)) > zmq.IPC_PATH_MAX_LEN:
        raise TransportError(
            f"bad address {address!r}: the path of a socket has at most "
            f"{zmq.IPC_PATH_MAX_LEN} bytes; choose a shorter one"
        )


def hello(sender: NodeId, receiver: NodeId) -> bytes:
    """Return what a message from `sender` to `receiver` begins with."""
    return join_frames([pack_hello(Hello(sender, receiver))])


async def resolve(address: str) -> list[str]:
    """Return `address` with each number that its host has. Raises `OSError` or `UnicodeError`.

    ZeroMQ would look a name up in a thread that carries traffic, which would wait.
    """
    scheme, _, rest = address.partition("://")
    if scheme == "ipc":
        return [address]
    host, port = split_host_port(rest)
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [_numeric(family, resolved, port) for family, _, _, _, resolved in found]


def _numeric(family: int, resolved: tuple[Any, ...], port: int) -> str:
    if family != socket.AF_INET6:
        return f"tcp://{resolved[0]}:{port}"
    # A link-local address is one host's only together with its interface.
    scope = resolved[3] if len(resolved) == 4 else 0
    interface = f"%{socket.if_indextoname(scope)}" if scope else ""
    return f"tcp://[{resolved[0]}{interface}]:{port}"


def make_router(
    context: zmq.Context[zmq.Socket[bytes]], identity: bytes, options: ZeroMqOptions
) -> zmq.Socket[bytes]:
    """Make a socket with the routing id `identity`. Frames to who is not connected are refused.

    With IMMEDIATE a connection that was dialled is known by its peer's own routing id
    too, so a process that answers at another's address is never taken for that other.
    """
    router = context.socket(zmq.ROUTER)
    pause_ms = _milliseconds(options.reconnect_first_seconds)
    queue_messages_max = min(options.queue_messages_max, _INT_MAX)
    settings: dict[int, int | bytes] = {
        zmq.LINGER: 0,
        zmq.ROUTING_ID: identity,
        zmq.ROUTER_MANDATORY: 1,
        zmq.ROUTER_HANDOVER: 1,
        zmq.IMMEDIATE: 1,
        zmq.SNDHWM: queue_messages_max,
        zmq.RCVHWM: queue_messages_max,
        zmq.MAXMSGSIZE: HELLO_BYTES + joined_bytes_max(options) + _CURVE_BYTES,
        zmq.HANDSHAKE_IVL: _milliseconds(options.handshake_seconds),
        zmq.CONNECT_TIMEOUT: _milliseconds(options.connect_seconds),
        zmq.RECONNECT_IVL: pause_ms,
        zmq.RECONNECT_IVL_MAX: max(pause_ms, _milliseconds(options.reconnect_last_seconds)),
        zmq.TCP_MAXRT: _milliseconds(options.unacknowledged_seconds),
        zmq.TCP_KEEPALIVE: 1,
        zmq.TCP_KEEPALIVE_IDLE: _KEEPALIVE_IDLE_SECONDS,
        zmq.TCP_KEEPALIVE_INTVL: _KEEPALIVE_INTERVAL_SECONDS,
        zmq.TCP_KEEPALIVE_CNT: _KEEPALIVE_PROBES,
    }
    for option, value in settings.items():
        router.setsockopt(option, value)
    return router


def _milliseconds(seconds: float) -> int:
    return max(1, min(int(seconds * 1000), _INT_MAX))


def allow_family(router: zmq.Socket[bytes], endpoint: str) -> None:
    """Let the next bind or connect use the family of `endpoint`, a resolved address."""
    router.setsockopt(zmq.IPV6, int(endpoint.startswith("tcp://[")))


async def bind(router: zmq.Socket[bytes], local: NodeId, address: str) -> None:
    """Bind to `address`, a name's first that this machine has.

    Raises `TransportError` with the cause and the cure.
    """
    try:
        endpoints = await resolve(address)
    except (OSError, UnicodeError) as error:
        raise TransportError(
            f"replica {local} cannot listen on {address}: {error}; check the host's name"
        ) from error
    for endpoint in endpoints:
        try:
            _bind(router, endpoint)
            return
        except OSError as error:
            number = error.errno or 0
            # One that is in use is not passed over: somebody may be this replica there.
            if number in _NOT_OURS and endpoint != endpoints[-1]:
                continue
            raise TransportError(
                f"replica {local} cannot listen on {address}: {os.strerror(number).lower()}; "
                f"{_BIND_CURES.get(number, 'choose another address')}"
            ) from error


def _bind(router: zmq.Socket[bytes], endpoint: str) -> None:
    """Raises `OSError`, by which one tells the system's refusal from a wrong configuration."""
    if endpoint.startswith("ipc://"):
        _check_free(endpoint.removeprefix("ipc://"))
    allow_family(router, endpoint)
    try:
        router.bind(endpoint)
    except zmq.ZMQError as error:  # which is none
        number = error.errno or 0
        raise OSError(number, os.strerror(number)) from error


def forget_path(address: str) -> None:
    """Remove the file of an `ipc://` address, which libzmq leaves behind. While still bound."""
    scheme, _, path = address.partition("://")
    if scheme == "ipc":
        Path(path).unlink(missing_ok=True)


def _check_free(path: str) -> None:
    """Raise `OSError` if something lives at `path`, but not for what a dead process left.

    ZeroMQ removes whatever is there, be it the socket of a process that runs or a file.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        failure = probe.connect_ex(path)
    if failure in (0, errno.EAGAIN, errno.EINPROGRESS):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


__all__ = [
    "HELLO_BYTES",
    "IDENTITY_BYTES",
    "ZeroMqOptions",
    "allow_family",
    "bind",
    "check_address",
    "endpoint_of",
    "forget_path",
    "hello",
    "identity_of",
    "joined_bytes_max",
    "make_router",
    "process_identity_of",
    "resolve",
]
