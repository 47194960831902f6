"""Which ZeroMQ sockets join replicas best: ROUTER with ROUTER, with DEALER, or PUSH with PULL.

    python -m transports.bench.zeromq_kinds [REPEATS]

One process, the hub, sends to two others, as a leader does, and they answer. Each
process hears on one bound socket and dials the others with sockets of its own, waits
for the descriptor with epoll and reads until there is nothing, as the transport does;
no trio, and no contents but the sender. All kinds are open at once and take turns of
`SLICE_SECONDS`, so that a ratio compares neighbours in time. Medians over the repeats.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter

import zmq

KINDS = ("router-router", "router-dealer", "push-pull")
HUB, ECHOES = 0, (1, 2)
FRAME_BYTES = 90
BATCH_FRAMES = 32
WINDOW = 64
"""Messages under way to each of the two when the rate is measured."""
SLICE_SECONDS = 0.2
REPEATS = 20
IO_THREADS = 2
ID_BYTES = 8
ANSWER_SECONDS = 5.0

Send = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one kind gave in one turn."""

    round_trip_us: float
    """Median, from the sends to both until both have answered."""
    small_rate: float
    """Answers a second, each to one frame."""
    batch_rate: float
    """The same, with `BATCH_FRAMES` joined in each message."""


def name_of(process: int) -> bytes:
    """A routing id; also what a message begins with, since PULL does not tell the sender."""
    return b"p" + process.to_bytes(ID_BYTES - 1, "big")


class Endpoint:
    """One process's sockets of one kind."""

    def __init__(self, kind: str, local: int) -> None:
        self.kind = kind
        self._local = local
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(IO_THREADS)
        self._named = kind != "push-pull"
        self.inbound = self._socket(zmq.ROUTER if self._named else zmq.PULL)
        self.inbound.bind("tcp://127.0.0.1:*")
        self.address = self.inbound.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()  # type: ignore[union-attr]
        self._diallers: dict[int, zmq.Socket[bytes]] = {}

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        if kind in (zmq.ROUTER, zmq.DEALER):
            made.setsockopt(zmq.ROUTING_ID, name_of(self._local))
        if kind == zmq.ROUTER:
            made.setsockopt(zmq.ROUTER_MANDATORY, 1)
            made.setsockopt(zmq.ROUTER_HANDOVER, 1)
        return made

    def dial(self, peers: dict[int, str]) -> Send:
        """Connect to each; gives what sends."""
        if self.kind == "router-router":
            router = self._socket(zmq.ROUTER)
            for address in peers.values():
                router.connect(address)
            names = {peer: name_of(peer) for peer in peers}

            def route(peer: int, body: bytes) -> None:
                router.send(names[peer], zmq.NOBLOCK | zmq.SNDMORE)
                router.send(body, zmq.NOBLOCK)

            return route
        for peer, address in peers.items():
            # One for each: a DEALER or a PUSH deals what it sends out among its connections.
            self._diallers[peer] = self._socket(zmq.DEALER if self._named else zmq.PUSH)
            self._diallers[peer].connect(address)
        return lambda peer, body: self._diallers[peer].send(body, zmq.NOBLOCK)

    def drain(self) -> list[bytes]:
        """All that has come."""
        bodies: list[bytes] = []
        receive, named = self.inbound.recv, self._named
        try:
            while True:
                if named:
                    receive(zmq.NOBLOCK)
                bodies.append(receive(zmq.NOBLOCK))
        except zmq.Again:
            return bodies

    def close(self) -> None:
        """End at once."""
        self._context.destroy(linger=0)


def echo(local: int, pipe: Connection) -> None:
    """Answer, over all kinds, until the pipe says that the hub has ended."""
    endpoints = {kind: Endpoint(kind, local) for kind in KINDS}
    pipe.send({kind: endpoint.address for kind, endpoint in endpoints.items()})
    hub: dict[str, str] = pipe.recv()
    sends = {kind: endpoints[kind].dial({HUB: hub[kind]}) for kind in KINDS}
    head = name_of(local)
    waiting = select.epoll()
    waiting.register(pipe.fileno(), select.EPOLLIN)
    by_fd = {endpoint.inbound.fileno(): endpoint for endpoint in endpoints.values()}
    for fd in by_fd:
        waiting.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in waiting.poll():
            if fd == pipe.fileno():
                os._exit(0)
            endpoint = by_fd[fd]
            send = sends[endpoint.kind]
            while bodies := endpoint.drain():
                for body in bodies:
                    try:
                        send(HUB, head + body[ID_BYTES:])
                    except zmq.ZMQError:
                        # Not connected yet: the hub asks again.
                        continue


class Hub:
    """The process that asks, over one kind."""

    def __init__(self, kind: str) -> None:
        self.endpoint = Endpoint(kind, HUB)
        self._epoll = select.epoll()
        self._epoll.register(self.endpoint.inbound.fileno(), select.EPOLLIN)

    def dial(self, addresses: dict[int, str]) -> None:
        """Connect, and wait until both have answered."""
        self._send = self.endpoint.dial(addresses)
        missing = set(ECHOES)
        end = perf_counter() + ANSWER_SECONDS
        while missing:
            if perf_counter() > end:
                raise TimeoutError(f"{self.endpoint.kind}: no answer in time")
            for peer in missing:
                try:
                    self._send(peer, name_of(HUB))
                except zmq.ZMQError:
                    continue
            missing -= {peer_of(body) for body in self._wait(0.05)}
        while self._wait(0.2):
            pass

    def _wait(self, seconds: float = ANSWER_SECONDS) -> list[bytes]:
        """What has come, after a wait if need be."""
        return self.endpoint.drain() or (self._epoll.poll(seconds) and self.endpoint.drain()) or []

    def _wait_all(self, count: int) -> None:
        end = perf_counter() + ANSWER_SECONDS
        while count > 0:
            count -= len(self._wait())
            if perf_counter() > end:
                raise TimeoutError(f"{self.endpoint.kind}: no answer in time")

    def measure(self) -> Figures:
        """One turn."""
        small, batch = bytes(FRAME_BYTES), bytes(FRAME_BYTES * BATCH_FRAMES)
        return Figures(self._round_trip(small), self._rate(small), self._rate(batch))

    def _round_trip(self, content: bytes) -> float:
        body = name_of(HUB) + content
        samples: list[float] = []
        end = perf_counter() + SLICE_SECONDS
        while (start := perf_counter()) < end:
            for peer in ECHOES:
                self._send(peer, body)
            self._wait_all(len(ECHOES))
            samples.append(perf_counter() - start)
        return median(samples) * 1e6

    def _rate(self, content: bytes) -> float:
        body = name_of(HUB) + content
        for _ in range(WINDOW):
            for peer in ECHOES:
                self._send(peer, body)
        answers = 0
        start = perf_counter()
        while (now := perf_counter()) < start + SLICE_SECONDS:
            arrived = self._wait()
            answers += len(arrived)
            for answer in arrived:
                self._send(peer_of(answer), body)
        self._wait_all(WINDOW * len(ECHOES))
        return answers / (now - start)


def peer_of(body: bytes) -> int:
    """Who sent it."""
    return int.from_bytes(body[1:ID_BYTES], "big")


def run(repeats: int) -> dict[str, list[Figures]]:
    """Have the kinds take turns, the first of them another in each repeat."""
    spawn = multiprocessing.get_context("spawn")
    pipes: dict[int, Connection] = {}
    workers = []
    hubs = {kind: Hub(kind) for kind in KINDS}
    try:
        for local in ECHOES:
            pipes[local], theirs = spawn.Pipe()
            workers.append(spawn.Process(target=echo, args=(local, theirs), daemon=True))
            workers[-1].start()
            theirs.close()
        addresses = {local: pipe.recv() for local, pipe in pipes.items()}
        for pipe in pipes.values():
            pipe.send({kind: hub.endpoint.address for kind, hub in hubs.items()})
        found: dict[str, list[Figures]] = {kind: [] for kind in KINDS}
        for kind, hub in hubs.items():
            hub.dial({local: addresses[local][kind] for local in ECHOES})
        for repeat in range(repeats + 1):
            for turn in range(len(KINDS)):
                kind = KINDS[(repeat + turn) % len(KINDS)]
                figures = hubs[kind].measure()
                if repeat:  # the first warms up
                    found[kind].append(figures)
        return found
    finally:
        for pipe in pipes.values():
            pipe.close()
        for worker in workers:
            worker.join()
        for hub in hubs.values():
            hub.endpoint.close()


def main(arguments: list[str]) -> int:
    """Print a table; ratios are to the first kind, of the same repeat."""
    parser = argparse.ArgumentParser(prog="python -m transports.bench.zeromq_kinds")
    parser.add_argument("repeats", type=int, nargs="?", default=REPEATS, choices=range(1, 1000),
                        metavar="REPEATS")  # fmt: skip
    found = run(parser.parse_args(arguments).repeats)
    columns = ("round_trip_us", "small_rate", "batch_rate")
    print(f"{'':15}{'round trip us':>20}{'messages/s':>20}{f'of {BATCH_FRAMES} frames':>20}")
    for kind in KINDS:
        cells = []
        for column in columns:
            values = [getattr(one, column) for one in found[kind]]
            first = [getattr(one, column) for one in found[KINDS[0]]]
            ratio = median(value / base for value, base in zip(values, first, strict=True))
            cells.append(f"{median(values):,.0f} ({ratio:.2f})")
        print(f"{kind:15}" + "".join(f"{cell:>20}" for cell in cells))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
