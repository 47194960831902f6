"""A replicated service: a replica, the exactly-once table and an application's state machine.

The same contract as `Replica` has (inputs in, one `Ready` out), and the clients'
half of the protocol added: requests become log commands, decided commands are
applied, results become replies. Still without I/O: a node and the simulator
drive this very object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, Protocol

import msgpack

from paxos_core import messages as m
from paxos_core.batch import BATCH_HEADER_BYTES, COMMAND_HEADER_BYTES, NOOP, decode_batch
from paxos_core.config import VALUE_OVERHEAD_BYTES, SessionLimits
from paxos_core.durable import Snapshot
from paxos_core.errors import CommandTooLarge, MachineFailed, NotLeader, Overloaded
from paxos_core.ready import Decided, LeaderChanged, Ready
from paxos_core.replicated_log import ReplicatedLog
from paxos_core.session import (
    GROUP_OVERHEAD_BYTES,
    NO_SESSION,
    Answered,
    Declined,
    Opened,
    Outcome,
    Result,
    SessionTable,
    encode_group,
    pack_results,
)
from paxos_core.types import NODE_MAX, U64_MAX, NodeId, Slot, WriteId, format_ballot

_LINK: Final = Struct(">QI")
_RESULT_OVERHEAD_BYTES: Final = 5
SNAPSHOT_VERSION: Final = 1
CLIENTS_MAX: Final = 16384
_DIGEST_BYTES: Final = 16
_REQUEST_SPARE_BYTES: Final = 64
QUEUED_OVERHEAD_BYTES: Final = GROUP_OVERHEAD_BYTES + BATCH_HEADER_BYTES + 2 * COMMAND_HEADER_BYTES
"""What a client's command that comes alone takes in the leader's queue, beside its own bytes."""


class StateMachine(Protocol):
    """The application. Deterministic: the same commands in the same order, the same answers.

    It is called between two drains and should not block. It may not look at a
    clock, at chance or at anything outside itself. What it raises stops the
    node: a replica that cannot follow the log must not pretend to.
    """

    def apply(self, command: bytes) -> bytes:
        """Carry out one command; the result goes to the client."""
        ...

    def snapshot(self) -> bytes:
        """The whole state. `restore` of it gives an equal state machine."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Replace the whole state."""
        ...


class SnapshotError(ValueError):
    """A snapshot that no version of this code wrote."""


class Service:
    """One member of a replicated service. Takes over `replica`, of any make, and `machine`.

    `take` applies what was decided, so that its `Ready` needs only writing and sending.
    """

    __slots__ = (
        "_clients",
        "_command_bytes_max",
        "_digest",
        "_handlers",
        "_leading",
        "_openers",
        "_proposed",
        "_replies",
        "_reply_bytes_max",
        "_sessions",
        "_told_status",
        "applied",
        "applied_commands",
        "asked",
        "describe",
        "machine",
        "replica",
    )

    def __init__(
        self,
        replica: ReplicatedLog,
        machine: StateMachine,
        session_limits: SessionLimits | None = None,
    ) -> None:
        self.replica = replica
        self.machine = machine
        self.applied: Slot = 0
        """Every slot below this is applied."""
        self.applied_commands = 0
        """Since this object was made."""
        most = command_room(replica.config.frame_bytes_max)
        self._command_bytes_max = min(most, replica.config.limits.command_bytes_max)
        self._reply_bytes_max = most
        self.describe: Callable[[], dict[str, Any]] = self.status
        """What a `StatusRequest` is answered with; a driver may have more to tell."""
        self.asked: Callable[[NodeId, int], None] = _ignore
        """Is given the sender and the nonce of each `StatusRequest`."""
        self._sessions = SessionTable(session_limits or SessionLimits())
        self._digest = bytes(_DIGEST_BYTES)
        """A chain of hashes over the log below `applied`."""
        self._leading = False
        self._replies: list[tuple[NodeId, m.Message]] = []
        """To clients, since the last take."""
        self._handlers: dict[type, Callable[[NodeId, Any], None]] = {
            m.Request: self._receive_request,
            m.OpenSession: self._receive_open_session,
            m.StatusRequest: self._receive_status_request,
        }
        self._clients: dict[int, NodeId] = {}
        """Session -> the endpoint that it spoke from last."""
        self._openers: dict[int, NodeId] = {}
        """Nonce of an OpenSession -> its sender."""
        self._proposed: set[tuple[int, int]] = set()
        """(session, first command), or (0, nonce), of what we proposed and was not applied yet."""
        self._told_status: set[NodeId] = set()
        """Whose StatusRequest was answered since the last take."""

    @property
    def digest(self) -> str:
        """A hash of the log below `applied`; equal logs, equal hashes."""
        return self._digest.hex()

    # Inputs

    def receive(self, sender: NodeId, message: m.Message) -> None:
        """A message from a peer or a client. Never raises for what it says."""
        handler = self._handlers.get(type(message))
        if handler is None:
            self.replica.receive(sender, message)
        else:
            handler(sender, message)

    def tick(self) -> None:
        """One tick passed."""
        self.replica.tick()

    def persisted(self, write_id: WriteId) -> None:
        """Records up to here are on stable storage."""
        self.replica.persisted(write_id)

    def take(self) -> Ready:
        """What followed from the inputs. `decided` is applied already; it is there to watch.

        Raises `MachineFailed` and `SnapshotError`.
        """
        ready = self.replica.take()
        self._told_status.clear()
        for event in ready.events:
            if isinstance(event, LeaderChanged):
                self._leading = event.leader == self.replica.config.node
                self._proposed.clear()
        if ready.install is not None:
            self._install(ready.install)
        if ready.decided:
            self._apply(ready.decided)
        # Also when nothing was decided: a core that is short of memory decides no more until then.
        if self.replica.snapshot_due:
            self._snapshot()
        if self._replies:
            ready.messages.extend(self._replies)
            self._replies = []
        return ready

    # Requests

    def _receive_status_request(self, sender: NodeId, request: m.StatusRequest) -> None:
        self.asked(sender, request.nonce)
        if sender in self._told_status:
            return
        self._told_status.add(sender)
        status = msgpack.packb(self.describe())
        self._replies.append((sender, m.StatusReply(request.nonce, status)))

    def _receive_open_session(self, sender: NodeId, message: m.OpenSession) -> None:
        if sender <= NODE_MAX:
            return
        _remember(self._openers, message.nonce, sender)
        group = encode_group(NO_SESSION, message.nonce, 0, NOOP)
        refusal = self._propose((NO_SESSION, message.nonce), group)
        if refusal is not None:
            self._refuse(sender, NO_SESSION, message.nonce, 0, refusal)

    def _receive_request(self, sender: NodeId, request: m.Request) -> None:
        if sender <= NODE_MAX:
            return
        session, first, count = request.session, request.first, request.count
        commands = decode_batch(request.commands)
        end = first + count
        if not commands or len(commands) != count or session == NO_SESSION or end > U64_MAX:
            self._refuse(sender, session, first, count, m.Reason.MALFORMED)
            return
        if max(map(len, commands)) > self._command_bytes_max:
            self._refuse(sender, session, first, count, m.Reason.TOO_LARGE)
            return
        _remember(self._clients, session, sender)
        known = self._sessions.lookup(session, first, count)
        if known is not None:
            # A retry of what is decided: any replica that applied it may say so.
            self._reply(sender, session, first, known)
            return
        group = encode_group(session, request.floor, first, request.commands)
        refusal = self._propose((session, first), group)
        if refusal is not None:
            self._refuse(sender, session, first, count, refusal)

    def _propose(self, key: tuple[int, int], group: bytes) -> m.Reason | None:
        """Propose a group once; why not, if it cannot be."""
        if key in self._proposed:
            return None
        try:
            self.replica.propose(group)
        except NotLeader:
            return m.Reason.NOT_LEADER
        except Overloaded:
            return m.Reason.OVERLOADED
        except CommandTooLarge:
            return m.Reason.TOO_LARGE
        self._proposed.add(key)
        return None

    def _refuse(self, to: NodeId, session: int, first: int, count: int, reason: m.Reason) -> None:
        leader = self.replica.leader
        self._replies.append((to, m.Refused(session, first, count, reason, leader)))

    # Decisions

    def _apply(self, decided: list[Decided]) -> None:
        execute = self._sessions.execute
        apply = self.machine.apply
        for entry in decided:
            assert entry.slot == self.applied, "a slot was decided out of order"
            if entry.commands:
                try:
                    for outcome in execute(entry.slot, entry.commands, apply):
                        self._tell(outcome)
                except MachineFailed as error:
                    error.args = (f"the state machine failed at slot {entry.slot}: {error}",)
                    raise
            link = _LINK.pack(entry.slot, entry.checksum)
            self._digest = blake2b(self._digest + link, digest_size=_DIGEST_BYTES).digest()
            self.applied += 1

    def _tell(self, outcome: Outcome) -> None:
        """The leader that took the request answers; to others its client is a stranger."""
        match outcome:
            case Answered(session, group, first, results):
                self.applied_commands += len(results)
                self._proposed.discard((session, group))
                client = self._clients.get(session)
                if self._leading and client is not None and results:
                    self._reply(client, session, first, results)
            case Opened(nonce, session):
                self._proposed.discard((NO_SESSION, nonce))
                client = self._openers.pop(nonce, None)
                if self._leading and client is not None:
                    self._replies.append((client, m.SessionOpened(nonce, session)))
            case Declined(session, first, count, reason):
                self._proposed.discard((session, first))
                client = self._clients.get(session)
                if self._leading and client is not None:
                    self._refuse(client, session, first, count, reason)

    def _reply(self, to: NodeId, session: int, first: int, results: list[Result]) -> None:
        for page in _pages(results, self._reply_bytes_max):
            reply = m.Reply(session, first, len(page), pack_results(page))
            self._replies.append((to, reply))
            first += len(page)

    # Snapshots

    def _snapshot(self) -> None:
        try:
            machine = self.machine.snapshot()
        except Exception as error:
            raise _failed("snapshot", error) from error
        if type(machine) is not bytes:
            raise MachineFailed(
                f"the state machine's snapshot returned {type(machine).__name__}, not bytes"
            )
        state = [
            SNAPSHOT_VERSION,
            self._digest,
            self._sessions.dump(),
            machine,
        ]
        self.replica.compact(self.applied, msgpack.packb(state))

    def _install(self, snapshot: Snapshot) -> None:
        try:
            version, digest, sessions, state = msgpack.unpackb(snapshot.data)
            if version == SNAPSHOT_VERSION:
                self._sessions.load(sessions)
        except (ValueError, TypeError) as error:
            raise SnapshotError(f"the snapshot of slot {snapshot.slot} is damaged") from error
        if version != SNAPSHOT_VERSION:
            raise SnapshotError(
                f"the snapshot of slot {snapshot.slot} has version {version}, "
                f"this code reads {SNAPSHOT_VERSION}"
            )
        self._digest = digest
        try:
            self.machine.restore(state)
        except Exception as error:
            raise _failed("restore", error) from error
        self.applied = snapshot.slot

    # For people

    def status(self) -> dict[str, Any]:
        """What `StatusReply` carries: names to numbers and strings."""
        status = self.replica.status()
        return {
            "node": status.node,
            "role": status.role.value,
            "voting": status.voting,
            "leader": status.leader,
            "ballot": format_ballot(status.ballot),
            "promised": format_ballot(status.promised),
            "chosen": status.watermark,
            "applied": self.applied,
            "first_slot": status.first_slot,
            "digest": self.digest,
            "sessions": len(self._sessions),
            "commands": self.applied_commands,
            "lags": status.lags,
            "log_bytes": status.log_bytes,
            "pending_bytes": status.pending_bytes,
            "in_flight_slots": status.in_flight_slots,
        }


def _ignore(sender: NodeId, nonce: int) -> None:
    """What a nonce says is its sender's business."""


def _failed(what: str, error: Exception) -> MachineFailed:
    return MachineFailed(f"the state machine's {what} raised {type(error).__name__}: {error}")


def command_room(frame_bytes_max: int) -> int:
    """The most bytes that the commands, or results, of one frame may take."""
    return frame_bytes_max - 2 * VALUE_OVERHEAD_BYTES


def largest_command(frame_bytes_max: int) -> int:
    """The most bytes that a client's command may have; not above 0 if none fits the frame."""
    return command_room(frame_bytes_max) - COMMAND_HEADER_BYTES - _REQUEST_SPARE_BYTES


def _remember(table: dict[int, NodeId], key: int, client: NodeId) -> None:
    """Note where to answer; the oldest note goes when there are too many."""
    if key not in table and len(table) >= CLIENTS_MAX:
        del table[next(iter(table))]
    table[key] = client


def _pages(results: list[Result], room: int) -> Iterator[list[Result]]:
    """`results`, those of one request at most, in parts that each fit a frame."""
    sizes = [len(result) for result in results if result is not None]
    if sum(sizes) + _RESULT_OVERHEAD_BYTES * len(results) <= room:
        yield results
        return
    page: list[Result] = []
    left = room
    for whole in results:
        result = whole
        if result is not None and len(result) > room - _RESULT_OVERHEAD_BYTES:
            result = None
        size = _RESULT_OVERHEAD_BYTES + (0 if result is None else len(result))
        if page and size > left:
            yield page
            page, left = [], room
        page.append(result)
        left -= size
    yield page
