"""The cluster behind a script: replicas, a bag of frames, disks, and a scribe."""

from __future__ import annotations

from paxos_core.codec import Codec
from paxos_core.config import Limits, ReplicaConfig, Timing
from paxos_core.durable import Record, Snapshot, decode_record, encode_record, replay
from paxos_core.messages import Message
from paxos_core.proposer import Phase
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import CaughtUp, Event, LeaderChanged, Ready
from paxos_core.replica import Replica
from paxos_core.testing.describe import describe_message, describe_record, describe_vote
from paxos_core.types import NodeId, Slot, WriteId, format_ballot

CLUSTER = 1
ROUNDS_MAX = 200


class ScriptError(Exception):
    """The script asks for something that cannot be done, or broke an invariant."""


class ScriptNode:
    """One replica, its disk, and the application: the list of commands it has applied."""

    __slots__ = ("codec", "commands", "disk", "held", "holding", "replica")

    def __init__(self, node: NodeId) -> None:
        self.codec = Codec(CLUSTER, node)
        self.disk: list[bytes] = []
        self.held: list[tuple[WriteId, list[Record], bool]] = []
        self.holding = False
        self.replica: Replica | None = None
        self.commands: list[str] = []


class ScriptCluster:
    """What `run_script` commands. Each command is a method; output gathers until taken."""

    def __init__(
        self, size: int, phase1: int | None = None, phase2: int | None = None,
        frame: int = 1024, keep: int = 256, window: int = 32,
    ) -> None:  # fmt: skip
        members = range(1, size + 1)
        self._quorums = QuorumSystem(members, phase1, phase2)
        self._frame_bytes_max = frame
        self._limits = Limits(window_slots=window, vote_slots_max=2 * window, log_keep_slots=keep)
        self._frames: list[tuple[NodeId, NodeId, bytes]] = []
        self._output: list[str] = []
        self._decided: dict[Slot, list[bytes]] = {}
        self._nodes = {node: ScriptNode(node) for node in members}
        for node in members:
            self._start(node)
        self._output = []

    def take_output(self) -> list[str]:
        """What was written since the last call."""
        output, self._output = self._output, []
        return output

    # Commands

    def campaign(self, node: NodeId) -> None:
        """Phase 1, without asking first and without waiting for a time-out."""
        replica = self._running(node)
        replica._proposer.stop()
        replica._campaign()
        self._pump(node)

    def propose(self, node: NodeId, command: str) -> None:
        """Raises `NotLeader` as text."""
        replica = self._running(node)
        if replica._proposer.phase is not Phase.LEAD:
            self._output.append(f"{node} does not lead; it would ask {replica.leader or 'nobody'}")
            return
        replica.propose(command.encode())
        self._pump(node)

    def deliver(self, sender: str, to: str, kind: str) -> None:
        """The frames that wait between these two, in the order in which they were sent."""
        for source, target, frame in self._pick(sender, to, kind):
            self._arrive(source, target, frame)

    def drop(self, sender: str, to: str, kind: str) -> None:
        """Lose them instead."""
        for source, target, frame in self._pick(sender, to, kind):
            message = self._nodes[source].codec.decode(frame)[1]
            self._output.append(f"{source} -> {target} lost: {describe_message(message)}")

    def copy(self, sender: str, to: str, kind: str) -> None:
        """The network doubles them: each will arrive once more."""
        picked = self._pick(sender, to, kind)
        self._frames += picked + picked

    def stabilize(self, nodes: list[NodeId]) -> None:
        """Deliver among `nodes` until none of them has anything to say to another."""
        among = set(nodes or self._nodes)
        for _ in range(ROUNDS_MAX):
            ready = [f for f in self._frames if f[0] in among and f[1] in among]
            if not ready:
                return
            self._frames = [f for f in self._frames if f[0] not in among or f[1] not in among]
            for source, target, frame in ready:
                self._arrive(source, target, frame)
        raise ScriptError("it does not become quiet")

    def tick(self, node: NodeId, ticks: int) -> None:
        """Let time pass on one node."""
        for _ in range(ticks):
            self._running(node).tick()
            self._pump(node)

    def hold(self, node: NodeId) -> None:
        """Writes begin and do not end."""
        self._nodes[node].holding = True

    def sync(self, node: NodeId) -> None:
        """They end now, and later ones at once."""
        state = self._nodes[node]
        state.holding = False
        held, state.held = state.held, []
        for write_id, records, checkpoint in held:
            self._write(node, write_id, records, checkpoint)
        self._pump(node)

    def crash(self, node: NodeId) -> None:
        """Stop; unfinished writes are gone, frames on their way are not."""
        self._running(node)
        state = self._nodes[node]
        for _, records, _ in state.held:
            lost = "; ".join(map(describe_record, records))
            self._output.append(f"{node} loses: {lost}")
        state.replica = None
        state.held = []
        state.holding = False

    def restart(self, node: NodeId) -> None:
        """Start from the disk."""
        if self._nodes[node].replica is not None:
            raise ScriptError(f"node {node} is running")
        self._start(node)

    def compact(self, node: NodeId) -> None:
        """A snapshot of the application: its commands, one per line."""
        replica = self._running(node)
        data = "\n".join(self._nodes[node].commands).encode()
        replica.compact(replica.status().watermark, data)
        self._pump(node)

    def state(self, nodes: list[NodeId]) -> None:
        """One line per node, and one per vote for a slot it does not know to be chosen."""
        for node in nodes or self._nodes:
            replica = self._nodes[node].replica
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
        commands = " ".join(self._nodes[node].commands) or "-"
        return f"[{commands}]" + (f" kept from slot {first_slot}" if first_slot else "")

    # Underneath

    def _running(self, node: NodeId) -> Replica:
        replica = self._nodes[node].replica
        if replica is None:
            raise ScriptError(f"node {node} is down")
        return replica

    def _start(self, node: NodeId) -> None:
        state = self._nodes[node]
        config = ReplicaConfig(
            node, self._quorums, self._frame_bytes_max, node, True, Timing(), self._limits
        )
        state.commands = []
        state.replica = Replica(config, replay(map(decode_record, state.disk)))
        self._pump(node)

    def _pick(self, sender: str, to: str, kind: str) -> list[tuple[NodeId, NodeId, bytes]]:
        picked: list[tuple[NodeId, NodeId, bytes]] = []
        left: list[tuple[NodeId, NodeId, bytes]] = []
        for item in self._frames:
            source, target, frame = item
            name = type(self._nodes[source].codec.decode(frame)[1]).__name__
            fits = sender in ("*", str(source)) and to in ("*", str(target)) and kind in ("*", name)
            (picked if fits else left).append(item)
        if not picked:
            raise ScriptError("nothing of the kind is on its way")
        self._frames = left
        return picked

    def _arrive(self, source: NodeId, target: NodeId, frame: bytes) -> None:
        state = self._nodes[target]
        if state.replica is None:
            return
        state.replica.receive(*state.codec.decode(frame))
        self._pump(target)

    def _pump(self, node: NodeId) -> None:
        state = self._nodes[node]
        while state.replica is not None and (ready := state.replica.take()):
            self._tell_events(node, ready.events)
            if ready.install is not None:
                self._install(node, ready.install)
            self._apply(node, ready)
            for to, message in ready.messages:
                self._send(node, to, message)
            if not ready.write_id:
                continue
            if state.holding:
                state.held.append((ready.write_id, ready.records, ready.checkpoint))
            else:
                self._write(node, ready.write_id, ready.records, ready.checkpoint)

    def _send(self, node: NodeId, to: NodeId, message: Message) -> None:
        self._output.append(f"{node} -> {to} {describe_message(message)}")
        self._frames.append((node, to, self._nodes[node].codec.encode(message)))

    def _write(
        self, node: NodeId, write_id: WriteId, records: list[Record], checkpoint: bool
    ) -> None:
        state = self._nodes[node]
        if checkpoint:
            state.disk = []
        state.disk += map(encode_record, records)
        texts = "; ".join(map(describe_record, records))
        self._output.append(f"{node} {'writes anew' if checkpoint else 'writes'}: {texts}")
        if state.replica is not None:
            state.replica.persisted(write_id)

    def _apply(self, node: NodeId, ready: Ready) -> None:
        for entry in ready.decided:
            known = self._decided.setdefault(entry.slot, entry.commands)
            text = " + ".join(command.decode() for command in entry.commands) or "no-op"
            if known != entry.commands:
                raise ScriptError(
                    f"node {node} decides another value for slot {entry.slot}: {text}"
                )
            self._nodes[node].commands += [c.decode() for c in entry.commands] or ["no-op"]
            self._output.append(f"{node} decides slot {entry.slot}: {text}")

    def _install(self, node: NodeId, snapshot: Snapshot) -> None:
        self._nodes[node].commands = snapshot.data.decode().split("\n")
        self._output.append(f"{node} installs the snapshot below slot {snapshot.slot}")

    def _tell_events(self, node: NodeId, events: list[Event]) -> None:
        for event in events:
            match event:
                case LeaderChanged(leader=0):
                    self._output.append(f"{node} knows no leader")
                case LeaderChanged(leader=leader, ballot=ballot):
                    who = "leads" if leader == node else f"follows {leader}"
                    self._output.append(f"{node} {who} in {format_ballot(ballot)}")
                case CaughtUp(watermark=watermark):
                    self._output.append(f"{node} has caught up to slot {watermark}")
