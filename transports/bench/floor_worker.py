"""A process of the bench: one end of the floor, what four hops cost without Paxos and trio.

The argument is JSON: `role` (`follower`, `leader`, `client`), `kind` (`tcp`, `udp`,
`zeromq`, `ethernet`), `host`, `interface`, `next` (the address that the process behind
said, none for the follower), `frame_bytes` (name of a frame -> bytes), and for the
client `warm_seconds` and `seconds`. All sockets block; a frame that does not come
within `ANSWER_SECONDS` ends the client.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from transports.bench.statistics import summarise_ns
from transports.bench.wire import Message, say

NS = 1_000_000_000
ANSWER_SECONDS = 3
ETHERTYPES = {"leader": 0x88B5, "follower": 0x88B6}
"""Of who is reached by it: a packet socket hears whatever has its EtherType."""
ETHERNET_HEADER_BYTES = 14
PACKET_HOST = 0
BUFFER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to one other process: sends bytes, and waits until a frame is there."""

    send: Callable[[bytes], object]
    receive: Callable[[int], object]
    """Takes the size of the frame that is due."""


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

    return Channel(sock.sendall, receive)


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
        return Channel(sock.send, lambda _size: sock.recv(BUFFER_BYTES))

    return accept


def connect_udp(job: Message) -> Channel:
    """A socket that knows only the process behind."""
    sock = time_out(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.connect(tuple(job["next"]))
    return Channel(sock.send, lambda _size: sock.recv(BUFFER_BYTES))


# Ethernet


def _open_packets(job: Message, ethertype: int) -> tuple[socket.socket, bytes]:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((job["interface"], ethertype))
    return sock, sock.getsockname()[4]


def _packet_channel(sock: socket.socket, own: bytes, other: bytes, ethertype: int) -> Channel:
    header = other + own + ethertype.to_bytes(2, "big")

    def receive(_size: int) -> None:
        # What a bridge does not know yet it sends to everybody.
        while sock.recv(BUFFER_BYTES)[:6] != own:
            pass

    return Channel(lambda data: sock.send(header + data), receive)


def listen_ethernet(job: Message) -> Callable[[], Channel]:
    """Hear the role's EtherType, and say on which MAC."""
    ethertype = ETHERTYPES[job["role"]]
    sock, own = _open_packets(job, ethertype)
    say({"ready": own.hex()})

    def accept() -> Channel:
        while True:
            _data, place = sock.recvfrom(1, socket.MSG_PEEK)
            if place[2] == PACKET_HOST:
                return _packet_channel(sock, own, place[4], ethertype)
            sock.recv(1)

    return accept


def connect_ethernet(job: Message) -> Channel:
    """A packet socket with the EtherType of the process behind."""
    ethertype = ETHERTYPES["follower" if job["role"] == "leader" else "leader"]
    sock, own = _open_packets(job, ethertype)
    return _packet_channel(time_out(sock), own, bytes.fromhex(job["next"]), ethertype)


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
    return lambda: Channel(dealer.send, lambda _size: dealer.recv())


def connect_zeromq(job: Message) -> Channel:
    """A socket that knows only the process behind."""
    import zmq

    dealer = _open_dealer()
    dealer.setsockopt(zmq.RCVTIMEO, ANSWER_SECONDS * 1000)
    dealer.connect(job["next"])
    return Channel(dealer.send, lambda _size: dealer.recv())


LISTEN: dict[str, Callable[[Message], Callable[[], Channel]]] = {
    "tcp": listen_tcp,
    "udp": listen_udp,
    "ethernet": listen_ethernet,
    "zeromq": listen_zeromq,
}
CONNECT: dict[str, Callable[[Message], Channel]] = {
    "tcp": connect_tcp,
    "udp": connect_udp,
    "ethernet": connect_ethernet,
    "zeromq": connect_zeromq,
}


# Roles


def follow(job: Message) -> None:
    """Answer each accept."""
    sizes = job["frame_bytes"]
    front = LISTEN[job["kind"]](job)()
    send, receive = front.send, front.receive
    due, answer = sizes["accept"], bytes(sizes["accepted"])
    while True:
        receive(due)
        send(answer)


def lead(job: Message) -> None:
    """For each request an accept; for its answer the reply."""
    sizes = job["frame_bytes"]
    back = CONNECT[job["kind"]](job)
    front = LISTEN[job["kind"]](job)()
    request_due, accepted_due = sizes["request"], sizes["accepted"]
    accept, reply = bytes(sizes["accept"]), bytes(sizes["reply"])
    while True:
        front.receive(request_due)
        back.send(accept)
        back.receive(accepted_due)
        front.send(reply)


def take_time(job: Message) -> None:
    """One request after the other; says the quantiles."""
    back = CONNECT[job["kind"]](job)
    send, receive = back.send, back.receive
    request, due = bytes(job["frame_bytes"]["request"]), job["frame_bytes"]["reply"]
    warm_until = perf_counter_ns() + int(job["warm_seconds"] * NS)
    end = warm_until + int(job["seconds"] * NS)
    samples: list[int] = []
    while (start := perf_counter_ns()) < end:
        send(request)
        receive(due)
        if start >= warm_until:
            samples.append(perf_counter_ns() - start)
    say({"result": summarise_ns(samples) | {"seconds": job["seconds"]}})


ROLES: dict[str, Callable[[Message], None]] = {
    "follower": follow,
    "leader": lead,
    "client": take_time,
}


def _end_with_stdin() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    # The main thread waits in the kernel, maybe for ever.
    os._exit(0)


def main() -> int:
    """Play the role until stdin ends; 1 if it could not be played, with the reason on stdout."""
    job = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        ROLES[job["role"]](job)
    except Exception as error:
        cause = "no answer in time" if isinstance(error, BlockingIOError) else error
        say({"error": f"floor ({job['kind']}), {job['role']}: {cause}"})
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # The thread that waits for stdin holds its lock.
    os._exit(status)
