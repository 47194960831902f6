"""What a service and a driver ask of a replica, whatever it is made of.

`Replica` is one such log. Others keep their state outside Python and have the same
decisions made by the C twin; they leave messages between replicas encoded.
"""

from __future__ import annotations

from typing import Protocol

from paxos_core.config import ReplicaConfig
from paxos_core.messages import Message
from paxos_core.ready import Ready
from paxos_core.status import ReplicaStatus
from paxos_core.types import NodeId, Slot, WriteId


class ReplicatedLog(Protocol):
    """The contract of `Replica`, whose methods say more."""

    @property
    def config(self) -> ReplicaConfig:
        """What it was told when it was made."""
        ...

    @property
    def leader(self) -> NodeId:
        """Who leads, as far as is known here; 0 for nobody."""
        ...

    @property
    def snapshot_due(self) -> bool:
        """Whether the log has grown enough to be worth a snapshot."""
        ...

    def receive(self, sender: NodeId, message: Message) -> None:
        """A message from another member; never raises for what it says."""
        ...

    def tick(self) -> None:
        """One tick passed."""
        ...

    def propose(self, command: bytes) -> None:
        """Have `command` decided. Raises `NotLeader`, `Overloaded`, `CommandTooLarge`."""
        ...

    def persisted(self, write_id: WriteId) -> None:
        """Every batch of records up to `write_id` is on stable storage."""
        ...

    def take(self) -> Ready:
        """Everything that followed from the inputs so far; each thing is handed out once."""
        ...

    def compact(self, slot: Slot, data: bytes) -> None:
        """`data` is the application's state after every slot below `slot`."""
        ...

    def status(self) -> ReplicaStatus:
        """How this replica is."""
        ...
