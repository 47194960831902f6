"""The sockets of the TCP transport: how one listens, dials, and is set up."""

from __future__ import annotations

import errno
import os
import resource
import socket

import trio

from transports.api import NodeId, TransportError, split_host_port

_BACKLOG = 1024
_KEEPALIVE_IDLE_SECONDS = 10
_KEEPALIVE_INTERVAL_SECONDS = 5
_KEEPALIVE_PROBES = 3
_FILES_FOR_OTHERS = 100
_INT_MAX = (1 << 31) - 1

_LISTEN_CURES = {
    errno.EADDRINUSE: "stop the process that uses it, or give the replica another port",
    errno.EADDRNOTAVAIL: "give the replica an address that this machine has",
    errno.EINVAL: "a link-local address needs its interface, as in [fe80::1%eth0]:7100",
    errno.EACCES: "choose a port above 1023, or run with the right to use this one",
}

_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


async def listen(local: NodeId, address: str) -> socket.socket:
    """Listen on `address`, a name's first that this machine has.

    Raises `TransportError` with the cause and the cure.
    """
    host, port = split_host_port(address)
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise TransportError(
            f"replica {local} cannot listen on {address}: {error}; check the host's name"
        ) from error
    for family, _type, _protocol, _name, resolved in found[:-1]:
        try:
            return _listen(local, address, family, resolved)
        except TransportError as error:
            # One that is in use is not passed over: somebody may be this replica there.
            if not (isinstance(error.__cause__, OSError) and error.__cause__.errno in _NOT_OURS):
                raise
    family, _type, _protocol, _name, resolved = found[-1]
    return _listen(local, address, family, resolved)


def _listen(
    local: NodeId, address: str, family: int, resolved: tuple[object, ...]
) -> socket.socket:
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise TransportError(
            f"replica {local} cannot listen on {address}: {error.strerror}; "
            "give an address of a family that this machine speaks, or let it open more files"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(resolved)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        number = error.errno or 0
        raise TransportError(
            f"replica {local} cannot listen on {address}: {os.strerror(number).lower()}; "
            f"{_LISTEN_CURES.get(number, 'choose another address')}"
        ) from error
    return listener


async def dial(address: str, timeout_seconds: float) -> socket.socket | None:
    """Connect to `address`; None if that failed, for whatever reason, or took too long.

    Each address of a name is tried for so long, in the name's order, and so long the name
    itself is looked up: one that answers nothing must not hide the others.
    """
    host, port = split_host_port(address)
    with trio.move_on_after(timeout_seconds) as looking_up:
        try:
            # Each time anew: a name may not be known yet, or may have moved.
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return None
    if looking_up.cancelled_caught:
        return None
    for family, _type, _protocol, _name, resolved in found:
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            # No descriptor left, or a family that this machine does not speak: later, perhaps.
            continue
        with trio.move_on_after(timeout_seconds):
            if await _connect(sock, resolved):
                return sock
    return None


async def _connect(sock: socket.socket, address: tuple[object, ...]) -> bool:
    """Connect without blocking; closes the socket unless it succeeds."""
    connected = False
    try:
        sock.setblocking(False)
        error = sock.connect_ex(address)
        if error == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(sock)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # Dialling a local port on which nobody listens can meet itself, and would
        # then keep the port from its owner.
        connected = error == 0 and sock.getsockname() != sock.getpeername()
    except OSError:
        connected = False
    finally:
        if not connected:
            sock.close()
    return connected


def within_file_limit(connections: int) -> int:
    """As many of `connections` as leave the rest of the process some descriptors, at least one."""
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, limit - _FILES_FOR_OTHERS))


def set_up(sock: socket.socket, unacknowledged_seconds: float) -> None:
    """Set the options of a stream's socket: no blocking, no delay, and dead hosts noticed."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_SECONDS),
        (socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_SECONDS),
        (socket.TCP_KEEPCNT, _KEEPALIVE_PROBES),
        (socket.TCP_USER_TIMEOUT, max(1, min(int(unacknowledged_seconds * 1000), _INT_MAX))),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
