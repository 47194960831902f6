"""The cluster behind a script: nodes, cables with frames on them, and a scribe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from paxos_core.config import Limits, ReplicaConfig, Timing
from paxos_core.describe import describe_message, describe_record, describe_vote
from paxos_core.durable import DurableState, Record, Snapshot
from paxos_core.messages import Message
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import CaughtUp, Decided, Event, LeaderChanged
from paxos_core.replica import Replica
from paxos_core.testing.script_node import ScriptError, ScriptNode
from paxos_core.types import NodeId, Slot, format_ballot

__all__ = ["Frame", "ScriptCluster", "ScriptError"]

ROUNDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame on its way."""

    source: NodeId
    target: NodeId
    data: bytes
    message: Message
    """What it says; the receiver decodes a copy of its own."""

    @property
    def kind(self) -> str:
        """The message's kind."""
        return type(self.message).__name__


class ScriptCluster:
    """What `run_script` drives. Each action is a method; output gathers until taken.

    A laboratory with rules taken out is a subclass of it: what it changes stands
    under *Seams*.
    """

    def __init__(
        self, size: int, phase1: int | None = None, phase2: int | None = None,
        frame: int = 1024, keep: int = 256, window: int = 32,
    ) -> None:  # fmt: skip
        self.quorums = self._make_quorums(size, phase1, phase2)
        limits = Limits(window_slots=window, vote_slots_max=2 * window, log_keep_slots=keep)
        self.frames: list[Frame] = []
        self.cut_cables: set[frozenset[NodeId]] = set()
        self._output: list[str] = []
        self._decided: dict[Slot, list[bytes]] = {}
        self.nodes: dict[NodeId, ScriptNode] = {}
        for node in self.quorums.members:
            config = ReplicaConfig(node, self.quorums, frame, node, True, Timing(), limits)
            self.nodes[node] = ScriptNode(config, self, self._make_replica)
        for state in self.nodes.values():
            state.start()
        self._output = []

    def take_output(self) -> list[str]:
        """What was written since the last call."""
        output, self._output = self._output, []
        return output

    # Seams

    def _make_quorums(self, size: int, phase1: int | None, phase2: int | None) -> QuorumSystem:
        return QuorumSystem(range(1, size + 1), phase1, phase2)

    def _make_replica(self, config: ReplicaConfig, state: DurableState) -> Replica:
        return Replica(config, state)

    @contextmanager
    def _guard(self, node: NodeId) -> Iterator[None]:
        """Around everything that is asked of `node`."""
        yield

    def _disagree(self, text: str) -> None:
        """Two nodes deliver two values for a slot."""
        raise ScriptError(text)

    # Commands

    def campaign(self, node: NodeId) -> None:
        """Phase 1, without asking first and without waiting for a time-out."""
        with self._guard(node):
            self.nodes[node].campaign()

    def propose(self, node: NodeId, command: str) -> None:
        """Says so if `node` does not lead."""
        replica = self.nodes[node].running
        if not self.nodes[node].leads:
            self._output.append(f"{node} does not lead; it would ask {replica.leader or 'nobody'}")
            return
        with self._guard(node):
            self.nodes[node].propose(command)

    def deliver(self, sender: str, to: str, kind: str, nth: int = 0) -> None:
        """The frames that wait between these two, in the order in which they were sent.

        With `nth` only that one of them, from 1.
        """
        for frame in self._pick(sender, to, kind, nth):
            self._arrive(frame)

    def drop(self, sender: str, to: str, kind: str, nth: int = 0) -> None:
        """Lose them instead."""
        for frame in self._pick(sender, to, kind, nth):
            self._lose(frame)

    def copy(self, sender: str, to: str, kind: str, nth: int = 0) -> None:
        """The network doubles them: each will arrive once more."""
        picked = self._pick(sender, to, kind, nth)
        self.frames += picked + picked

    def cut(self, one: NodeId, other: NodeId) -> None:
        """Pull the cable between two nodes: what is on it is lost, and what is sent over it."""
        self.cut_cables.add(self._cable(one, other))
        lost = [f for f in self.frames if {f.source, f.target} == {one, other}]
        self.frames = [f for f in self.frames if {f.source, f.target} != {one, other}]
        for frame in lost:
            self._lose(frame)

    def heal(self, one: NodeId, other: NodeId) -> None:
        """Plug the cable in again."""
        cable = self._cable(one, other)
        if cable not in self.cut_cables:
            raise ScriptError(f"the cable between {one} and {other} is not cut")
        self.cut_cables.remove(cable)

    def _cable(self, one: NodeId, other: NodeId) -> frozenset[NodeId]:
        if one == other:
            raise ScriptError("a cable has two ends")
        return frozenset({self.nodes[one].id, self.nodes[other].id})

    def stabilize(self, nodes: list[NodeId]) -> None:
        """Deliver among `nodes` until none of them has anything to say to another."""
        among = set(nodes or self.nodes)
        for _ in range(ROUNDS_MAX):
            ready = [f for f in self.frames if f.source in among and f.target in among]
            if not ready:
                return
            self.frames = [f for f in self.frames if f.source not in among or f.target not in among]
            for frame in ready:
                self._arrive(frame)
        raise ScriptError("it does not become quiet")

    def tick(self, node: NodeId, ticks: int) -> None:
        """Let time pass on one node."""
        with self._guard(node):
            for _ in range(ticks):
                self.nodes[node].tick()

    def hold(self, node: NodeId) -> None:
        """Writes begin and do not end."""
        self.nodes[node].holding = True

    def sync(self, node: NodeId) -> None:
        """They end now, and later ones at once."""
        with self._guard(node):
            self.nodes[node].sync()

    def crash(self, node: NodeId) -> None:
        """Stop; unfinished writes are gone, frames on their way are not."""
        for _, records, _ in self.nodes[node].crash():
            lost = "; ".join(map(describe_record, records))
            self._output.append(f"{node} loses: {lost}")

    def restart(self, node: NodeId) -> None:
        """Start from the disk."""
        with self._guard(node):
            self.nodes[node].start()

    def compact(self, node: NodeId) -> None:
        """A snapshot of the application: its commands, one per line."""
        with self._guard(node):
            self.nodes[node].compact()

    def state(self, nodes: list[NodeId]) -> None:
        """One line per node, and one per vote for a slot it does not know to be chosen."""
        for node in nodes or self.nodes:
            replica = self.nodes[node].replica
            if replica is None:
                self._output.append(f"{node} is down")
                continue
            status = replica.status()
            self._output.append(
                f"{node} {status.role.value}, promised {format_ballot(status.promised)}, "
                f"log {self._describe_log(node, status.first_slot)}"
            )
            for vote in replica._acceptor.votes.values():
                self._output.append(f"    has voted for {describe_vote(vote)}")

    def _describe_log(self, node: NodeId, first_slot: Slot) -> str:
        commands = " ".join(self.nodes[node].commands) or "-"
        return f"[{commands}]" + (f" kept from slot {first_slot}" if first_slot else "")

    # Frames

    def _pick(self, sender: str, to: str, kind: str, nth: int = 0) -> list[Frame]:
        fitting = [
            index
            for index, frame in enumerate(self.frames)
            if sender in ("*", str(frame.source))
            and to in ("*", str(frame.target))
            and kind in ("*", frame.kind)
        ]
        if nth:
            fitting = fitting[nth - 1 : nth]
        if not fitting:
            raise ScriptError("nothing of the kind is on its way")
        picked = [self.frames[index] for index in fitting]
        taken = set(fitting)
        self.frames = [frame for i, frame in enumerate(self.frames) if i not in taken]
        return picked

    def _arrive(self, frame: Frame) -> None:
        with self._guard(frame.target):
            self.nodes[frame.target].receive(frame.data)

    def _lose(self, frame: Frame) -> None:
        self._output.append(
            f"{frame.source} -> {frame.target} lost: {describe_message(frame.message)}"
        )

    # What the nodes tell

    def started(self, node: NodeId, state: DurableState) -> None:
        """A start says nothing in a script."""

    def changed(self, node: NodeId, event: Event) -> None:
        """Who leads, and who has caught up."""
        match event:
            case LeaderChanged(leader=0):
                self._output.append(f"{node} knows no leader")
            case LeaderChanged(leader=leader, ballot=ballot):
                who = "leads" if leader == node else f"follows {leader}"
                self._output.append(f"{node} {who} in {format_ballot(ballot)}")
            case CaughtUp(watermark=watermark):
                self._output.append(f"{node} has caught up to slot {watermark}")

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """Says so."""
        self._output.append(f"{node} installs the snapshot below slot {snapshot.slot}")

    def decided(self, node: NodeId, entry: Decided) -> None:
        """Says so, and compares with what others have decided."""
        known = self._decided.setdefault(entry.slot, entry.commands)
        text = " + ".join(command.decode() for command in entry.commands) or "no-op"
        if known != entry.commands:
            self._disagree(f"node {node} decides another value for slot {entry.slot}: {text}")
        self._output.append(f"{node} decides slot {entry.slot}: {text}")

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        """Puts it on the cable, or loses it where that is cut."""
        frame = Frame(node, to, self.nodes[node].codec.encode(message), message)
        if frozenset({node, to}) in self.cut_cables:
            self._lose(frame)
            return
        self._output.append(f"{node} -> {to} {describe_message(message)}")
        self.frames.append(frame)

    def wrote(self, node: NodeId, records: list[Record], checkpoint: bool) -> None:
        """Says so."""
        texts = "; ".join(map(describe_record, records))
        self._output.append(f"{node} {'writes anew' if checkpoint else 'writes'}: {texts}")
