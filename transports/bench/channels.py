"""Plain blocking sockets of every kind, all behind the same few functions.

No Paxos, no trio, and nothing of this project's transports. A frame that does not come within
`ANSWER_SECONDS` ends a client.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transports._packets import pack, unpack
from transports._paxos_device import MODE_ECHO, PaxosDevice, make_config
from transports.api import FIRST_CLIENT_ID
from transports.bench.wire import Message, say

ANSWER_SECONDS = 3
FRONT, BACK = (0x88B5, 0x88B6), (0x88B7, 0x88B8)
"""(of what goes there, of what comes back), for the first hop and the second. A packet socket
hears whatever has its EtherType, on `lo` also what it sends. Loopback and the laboratory only."""
ETHERNET_HEADER_BYTES = 14
PACKET_HOST = 0
KMOD_ECHO = 1
"""The module's endpoint."""
BUFFER_BYTES = 65_536
SOCKET_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to one other process."""

    send: Callable[[bytes], object]
    receive: Callable[[int], object]
    """Waits until a frame is there; takes the size of the one that is due."""
    receive_some: Callable[[], bytes]
    """Waits for one frame, or on a stream for whatever there is."""
    stream: bool = False

    def send_many(self, frame: bytes, count: int) -> None:
        """The same frame so many times; on a stream at once."""
        if self.stream:
            self.send(frame * count)
            return
        for _ in range(count):
            self.send(frame)


def time_out(sock: socket.socket) -> socket.socket:
    """Have the kernel end a wait: a time-out of Python's would poll before each call."""
    limit = struct.pack("@ll", ANSWER_SECONDS, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    return sock


# TCP


def _stream_channel(sock: socket.socket) -> Channel:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(size: int) -> None:
        while size > 0:
            got = len(sock.recv(size))
            if got == 0:
                raise ConnectionError("the other end has gone")
            size -= got

    def receive_some() -> bytes:
        data = sock.recv(BUFFER_BYTES)
        if not data:
            raise ConnectionError("the other end has gone")
        return data

    return Channel(sock.sendall, receive, receive_some, stream=True)


def listen_tcp(job: Message) -> Callable[[], Channel]:
    """Listen, and say where; gives what waits for the one that connects."""
    listener = socket.create_server((job["host"], 0))
    say({"ready": list(listener.getsockname())})
    return lambda: _stream_channel(listener.accept()[0])


def connect_tcp(job: Message) -> Channel:
    """A stream to the process behind."""
    sock = socket.create_connection(tuple(job["next"]), ANSWER_SECONDS)
    sock.settimeout(None)
    return _stream_channel(time_out(sock))


# UDP


def listen_udp(job: Message) -> Callable[[], Channel]:
    """Bind, and say where; gives what waits for the first datagram, which stays there."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((job["host"], 0))
    say({"ready": list(sock.getsockname())})

    def accept() -> Channel:
        sock.connect(sock.recvfrom(1, socket.MSG_PEEK)[1])
        return _datagram_channel(sock)

    return accept


def connect_udp(job: Message) -> Channel:
    """A socket that knows only the process behind."""
    sock = time_out(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.connect(tuple(job["next"]))
    return _datagram_channel(sock)


def _datagram_channel(sock: socket.socket) -> Channel:
    # Room for all that may be on its way: nothing is sent again here.
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
    return Channel(
        sock.send, lambda _size: sock.recv(BUFFER_BYTES), lambda: sock.recv(BUFFER_BYTES)
    )


# Ethernet


def _open_packets(job: Message, ethertype: int) -> tuple[socket.socket, bytes]:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((job["interface"], ethertype))
    return sock, sock.getsockname()[4]


def _packet_channel(sock: socket.socket, own: bytes, other: bytes, ethertype: int) -> Channel:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
    header = other + own + ethertype.to_bytes(2, "big")

    def receive_some() -> bytes:
        # What a bridge does not know yet it sends to everybody.
        while (frame := sock.recv(BUFFER_BYTES))[:6] != own:
            pass
        return frame[ETHERNET_HEADER_BYTES:]

    return Channel(
        lambda data: sock.send(header + data), lambda _size: receive_some(), receive_some
    )


def listen_ethernet(job: Message) -> Callable[[], Channel]:
    """Hear the EtherType of what comes here, and say on which MAC."""
    there, back = BACK if job["role"] == "follower" else FRONT
    sock, own = _open_packets(job, there)
    say({"ready": own.hex()})

    def accept() -> Channel:
        while True:
            _data, place = sock.recvfrom(1, socket.MSG_PEEK)
            if place[2] == PACKET_HOST:
                return _packet_channel(sock, own, place[4], back)
            sock.recv(1)

    return accept


def connect_ethernet(job: Message) -> Channel:
    """A packet socket that hears what comes back."""
    there, back = BACK if job["role"] == "leader" else FRONT
    sock, own = _open_packets(job, back)
    return _packet_channel(time_out(sock), own, bytes.fromhex(job["next"]), there)


# ZeroMQ


def _open_dealer() -> Any:
    import zmq

    dealer: Any = zmq.Context.instance().socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    return dealer


def listen_zeromq(job: Message) -> Callable[[], Channel]:
    """Bind, and say where."""
    import zmq

    dealer = _open_dealer()
    dealer.bind(f"tcp://{job['host']}:*")
    say({"ready": dealer.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()})
    return lambda: Channel(dealer.send, lambda _size: dealer.recv(), dealer.recv)


def connect_zeromq(job: Message) -> Channel:
    """A socket that knows only the process behind."""
    import zmq

    dealer = _open_dealer()
    dealer.setsockopt(zmq.RCVTIMEO, ANSWER_SECONDS * 1000)
    dealer.connect(job["next"])
    return Channel(dealer.send, lambda _size: dealer.recv(), dealer.recv)


# The kernel module, which sends back every packet that is for its endpoint.


def listen_kmod(job: Message) -> Callable[[], Channel]:
    """Have the module echo, as long as this process lives, and say on which MAC."""
    with open(f"/sys/class/net/{job['interface']}/address") as address:
        own = bytes.fromhex(address.read().strip().replace(":", ""))
    device = PaxosDevice("/dev/paxos")
    device.configure(make_config(MODE_ECHO, KMOD_ECHO, job["interface"], {KMOD_ECHO: own}))
    say({"ready": own.hex()})

    def never() -> bytes:
        threading.Event().wait()
        raise AssertionError(f"the echo of {device.fd} is the kernel's")

    return lambda: Channel(lambda _data: None, lambda _size: never(), never)


def connect_kmod(job: Message) -> Channel:
    """A packet socket whose packets are those of the module."""
    sock, own = _open_packets(job, FRONT[0])
    plain = _packet_channel(time_out(sock), own, bytes.fromhex(job["next"]), FRONT[0])

    def send(data: bytes) -> None:
        plain.send(pack(FIRST_CLIENT_ID, KMOD_ECHO, [data]))

    def receive_some() -> bytes:
        _sender, _receiver, (frame,) = unpack(memoryview(plain.receive_some()), padded=True)
        return frame

    return Channel(send, lambda _size: receive_some(), receive_some)


LISTEN: dict[str, Callable[[Message], Callable[[], Channel]]] = {
    "tcp": listen_tcp,
    "udp": listen_udp,
    "ethernet": listen_ethernet,
    "zeromq": listen_zeromq,
    "kmod": listen_kmod,
}
CONNECT: dict[str, Callable[[Message], Channel]] = {
    "tcp": connect_tcp,
    "udp": connect_udp,
    "ethernet": connect_ethernet,
    "zeromq": connect_zeromq,
    "kmod": connect_kmod,
}
