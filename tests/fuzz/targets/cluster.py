"""A cluster of three services, fed with frames by somebody who has no key.

The input is a list of operations, a byte each, with what they need behind it. Most
frames come with their envelope put right, or nothing would ever get behind it. What
the services send one another is delivered, held back, lost or repeated as the input
says. Nothing may be raised but what a service says when it stops for a peer's lie,
every frame sent must fit and be readable, and memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator

from paxos_core import (
    Limits,
    MachineFailed,
    Poisoned,
    QuorumSystem,
    Replica,
    ReplicaConfig,
    Service,
    Timing,
)
from paxos_core.codec import BODY_HEADER_BYTES, FIELD_BYTES, HEADER_BYTES, KINDS, Codec, DecodeError
from paxos_core.config import SessionLimits
from paxos_core.service import SnapshotError
from paxos_core.testing.machine import AppendList
from tests.differential.seeds import golden_frames

from . import check

CLUSTER = 0x1122334455667788
FRAME_BYTES_MAX = 600
SNAPSHOT_BYTES_MAX = 900
VOTE_SLOTS_MAX = 6
WAY_FRAMES_MAX = 200
OPERATIONS_MAX = 300
CLIENT = 1 << 16
ENDPOINTS = (1, 2, 3, CLIENT, CLIENT + 1)
LIES = ("two values chosen for slot",)
"""Invariants that only a peer's lie breaks: the replica stops, as it must."""
LIMITS = Limits(
    window_slots=2, vote_slots_max=VOTE_SLOTS_MAX, log_keep_slots=2, log_bytes_max=900,
    page_bytes_max=700, pending_bytes_max=900, snapshot_bytes_max=SNAPSHOT_BYTES_MAX,
)  # fmt: skip
LAYOUTS = {
    kind: (Codec(CLUSTER, 1)._encoders[message_type][1], message_type)
    for message_type, kind in KINDS.items()
}


class Input:
    """Bytes, taken from the front; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    @property
    def ended(self) -> bool:
        return self.at >= len(self.data)


class Machine(AppendList):
    """A list that does not mind what comes twice, as a liar may make it."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None, lambda _: None)

    def apply(self, command: bytes) -> bytes:
        self.names.append(command[:8])
        del self.names[:-40]
        return command[:16]


class Cluster:
    """Three services and what is on its way between them."""

    def __init__(self) -> None:
        quorums = QuorumSystem((1, 2, 3))
        self.services: dict[int, Service | None] = {}
        self.way: list[tuple[int, int, bytes]] = []
        self.old: list[tuple[int, int, bytes]] = []
        self.frames = 0
        self.codecs = {node: Codec(CLUSTER, node) for node in quorums.members}
        for node in quorums.members:
            config = ReplicaConfig(
                node, quorums, FRAME_BYTES_MAX, node, True, Timing(1, 2, 4, 1), LIMITS
            )
            limits = SessionLimits(4, 16, 400, 100)
            self.services[node] = Service(Replica(config), Machine(), limits)

    def frame(self, sender: int, to: int, frame: bytes) -> None:
        """As a node does: decode, compare the sender, hand in, pump."""
        self.frames += 1
        service = self.services[to]
        if service is None:
            return
        try:
            claimed, message = self.codecs[to].decode(frame)
        except DecodeError:
            return
        if claimed == sender:
            self.guarded(to, lambda: service.receive(sender, message))

    def guarded(self, node: int, act: object) -> None:
        """Do it and pump. Stops the node for what a lie may cause; raises for all else."""
        assert callable(act)
        try:
            act()
            self.pump(node)
        except (SnapshotError, MachineFailed, Poisoned):
            self.services[node] = None
        except AssertionError as error:
            if not str(error).startswith(LIES):
                raise
            self.services[node] = None

    def pump(self, node: int) -> None:
        service = self.services[node]
        assert service is not None
        while ready := service.take():
            for to, message in ready.messages:
                data = self.codecs[node].encode(message)
                check(len(data) <= FRAME_BYTES_MAX, f"{type(message).__name__}: {len(data)} bytes")
                check(self.codecs[node].decode(data) == (node, message), "reads otherwise")
                if to in self.services and len(self.way) < WAY_FRAMES_MAX:
                    self.way.append((node, to, data))
            if ready.write_id:
                service.persisted(ready.write_id)
        self._check_bounds(service.replica)

    def _check_bounds(self, replica: object) -> None:
        assert isinstance(replica, Replica)
        check(len(replica._acceptor.votes) <= VOTE_SLOTS_MAX, "too many votes")
        check(len(replica._learner._ahead) <= VOTE_SLOTS_MAX, "too many values ahead")
        check(len(replica._catchup._buffer) <= SNAPSHOT_BYTES_MAX, "too much of a snapshot")
        check(replica._proposer.pending_bytes <= LIMITS.pending_bytes_max, "too much pending")

    def deliver(self, count: int, lose: bool) -> None:
        picked, self.way = self.way[:count], self.way[count:]
        if not lose:
            self.old = (self.old + picked)[-20:]
            for sender, to, frame in picked:
                self.frame(sender, to, frame)


def _put_right(data: bytes, sender: int) -> bytes:
    """An envelope of a kind that there is, and the marks where they must be."""
    kind = sorted(LAYOUTS)[data[0] % len(LAYOUTS)] if data else 1
    envelope, message_type = LAYOUTS[kind]
    names = message_type.__dataclass_fields__
    has_body = str(list(names.values())[-1].type) in ("bytes", "list[Vote]")
    frame = bytearray(envelope[:15] + sender.to_bytes(8, "big"))
    at = 1
    for _ in range(len(names) - has_body):
        # Small numbers are the interesting ones: a byte says which bytes are not zero.
        wide, number = data[at : at + 1] >= b"\xf0", 8
        size = number if wide else 2
        frame += b"\xcf" + data[at + 1 : at + 1 + size].rjust(8, b"\0")
        at += 1 + size
    if has_body:
        body = data[at:]
        frame += b"\xc6" + len(body).to_bytes(4, "big") + body
    check(len(frame) >= HEADER_BYTES + (len(names) - has_body) * FIELD_BYTES, "short")
    return bytes(frame)


def _fix_ballot(cluster: Cluster, frame: bytes, sender: int, to: int) -> bytes:
    """The ballot that the receiver has promised, in a frame of whoever owns it."""
    service = cluster.services[to]
    if service is None or len(frame) < HEADER_BYTES + FIELD_BYTES:
        return frame
    ballot = service.replica.status().promised
    at = HEADER_BYTES + 1
    return frame[:at] + ballot.to_bytes(8, "big") + frame[at + 8 :]


def operate(cluster: Cluster, given: Input) -> None:
    code = given.byte() % 12
    node = 1 + given.byte() % 3
    match code:
        case 0 | 1 | 2 | 3 | 4:
            sender = ENDPOINTS[given.byte() % len(ENDPOINTS)]
            data = given.take(given.byte())
            if code:
                data = _put_right(data, sender)
            if code == 4:
                data = _fix_ballot(cluster, data, sender, node)
            cluster.frame(sender, node, data)
        case 5 | 6:
            service = cluster.services[node]
            for _ in range(1 + given.byte() % 8):
                if service is not None and cluster.services[node] is not None:
                    cluster.guarded(node, service.tick)
        case 7 | 8 | 9:
            cluster.deliver(1 + given.byte() % 16, lose=False)
        case 10:
            cluster.deliver(1 + given.byte() % 4, lose=True)
        case 11:
            if cluster.old:
                cluster.frame(*cluster.old[given.byte() % len(cluster.old)])


def run(data: bytes) -> int:
    cluster, given = Cluster(), Input(data)
    for _ in range(OPERATIONS_MAX):
        if given.ended:
            break
        operate(cluster, given)
    return max(1, cluster.frames)


def seeds() -> Iterator[bytes]:
    ticks = bytes((5, 0, 7)) * 2 + bytes((5, 1, 2))
    deliver = bytes((7, 0, 15)) * 4
    for _, frame in golden_frames():
        raw = bytes((0, 1, 1, min(len(frame), 255))) + frame[:255]
        yield ticks + deliver + raw + deliver
    for kind in range(len(KINDS)):
        numbers = bytes((0, 0, 1)) * 6
        right = bytes((1 + 3 * (kind % 2), 0, 1, 40, kind)) + numbers + bytes(21)
        yield ticks + deliver + right + deliver + ticks + deliver


assert BODY_HEADER_BYTES == 5
