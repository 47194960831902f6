"""The client's half of exactly-once: numbers commands, finds the leader, retries.

Without I/O or clock, like the replica: commands, messages and ticks go in;
messages to send and outcomes come out. A command keeps its number over every
retry, so that however often it is sent, it is applied at most once; and it ends
in a result or in an error that says what is known:

* `ClusterUnreachable`, `Overloaded`, `CommandTooLarge`: it was not applied.
* `OutcomeUnknown`: it may or may not have been.

Neither will be applied later, once the next request of this session is decided:
its `floor` tells every replica to ignore what this client gave up. Until then a
network that duplicates frames may still deliver a second copy of a request that
was refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from paxos_core import messages as m
from paxos_core.batch import BATCH_COMMANDS_MAX, COMMAND_HEADER_BYTES, encode_batch
from paxos_core.config import SessionLimits
from paxos_core.service import largest_command
from paxos_core.session import unpack_results
from paxos_core.types import NO_NODE, NODE_MAX, NodeId


class ClientError(Exception):
    """Why a command has no result."""


class OutcomeUnknown(ClientError):
    """The command was sent and nothing certain came back: it may have been applied."""


class ClusterUnreachable(ClientError):
    """No leader took the command in time. It was not applied."""


class Overloaded(ClientError):
    """The cluster, or this client's own queue, is full. The command was not applied."""


class CommandTooLarge(ClientError):
    """The command does not fit a frame. It was not applied."""


class ResultTooLarge(ClientError):
    """The command was applied, but its result was too large to keep or to carry."""


Outcome = bytes | ClientError

PAST_SESSIONS = 64
ROUNDS_DOUBLED = 3
"""After each round of silent nodes the wait for an answer is doubled, so many times."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """`endpoint` is this client's own number, drawn at random above 65535 by the driver."""

    endpoint: NodeId
    nodes: tuple[NodeId, ...]
    frame_bytes_max: int = 64 << 10
    retry_ticks: int = 10
    deadline_ticks: int = 500
    """Commands without an answer for this long end in an error."""
    outstanding_max: int = SessionLimits().window // 2

    def __post_init__(self) -> None:
        if self.endpoint <= NODE_MAX:
            raise ValueError(f"a client's endpoint is above {NODE_MAX}, not {self.endpoint}")
        if not self.nodes:
            raise ValueError("a client needs at least one node to talk to")


@dataclass(slots=True)
class Completion:
    """Outcomes of the commands numbered ``ticket, ticket + 1, ...`` by `submit`."""

    ticket: int
    outcomes: list[Outcome]


@dataclass(slots=True)
class ClientReady:
    """What followed from the inputs."""

    messages: list[tuple[NodeId, m.Message]] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """Commands of one `submit`, not sent yet."""

    ticket: int
    commands: list[bytes]
    deadline_tick: int


@dataclass(slots=True)
class _Group:
    """A request on its way; the same bytes at every attempt."""

    ticket: int
    request: m.Request
    waiting: _Waiting
    sent_tick: int = 0
    wait_ticks: int = 0
    silences: int = 0
    """Attempts that nobody answered in time."""
    asked: NodeId = NO_NODE
    """Whom the last attempt went to, while no answer came from there."""
    attempts: dict[NodeId, int] = field(default_factory=dict)
    refused_by: set[NodeId] = field(default_factory=set)
    answered: dict[int, Outcome] = field(default_factory=dict)

    @property
    def certain(self) -> bool:
        """Whether every attempt is known to have failed; frames may come late or twice."""
        return all(times == 1 and node in self.refused_by for node, times in self.attempts.items())


class Client:
    """One client's session. `submit`, `receive` and `tick` are inputs, `take` has the outputs."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self.session = 0
        """The session that commands go into; 0 for none."""
        self._past: deque[int] = deque(maxlen=PAST_SESSIONS)
        """Sessions that we had, this one included: a late copy must not give one again."""
        self.target: NodeId = config.nodes[0]
        """The node that is asked next: the leader, as far as is known."""
        self.command_bytes_max = largest_command(config.frame_bytes_max)
        self._now = 0
        self._next_ticket = 0
        self._next_number = 1
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        """Commands in the queue."""
        self._in_flight = 0
        """Commands in groups."""
        self._groups: dict[tuple[int, int], _Group] = {}
        """(session, first command) -> a request on its way; ascending in each session."""
        self._opening_tick: int | None = None
        """When a session was asked for last; `None` if none is wanted."""
        self._rotated_tick = -1
        """When the next node in turn was taken for the target: once a tick."""
        self._silent: dict[NodeId, int] = {}
        """Node -> when it last left a request unanswered."""
        self._redirects = 0
        """Attempts in this tick that followed another node's word."""
        self._redirects_max = 4 * len(config.nodes)
        self._ready = ClientReady()

    @property
    def outstanding(self) -> int:
        """Commands without an outcome so far."""
        return self._queued + self._in_flight

    # Inputs

    def submit(self, commands: Sequence[bytes]) -> int:
        """Queue commands; they may be applied in any order. Returns the first one's ticket.

        Raises `CommandTooLarge`, or `Overloaded` when `outstanding_max` would be passed.
        """
        if commands and max(map(len, commands)) > self.command_bytes_max:
            largest = max(map(len, commands))
            raise CommandTooLarge(
                f"a command of {largest} bytes: at most {self.command_bytes_max} fit"
            )
        if self.outstanding + len(commands) > self.config.outstanding_max:
            raise Overloaded(f"{self.outstanding} commands wait for an answer already")
        ticket = self._next_ticket
        self._next_ticket += len(commands)
        if commands:
            deadline = self._now + self.config.deadline_ticks
            self._queue.append(_Waiting(ticket, list(commands), deadline))
            self._queued += len(commands)
        return ticket

    def receive(self, sender: NodeId, message: m.Message) -> None:
        """An answer from a node. Anything else is ignored."""
        if sender not in self.config.nodes:
            return
        match message:
            case m.Reply():
                self._receive_reply(sender, message)
            case m.Refused():
                self._receive_refused(sender, message)
            case m.SessionOpened():
                self._receive_session_opened(sender, message)

    def tick(self) -> None:
        """One tick passed: retry what waits too long, give up what is past its deadline."""
        self._now += 1
        self._redirects = 0
        if self._groups or self._queue or self._opening_tick is not None:
            self._expire()
            self._retry()

    def take(self) -> ClientReady:
        """What to send and what ended; each is handed out once."""
        if self._queue:
            if self.session:
                self._send_queue()
            elif self._opening_tick is None:
                self._open()
        ready, self._ready = self._ready, ClientReady()
        return ready

    # Sending

    def _open(self) -> None:
        self._opening_tick = self._now
        self._ready.messages.append((self.target, m.OpenSession(self.config.endpoint)))

    def _floor(self) -> int:
        """Below it, every number of this session has its outcome."""
        session = self.session
        for held, first in self._groups:
            if held == session:
                # Numbers grow, and a dict keeps its order: the first is the lowest.
                return first
        return self._next_number

    def _send_queue(self) -> None:
        limit = self._floor() + SessionLimits().window
        while self._queue:
            head = self._queue[0]
            count = self._fitting(head.commands)
            if self._next_number + count > limit:
                return
            self._queue.popleft()
            if count < len(head.commands):
                rest = head.commands[count:]
                head.commands = head.commands[:count]
                self._queue.appendleft(_Waiting(head.ticket + count, rest, head.deadline_tick))
            self._merge_following(head, limit - self._next_number)
            self._queued -= len(head.commands)
            self._send_new(head)

    def _fitting(self, commands: list[bytes]) -> int:
        """How many of the commands one frame holds; at least one."""
        room = self.command_bytes_max
        total = sum(map(len, commands)) + COMMAND_HEADER_BYTES * len(commands)
        if total <= room and len(commands) <= BATCH_COMMANDS_MAX:
            return len(commands)
        count = 0
        for command in commands[:BATCH_COMMANDS_MAX]:
            room -= COMMAND_HEADER_BYTES + len(command)
            if room < 0 and count:
                break
            count += 1
        return count

    def _merge_following(self, head: _Waiting, count_max: int) -> None:
        """Commands submitted since the last take, with the same deadline, share a frame."""
        count_max = min(count_max, BATCH_COMMANDS_MAX)
        room = self.command_bytes_max - sum(map(len, head.commands))
        room -= COMMAND_HEADER_BYTES * len(head.commands)
        queue = self._queue
        while queue and queue[0].deadline_tick == head.deadline_tick:
            # What is queued together is answered together: one ticket follows another.
            assert queue[0].ticket == head.ticket + len(head.commands)
            following = queue[0].commands
            room -= sum(map(len, following)) + COMMAND_HEADER_BYTES * len(following)
            if room < 0 or len(head.commands) + len(following) > count_max:
                return
            head.commands += queue.popleft().commands

    def _send_new(self, waiting: _Waiting) -> None:
        first = self._next_number
        count = len(waiting.commands)
        self._next_number += count
        key = (self.session, first)
        request = m.Request(self.session, 0, first, count, encode_batch(waiting.commands))
        group = _Group(waiting.ticket, request, waiting)
        group.wait_ticks = self.config.retry_ticks
        self._groups[key] = group
        self._in_flight += count
        self._send_group(group)

    def _send_group(self, group: _Group) -> None:
        old = group.request
        target = self.target
        floor = self._floor() if old.session == self.session else old.floor
        if floor != old.floor:
            group.request = m.Request(old.session, floor, old.first, old.count, old.commands)
        group.sent_tick = self._now
        group.asked = target
        group.attempts[target] = group.attempts.get(target, 0) + 1
        self._ready.messages.append((target, group.request))

    # Answers

    def _receive_session_opened(self, sender: NodeId, opened: m.SessionOpened) -> None:
        if self._opening_tick is None or opened.nonce != self.config.endpoint:
            return
        if opened.session in self._past:
            # A late copy: that session is lost, and its numbers are used up.
            return
        self._opening_tick = None
        self.session = opened.session
        self._past.append(opened.session)
        self._next_number = 1
        self.target = sender

    def _receive_reply(self, sender: NodeId, reply: m.Reply) -> None:
        results = unpack_results(reply.results, reply.count)
        if results is None:
            return
        self._silent.pop(sender, None)
        group = self._groups.get((reply.session, reply.first))
        if group is not None and len(results) == group.request.count:
            self._finish(group, [_outcome(result) for result in results])
            return
        self._receive_part(reply, [_outcome(result) for result in results])

    def _receive_part(self, reply: m.Reply, outcomes: list[Outcome]) -> None:
        """Results that are not exactly one request's: part of one, or of several."""
        end = reply.first + len(outcomes)
        for group in list(self._groups.values()):
            request = group.request
            first, last = request.first, request.first + request.count
            if request.session != reply.session or first >= end or last <= reply.first:
                continue
            for number in range(max(first, reply.first), min(last, end)):
                group.answered[number] = outcomes[number - reply.first]
            if len(group.answered) == request.count:
                self._finish(group, [group.answered[n] for n in range(first, last)])

    def _receive_refused(self, sender: NodeId, refused: m.Refused) -> None:
        if refused.session == 0:
            self._receive_open_refused(sender, refused)
            return
        self._silent.pop(sender, None)
        group = self._groups.get((refused.session, refused.first))
        if group is None or sender not in group.attempts:
            return
        group.refused_by.add(sender)
        match refused.reason:
            case m.Reason.NOT_LEADER:
                if sender == self.target:
                    self._turn_to(refused.leader)
                self._redirect(group)
            case m.Reason.UNKNOWN_SESSION:
                self._lose_session(group)
            case m.Reason.OVERLOADED | m.Reason.OUT_OF_WINDOW:
                if group.certain:
                    self._fail(group, Overloaded("the cluster has more to do than it can take"))
            case m.Reason.TOO_LARGE:
                if group.certain:
                    self._fail(group, CommandTooLarge("a command is over the cluster's limit"))
            case _:
                if group.certain:
                    self._fail(group, ClientError("the cluster could not read the request"))

    def _receive_open_refused(self, sender: NodeId, refused: m.Refused) -> None:
        if self._opening_tick is None or sender != self.target:
            return
        if refused.reason == m.Reason.NOT_LEADER:
            self._turn_to(refused.leader)
            self._redirects += 1
            if refused.leader != NO_NODE and self._redirects <= len(self.config.nodes):
                self._open()

    def _redirect(self, group: _Group) -> None:
        """Ask the new target at once, but not round in a circle: then with the next tick."""
        group.asked = NO_NODE
        if self.target in group.refused_by or self._redirects > self._redirects_max:
            # As if it had been sent so long ago that the next tick finds it late.
            group.sent_tick = self._now - group.wait_ticks + 1
            return
        self._redirects += 1
        self._send_group(group)

    def _turn_to(self, leader: NodeId) -> None:
        """Ask `leader` from now on; whoever is next in turn if that is unknown.

        A node that let a request go unanswered is passed over for a retry time, also when
        another still takes it for the leader: long enough to ask all others. No longer,
        for mostly it was but a frame that was lost, and it leads on.
        """
        nodes = self.config.nodes
        if leader in nodes and leader != self.target and not self._is_silent(leader):
            self.target = leader
            return
        if self._rotated_tick == self._now:
            return
        self._rotated_tick = self._now
        at = nodes.index(self.target)
        others = [nodes[(at + step) % len(nodes)] for step in range(1, len(nodes))]
        awake = [node for node in others if not self._is_silent(node)]
        self.target = (awake or others or [self.target])[0]

    def _is_silent(self, node: NodeId) -> bool:
        since = self._silent.get(node)
        return since is not None and self._now - since < self.config.retry_ticks

    def _lose_session(self, group: _Group) -> None:
        """The cluster dropped the session: later commands go into a new one.

        Not these, also when they were sent but once: a copy that the network made
        may have been applied before the session was dropped.
        """
        if group.request.session == self.session:
            self.session = 0
        self._fail(group, OutcomeUnknown("the cluster dropped this client's session meanwhile"))

    # Time

    def _expire(self) -> None:
        now = self._now
        while self._queue and self._queue[0].deadline_tick <= now:
            waiting = self._queue.popleft()
            self._queued -= len(waiting.commands)
            self._complete(waiting, [ClusterUnreachable(self._unreachable())])
        for group in [g for g in self._groups.values() if g.waiting.deadline_tick <= now]:
            if not group.certain:
                error: ClientError = OutcomeUnknown("no answer in time; it may have been applied")
            else:
                error = ClusterUnreachable(self._unreachable())
            self._fail(group, error)

    def _unreachable(self) -> str:
        nodes = ", ".join(map(str, self.config.nodes))
        return f"no leader answered in time (asked nodes {nodes}); is a majority running?"

    def _retry(self) -> None:
        now = self._now
        opening = self._opening_tick
        if opening is not None and self._queue and now - opening >= self.config.retry_ticks:
            self._silent[self.target] = now
            self._turn_to(NO_NODE)
            self._open()
        if opening is not None and not self._queue:
            self._opening_tick = None
        late = [g for g in self._groups.values() if now - g.sent_tick >= g.wait_ticks]
        if any(group.asked == self.target for group in late):
            self._silent[self.target] = now
            self._turn_to(NO_NODE)
        for group in late:
            if group.asked != NO_NODE:
                group.silences += 1
                # Doubled once a round: a node is not waited for longer because each of the
                # others was silent, for the next one may be the one that leads now.
                rounds = min(group.silences // len(self.config.nodes), ROUNDS_DOUBLED)
                group.wait_ticks = self.config.retry_ticks << rounds
            self._send_group(group)

    # Endings

    def _finish(self, group: _Group, outcomes: list[Outcome]) -> None:
        self._drop(group)
        self._ready.completions.append(Completion(group.ticket, outcomes))

    def _fail(self, group: _Group, error: ClientError) -> None:
        self._drop(group)
        self._complete(group.waiting, [error])

    def _drop(self, group: _Group) -> None:
        del self._groups[group.request.session, group.request.first]
        self._in_flight -= group.request.count

    def _complete(self, waiting: _Waiting, error: list[Outcome]) -> None:
        outcomes = error * len(waiting.commands)
        self._ready.completions.append(Completion(waiting.ticket, outcomes))


def _outcome(result: bytes | None) -> Outcome:
    return ResultTooLarge("applied, but the result is too large") if result is None else result
