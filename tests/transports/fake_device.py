"""Plays the kernel behind `/dev/paxos`: a pair of sockets for each endpoint, a thread between.

Records are read and made here by hand, not by the code under test.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from transports._paxos_device import DROP_CAUSES, StatsStruct
from transports._paxos_endpoint import Device
from transports.api import TransportError
from transports.chardev import KmodOptions

HEADER = struct.Struct("<IHHQQQQ")
SEND, FRAME = 1, 2
SO_SNDBUFFORCE = 32
MESSAGE_BYTES = 1 << 20
FRAME_BYTES_MAX = 1474
Hub = tuple[tuple[int, bytes], ...]


def drop_index(cause: str) -> int:
    return DROP_CAUSES.index(cause)


class FakeEndpoint:
    """The two ends, as the kernel has them."""

    def __init__(self) -> None:
        self.user, self.inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.user.setblocking(False)
        for sock in (self.user, self.inner):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
        self.counters = StatsStruct()
        self.fd = self.user.fileno()

    def stats(self) -> StatsStruct:
        return self.counters

    def close(self) -> None:
        self.user.close()

    def written(self, message: bytes, relay: Callable[[bytes], None]) -> None:
        """What user space wrote; `relay` brings SEND records to their receivers."""
        relay(message)

    def drop(self, cause: str) -> None:
        self.counters.dropped[drop_index(cause)] += 1

    def hear(self, message: bytes) -> None:
        """FRAME records from the network."""
        self.give(message)

    def give(self, message: bytes) -> None:
        """Have user space read it, if there is room."""
        try:
            self.inner.send(message, socket.MSG_DONTWAIT)
        except OSError:
            self.drop("receive_queue_full")


def record(kind: int, endpoint: int, frame: bytes) -> bytes:
    size = HEADER.size + len(frame)
    return HEADER.pack(size, kind, 0, endpoint, 0, 0, 0) + frame + bytes(-size % 8)


class FakeKernel:
    """Relays of one machine; those with the same peers hear one another."""

    def __init__(self, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.interface_up = True
        self._hubs: dict[Hub, dict[int, FakeEndpoint]] = defaultdict(dict)

    def opener(
        self, local: int, macs: Mapping[int, bytes], options: KmodOptions
    ) -> Callable[[int], tuple[Device, int]]:
        hub = tuple(sorted(macs.items()))

        def open_once(frame_bytes_max: int) -> tuple[Device, int]:
            if not self.interface_up:
                raise TransportError("kmod: no such interface")
            endpoint = FakeEndpoint()
            self.join(hub, local, endpoint)
            return endpoint, frame_bytes_max or self.frame_bytes_max

        return open_once

    def join(self, hub: Hub, local: int, endpoint: FakeEndpoint) -> None:
        """Put an endpoint on the network, and read what is written to it."""
        self._hubs[hub][local] = endpoint
        arguments = hub, local, endpoint
        threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def endpoint(self, local: int) -> FakeEndpoint:
        """The only one of that id."""
        (found,) = [hub[local] for hub in self._hubs.values() if local in hub]
        return found

    def remove_interface(self) -> None:
        self.interface_up = False
        for hub in self._hubs.values():
            for endpoint in list(hub.values()):
                endpoint.inner.shutdown(socket.SHUT_RDWR)

    def _serve(self, hub: Hub, local: int, endpoint: FakeEndpoint) -> None:
        with endpoint.inner:
            # Reset: closed with something unread.
            with suppress(ConnectionResetError):
                while message := endpoint.inner.recv(MESSAGE_BYTES):
                    endpoint.written(message, partial(self.relay, hub, local, endpoint))
            if self._hubs[hub].get(local) is endpoint:
                del self._hubs[hub][local]

    def relay(self, hub: Hub, local: int, endpoint: FakeEndpoint, message: bytes) -> None:
        """Bring SEND records of `local` to their receivers."""
        batches: dict[int, bytes] = defaultdict(bytes)
        at = 0
        while at < len(message):
            size, kind, flags, receiver, *rest = HEADER.unpack_from(message, at)
            assert (kind, flags, rest) == (SEND, 0, [0, 0, 0])
            assert at + size + -size % 8 <= len(message)
            batches[receiver] += record(FRAME, local, message[at + HEADER.size : at + size])
            at += size + -size % 8
        for receiver, batch in batches.items():
            target = self._hubs[hub].get(receiver)
            if target is None:
                endpoint.drop("send_failed")
            else:
                target.hear(batch)
