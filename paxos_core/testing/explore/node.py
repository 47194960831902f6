"""One node of an explored cluster: the real `Replica`, its disk, and its application.

What a node does depends on its own state and on the input alone. So each input
is given to the real core once in each state of a node, and the search looks the
answer up from then on: a cluster has far more states than its nodes have.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from paxos_core.codec import Codec
from paxos_core.config import ReplicaConfig
from paxos_core.durable import (
    ChosenValue,
    DurableState,
    Record,
    decode_record,
    encode_record,
    replay,
    restate,
)
from paxos_core.ready import Ready
from paxos_core.replica import Replica
from paxos_core.testing.explore.freeze import freeze, stop_clocks
from paxos_core.testing.failure import Violation
from paxos_core.types import NodeId, WriteId

Input = tuple[Any, ...]
"""("stand",), ("propose", command), ("tick",), ("sync",), ("crash", writes kept),
("compact",), or ("receive", sender, frame)."""

Write = tuple[WriteId, tuple[bytes, ...], bool]
"""A batch of records that is on its way to the disk; whether it replaces all before it."""


@dataclass(slots=True)
class LocalState:
    """One state of one node."""

    replica: Replica
    disk: tuple[bytes, ...]
    """What a restart reads; the fewest records that say the same."""
    pending: tuple[Write, ...]
    applied: tuple[tuple[bytes, ...], ...]
    """The application: the commands of each slot, in order."""
    durable: DurableState
    """What `disk` gives back."""


@dataclass(slots=True)
class Outcome:
    """What one input led to. `number` is the node's state behind it."""

    number: int
    frames: list[tuple[NodeId, bytes]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    """What reached the disk for good."""
    violation: Violation | None = None


class ExploredNode:
    """All states of one node that the search has met, numbered, and the steps between them."""

    def __init__(self, config: ReplicaConfig, codec: Codec, syncs_at_once: bool) -> None:
        self.id: NodeId = config.node
        self._config = config
        self._codec = codec
        self._syncs_at_once = syncs_at_once
        self.states: list[LocalState] = []
        self._numbers: dict[Any, int] = {}
        self.core_steps = 0
        """How often the real core was given an input."""
        self._acts: dict[str, Callable[..., None]] = {
            "stand": self._stand,
            "propose": self._propose,
            "tick": self._tick,
            "sync": self._sync,
            "crash": self._crash,
            "compact": self._compact,
            "receive": self._receive,
        }

    def begin(self) -> int:
        """The number of the first state: an empty disk."""
        outcome = Outcome(0)
        return self._enter(self._start(()), outcome)

    def step(self, number: int, given: Input) -> Outcome:
        """Give one input to the node in state `number`."""
        self.core_steps += 1
        outcome = Outcome(number)
        state = self._copy(self.states[number])
        try:
            self._acts[given[0]](state, outcome, *given[1:])
            self._pump(state, outcome)
            outcome.number = self._enter(state, outcome)
        except Violation as violation:
            outcome.violation = violation
        except Exception as error:
            detail = f"node {self.id}: {type(error).__name__}: {error}"
            outcome.violation = Violation("the core raises nothing", detail)
        return outcome

    def _copy(self, state: LocalState) -> LocalState:
        replica = deepcopy(state.replica, {id(self._config): self._config})
        return LocalState(replica, state.disk, state.pending, state.applied, state.durable)

    def _enter(self, state: LocalState, outcome: Outcome) -> int:
        self._pump(state, outcome)
        shift = state.replica._outbox._persisted
        state.pending = tuple((write - shift, *rest) for write, *rest in state.pending)  # type: ignore[misc]
        stop_clocks(state.replica)
        key = (freeze(state.replica), state.disk, state.pending, state.applied)
        number = self._numbers.setdefault(key, len(self.states))
        if number == len(self.states):
            self.states.append(state)
        return number

    # Inputs

    def _stand(self, state: LocalState, outcome: Outcome) -> None:
        state.replica._proposer.stop()
        state.replica._campaign()

    def _propose(self, state: LocalState, outcome: Outcome, command: bytes) -> None:
        state.replica.propose(command)

    def _tick(self, state: LocalState, outcome: Outcome) -> None:
        """Everything that time brings but an election: heartbeats, sending again, catching up."""
        replica = state.replica
        timing = replica.config.timing
        replica._now = timing.resend_ticks * timing.heartbeat_ticks - 1
        replica._election.led_ticks = timing.heartbeat_ticks - 1
        replica.tick()

    def _sync(self, state: LocalState, outcome: Outcome) -> None:
        """The disk finishes the write that it was given first."""
        write, *rest = state.pending
        state.pending = tuple(rest)
        self._put(state, outcome, write)
        state.replica.persisted(write[0])

    def _crash(self, state: LocalState, outcome: Outcome, kept: int) -> None:
        """Stop, and start from the disk, to which the first `kept` writes still made it."""
        for write in state.pending[:kept]:
            self._put(state, outcome, write)
        fresh = self._start(state.disk)
        state.replica, state.pending, state.applied = fresh.replica, (), fresh.applied

    def _compact(self, state: LocalState, outcome: Outcome) -> None:
        data = pack_application(state.applied)
        state.replica.compact(len(state.applied), data)

    def _receive(self, state: LocalState, outcome: Outcome, sender: NodeId, frame: bytes) -> None:
        state.replica.receive(sender, self._codec.decode(frame)[1])

    # The driver

    def _start(self, disk: tuple[bytes, ...]) -> LocalState:
        durable = replay(map(decode_record, disk))
        replica = Replica(self._config, replay(map(decode_record, disk)))
        return LocalState(replica, disk, (), (), durable)

    def _pump(self, state: LocalState, outcome: Outcome) -> None:
        while ready := state.replica.take():
            self._apply(state, ready)
            outcome.frames += [(to, self._codec.encode(m)) for to, m in ready.messages]
            if not ready.write_id:
                continue
            records = tuple(map(encode_record, ready.records))
            write = (ready.write_id, records, ready.checkpoint)
            if self._syncs_at_once:
                self._put(state, outcome, write)
                state.replica.persisted(ready.write_id)
            else:
                state.pending = (*state.pending, write)

    def _apply(self, state: LocalState, ready: Ready) -> None:
        if ready.install is not None:
            state.applied = unpack_application(ready.install.data)
        for entry in ready.decided:
            if entry.slot != len(state.applied):
                raise Violation(
                    "slots are delivered in order",
                    f"node {self.id} delivers slot {entry.slot} after {len(state.applied)} slots",
                )
            state.applied = (*state.applied, tuple(entry.commands))

    def _put(self, state: LocalState, outcome: Outcome, write: Write) -> None:
        _, encoded, checkpoint = write
        records = [decode_record(data) for data in encoded]
        outcome.records += records
        old = [] if checkpoint else [decode_record(data) for data in state.disk]
        state.disk = tuple(map(encode_record, _fewest([*old, *records])))
        state.durable = replay(map(decode_record, state.disk))


def _fewest(records: list[Record]) -> list[Record]:
    """The fewest records that mean the same to a replay, whatever is appended to them."""
    durable = replay(records)
    ahead = [r for r in records if isinstance(r, ChosenValue) and r.slot >= durable.watermark]
    latest = {record.slot: record for record in ahead}
    return restate(durable) + [latest[slot] for slot in sorted(latest)]


def pack_application(applied: tuple[tuple[bytes, ...], ...]) -> bytes:
    """A snapshot of the application."""
    return b"\n".join(b",".join(commands) for commands in applied)


def unpack_application(data: bytes) -> tuple[tuple[bytes, ...], ...]:
    """The application that was packed."""
    return tuple(tuple(line.split(b",")) if line else () for line in data.split(b"\n"))
