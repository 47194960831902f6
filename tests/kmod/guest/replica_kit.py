"""Replicas for the tests of the device: in the kernel, and of Python on raw Ethernet.

namespace n1   n2   n3   n4        e0 in each, 02:..:01 and so on; n4 is for clients
      \\     |    /    /
       bridge in namespace hub
"""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import device_abi as abi
from device_kit import ETHERTYPE, Station, colons, ip, mac, packet

from paxos_core import QuorumSystem, Replica, ReplicaConfig, Timing
from paxos_core import messages as m
from paxos_core.batch import decode_batch, encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import Codec
from paxos_core.election import Role
from transports._packets import pack, unpack

CLUSTER = 77
THREE = {node: mac(node) for node in (1, 2, 3)}
FRAME_BYTES_MAX = 1474
DEADLINE_SECONDS = 60
"""A guard against hanging; nothing is timed."""
PYTHON_TICK_SECONDS = 0.005


@contextmanager
def hub() -> Iterator[dict[int, Station]]:
    """A station for each node and one for a client; gone afterwards."""
    names = [f"n{number}" for number in (1, 2, 3, 4)]
    try:
        ip("netns", "add", "hub")
        ip("-n", "hub", "link", "add", "br0", "type", "bridge")
        ip("-n", "hub", "link", "set", "br0", "up")
        for number, name in enumerate(names, 1):
            ip("netns", "add", name)
            there = ("e0", "netns", name, "address", colons(mac(number)))
            ip("-n", "hub", "link", "add", name, "type", "veth", "peer", "name", *there)
            ip("-n", "hub", "link", "set", name, "master", "br0", "up")
            ip("-n", name, "link", "set", "e0", "up")
        yield {number: Station(name, "e0", mac(number)) for number, name in enumerate(names, 1)}
    finally:
        for name in ("hub", *names):
            subprocess.run(["ip", "netns", "delete", name], check=False)


OPENED: list[KernelReplica | PythonReplica] = []
"""All that were made; the test file's fixture closes them."""


class KernelReplica:
    """A replica in the kernel, and what user space keeps for it."""

    def __init__(
        self,
        station: Station,
        node: int,
        members: Mapping[int, bytes] = THREE,
        *,
        flags: int = abi.FLAG_VOTING,
        restore: Sequence[bytes] = (),
        **settings: object,
    ) -> None:
        wanted = {"tick_us": 5000, "seed": node, "cluster": CLUSTER, **settings}
        self.node = node
        self.endpoint = station.endpoint(
            node, abi.MODE_REPLICA, members=members, flags=flags, **wanted
        )
        OPENED.append(self)
        self.written: list[bytes] = []
        """Durable records, as they would stand in a store."""
        self.decided: dict[int, bytes] = {}
        self.frames: list[tuple[int, bytes]] = []
        self.others: list[tuple[int, int]] = []
        """Kind and `a` of every other record."""
        self.auto_persist = True
        self.unpersisted = 0
        for record in restore:
            self.write(abi.RESTORE, record)
        self.endpoint.start()

    def write(self, kind: int, payload: bytes = b"", **numbers: int) -> None:
        data = abi.record(kind, payload, **numbers)
        assert self.endpoint.write(data) == len(data)

    def propose(self, *commands: bytes) -> int:
        """How many bytes were taken of all, which go in one write."""
        data = b"".join(abi.record(abi.PROPOSE, command) for command in commands)
        return self.endpoint.write(data)

    @property
    def fd(self) -> int:
        return self.endpoint.fd

    @property
    def commands(self) -> list[bytes]:
        return commands_of(self.decided)

    @property
    def leads(self) -> bool:
        return self.endpoint.status().role == 2

    def pump(self) -> None:
        """Read what there is, and acknowledge what is to be written."""
        try:
            records = self.endpoint.read()
        except BlockingIOError:
            return
        for header, payload in records:
            self._take(header, payload)
        if self.unpersisted and self.auto_persist:
            self.persist()

    def persist(self) -> None:
        self.write(abi.PERSISTED, a=self.unpersisted)
        self.unpersisted = 0

    def _take(self, header: abi.RecordHeader, payload: bytes) -> None:
        if header.type == abi.DECIDED:
            assert header.b == checksum(payload)
            assert header.a == max(self.decided, default=header.a - 1) + 1
            self.decided[header.a] = payload
        elif header.type == abi.RECORD:
            if header.flags & abi.RECORD_CHECKPOINT and not self.unpersisted:
                self.written.clear()
            self.written.append(payload)
            if header.flags & abi.RECORD_LAST:
                self.unpersisted = header.a
        elif header.type == abi.FRAME:
            self.frames.append((header.a, payload))
        else:
            self.others.append((header.type, header.a))

    def close(self) -> None:
        """The second time, nothing."""
        if self.endpoint.fd >= 0:
            self.endpoint.close()
            self.endpoint.fd = -1


class PythonReplica:
    """The same in Python, on a packet socket, with a store that forgets."""

    def __init__(
        self,
        station: Station,
        node: int,
        members: Mapping[int, bytes] = THREE,
        timing: Timing = Timing(),  # noqa: B008  it is frozen
    ) -> None:
        self.node = node
        self._members = members
        self._station = station
        self._sock = station.packet_socket(ETHERTYPE)
        OPENED.append(self)
        self._sock.setblocking(False)
        config = ReplicaConfig(
            node, QuorumSystem(members), frame_bytes_max=FRAME_BYTES_MAX, seed=node, timing=timing
        )
        self._replica = Replica(config)
        self._codec = Codec(CLUSTER, node)
        self._next_tick = time.monotonic()
        self.decided: dict[int, bytes] = {}

    @property
    def fd(self) -> int:
        return self._sock.fileno()

    @property
    def commands(self) -> list[bytes]:
        return commands_of(self.decided)

    @property
    def leads(self) -> bool:
        return self._replica.status().role is Role.LEADER

    def propose(self, *commands: bytes) -> None:
        for command in commands:
            self._replica.propose(command)

    def pump(self) -> None:
        """Hear what has come, tick if it is time, send what follows."""
        while self._hear():
            pass
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + PYTHON_TICK_SECONDS
            self._replica.tick()
        while True:
            ready = self._replica.take()
            for to, message in ready.messages:
                self._send(to, message)
            self.decided |= {d.slot: encode_batch(d.commands) for d in ready.decided}
            if not ready.records:
                return
            self._replica.persisted(ready.write_id)

    def _hear(self) -> bool:
        try:
            seen = self._sock.recv(2000)
        except BlockingIOError:
            return False
        sender, receiver, frames = unpack(memoryview(seen)[14:], padded=True)
        if receiver == self.node:
            for frame in frames:
                self._replica.receive(*self._codec.decode(frame))
                assert self._codec.decode(frame)[0] == sender
        return True

    def _send(self, to: int, message: m.Message) -> None:
        packet = pack(self.node, to, [self._codec.encode(message)])
        head = self._members[to] + self._station.mac + ETHERTYPE.to_bytes(2, "big")
        self._sock.send(head + packet)

    def close(self) -> None:
        self._sock.close()


AnyReplica = KernelReplica | PythonReplica


def commands_of(decided: Mapping[int, bytes]) -> list[bytes]:
    """All commands, in order."""
    found: list[bytes] = []
    for slot in sorted(decided):
        batch = decode_batch(decided[slot])
        assert batch is not None
        found += batch
    return found


def run_until(replicas: Sequence[AnyReplica], condition: Callable[[], object]) -> None:
    """Let all of them run until the condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        select.select([replica.fd for replica in replicas], [], [], 0.005)
        for replica in replicas:
            replica.pump()


def leader_among(replicas: Sequence[AnyReplica]) -> AnyReplica:
    """Wait for one."""
    run_until(replicas, lambda: any(replica.leads for replica in replicas))
    return next(replica for replica in replicas if replica.leads)


class Probe:
    """Member 2 played by the test: what it sends, and what the replica answers."""

    def __init__(self, station: Station, node: int = 2) -> None:
        self.station = station
        self.codec = Codec(CLUSTER, node)
        self.node = node
        self.sock = station.packet_socket(ETHERTYPE)

    def tell(self, message: m.Message) -> None:
        self.tell_frames(self.codec.encode(message))

    def tell_frames(self, *frames: bytes) -> None:
        self.station.inject(mac(1), packet(self.node, 1, *frames))

    def hear(self, kind: type[m.Message]) -> m.Message:
        """The next message of that type; others are passed over."""
        while True:
            sender, receiver, frames = unpack(memoryview(self.sock.recv(2000))[14:], padded=True)
            if (sender, receiver) != (1, self.node):
                continue
            for frame in frames:
                message = self.codec.decode(frame)[1]
                if isinstance(message, kind):
                    return message

    def heard(self, kind: type[m.Message]) -> bool:
        """Whether one has come; looks at all that have."""
        self.sock.setblocking(False)
        try:
            while True:
                _, receiver, frames = unpack(memoryview(self.sock.recv(2000))[14:], padded=True)
                if receiver == self.node and any(
                    isinstance(self.codec.decode(frame)[1], kind) for frame in frames
                ):
                    return True
        except BlockingIOError:
            return False
        finally:
            self.sock.settimeout(60)

    def close(self) -> None:
        self.sock.close()
