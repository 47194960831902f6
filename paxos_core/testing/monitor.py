"""The monitor of a run: it sees all that happens, and checks the invariants over it.

Nodes forget when they crash; the monitor does not. It sees every message at the
moment it leaves a node, every record at the moment it reaches a disk, and every
command at the moment it is applied, and checks each against all that came
before, in constant time.

The names of the invariants are the ones that failures are reported under.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from paxos_core import messages as m
from paxos_core.batch import decode_batch
from paxos_core.client import ClientError, OutcomeUnknown, Overloaded, ResultTooLarge
from paxos_core.durable import DurableState, Promised, Record, Voted
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Decided
from paxos_core.session import NO_SESSION, decode_group
from paxos_core.testing.failure import Violation
from paxos_core.testing.machine import command_name
from paxos_core.testing.tally import Tally
from paxos_core.types import Ballot, NodeId, Slot, ballot_node, format_ballot

ASKS_MAX = 3
"""How often a node may ask for the log from one slot between two of its ticks."""


def require(holds: bool, invariant: str, detail: str) -> None:
    """Raise `Violation` unless `holds`."""
    if not holds:
        raise Violation(invariant, detail)


class AcceptorGhost:
    """What one acceptor has on its disk, and what it has told others."""

    __slots__ = ("durable_promise", "told_promise", "told_votes")

    def __init__(self) -> None:
        self.durable_promise: Ballot = 0
        self.told_promise: Ballot = 0
        self.told_votes: dict[Slot, Ballot] = {}


class Monitor:
    """Watches one run. Raises `Violation` as soon as an invariant breaks."""

    def __init__(self, quorums: QuorumSystem, strict_refusals: bool) -> None:
        self._tally = Tally(quorums.members, quorums.phase1, quorums.phase2)
        self._strict_refusals = strict_refusals
        self.counts: Counter[str] = Counter()
        self._acceptors = {node: AcceptorGhost() for node in quorums.members}
        self._voteless: set[NodeId] = set()
        self._proposals: dict[Slot, dict[Ballot, bytes]] = {}
        self.chosen: dict[Slot, tuple[Ballot, bytes]] = {}
        self.chosen_prefix: Slot = 0
        """Every slot below it is chosen."""
        self._commands: dict[Slot, list[bytes]] = {}
        self._digests: dict[Slot, bytes] = {}
        self._tables: dict[Slot, bytes] = {}
        self.order: list[bytes] = []
        """The one order in which commands are applied, on all nodes."""
        self._positions: dict[bytes, int] = {}
        self.submitted: set[bytes] = set()
        self._endpoints: set[int] = set()
        self._refused: dict[bytes, str] = {}
        self._settled: set[bytes] = set()
        self.overloaded: set[bytes] = set()
        """Commands that were refused for want of room."""
        self.reached = dict.fromkeys(quorums.members, 0)
        """How far each node has applied the log, and lost again when it stopped."""
        self.ticks = dict.fromkeys(quorums.members, 0)
        """How often each node's clock has ticked."""
        self._asked = dict.fromkeys(quorums.members, ((0, 0), 0))
        self._hash = blake2b(digest_size=16)
        self._last: m.Message | None = None
        self._watch: dict[type, Callable[[NodeId, Any], None]] = {
            m.PreVote: self._see_watermark,
            m.PreVoteReply: self._see_watermark,
            m.Prepare: self._see_prepare,
            m.Promise: self._see_promise,
            m.Accept: self._see_accept,
            m.Accepted: self._see_accepted,
            m.Heartbeat: self._see_watermark,
            m.HeartbeatAck: self._see_watermark,
            m.Learn: self._see_learn,
            m.Chosen: self._see_chosen,
            m.SnapshotChunk: self._see_snapshot,
        }

    @property
    def has_gap(self) -> bool:
        """Whether a slot is chosen above one that is not."""
        return len(self.chosen) > self.chosen_prefix

    @property
    def fingerprint(self) -> str:
        """A hash over every frame sent and every command applied, in order."""
        return self._hash.hexdigest()

    def begun(self, quorums: QuorumSystem, frame_bytes_max: int) -> None:
        """Count what kind of cluster this is."""
        size = len(quorums.members)
        majority = size // 2 + 1
        self.counts[f"cluster of {size}"] += 1
        self.counts[f"frames of {frame_bytes_max}"] += 1
        is_majority = quorums.phase1 == quorums.phase2 == majority
        self.counts["quorums: " + ("majority" if is_majority else "flexible")] += 1

    def check_quorums(self) -> None:
        """That no two quorums of the cluster can miss one another."""
        self._tally.check_sizes()

    # Messages that leave a node

    def sent(self, node: NodeId, message: m.Message) -> None:
        """`message` leaves `node`, whatever becomes of it."""
        if message is self._last:
            return
        self._last = message
        kind = type(message)
        self.counts[kind.__name__] += 1
        watch = self._watch.get(kind)
        if watch is not None:
            watch(node, message)

    def framed(self, now: int, to: NodeId, frame: bytes) -> None:
        """The bytes that left."""
        self._hash.update(b"%d>%d%b" % (now, to, frame))

    def _see_watermark(self, node: NodeId, message: Any) -> None:
        if message.watermark > self.chosen_prefix:
            raise Violation(
                "a watermark is true",
                f"node {node} says {message.watermark} in {type(message).__name__}, "
                f"but slot {self.chosen_prefix} is not chosen",
            )
        if message.watermark > self.reached[node]:
            raise Violation(
                "a watermark is true",
                f"node {node} says {message.watermark} in {type(message).__name__}, "
                f"and knows the log below {self.reached[node]} itself",
            )

    def _see_prepare(self, node: NodeId, prepare: m.Prepare) -> None:
        self._has_vote(node, prepare)
        self._durable_ballot(node, prepare.ballot, "Prepare")

    def _has_vote(self, node: NodeId, message: m.Message) -> None:
        if node in self._voteless:
            raise Violation(
                "who lost its disk does not vote",
                f"node {node} sends {type(message).__name__} after it lost its promises",
            )

    def _durable_ballot(self, node: NodeId, ballot: Ballot, what: str) -> None:
        ghost = self._acceptors[node]
        require(
            ghost.durable_promise >= ballot,
            "durable before sent",
            f"node {node} sends {what} {format_ballot(ballot)} with "
            f"{format_ballot(ghost.durable_promise)} on its disk",
        )

    def _see_promise(self, node: NodeId, promise: m.Promise) -> None:
        self._see_watermark(node, promise)
        self._has_vote(node, promise)
        self._durable_ballot(node, promise.ballot, "Promise")
        ghost = self._acceptors[node]
        require(
            promise.ballot >= ghost.told_promise,
            "promises never regress",
            f"node {node} promises {format_ballot(promise.ballot)} "
            f"after {format_ballot(ghost.told_promise)}",
        )
        ghost.told_promise = promise.ballot
        if promise.next_slot == m.NO_MORE:
            self._tally.promised(node, promise.ballot)
        else:
            self.counts["promise with more pages"] += 1
        if promise.votes:
            self.counts["promise that reveals votes"] += 1
        self._promise_is_whole(node, ghost, promise)

    def _promise_is_whole(self, node: NodeId, ghost: AcceptorGhost, promise: m.Promise) -> None:
        shown = {vote.slot: vote.ballot for vote in promise.votes}
        first = max(promise.from_slot, promise.watermark)
        for slot, ballot in ghost.told_votes.items():
            if ballot >= promise.ballot or not first <= slot < promise.next_slot:
                continue
            if shown.get(slot, 0) < ballot:
                raise Violation(
                    "a promise reveals every vote",
                    f"node {node} hides its vote {format_ballot(ballot)} for slot {slot}",
                )

    def _see_accept(self, node: NodeId, accept: m.Accept) -> None:
        self._has_vote(node, accept)
        self._see_watermark(node, accept)
        require(
            ballot_node(accept.ballot) == node,
            "one proposer per ballot",
            f"node {node} proposes in {format_ballot(accept.ballot)}",
        )
        self._tally.proposes(node, accept.ballot)
        self._note_proposal(accept.slot, accept.ballot, accept.value)

    def _note_proposal(self, slot: Slot, ballot: Ballot, value: bytes) -> None:
        by_ballot = self._proposals.setdefault(slot, {})
        known = by_ballot.setdefault(ballot, value)
        if known is value:
            self._agrees(slot, ballot, value)
            return
        require(
            known == value,
            "one value per ballot and slot",
            f"ballot {format_ballot(ballot)} proposes two values for slot {slot}",
        )

    def _agrees(self, slot: Slot, ballot: Ballot, value: bytes) -> None:
        """P2b: every proposal above the ballot in which a value was chosen has that value."""
        chosen = self.chosen.get(slot)
        if chosen is not None and ballot > chosen[0] and value != chosen[1]:
            raise Violation(
                "P2b: a later ballot proposes the chosen value",
                f"slot {slot} was chosen in {format_ballot(chosen[0])}, and "
                f"{format_ballot(ballot)} proposes another value",
            )

    def _see_accepted(self, node: NodeId, accepted: m.Accepted) -> None:
        self._has_vote(node, accepted)
        ghost = self._acceptors[node]
        ballot = accepted.ballot
        require(
            ballot >= ghost.told_promise,
            "promises never regress",
            f"node {node} accepts in {format_ballot(ballot)} "
            f"after promising {format_ballot(ghost.told_promise)}",
        )
        ghost.told_promise = ballot
        for slot in range(accepted.first_slot, accepted.last_slot + 1):
            if self._tally.has_voted(node, slot, ballot):
                ghost.told_votes[slot] = ballot
                continue
            chosen = self.chosen.get(slot)
            if chosen is None or self._proposals[slot].get(ballot) != chosen[1]:
                raise Violation(
                    "durable before sent",
                    f"node {node} says Accepted {format_ballot(ballot)} for slot {slot} "
                    "without that vote on its disk",
                )

    def _see_chosen(self, node: NodeId, chosen: m.Chosen) -> None:
        self._see_watermark(node, chosen)
        self.is_chosen(node, chosen.slot, chosen.value)

    def _see_snapshot(self, _node: NodeId, _chunk: m.SnapshotChunk) -> None:
        if any(slot >= self.chosen_prefix for slot in reversed(self._proposals)):
            self.counts["snapshot sent while a vote is pending"] += 1

    def _see_learn(self, node: NodeId, learn: m.Learn) -> None:
        """Progress asks for a page once, and a tick asks for it again; copies must not."""
        asked = (learn.from_slot, self.ticks[node])
        times = self._asked[node][1] + 1 if self._asked[node][0] == asked else 1
        self._asked[node] = (asked, times)
        require(
            times <= ASKS_MAX,
            "catching up asks once",
            f"node {node} asks {times} times for slot {learn.from_slot}",
        )

    def is_chosen(self, node: NodeId, slot: Slot, value: bytes) -> None:
        """`node` says that `value` is chosen for `slot`."""
        known = self.chosen.get(slot)
        require(
            known is not None and known[1] == value,
            "one value per slot",
            f"node {node} has another value for slot {slot} than a quorum voted for"
            if known
            else f"node {node} takes slot {slot} for chosen, which no quorum voted for",
        )

    # Records that reach a disk

    def durable(self, node: NodeId, record: Record) -> None:
        """`record` is on the disk of `node` for good."""
        ghost = self._acceptors[node]
        if type(record) is Voted:
            ghost.durable_promise = max(ghost.durable_promise, record.ballot)
            self._note_proposal(record.slot, record.ballot, record.value)
            self._count_vote(node, record)
        elif type(record) is Promised:
            ghost.durable_promise = max(ghost.durable_promise, record.ballot)

    def _count_vote(self, node: NodeId, vote: Voted) -> None:
        if not self._tally.voted(node, vote.slot, vote.ballot):
            return
        known = self.chosen.get(vote.slot)
        if known is None:
            self._choose(vote)
            return
        require(
            known[1] == vote.value,
            "one value per slot",
            f"slot {vote.slot}: {format_ballot(known[0])} and {format_ballot(vote.ballot)} "
            "have chosen two values",
        )
        if vote.ballot < known[0]:
            self.chosen[vote.slot] = (vote.ballot, vote.value)

    def _choose(self, vote: Voted) -> None:
        self.chosen[vote.slot] = (vote.ballot, vote.value)
        while self.chosen_prefix in self.chosen:
            self.chosen_prefix += 1
        if vote.slot > self.chosen_prefix:
            self.counts["chosen above a gap"] += 1
        for ballot, value in self._proposals[vote.slot].items():
            self._agrees(vote.slot, ballot, value)
        self._only_submitted(vote.slot, vote.value)

    def _only_submitted(self, slot: Slot, value: bytes) -> None:
        groups = decode_batch(value)
        require(groups is not None, "only proposed values", f"slot {slot} holds no batch")
        if not groups:
            self.counts["no-op chosen"] += 1
        for data in groups or ():
            group = decode_group(data)
            require(group is not None, "only proposed values", f"slot {slot} holds no group")
            assert group is not None
            session, nonce, _, commands = group
            known = (
                nonce in self._endpoints
                if session == NO_SESSION
                else all(command in self.submitted for command in commands)
            )
            require(known, "only proposed values", f"slot {slot}: nobody submitted {commands}")

    # Crashes

    def restarted(self, node: NodeId, state: DurableState) -> None:
        """`node` starts again with what its disk gave."""
        ghost = self._acceptors[node]
        require(
            state.promised >= ghost.told_promise,
            "promises survive a crash",
            f"node {node} told of {format_ballot(ghost.told_promise)} and comes back "
            f"with {format_ballot(state.promised)}",
        )
        kept: dict[Slot, Ballot] = {}
        for slot, ballot in ghost.told_votes.items():
            if slot < state.watermark:
                continue
            kept[slot] = ballot
            vote = state.votes.get(slot)
            require(
                vote is not None and vote.ballot >= ballot,
                "votes survive a crash",
                f"node {node} told of its vote {format_ballot(ballot)} for slot {slot}",
            )
        ghost.told_votes = kept
        for slot, (_, value) in state.log.items():
            self.is_chosen(node, slot, value)

    def wiped(self, node: NodeId) -> None:
        """`node` lost what it promised; it must not vote again."""
        self._acceptors[node] = AcceptorGhost()
        self._voteless.add(node)

    # Decisions

    def decided(self, node: NodeId, entry: Decided) -> None:
        """`node` delivers a slot."""
        chosen = self.chosen.get(entry.slot)
        if chosen is None:
            raise Violation(
                "one value per slot",
                f"node {node} decides slot {entry.slot}, which no quorum voted for",
            )
        commands = self._commands.get(entry.slot)
        if commands is None:
            commands = self._commands[entry.slot] = decode_batch(chosen[1]) or []
        require(
            commands == entry.commands,
            "one value per slot",
            f"node {node} decides another value for slot {entry.slot} than was chosen",
        )

    def digested(self, node: NodeId, applied: Slot, digest: bytes) -> None:
        """`node` has this hash of its log below `applied`."""
        require(
            self._digests.setdefault(applied, digest) == digest,
            "logs are prefixes of one another",
            f"node {node} has another log below slot {applied}",
        )

    def tabled(self, node: NodeId, applied: Slot, digest: bytes) -> None:
        """`node` has this hash of its session table after the log below `applied`."""
        require(
            self._tables.setdefault(applied, digest) == digest,
            "session tables are equal",
            f"node {node} has another table of sessions after slot {applied - 1}",
        )

    def applied(self, position: int, name: bytes) -> None:
        """Some node has applied `name` as its command number `position`, from 0."""
        if position < len(self.order):
            require(
                self.order[position] == name,
                "commands are applied in one order",
                f"{name.decode()} at {position}, where {self.order[position].decode()} was",
            )
            return
        require(
            name not in self._positions,
            "applied exactly once",
            f"{name.decode()} is applied a second time",
        )
        require(
            name not in self._refused,
            "refused is not applied",
            f"{name.decode()} is applied after {self._refused.get(name)}",
        )
        require(
            name not in self._settled,
            "not applied after a later answer",
            f"{name.decode()} is applied, and a later command of its client was answered before",
        )
        self.order.append(name)
        self._positions[name] = position
        self._hash.update(name)

    def restored(self, names: list[bytes]) -> None:
        """Some node took its commands from a snapshot."""
        self.counts["snapshot installed"] += 1
        require(
            names == self.order[: len(names)],
            "commands are applied in one order",
            "a snapshot holds another order",
        )

    # Clients

    def opened(self, endpoint: int) -> None:
        """There is a client with this endpoint."""
        self._endpoints.add(endpoint)

    def settled(self, commands: list[bytes]) -> None:
        """They ended in an error, and a command that was sent later was answered."""
        names = set(map(command_name, commands)) - self._positions.keys()
        self.counts["settled as not applied"] += len(names)
        self._settled |= names

    def ended(self, command: bytes, outcome: bytes | ClientError) -> None:
        """A client was told what became of its command."""
        name = command_name(command)
        position = self._positions.get(name)
        self.counts[type(outcome).__name__ if isinstance(outcome, ClientError) else "result"] += 1
        if isinstance(outcome, Overloaded):
            self.overloaded.add(name)
        if isinstance(outcome, bytes):
            require(
                position is not None and outcome.rstrip() == b"%b#%d" % (name, position),
                "results are equal on all nodes",
                f"{name.decode()} was answered {outcome[:40]!r}; its place is {position}",
            )
        elif isinstance(outcome, ResultTooLarge):
            require(position is not None, "acknowledged is applied", name.decode())
        elif not isinstance(outcome, OutcomeUnknown) and self._strict_refusals:
            self._refused[name] = type(outcome).__name__
            require(
                position is None,
                "refused is not applied",
                f"{name.decode()} ended in {type(outcome).__name__} and was applied",
            )
