"""The invariants themselves, one judge each. `JUDGES` has them in the order of the page."""

from __future__ import annotations

from typing import Final

from paxos_core.batch import decode_batch, encode_batch
from paxos_core.describe import describe_value
from paxos_core.durable import DurableState, Promised, Record, Snapshot, Voted
from paxos_core.messages import Accept, Accepted, Message, Prepare, Promise
from paxos_core.ready import Decided
from paxos_core.testing.laboratory.ballots import Ballots, Choice, Proposal
from paxos_core.testing.laboratory.lights import (
    DURABLE,
    LATER_BALLOTS,
    LOGS,
    ONE_PROPOSAL,
    ONE_VALUE,
    PROMISES,
    PROPOSED,
    Judge,
)
from paxos_core.types import Ballot, NodeId, Slot, format_ballot


def _ballot(ballot: Ballot) -> str:
    return format_ballot(ballot) if ballot else "nothing"


class OneValuePerSlot(Judge):
    """Agreement (Paxos Made Simple, 2.1, safety): no slot has two chosen values."""

    name = ONE_VALUE
    means = "For each slot of the log one value is chosen, whoever is asked."

    def __init__(self, ballots: Ballots) -> None:
        super().__init__(ballots)
        self._first: dict[Slot, tuple[bytes, str]] = {}

    def chosen(self, choice: Choice) -> None:
        """By a quorum's votes."""
        self._compare(choice.slot, choice.value, f"{choice} is chosen")

    def decided(self, node: NodeId, entry: Decided) -> None:
        """By what a node tells its application."""
        value = encode_batch(entry.commands)
        self._compare(entry.slot, value, f"node {node} decides {describe_value(value)}")

    def _compare(self, slot: Slot, value: bytes, how: str) -> None:
        known, before = self._first.setdefault(slot, (value, how))
        if known != value:
            self.break_(f"slot {slot} has two values: {before}, and {how}")


class LaterBallots(Judge):
    """P2b (2.2): "If a proposal with value v is chosen, then every higher-numbered proposal
    issued by any proposer has value v."
    """

    name = LATER_BALLOTS
    means = "Once a value is chosen, every higher ballot proposes that value (P2b, P2c)."

    def sent(self, node: NodeId, message: Message) -> None:
        """A proposal, against what was chosen before."""
        if isinstance(message, Accept):
            proposal = Proposal(message.slot, message.ballot, message.value, node)
            for choice in self.ballots.choices.get(message.slot, ()):
                self._compare(choice, proposal)

    def chosen(self, choice: Choice) -> None:
        """A choice, against what was proposed before."""
        for proposal in self.ballots.proposals.get(choice.slot, ()):
            self._compare(choice, proposal)

    def _compare(self, choice: Choice, proposal: Proposal) -> None:
        if proposal.ballot > choice.ballot and proposal.value != choice.value:
            self.break_(
                f"slot {choice.slot}: {choice} is chosen, and node {proposal.node} proposes "
                f"{describe_value(proposal.value)} in {format_ballot(proposal.ballot)}"
            )


class OneProposal(Judge):
    """Different proposals have different numbers (2.2)."""

    name = ONE_PROPOSAL
    means = "A ballot proposes one value for a slot, and never a second one."

    def sent(self, node: NodeId, message: Message) -> None:
        """A proposal, against the others of its ballot."""
        if not isinstance(message, Accept):
            return
        for other in self.ballots.proposals.get(message.slot, ()):
            if other.ballot == message.ballot and other.value != message.value:
                self.break_(
                    f"ballot {format_ballot(message.ballot)} proposes "
                    f"{describe_value(other.value)} and {describe_value(message.value)} "
                    f"for slot {message.slot}"
                )


class PromisesNeverRegress(Judge):
    """P1a (2.2): nothing is accepted below a ballot that was promised. Not after a crash either."""

    name = PROMISES
    means = "A node that has promised a ballot never answers a lower one, not after a crash either."

    def __init__(self, ballots: Ballots) -> None:
        super().__init__(ballots)
        self._told: dict[NodeId, Ballot] = {}

    def sent(self, node: NodeId, message: Message) -> None:
        """What binds the sender."""
        if not isinstance(message, Prepare | Promise | Accepted):
            return
        told = self._told.get(node, 0)
        if message.ballot < told:
            self.break_(
                f"node {node} says {type(message).__name__} {format_ballot(message.ballot)} "
                f"after it had promised {format_ballot(told)}"
            )
        self._told[node] = max(told, message.ballot)

    def started(self, node: NodeId, state: DurableState) -> None:
        """What the disk still knows of it."""
        told = self._told.get(node, 0)
        if state.promised < told:
            self.break_(
                f"node {node} had promised {format_ballot(told)}, and comes back with "
                f"{_ballot(state.promised)}"
            )


class DurableBeforeSent(Judge):
    """2.5: an acceptor's answer is in stable storage before it is sent."""

    name = DURABLE
    means = (
        "A promise or a vote is on the disk of its node before anybody hears of it; "
        "a Prepare tells of its sender's own promise."
    )

    def __init__(self, ballots: Ballots) -> None:
        super().__init__(ballots)
        self._promised: dict[NodeId, Ballot] = {}
        self._voted: set[tuple[NodeId, Slot, Ballot]] = set()

    def wrote(self, node: NodeId, record: Record) -> None:
        """What is there."""
        if isinstance(record, Voted):
            self._voted.add((node, record.slot, record.ballot))
        if isinstance(record, Voted | Promised):
            self._promised[node] = max(self._promised.get(node, 0), record.ballot)

    def sent(self, node: NodeId, message: Message) -> None:
        """What must be there."""
        if isinstance(message, Prepare | Promise) and message.ballot > self._promised.get(node, 0):
            self.break_(
                f"node {node} says {type(message).__name__} {format_ballot(message.ballot)} "
                f"with {_ballot(self._promised.get(node, 0))} promised on its disk"
            )
        if not isinstance(message, Accepted):
            return
        for slot in range(message.first_slot, message.last_slot + 1):
            if not self._may_tell(node, slot, message.ballot):
                self.break_(
                    f"node {node} says Accepted {format_ballot(message.ballot)} for slot {slot}, "
                    "and that vote is not on its disk"
                )

    def _may_tell(self, node: NodeId, slot: Slot, ballot: Ballot) -> bool:
        if (node, slot, ballot) in self._voted:
            return True
        # Below its watermark an acceptor confirms the chosen value without keeping a vote.
        value = self.ballots.value_of(slot, ballot)
        return value is not None and self.ballots.is_chosen(slot, value)


class LogsArePrefixes(Judge):
    """What applications see: of any two logs the shorter is the beginning of the longer."""

    name = LOGS
    means = "Of any two nodes' logs the shorter is the beginning of the longer."

    def __init__(self, ballots: Ballots) -> None:
        super().__init__(ballots)
        self._log: dict[Slot, tuple[NodeId, list[bytes]]] = {}

    def decided(self, node: NodeId, entry: Decided) -> None:
        """A slot, against the first node that delivered it."""
        first, commands = self._log.setdefault(entry.slot, (node, entry.commands))
        if commands != entry.commands:
            self.break_(
                f"slot {entry.slot} is {describe_value(encode_batch(commands))} in the log of "
                f"node {first}, and {describe_value(encode_batch(entry.commands))} in that of "
                f"node {node}"
            )

    def installed(self, node: NodeId, snapshot: Snapshot) -> None:
        """A snapshot, against the slots that it stands for."""
        if any(slot not in self._log for slot in range(snapshot.slot)):
            return
        lines: list[bytes] = []
        for slot in range(snapshot.slot):
            lines += self._log[slot][1] or [b"no-op"]
        if b"\n".join(lines) != snapshot.data:
            self.break_(f"node {node} installs a snapshot of another log")


class OnlyProposed(Judge):
    """Validity (2.1, safety): what is chosen was proposed by somebody."""

    name = PROPOSED
    means = "Nothing is voted for or decided that nobody asked for; a no-op fills a gap."

    def __init__(self, ballots: Ballots) -> None:
        super().__init__(ballots)
        self._submitted: set[bytes] = set()

    def submitted(self, command: bytes) -> None:
        """A client asks for it."""
        self._submitted.add(command)

    def wrote(self, node: NodeId, record: Record) -> None:
        """A vote."""
        if isinstance(record, Voted):
            self._check(node, "votes for", decode_batch(record.value))

    def decided(self, node: NodeId, entry: Decided) -> None:
        """A delivery."""
        self._check(node, "decides", entry.commands)

    def _check(self, node: NodeId, verb: str, commands: list[bytes] | None) -> None:
        if commands is None:
            self.break_(f"node {node} {verb} what is no list of commands")
        for command in commands or ():
            if command not in self._submitted:
                name = command.decode("ascii", "backslashreplace")
                self.break_(f"node {node} {verb} {name}, which nobody proposed")


JUDGES: Final[tuple[type[Judge], ...]] = (
    OneValuePerSlot,
    LogsArePrefixes,
    LaterBallots,
    OneProposal,
    PromisesNeverRegress,
    DurableBeforeSent,
    OnlyProposed,
)
