"""One node of a scripted cluster: a replica, its disk, and the application above it.

It is a driver as `docs/core.md` has it, with a disk that can be held. Whatever it
does it tells its watcher, at the moment at which it does it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Protocol

from paxos_core.codec import Codec
from paxos_core.config import ReplicaConfig
from paxos_core.durable import (
    DurableState,
    Record,
    Snapshot,
    decode_record,
    encode_record,
    replay,
)
from paxos_core.messages import Message
from paxos_core.proposer import Phase
from paxos_core.ready import Decided, Event
from paxos_core.replica import Replica
from paxos_core.types import NodeId, WriteId

CLUSTER = 1

Make = Callable[[ReplicaConfig, DurableState], Replica]
"""Makes the replica of a node that starts."""

Held = tuple[WriteId, list[Record], bool]
"""A write that the disk has not finished; whether it replaces all before it."""


class ScriptError(Exception):
    """The script asks for something that cannot be done, or broke an invariant."""


class NodeWatcher(Protocol):
    """Who is told what a node does. Nothing that it is given is to be changed."""

    def started(self, node: NodeId, state: DurableState) -> None:
        """`node` starts from what its disk gave."""

    def changed(self, node: NodeId, event: Event) -> None:
        """Something that its driver may want to know."""

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """Its application is a snapshot's from now on."""

    def decided(self, node: NodeId, entry: Decided) -> None:
        """It delivers a slot to its application."""

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        """A message leaves it."""

    def wrote(self, node: NodeId, records: list[Record], checkpoint: bool) -> None:
        """Its disk has finished a write."""


class ScriptNode:
    """See the module's text. Raises `ScriptError` for what cannot be done now."""

    __slots__ = (
        "_make", "codec", "commands", "config", "disk", "held", "holding", "id", "replica",
        "watcher",
    )  # fmt: skip

    def __init__(self, config: ReplicaConfig, watcher: NodeWatcher, make: Make = Replica) -> None:
        self.id: NodeId = config.node
        self.config = config
        self.codec = Codec(CLUSTER, config.node)
        self.watcher = watcher
        self._make = make
        self.disk: list[bytes] = []
        self.held: list[Held] = []
        self.holding = False
        self.replica: Replica | None = None
        self.commands: list[str] = []

    def copy(self, watcher: NodeWatcher) -> ScriptNode:
        """A node in the same state, which tells another watcher."""
        node = ScriptNode(self.config, watcher, self._make)
        node.disk = list(self.disk)
        node.held = list(self.held)
        node.holding = self.holding
        node.replica = deepcopy(self.replica, {id(self.config): self.config})
        node.commands = list(self.commands)
        return node

    @property
    def running(self) -> Replica:
        """Its replica. Raises `ScriptError` if it is down."""
        if self.replica is None:
            raise ScriptError(f"node {self.id} is down")
        return self.replica

    @property
    def leads(self) -> bool:
        """Whether a command can be proposed here."""
        return self.replica is not None and self.replica._proposer.phase is Phase.LEAD

    # Inputs

    def start(self) -> None:
        """Start from the disk. Raises `RecordError` if that contradicts itself."""
        if self.replica is not None:
            raise ScriptError(f"node {self.id} is running")
        self.commands = []
        self.watcher.started(self.id, replay(map(decode_record, self.disk)))
        self.replica = self._make(self.config, replay(map(decode_record, self.disk)))
        self.pump()

    def crash(self) -> list[Held]:
        """Stop; the writes that are gone."""
        if self.replica is None:
            raise ScriptError(f"node {self.id} is down")
        self.replica = None
        lost, self.held = self.held, []
        self.holding = False
        return lost

    def receive(self, frame: bytes) -> None:
        """A frame arrives; nothing happens if the node is down."""
        if self.replica is None:
            return
        self.replica.receive(*self.codec.decode(frame))
        self.pump()

    def tick(self) -> None:
        """A tick passes."""
        self.running.tick()
        self.pump()

    def campaign(self) -> None:
        """Phase 1, without asking first and without waiting for a time-out."""
        self.stand()
        self.pump()

    def stand(self) -> None:
        """Begin phase 1, and hand nothing out yet."""
        replica = self.running
        replica._proposer.stop()
        replica._campaign()
        replica._settle()

    def propose(self, command: str) -> None:
        """Raises what `Replica.propose` raises."""
        self.running.propose(command.encode())
        self.pump()

    def compact(self) -> None:
        """A snapshot of the application: its commands, one per line."""
        replica = self.running
        replica.compact(replica.status().watermark, "\n".join(self.commands).encode())
        self.pump()

    def sync(self) -> None:
        """The disk finishes what it was given, and later writes at once."""
        self.holding = False
        held, self.held = self.held, []
        for write in held:
            self._write(*write)
        self.pump()

    # What follows

    def pump(self) -> None:
        """Send, apply and write what the replica hands out, until there is no more."""
        while self.replica is not None and (ready := self.replica.take()):
            for event in ready.events:
                self.watcher.changed(self.id, event)
            if ready.install is not None:
                data = ready.install.data.decode()
                self.commands = data.split("\n") if data else []
                self.watcher.installed(self.id, ready.install)
            for entry in ready.decided:
                self.commands += [c.decode() for c in entry.commands] or ["no-op"]
                self.watcher.decided(self.id, entry)
            for to, message in ready.messages:
                self.watcher.sent(self.id, to, message)
            if not ready.write_id:
                continue
            write = (ready.write_id, ready.records, ready.checkpoint)
            if self.holding:
                self.held.append(write)
            else:
                self._write(*write)

    def _write(self, write_id: WriteId, records: list[Record], checkpoint: bool) -> None:
        if checkpoint:
            self.disk = []
        self.disk += map(encode_record, records)
        self.watcher.wrote(self.id, records, checkpoint)
        if self.replica is not None:
            self.replica.persisted(write_id)
