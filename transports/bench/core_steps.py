"""What one command costs in the core and the codec alone: no sockets, no loop, one process.

A client, a leader and two followers take their turns in the order of a command's way
through a cluster; lists stand for the network. Caches are warm and nothing else runs
between two steps, so the figures are the least that the interpreter takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter_ns
from typing import Final, TypeVar

from paxos_core import Client, ClientConfig, Codec, QuorumSystem, Replica, ReplicaConfig, Service
from paxos_core.messages import Message
from transports.api import FIRST_CLIENT_ID
from transports.node.dedicated import collect_less
from transports.node.machines import Journal

NODES: Final = (1, 2, 3)
CLUSTER: Final = 1
FRAME_BYTES_MAX: Final = 1 << 20
WARM_COMMANDS: Final = 500
TICKS_MAX: Final = 1000

Frames = list[tuple[int, int, bytes]]
"""(receiver, sender, frame)"""

BESIDE: Final = (
    "leader: its own vote",
    "other follower: accept, accepted leaves",
    "leader: second accepted",
)
"""The steps that no client waits for, where processors are free for them."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Member:
    """A node without its loop, its transport and its store."""

    service: Service
    codec: Codec
    arrived: list[bytes] = field(default_factory=list)

    def take_in(self) -> None:
        for frame in self.arrived:
            sender, message = self.codec.decode(frame)
            self.service.receive(sender, message)
        self.arrived = []

    def one_round(self) -> tuple[Frames, bool]:
        """What leaves, and whether a write sets more free."""
        ready = self.service.take()
        frames = _encode(self.codec, ready.messages)
        if not ready.records:
            return frames, False
        self.service.persisted(ready.write_id)
        return frames, True

    def first_round(self) -> tuple[Frames, bool]:
        """What leaves before anything is written."""
        self.take_in()
        return self.one_round()

    def act(self) -> Frames:
        """A whole drain, as a node has it."""
        frames, more = self.first_round()
        while more:
            following, more = self.one_round()
            frames += following
        return frames


def _encode(codec: Codec, messages: Iterable[tuple[int, Message]]) -> Frames:
    frames: Frames = []
    last: Message | None = None
    frame = b""
    for to, message in messages:
        if message is not last:
            frame, last = codec.encode(message), message
        frames.append((to, codec.sender, frame))
    return frames


class _Cluster:
    """A client and three nodes, of which one leads."""

    def __init__(self, command_bytes: int) -> None:
        quorums = QuorumSystem(NODES)
        self._command = bytes(command_bytes)
        self._client = Client(ClientConfig(FIRST_CLIENT_ID, NODES, FRAME_BYTES_MAX))
        self._codec = Codec(CLUSTER, FIRST_CLIENT_ID)
        self._answers: list[bytes] = []
        self._nodes: dict[int, _Member] = {}
        for node in NODES:
            config = ReplicaConfig(node, quorums, frame_bytes_max=FRAME_BYTES_MAX, seed=node)
            service = Service(Replica(config), Journal())
            self._nodes[node] = _Member(service, Codec(CLUSTER, node))
        self._elect()
        leader = self._nodes[1].service.replica.leader
        self._leader = self._nodes[leader]
        self._followers = [member for node, member in self._nodes.items() if node != leader]

    def _elect(self) -> None:
        """Tick until a first command is applied: then there is a leader and a session."""
        self._deliver(self._submit())
        for _ in range(TICKS_MAX):
            self._client.tick()
            self._deliver(_encode(self._codec, self._client.take().messages))
            for member in self._nodes.values():
                member.service.tick()
                self._deliver(member.act())
            if not self._client.outstanding:
                return
        raise AssertionError("no leader was elected")

    def _deliver(self, frames: Frames) -> None:
        """Have everybody act until nothing is on its way."""
        while frames:
            self._carry(frames)
            frames = []
            for member in self._nodes.values():
                if member.arrived:
                    frames += member.act()
            frames += self._take_answers()

    def _carry(self, frames: Frames) -> None:
        for to, _sender, frame in frames:
            (self._nodes[to].arrived if to in self._nodes else self._answers).append(frame)

    def _submit(self) -> Frames:
        self._client.submit([self._command])
        return _encode(self._codec, self._client.take().messages)

    def _take_answers(self) -> Frames:
        for frame in self._answers:
            sender, message = self._codec.decode(frame)
            self._client.receive(sender, message)
        self._answers = []
        return _encode(self._codec, self._client.take().messages)

    def one_command(self, watch: _Watch) -> None:
        """Have a command applied, each step by `watch`."""
        leader, (first, second) = self._leader, self._followers
        self._carry(watch.time("client: submission, request leaves", self._submit))
        accepts, more = watch.time("leader: request, accepts leave", leader.first_round)
        if more:
            watch.time("leader: its own vote", leader.act)
        self._carry(accepts)
        accepted = watch.time("follower: accept, accepted leaves", first.act)
        late = watch.time("other follower: accept, accepted leaves", second.act)
        self._carry(accepted)
        self._carry(watch.time("leader: first accepted, reply leaves", leader.act))
        watch.time("client: reply, result", self._take_answers)
        self._carry(late)
        watch.time("leader: second accepted", leader.act)
        assert not self._client.outstanding, "a command had no result"


class _Watch:
    """Takes the time of steps by their names."""

    def __init__(self) -> None:
        self.times_ns: dict[str, list[int]] = {}

    def time(self, step: str, act: Callable[[], _T]) -> _T:
        begin = perf_counter_ns()
        result = act()
        self.times_ns.setdefault(step, []).append(perf_counter_ns() - begin)
        return result


def measure_steps(commands: int, command_bytes: int) -> dict[str, float]:
    """Each step's median over `commands`, in microseconds, in the order of their beginnings."""
    cluster = _Cluster(command_bytes)
    for _ in range(WARM_COMMANDS):
        cluster.one_command(_Watch())
    collect_less()
    watch = _Watch()
    for _ in range(commands):
        cluster.one_command(watch)
    return {step: median(times) / 1000 for step, times in watch.times_ns.items()}
