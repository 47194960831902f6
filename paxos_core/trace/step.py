"""One step of a core, before and after: what `why` explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from paxos_core.config import ReplicaConfig
from paxos_core.durable import Record, Snapshot
from paxos_core.election import Role
from paxos_core.messages import Accept, Accepted, Message
from paxos_core.ready import Decided, Event
from paxos_core.status import ReplicaStatus
from paxos_core.trace.memory import Memory, Verdict
from paxos_core.types import NO_NODE, NodeId, Slot, WriteId, ballot_node

START: Final = "start"
RECEIVE: Final = "receive"
TICK: Final = "tick"
PROPOSE: Final = "propose"
PERSISTED: Final = "persisted"
COMPACT: Final = "compact"
TAKE: Final = "take"

Clause = tuple[str, str]
"""A rule's name, and part of a sentence."""

SLOTS_NAMED_MAX: Final = 8

_M = TypeVar("_M", bound=Message)


@dataclass(slots=True)
class Given:
    """An input: its kind, and what came with it."""

    kind: str
    sender: NodeId = NO_NODE
    message: Message | None = None
    """`None` for a frame that cannot be read."""
    command: bytes = b""
    write_id: WriteId = 0
    slot: Slot = 0
    size: int = 0
    """Of a snapshot, in bytes."""
    text: str = ""


@dataclass(slots=True)
class Outcome:
    """What was handed out, everything decoded."""

    messages: list[tuple[NodeId, Message | None]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    write_id: WriteId = 0
    checkpoint: bool = False
    decided: list[Decided] = field(default_factory=list)
    install: Snapshot | None = None
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.messages or self.records or self.decided or self.install or self.events)


@dataclass(slots=True)
class Step:
    """One input, or what a `take` handed out, or both."""

    config: ReplicaConfig
    given: Given
    before: ReplicaStatus
    after: ReplicaStatus
    memory: Memory
    """As it was before, but for the promise that came in."""
    verdict: Verdict = Verdict.GOOD
    """On a Promise or an Accept."""
    out: Outcome | None = None
    """`None` if nothing was taken yet."""
    waits: bool = False
    """The core has not looked at the input yet."""
    error: BaseException | None = None

    @property
    def sender(self) -> NodeId:
        """Whose message it is."""
        return self.given.sender

    @property
    def campaigns(self) -> bool:
        """Whether a phase 1 of its own began."""
        promised = self.after.promised
        return promised > self.before.promised and ballot_node(promised) == self.config.node

    @property
    def elected(self) -> bool:
        """Whether it leads now in a ballot in which it did not."""
        led = self.before.role is Role.LEADER and self.before.ballot == self.after.ballot
        return self.after.role is Role.LEADER and not led

    @property
    def deposed(self) -> bool:
        """Whether it led, and does not any more."""
        return self.before.role is Role.LEADER and self.after.role is not Role.LEADER

    @property
    def gives_way(self) -> bool:
        """Whether it was in a phase 1 of its own, and is not any more, nor leads."""
        return self.before.role is Role.CANDIDATE and self.after.role is Role.FOLLOWER

    @property
    def counts(self) -> bool:
        """Whether an Accepted that came is for a ballot that it leads in."""
        message = self.given.message
        led = self.before.role is Role.LEADER and not self.waits and self.error is None
        return led and isinstance(message, Accepted) and message.ballot == self.before.ballot

    @property
    def learnt(self) -> bool:
        """Whether the watermark moved."""
        return self.after.watermark > self.before.watermark

    def sent(self, kind: type[_M], to: NodeId = NO_NODE) -> list[_M]:
        """The messages of this type that left, to everybody or to one node."""
        if self.out is None:
            return []
        return [
            message
            for receiver, message in self.out.messages
            if isinstance(message, kind) and to in (NO_NODE, receiver)
        ]

    def silent(self, kind: type[Message]) -> bool:
        """Whether all was handed out, and no message of this type to the sender was in it."""
        return self.out is not None and not self.sent(kind, self.sender)

    @property
    def accepts(self) -> dict[Slot, Accept]:
        """What it proposed, by slot."""
        return {accept.slot: accept for accept in self.sent(Accept)}


def name_slots(first: Slot, last: Slot) -> str:
    """``slot 3`` or ``slots 3 to 5``."""
    return f"slot {first}" if first == last else f"slots {first} to {last}"


def name_set(slots: Iterable[Slot]) -> str:
    """The same for slots that are not all neighbours."""
    ordered = sorted(slots)
    if ordered[-1] - ordered[0] == len(ordered) - 1:
        return name_slots(ordered[0], ordered[-1])
    shown = ", ".join(map(str, ordered[:SLOTS_NAMED_MAX]))
    return f"slots {shown}" + (" and more" if len(ordered) > SLOTS_NAMED_MAX else "")
