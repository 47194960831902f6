"""A process of the bench: a client of etcd, over gRPC, that speaks the protocol of `meter`.

Arguments: the endpoints, comma-separated, and how many connections to use. Every put goes to
the leader, to one of a thousand keys. etcd counts puts in its revision: what is acknowledged
must add up.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter_ns, sleep
from typing import Final

from transports.bench.meter import NS, Job, Meter, read_job
from transports.bench.peers.http2 import MESSAGE_BYTES_MAX, Http2Error, UnaryCalls, grpc_message
from transports.bench.peers.protobuf import put_request, read_header, read_leader
from transports.bench.saved.schema import Closed
from transports.bench.wire import Message, parse, run_worker, say

PUT: Final = "/etcdserverpb.KV/Put"
STATUS: Final = "/etcdserverpb.Maintenance/Status"
KEYS: Final = 1000
READY_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 10.0
STATUS_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.05
RECEIVE_BYTES: Final = 1 << 18
COMMAND_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 100
"""With its key and the lengths in one frame."""
REVISION: Final = 3


class EtcdFailed(Exception):
    """A put failed, or was lost. One line."""


class Connection:
    """A socket to one method of one member."""

    def __init__(self, endpoint: str, path: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), STATUS_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._calls = UnaryCalls(endpoint, path)
        self.call = self._calls.call

    def flush(self) -> None:
        """Write all that began. Raises `OSError`."""
        if out := self._calls.take():
            self.socket.sendall(out)

    def receive(self) -> list[tuple[int, bytes]]:
        """The calls that one read ends; waits for it. Raises `EtcdFailed` and `Http2Error`."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise EtcdFailed("the leader closed the connection")
        return self._calls.receive(data)

    def ask(self, message: bytes, timeout_seconds: float) -> bytes:
        """One call alone. Raises as `receive` does, and `TimeoutError`."""
        self.socket.settimeout(timeout_seconds)
        self.call(grpc_message(message))
        self.flush()
        while not (ended := self.receive()):
            self.flush()
        self.socket.settimeout(ANSWER_SECONDS)
        return ended[0][1]


def find_leader(endpoints: list[str]) -> str:
    """The endpoint of who leads. Raises `EtcdFailed`."""
    end = perf_counter_ns() + int(READY_SECONDS * NS)
    while perf_counter_ns() < end:
        for endpoint in endpoints:
            # Not up yet, or without a leader yet.
            with suppress(OSError, Http2Error, EtcdFailed):
                if _leads(endpoint):
                    return endpoint
        sleep(POLL_SECONDS)
    raise EtcdFailed(f"no leader after {READY_SECONDS:.0f} s")


def _leads(endpoint: str) -> bool:
    connection = Connection(endpoint, STATUS)
    with connection.socket:
        member, leader = read_leader(connection.ask(b"", STATUS_SECONDS))
    return member == leader != 0


class Load:
    """A closed loop: an answer is followed by the next put to the same key."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = {one.socket.fileno(): one for one in connections}
        self._poll = select.poll()
        for descriptor in self._connections:
            self._poll.register(descriptor, select.POLLIN)

    def revision(self) -> int:
        """The number of the last change, after one more put."""
        first = next(iter(self._connections.values()))
        return read_header(first.ask(put_request(b"k0", b""), ANSWER_SECONDS))[REVISION]

    def run(self, job: Job) -> Message:
        """One load. Raises `EtcdFailed`, `Http2Error`, `OSError` and `ValueError`."""
        if not isinstance(job.load, Closed):
            raise EtcdFailed("it is loaded in closed loops alone")
        before = self.revision()
        value = bytes(job.command_bytes)
        requests = [grpc_message(put_request(b"k%d" % key, value)) for key in range(KEYS)]
        meter = Meter(job)
        acknowledged = self._drive(meter, job.load.outstanding, requests)
        found = self.revision() - before - 1
        if found != acknowledged:
            raise EtcdFailed(f"{found} puts were applied of {acknowledged} that were acknowledged")
        return meter.result()

    def _drive(self, meter: Meter, outstanding: int, requests: list[bytes]) -> int:
        """How many puts were acknowledged."""
        every = list(self._connections.values())
        begun: dict[tuple[Connection, int], tuple[int, int]] = {}
        for number in range(outstanding):
            connection, key = every[number % len(every)], number % KEYS
            begun[connection, connection.call(requests[key])] = (key, perf_counter_ns())
        for connection in every:
            connection.flush()
        acknowledged = 0
        while begun:
            readable = self._poll.poll(ANSWER_SECONDS * 1000)
            if not readable:
                raise EtcdFailed(f"no answer for {ANSWER_SECONDS:.0f} s")
            for descriptor, _ in readable:
                connection = self._connections[descriptor]
                for stream, _answer in connection.receive():
                    key, left_ns = begun.pop((connection, stream))
                    acknowledged += 1
                    now = perf_counter_ns()
                    meter.ended(left_ns, 1, now)
                    if meter.is_open(now):
                        begun[connection, connection.call(requests[key])] = (key, now)
                connection.flush()
        return acknowledged


def run(endpoints: list[str], connections: int) -> None:
    """Do the jobs on stdin, until it ends."""
    leader = find_leader(endpoints)
    load = Load([Connection(leader, PUT) for _ in range(connections)])
    load.revision()
    say({"ready": {"command_bytes_max": COMMAND_BYTES_MAX, "leader": endpoints.index(leader)}})
    for line in sys.stdin.buffer:
        say({"result": load.run(read_job(parse(line)["job"]))})


def main() -> int:
    """Serve."""
    endpoints, connections = sys.argv[1:]
    return run_worker("etcd", lambda: run(endpoints.split(","), int(connections)))


if __name__ == "__main__":
    sys.exit(main())
