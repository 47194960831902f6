"""The lights: for each invariant a judge that looks on from outside.

A judge sees what leaves a node, what reaches a disk and what is delivered, and
remembers it over every crash. It knows nothing of a node's inside, and shares no
counting with the core. Once an invariant is broken its light stays red, with the
sentence that says how, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from paxos_core.durable import DurableState, Record, Snapshot
from paxos_core.messages import Accept, Accepted, Message
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Decided, Event
from paxos_core.testing.laboratory.ballots import Ballots, Choice
from paxos_core.types import NodeId

ONE_VALUE: Final = "one value per slot"
LATER_BALLOTS: Final = "later ballots propose the chosen value"
ONE_PROPOSAL: Final = "one value per ballot and slot"
PROMISES: Final = "promises never regress"
DURABLE: Final = "durable before sent"
LOGS: Final = "logs are prefixes of one another"
PROPOSED: Final = "only proposed values"


@dataclass(frozen=True, slots=True)
class Red:
    """How an invariant broke."""

    action: int
    """The number of the action in which it did, from 1."""
    sentence: str


class Judge:
    """One invariant. A subclass looks at what concerns it; the rest passes by."""

    name: ClassVar[str]
    means: ClassVar[str]

    def __init__(self, ballots: Ballots) -> None:
        self.ballots = ballots
        self.sentence: str | None = None
        """How it broke first; `None` as long as it holds."""

    def break_(self, sentence: str) -> None:
        """The invariant is broken."""
        if self.sentence is None:
            self.sentence = sentence

    def submitted(self, command: bytes) -> None:
        """A client asks for `command`."""

    def started(self, node: NodeId, state: DurableState) -> None:
        """`node` starts from what its disk gave."""

    def sent(self, node: NodeId, message: Message) -> None:
        """`message` leaves `node`."""

    def wrote(self, node: NodeId, record: Record) -> None:
        """`record` is on the disk of `node`."""

    def chosen(self, choice: Choice) -> None:
        """A quorum has voted for a value in one ballot."""

    def decided(self, node: NodeId, entry: Decided) -> None:
        """`node` delivers a slot."""

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """The log of `node` begins with `snapshot` now."""


class Lights:
    """All judges of one run; a `NodeWatcher`."""

    def __init__(self, quorums: QuorumSystem, judges: Iterable[type[Judge]]) -> None:
        self._ballots = Ballots(quorums)
        self.judges = [judge(self._ballots) for judge in judges]
        self.red: dict[str, Red] = {}
        """By the name of the invariant, those that are broken, in the order in which they broke."""
        self.action = 0
        """The number of the action that goes on."""

    def _look(self) -> None:
        for judge in self.judges:
            if judge.sentence is not None and judge.name not in self.red:
                self.red[judge.name] = Red(self.action, judge.sentence)

    def submitted(self, command: bytes) -> None:
        """A client asks for `command`."""
        for judge in self.judges:
            judge.submitted(command)

    def started(self, node: NodeId, state: DurableState) -> None:
        """See `NodeWatcher`, here and below."""
        for judge in self.judges:
            judge.started(node, state)
        self._look()

    def changed(self, node: NodeId, event: Event) -> None:
        """Nothing to judge."""

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """The log of `node` begins with `snapshot` now."""
        for judge in self.judges:
            judge.installed(node, snapshot)
        self._look()

    def decided(self, node: NodeId, entry: Decided) -> None:
        """`node` delivers a slot."""
        for judge in self.judges:
            judge.decided(node, entry)
        self._look()

    def sent(self, node: NodeId, to: NodeId, message: Message) -> None:
        """A message leaves `node`."""
        if isinstance(message, Accept):
            self._ballots.proposed(node, message)
        for judge in self.judges:
            judge.sent(node, message)
        self._tell(self._ballots.told(node, message) if isinstance(message, Accepted) else [])

    def wrote(self, node: NodeId, records: list[Record], checkpoint: bool) -> None:
        """The disk of `node` has finished a write."""
        for record in records:
            for judge in self.judges:
                judge.wrote(node, record)
            self._tell(self._ballots.wrote(node, record))

    def _tell(self, choices: list[Choice]) -> None:
        for choice in choices:
            for judge in self.judges:
                judge.chosen(choice)
        self._look()
