"""A script's cluster that is traced: nothing in it is different, but each event is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from paxos_core.codec import Codec
from paxos_core.config import ReplicaConfig
from paxos_core.durable import DurableState
from paxos_core.errors import NotLeader
from paxos_core.messages import Message, Vote
from paxos_core.ready import Ready
from paxos_core.replica import Replica
from paxos_core.status import ReplicaStatus
from paxos_core.testing.script_cluster import Frame, ScriptCluster
from paxos_core.testing.script_node import CLUSTER
from paxos_core.testing.tracing import tell_loss
from paxos_core.trace.recorder import NotingCodec, Recorder, Sink, TracedFrame
from paxos_core.trace.shape import header
from paxos_core.trace.tracer import TracedLog
from paxos_core.types import NodeId, Slot, WriteId

UNIT: Final = "action"


class TracedCluster(ScriptCluster):
    """A cluster whose lines go to `sink`, as `docs/traces.md` has them: the header, then events.

    It can stand before another kind of `ScriptCluster` among a class's bases.
    """

    def __init__(self, *given: Any, sink: Sink, source: str, **named: Any) -> None:
        self._turn = 0
        self.recorder = Recorder(self._late, lambda: self._turn)
        self._sink = sink
        self._early: list[dict[str, Any]] | None = []
        self._logs: dict[NodeId, TracedLog] = {}
        super().__init__(*given, **named)
        for state in self.nodes.values():
            state.codec = NotingCodec(state.codec, self.recorder)
        early, self._early = self._early, None
        sink(header(source, self.quorums, UNIT))
        for event in early:
            sink(event)
        self._turn = 1

    def take_output(self) -> list[str]:
        """As in any script; an action ends with it."""
        self.recorder.settle()
        self._turn += 1
        return super().take_output()

    def _late(self, event: dict[str, Any]) -> None:
        """The nodes start before it is known what the header says."""
        if self._early is not None:
            self._early.append(event)
        else:
            self._sink(event)

    def _make_replica(self, config: ReplicaConfig, state: DurableState) -> Replica:
        votes = dict(state.votes)
        replica = super()._make_replica(config, state)
        self._logs[config.node] = watch(replica, votes, self.recorder)
        return replica

    @contextmanager
    def _guard(self, node: NodeId) -> Iterator[None]:
        runs = self.nodes[node].replica is not None
        with super()._guard(node):
            yield
        if runs and self.nodes[node].replica is None:
            # It has stopped itself.
            self.recorder.crash(node)

    # Commands

    def campaign(self, node: NodeId) -> None:
        """As in any script; that the node stands is an event of its own."""
        state = self.nodes[node]
        with self._guard(node):
            assert state.running, "a node that is down raises here"
            self._logs[node].act("tick", "it stands, asking nobody first", state.stand)
            state.pump()

    def propose(self, node: NodeId, command: str) -> None:
        """As in any script; also what is refused is an event."""
        state = self.nodes[node]
        if state.replica is not None and not state.leads:
            with suppress(NotLeader):
                state.replica.propose(command.encode())
        super().propose(node, command)

    def copy(self, sender: str, to: str, kind: str, nth: int = 0) -> None:
        """As in any script."""
        before = len(self.frames)
        super().copy(sender, to, kind, nth)
        for frame in self.frames[before - len(self.frames) :]:
            ident = getattr(frame.data, "ident", "")
            self.recorder.network("copy", message={"id": ident}, text="the network doubles it")

    def cut(self, one: NodeId, other: NodeId) -> None:
        """As in any script."""
        self._tell_cable("cut", one, other, "is out")
        super().cut(one, other)

    def heal(self, one: NodeId, other: NodeId) -> None:
        """As in any script."""
        super().heal(one, other)
        self._tell_cable("heal", one, other, "is in again")

    def _tell_cable(self, kind: str, one: NodeId, other: NodeId, what: str) -> None:
        self._cable(one, other)
        text = f"the cable between {one} and {other} {what}"
        self.recorder.network(kind, text=text, nodes=[[one, other], [other, one]])

    def hold(self, node: NodeId) -> None:
        """As in any script."""
        super().hold(node)
        text = f"the disk of node {node} finishes nothing from now on"
        self.recorder.network("fault", text=text)

    def sync(self, node: NodeId) -> None:
        """As in any script."""
        text = f"the disk of node {node} finishes what it was given"
        self.recorder.network("fault", text=text)
        super().sync(node)

    def crash(self, node: NodeId) -> None:
        """As in any script."""
        super().crash(node)
        self.recorder.crash(node)

    # Frames

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        """As in any script; the frame knows what it is from here on."""
        ident = self._logs[node].sendings.pop(0)[2]
        before = len(self.frames)
        super().sent(node, to, message)
        if len(self.frames) == before:
            text = "the cable is out"
            self.recorder.network("lose", message={"id": ident}, text=text)
            return
        frame = self.frames[-1]
        self.frames[-1] = replace(frame, data=TracedFrame.of(frame.data, ident))

    def _lose(self, frame: Frame) -> None:
        super()._lose(frame)
        tell_loss(self.recorder, frame.data, "the network loses it")

    def _arrive(self, frame: Frame) -> None:
        if self.nodes[frame.target].replica is None:
            tell_loss(self.recorder, frame.data, f"node {frame.target} is down")
        super()._arrive(frame)


def watch(replica: Replica, votes: Mapping[Slot, Vote], recorder: Recorder) -> TracedLog:
    """Have `replica`, which has just started with `votes`, traced in its own place.

    For a driver that looks into it as well: its inputs are the tracer's from now on, all
    else is as it was.
    """
    config = replica.config
    log = TracedLog(_Bare(replica), Codec(CLUSTER, config.node), votes, recorder)
    for name in ("receive", "tick", "propose", "persisted", "take", "compact"):
        setattr(replica, name, getattr(log, name))
    return log


class _Bare:
    """The replica without who watches it."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.config = replica.config

    @property
    def leader(self) -> NodeId:
        return self._replica.leader

    @property
    def snapshot_due(self) -> bool:
        return self._replica.snapshot_due

    def receive(self, sender: NodeId, message: Message) -> None:
        Replica.receive(self._replica, sender, message)

    def tick(self) -> None:
        Replica.tick(self._replica)

    def propose(self, command: bytes) -> None:
        Replica.propose(self._replica, command)

    def persisted(self, write_id: WriteId) -> None:
        Replica.persisted(self._replica, write_id)

    def take(self) -> Ready:
        return Replica.take(self._replica)

    def compact(self, slot: Slot, data: bytes) -> None:
        Replica.compact(self._replica, slot, data)

    def status(self) -> ReplicaStatus:
        return self._replica.status()
