"""What a replica hands to its driver, and the gate that keeps the order safe.

The rule (Paxos Made Simple, 2.5): an acceptor records its response in stable
storage *before* it sends it. Here a driver cannot get that wrong: whatever
depends on a record stays inside the `Outbox` until the driver has said
`persisted` for the batch that holds the record. All else may leave at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from paxos_core.durable import Record, Snapshot
from paxos_core.messages import Message
from paxos_core.types import Ballot, NodeId, Slot, WriteId


@dataclass(slots=True)
class Decided:
    """A slot's chosen commands, delivered in slot order without gaps; often none."""

    slot: Slot
    checksum: int
    commands: list[bytes]


@dataclass(slots=True)
class LeaderChanged:
    """`leader` leads with `ballot` as far as this replica knows; 0 for nobody."""

    leader: NodeId
    ballot: Ballot


@dataclass(slots=True)
class CaughtUp:
    """This replica has learnt all that it knew to be chosen elsewhere, up to `watermark`."""

    watermark: Slot


@dataclass(slots=True)
class SnapshotTooLarge:
    """The application's snapshot has `bytes`, which is over the limit: the log is not trimmed."""

    bytes: int


Event = LeaderChanged | CaughtUp | SnapshotTooLarge


@dataclass(slots=True)
class Ready:
    """One batch of work for the driver.

    Write `records` to stable storage in one go (`checkpoint`: they restate all,
    earlier ones may be forgotten), then call ``persisted(write_id)``. Send
    `messages` now or later: they never wait for the write. If `install` is set,
    the application's state becomes that snapshot, before `decided` is applied.
    """

    write_id: WriteId = 0
    records: list[Record] = field(default_factory=list)
    checkpoint: bool = False
    messages: list[tuple[NodeId, Message]] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    install: Snapshot | None = None
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records or self.messages or self.decided or self.install or self.events)


class Outbox:
    """Collects what the roles say, and holds back what depends on unwritten records."""

    __slots__ = (
        "_gated",
        "_node",
        "_persisted",
        "_taken",
        "checkpoint",
        "decided",
        "events",
        "install",
        "messages",
        "records",
        "to_self",
    )

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._taken: WriteId = 0
        self._persisted: WriteId = 0
        self._gated: deque[tuple[WriteId, NodeId, Message]] = deque()
        self.records: list[Record] = []
        self.checkpoint = False
        self.messages: list[tuple[NodeId, Message]] = []
        self.decided: list[Decided] = []
        self.install: Snapshot | None = None
        self.events: list[Event] = []
        self.to_self: deque[Message] = deque()

    @property
    def gate(self) -> WriteId | None:
        """The write that a gated message would wait for now; `None` if it need not wait."""
        write_id = self._taken + 1 if self.records else self._taken
        return write_id if write_id > self._persisted else None

    def record(self, record: Record) -> None:
        """Must be on stable storage before any later `send_gated` message leaves."""
        self.records.append(record)

    def send(self, to: NodeId, message: Message) -> None:
        """Promises nothing that a crash could take back: may leave at once."""
        if to == self._node:
            self.to_self.append(message)
        else:
            self.messages.append((to, message))

    def send_gated(self, to: NodeId, message: Message) -> None:
        """Leaves once every record so far is on stable storage."""
        write_id = self.gate
        if write_id is None:
            self.send(to, message)
        else:
            self._gated.append((write_id, to, message))

    def restate(self, records: list[Record]) -> None:
        """Replace all records ever written by `records`: the log is cut here."""
        self.records = records
        self.checkpoint = True

    def persisted(self, write_id: WriteId) -> None:
        """Open the gate for everything that waited for batches up to `write_id`."""
        assert write_id <= self._taken, "persisted() names a batch that was never taken"
        self._persisted = max(self._persisted, write_id)
        gated = self._gated
        while gated and gated[0][0] <= self._persisted:
            _, to, message = gated.popleft()
            self.send(to, message)

    def take(self) -> Ready:
        """Everything collected since the last call."""
        if self.records:
            self._taken += 1
        ready = Ready(
            self._taken if self.records else 0,
            self.records,
            self.checkpoint,
            self.messages,
            self.decided,
            self.install,
            self.events,
        )
        self.records = []
        self.checkpoint = False
        self.messages = []
        self.decided = []
        self.install = None
        self.events = []
        return ready
