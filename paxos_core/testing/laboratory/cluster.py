"""The script cluster as a laboratory has it: rules can be out, and nothing ends the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paxos_core.config import ReplicaConfig
from paxos_core.durable import DurableState, Record, RecordError, Snapshot
from paxos_core.errors import Poisoned
from paxos_core.messages import Message
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Decided, Event
from paxos_core.replica import Replica
from paxos_core.testing.laboratory.judges import JUDGES
from paxos_core.testing.laboratory.lights import Lights
from paxos_core.testing.laboratory.removable import take_out
from paxos_core.testing.laboratory.setup import Setup
from paxos_core.testing.script_cluster import ScriptCluster
from paxos_core.testing.script_node import NodeWatcher
from paxos_core.testing.script_trace import TracedCluster
from paxos_core.types import NodeId


class LaboratoryCluster(ScriptCluster):
    """Nodes that go on where a script would end, and lights that watch them.

    `watchers` are told what the nodes do: the lights, and whoever else wants to know.

    A node whose core finds an invariant of its own broken stops itself, as a real one
    does; `stopped` has the reason, until it is started again.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.stopped: dict[NodeId, str] = {}
        self.lights = Lights(setup.make_quorums(), JUDGES)
        self.watchers: list[NodeWatcher] = [self.lights]
        super().__init__(setup.nodes, setup.phase1, setup.phase2)

    def _make_quorums(self, size: int, phase1: int | None, phase2: int | None) -> QuorumSystem:
        return self.setup.make_quorums()

    def _make_replica(self, config: ReplicaConfig, state: DurableState) -> Replica:
        replica = Replica(config, state)
        take_out(replica, self.setup.without)
        return replica

    @contextmanager
    def _guard(self, node: NodeId) -> Iterator[None]:
        try:
            yield
        except (AssertionError, Poisoned, RecordError) as error:
            self.stopped[node] = str(error) or "an invariant of its own is broken"
            if self.nodes[node].replica is not None:
                self.nodes[node].crash()
            self._output.append(f"{node} stops itself: {self.stopped[node]}")

    def _disagree(self, text: str) -> None:
        self._output.append(f"{text}, which is not what another has")

    def propose(self, node: NodeId, command: str) -> None:
        """As in a script; and a client has asked for it."""
        self.lights.submitted(command.encode())
        super().propose(node, command)

    # What the nodes tell

    def started(self, node: NodeId, state: DurableState) -> None:
        """See `NodeWatcher`, here and below."""
        self.stopped.pop(node, None)
        super().started(node, state)
        for watcher in self.watchers:
            watcher.started(node, state)

    def changed(self, node: NodeId, event: Event) -> None:
        """An event of the core."""
        super().changed(node, event)
        for watcher in self.watchers:
            watcher.changed(node, event)

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """A snapshot is in place."""
        super().installed(node, snapshot)
        for watcher in self.watchers:
            watcher.installed(node, snapshot)

    def decided(self, node: NodeId, entry: Decided) -> None:
        """A slot is delivered."""
        super().decided(node, entry)
        for watcher in self.watchers:
            watcher.decided(node, entry)

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        """A message leaves."""
        super().sent(node, to, message)
        for watcher in self.watchers:
            watcher.sent(node, to, message)

    def wrote(self, node: NodeId, records: list[Record], checkpoint: bool) -> None:
        """A write is finished."""
        super().wrote(node, records, checkpoint)
        for watcher in self.watchers:
            watcher.wrote(node, records, checkpoint)


class TracedLaboratoryCluster(TracedCluster, LaboratoryCluster):
    """The same, and every event goes to `sink`: see `TracedCluster`."""
