"""A node: one core, one transport, one store, and the loop that joins them.

The loop drains everything that is readable, feeds it all to the core, takes
once, sends once, writes once with one sync, and opens the gate. A batch is
whatever one drain yielded: no timer decides it, so a single command is fast and
a thousand together are cheap, with the same settings.

The write blocks the loop on purpose. Meanwhile the sockets collect the next
batch, which is group commit without a setting; and a node whose disk stalls
falls silent, so that the others elect a leader whose disk does not.
"""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import trio

from paxos_core import (
    CaughtUp,
    DecodeError,
    DurableState,
    LeaderChanged,
    Poisoned,
    RecordError,
    Service,
    StateMachine,
    decode_record,
    encode_record,
    replay,
)
from paxos_core.messages import Message
from paxos_core.ready import Event, Ready, SnapshotTooLarge
from paxos_core.types import format_ballot
from transports.api import Frame, TransportError
from transports.node.config import ClusterConfig, ConfigError
from transports.node.cores import Core, open_core
from transports.node.counts import LoopCounts
from transports.node.dedicated import collect_less, feed_drains, open_more_files
from transports.node.incarnations import Incarnations
from transports.node.logs import NodeLogger
from transports.node.store.api import Store, StoreDamaged, StoreError, StoreIdentity
from transports.node.store.log_open import open_store
from transports.node.store.memory import MemoryStore
from transports.node.tasks import background
from transports.registry import resolve

LATE_TICKS_MAX = 3
EVENTS_MAX = 256
MACHINE_METHODS = ("apply", "snapshot", "restore")


class NodeFailed(Exception):
    """The node had to stop. The message says why, in one line; what was acknowledged is safe."""


@dataclass(frozen=True, slots=True)
class LeaderGained:
    """`leader` leads, with `ballot`."""

    leader: int
    ballot: int


@dataclass(frozen=True, slots=True)
class LeaderLost:
    """Nobody is known to lead."""


NodeEvent = LeaderGained | LeaderLost | CaughtUp


class Node:
    """A running replica. Made by `open_node`; runs until its context ends."""

    def __init__(
        self,
        config: ClusterConfig,
        core: Core,
        service: Service,
        store: Store,
        log: NodeLogger,
        dedicated: bool = False,
    ) -> None:
        self.config = config
        self._dedicated = dedicated
        self.id = service.replica.config.node
        self.dropped: Counter[str] = Counter()
        """Frames that the transport delivered and the node refused, by cause."""
        self.counts = LoopCounts()
        """What its loop did so far."""
        self._core = core
        self._service = service
        self._transport = core.transport
        self._store = store
        self._log = log
        self._codec = core.codec
        self._incarnations = Incarnations(peer for peer in config.nodes if peer != self.id)
        service.describe = self.status
        service.asked = self._incarnations.hear
        self._changed = trio.Event()
        self._ended = False
        self._watchers: set[trio.MemorySendChannel[NodeEvent]] = set()

    # For the embedding program

    @property
    def leader(self) -> int:
        """Who leads, as far as this node knows; 0 for nobody."""
        return self._service.replica.leader

    @property
    def machine(self) -> StateMachine:
        """The state machine, as far as the log is applied."""
        return self._service.machine

    @property
    def syncs(self) -> int:
        """How often its store has waited for the disk since it was opened."""
        return self._store.syncs

    @property
    def store_log_bytes(self) -> int:
        """Bytes in its store since the last checkpoint."""
        return self._store.log_bytes

    @property
    def foreign(self) -> set[int]:
        """Nodes whose addresses answered, more than once, in another language than ours."""
        return {node for node, times in self._transport.stats.foreign.items() if times > 1}

    def status(self) -> dict[str, Any]:
        """What `paxos status` shows of this node; names to numbers and strings."""
        stats = self._transport.stats
        dropped = stats.dropped + self.dropped + Counter(self._core.dropped())
        return {
            **self._service.status(),
            **self._transport.describe(),
            **self._incarnations.describe(),
            "core": self._core.name,
            "transport": self.config.transport,
            "store": "durable" if self._store.durable else "memory",
            "frames_sent": stats.frames_sent,
            "frames_received": stats.frames_received,
            "bytes_sent": stats.bytes_sent,
            "bytes_received": stats.bytes_received,
            "dropped": dict(sorted(dropped.items())),
        }

    def send(self, messages: Iterable[tuple[int, Message]]) -> None:
        """Send messages that are the driver's own, as this node."""
        self._transport.send(self._encode(messages))

    async def wait_for_leader(self) -> int:
        """Wait until this node knows a leader; returns its id.

        Raises `trio.ClosedResourceError` when the node ends first.
        """
        while not self.leader:
            if self._ended:
                raise trio.ClosedResourceError
            await self._changed.wait()
        return self.leader

    def events(self) -> AsyncIterator[NodeEvent]:
        """Changes as they happen, from the call on, until the node ends.

        The newest are dropped if nobody reads them.
        """
        send, receive = trio.open_memory_channel[NodeEvent](EVENTS_MAX)
        if self._ended:
            send.close()
        self._watchers.add(send)
        return self._hand_out(send, receive)

    async def _hand_out(
        self,
        send: trio.MemorySendChannel[NodeEvent],
        receive: trio.MemoryReceiveChannel[NodeEvent],
    ) -> AsyncIterator[NodeEvent]:
        try:
            async for event in receive:
                yield event
        finally:
            self._watchers.discard(send)
            send.close()

    def _end(self) -> None:
        """Let nobody wait for what no longer comes."""
        self._ended = True
        self._changed.set()
        for watcher in self._watchers:
            watcher.close()

    # The loop

    async def _receive_loop(self) -> None:
        await feed_drains(self._transport, self._feed, lambda: self._dedicated)

    def _feed(self, frames: Iterable[Frame]) -> None:
        """One drain: everything in, then one round of what follows."""
        self.counts.drains += 1
        receive = self._service.receive
        for sender, message in self._decode(frames):
            receive(sender, message)
        self._pump()

    def _decode(self, frames: Iterable[Frame]) -> list[tuple[int, Message]]:
        """(sender, message) of every frame that is one; the others are counted."""
        decode, dropped = self._codec.decode, self.dropped
        messages: list[tuple[int, Message]] = []
        for sender, frame in frames:
            try:
                claimed, message = decode(frame)
            except DecodeError as error:
                dropped[error.cause] += 1
                self._log.noisy("frame_dropped", error.cause, sender=sender, reason=str(error))
                continue
            if claimed != sender:
                dropped["misattributed"] += 1
                self._log.noisy("frame_dropped", "misattributed", sender=sender)
                continue
            messages.append((sender, message))
        return messages

    async def _tick_loop(self) -> None:
        tick_seconds = self.config.tick_ms / 1000
        due = trio.current_time()
        while True:
            due += tick_seconds
            await trio.sleep_until(due)
            self._service.tick()
            self._pump()
            # After a pause of the whole process the lost ticks are lost: time-outs that
            # were missed together must not all fire together.
            due = max(due, trio.current_time() - LATE_TICKS_MAX * tick_seconds)

    def _pump(self) -> None:
        """Take, send, write, and again for what the write has set free."""
        service = self._service
        while True:
            ready = service.take()
            if ready.events:
                self._tell(ready.events)
            if ready.decided or ready.checkpoint or ready.install is not None:
                self._count(ready)
            if ready.messages:
                self._transport.send(self._encode(ready.messages))
            if not ready.records:
                return
            if self._store.durable:
                self._write(ready)
            # A store that keeps nothing is not even told: it has nothing to sync.
            service.persisted(ready.write_id)

    def _count(self, ready: Ready) -> None:
        counts = self.counts
        counts.slots += len(ready.decided)
        counts.checkpoints += ready.checkpoint
        counts.installs += ready.install is not None

    def _write(self, ready: Ready) -> None:
        records = [encode_record(record) for record in ready.records]
        begun = perf_counter()
        self._store.write(records, checkpoint=ready.checkpoint)
        self.counts.note_write(perf_counter() - begun)

    def _encode(self, messages: Iterable[tuple[int, Message]]) -> list[tuple[int, bytes]]:
        """Frames; a message that goes to several is the same object, and is encoded once."""
        encode = self._codec.encode
        last: Message | None = None
        frame = b""
        frames: list[tuple[int, bytes]] = []
        for to, message in messages:
            if message is not last:
                frame = encode(message)
                last = message
            frames.append((to, frame))
        return frames

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case LeaderChanged(leader=0):
                    self._log.event("leader_lost")
                    self._publish(LeaderLost())
                case LeaderChanged(leader, ballot):
                    self.counts.leader_changes += 1
                    self._log.event("leader_gained", leader=leader, ballot=format_ballot(ballot))
                    self._publish(LeaderGained(leader, ballot))
                case SnapshotTooLarge(size):
                    self._log.error(
                        "snapshot_too_large",
                        bytes=size,
                        snapshot_bytes_max=self.config.limits.snapshot_bytes_max,
                        cure="raise limits.snapshot_bytes_max; until then the log only grows",
                    )
                case CaughtUp(watermark):
                    self._log.event("caught_up", chosen=watermark)
                    self._publish(event)
        self._changed.set()
        self._changed = trio.Event()

    def _publish(self, event: NodeEvent) -> None:
        for watcher in self._watchers:
            try:
                watcher.send_nowait(event)
            except trio.WouldBlock:
                self._log.noisy("event_dropped", "slow_reader")


@asynccontextmanager
async def open_node(
    config: ClusterConfig,
    node: int,
    machine: StateMachine,
    *,
    first_start: bool = False,
    dedicated: bool = False,
    watch: Callable[[Node], None] | None = None,
    trace: str | os.PathLike[str] | None = None,
) -> AsyncIterator[Node]:
    """Run node `node` of the cluster, with `machine` as its state, while the context lasts.

    With a durable store (made by `create_store` or ``paxos init``) the node
    resumes where it was. With ``store = "memory"`` it votes only if `first_start`
    is true: say so at the very first start of this identity and never again. On
    any other start it has forgotten its promises, so it learns and does not vote.

    `dedicated` says that the process does nothing else: the node then waits for
    frames without trio for up to a millisecond after each drain, which saves a
    quarter of a round trip and delays other tasks by as much.

    `watch` is given the node before its loops begin; `transports.bench.parts` takes
    the time of its parts so. `trace` is a file to which each step of the core is appended.

    Raises `ConfigError`, `StoreError`, `TransportError` or `TraceError` if it cannot start,
    `TypeError` for a state machine that lacks a method, and
    `NodeFailed` out of the context when it has to stop.
    """
    if node not in config.nodes:
        raise ConfigError(f"node {node} is not in the configuration, which has {_ids(config)}")
    _check_machine(machine)
    if dedicated:
        open_more_files()
    resolve(config.transport)
    log = NodeLogger(node)
    store, records = _open_store(config, node, first_start)
    state = _replay(config, node, store, records)
    try:
        async with _open_core(config, node, state, store, trace, log) as core:
            running = Node(config, core, Service(core.replica, machine), store, log, dedicated)
            if watch is not None:
                watch(running)
            log.event("started", **_description(config, core, store, state))
            _begin(running)
            if dedicated:
                collect_less()
            loops = (running._receive_loop, running._tick_loop)
            try:
                async with background(*loops, describe=partial(_stopped, running)):
                    yield running
            finally:
                running._end()
                log.flush()
                log.event("stopped")
    finally:
        store.close()


@asynccontextmanager
async def _open_core(
    config: ClusterConfig,
    node: int,
    state: DurableState,
    store: Store,
    trace: str | os.PathLike[str] | None,
    log: NodeLogger,
) -> AsyncIterator[Core]:
    voting, durable = store.identity.voting, store.durable
    async with open_core(config, node, state, voting=voting, durable=durable) as core:
        if trace is None:
            yield core
            return
        from transports.node.tracing import traced

        with traced(trace, core, state, log) as watched:
            yield watched


def _description(
    config: ClusterConfig, core: Core, store: Store, state: DurableState
) -> dict[str, object]:
    return {
        "transport": config.transport,
        "core": core.name,
        "store": "durable" if store.durable else "memory",
        "voting": store.identity.voting,
        "chosen": state.watermark,
    }


def _check_machine(machine: StateMachine) -> None:
    missing = [name for name in MACHINE_METHODS if not callable(getattr(machine, name, None))]
    if missing or isinstance(machine, type):
        what = f"has no {missing[0]}" if missing else "is a class, not an instance of one"
        raise TypeError(f"the state machine {machine!r:.80} {what}")


def _begin(node: Node) -> None:
    """Bring the state machine to where the store says that it was."""
    try:
        node._pump()
    except Exception as error:
        raise _stopped(node, error) from error


def _stopped(node: Node, error: Exception) -> NodeFailed:
    if isinstance(error, AssertionError | Poisoned):
        reason = f"an invariant of the protocol is broken: {error}"
    else:
        reason = str(error) or type(error).__name__
    # One line for whoever runs the node; where it happened, for whoever must mend it.
    trace = "".join(traceback.format_exception(error.__cause__ or error))
    node._log.error("failed", reason=reason, traceback=trace)
    failed = NodeFailed(f"node {node.id} stops: {reason}")
    failed.__cause__ = error
    return failed


def _open_store(
    config: ClusterConfig, node: int, first_start: bool
) -> tuple[Store, Iterable[bytes]]:
    if config.store == "memory":
        return MemoryStore(StoreIdentity(config.cluster_id, node, voting=first_start)), []
    return open_store(config.store_path(node), config.cluster_id, node)


def _replay(
    config: ClusterConfig, node: int, store: Store, records: Iterable[bytes]
) -> DurableState:
    try:
        return replay(map(decode_record, records))
    except StoreError:
        store.close()
        raise
    except RecordError as error:
        store.close()
        raise StoreDamaged(
            f"{config.store_path(node)}: {error}; its promises are unknown, so it must not vote: "
            f"move it away and make another with paxos init --node {node} --non-voting"
        ) from error


def _ids(config: ClusterConfig) -> str:
    return ", ".join(map(str, config.nodes))


__all__ = [
    "LeaderGained",
    "LeaderLost",
    "Node",
    "NodeEvent",
    "NodeFailed",
    "TransportError",
    "open_node",
]
