"""One seed, one run: a cluster, its clients and everything that can go wrong.

Virtual time is a heap of events. A step takes the earliest one, does what it
says, and checks; nothing else moves. The nodes are `Service` objects, driven as
a real node drives them; between them go bytes and nothing else.

A run has one round, or more. Each has two phases. In the first, faults come and
go. Then all is healed, and the cluster must elect, answer every client and agree
within bounds. Between two rounds nothing happens for a while, and the leader stays.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from paxos_core.codec import Codec, DecodeError
from paxos_core.config import ReplicaConfig
from paxos_core.describe import describe_message
from paxos_core.durable import DurableState, RawRecord, Record, decode_record
from paxos_core.messages import Message, RawFrame
from paxos_core.raw_codec import RawCodec
from paxos_core.ready import LeaderChanged, Ready
from paxos_core.replica import Replica
from paxos_core.replicated_log import ReplicatedLog
from paxos_core.service import Service
from paxos_core.testing.chance import NODE, stream
from paxos_core.testing.cores import PYTHON, MakeCore, foreign_nodes
from paxos_core.testing.damage import Damage
from paxos_core.testing.disk import Disk, DiskFailed
from paxos_core.testing.failure import SimulationFailure, Violation
from paxos_core.testing.faults import FaultRunner
from paxos_core.testing.garbage import Garbage
from paxos_core.testing.healing import Healing
from paxos_core.testing.machine import AppendList
from paxos_core.testing.members import CLUSTER, SimulatedNode
from paxos_core.testing.monitor import Monitor
from paxos_core.testing.network import Network
from paxos_core.testing.options import Options
from paxos_core.testing.plan import (
    TICK_UNITS,
    UNITS_PER_SECOND,
    Fault,
    Plan,
    draw_plan,
    redraw_plan,
)
from paxos_core.testing.seats import Seats
from paxos_core.testing.sessions import table_digest
from paxos_core.testing.storage import read_disk
from paxos_core.types import NodeId, WriteId

STEPS_MAX = 40_000
"""Of the faults of one round, and again of their healing."""

Act = Callable[..., None]


class Simulation:
    """A run that can be stepped. `run` takes it to its end.

    `make_core` makes the cores that are not Python's, if the options ask for such.
    Raises `ValueError` if they do and it is not given.
    """

    def __init__(
        self,
        options: Options,
        trace: Callable[[str], None] | None = None,
        plan: Plan | None = None,
        make_core: MakeCore | None = None,
    ) -> None:
        if options.core != PYTHON and make_core is None:
            raise ValueError(f"core {options.core!r} needs a make_core that makes it")
        self.options = options
        self._make_core = make_core
        self._reader = Codec(CLUSTER, 0)
        self._last_message: Message | None = None
        self._last_frame = b""
        self._last_raw: tuple[bytes, NodeId, Message] | None = None
        self.trace = trace
        plan = self.plan = plan or draw_plan(options)
        self._drains = "drain" in plan.kinds
        self.now = 0
        self.step = 0
        self.done = False
        self.round = 0
        self._last_step = options.steps or STEPS_MAX
        self._heap: list[tuple[int, int, Act, Any, Any]] = []
        self._sequence = 0
        self.monitor = Monitor(plan.quorums, plan.rates.duplicate == 0)
        self.monitor.begun(plan.quorums, plan.frame_bytes_max)
        self.network = self.make_network(plan)
        self._garbage = Garbage(self)
        self._damage = Damage(options.seed)
        self._foreign = foreign_nodes(options.seed, options.core, plan.quorums)
        self.nodes = {node: self._make_node(node, plan) for node in plan.quorums.members}
        self.seats = Seats(self)
        self.clients = self.seats.clients
        self.faults = FaultRunner(self)
        self.healing = Healing(self)
        self._fill_heap(plan)

    # Making

    def make_network(self, plan: Plan) -> Network:
        """What carries the frames of this run."""
        return Network(self.options.seed, plan.rates, self._arrive)

    def _make_node(self, node_id: NodeId, plan: Plan) -> SimulatedNode:
        chance = stream(self.options.seed, NODE, node_id)
        disk = Disk(lambda record: self._durable(node_id, record))
        foreign = node_id in self._foreign
        codec = (RawCodec if foreign else Codec)(CLUSTER, node_id)
        node = SimulatedNode(node_id, codec, disk, chance)
        node.foreign = foreign
        skew = plan.skew_permille
        node.period_units = TICK_UNITS + chance.between(-skew, skew) * TICK_UNITS // 1000
        node.usual_period_units = node.period_units
        node.disk_units_max = plan.disk_units_max
        node.writes_first = chance.happens(500)
        self.start(node)
        self.at(chance.below(TICK_UNITS), self._tick, node)
        return node

    def _durable(self, node_id: NodeId, record: Record) -> None:
        if type(record) is RawRecord:
            record = decode_record(record.data)
        self.monitor.durable(node_id, record)

    def _fill_heap(self, plan: Plan) -> None:
        for submission in plan.submissions:
            self.at(submission.at, self.seats.submit_at, submission.client, submission.commands)
        for fault in plan.faults:
            self.at(fault.start, self.faults.begin, fault)
        self.at(plan.chaos_units, self.healing.begin)

    def at(self, delay: int, act: Act, first: Any = None, second: Any = None) -> None:
        """Have ``act(first, second)`` happen after `delay`."""
        self._sequence += 1
        heappush(self._heap, (self.now + delay, self._sequence, act, first, second))

    # Running

    def run(self) -> Monitor:
        """To the end. Raises `SimulationFailure`."""
        try:
            self.monitor.check_quorums()
            one_step = self.one_step
            while not self.done and self.step < self._last_step:
                one_step()
            if not self.options.steps and not self.done:
                raise Violation("liveness", f"nothing has ended in {STEPS_MAX} steps")
        except Violation as violation:
            raise SimulationFailure(self.options, self.step, violation) from violation
        except Exception as error:
            # The application reports through its state machine, as any application would fail.
            if isinstance(error.__cause__, Violation):
                raise SimulationFailure(self.options, self.step, error.__cause__) from error
            raised = Violation("the core raises nothing", f"{type(error).__name__}: {error}")
            raise SimulationFailure(self.options, self.step, raised) from error
        return self.monitor

    def one_step(self) -> None:
        """The next event."""
        self.now, _, act, first, second = heappop(self._heap)
        self.step += 1
        act(first, second)

    # Rounds

    def end_round(self) -> None:
        """All hold: the end, or after some rest the next round."""
        if self.now >= (self.options.seconds or 0) * UNITS_PER_SECOND:
            self.done = True
            return
        self.forget(self.healing)
        self.round += 1
        redraw_plan(self.plan, self.round)
        self.at(self.plan.rest_units, self._begin_round, self.monitor.counts["leader elected"])

    def _begin_round(self, elected: int, _: None) -> None:
        if self.monitor.counts["leader elected"] != elected:
            raise Violation("a leader stays while nothing goes wrong", "another was elected")
        self.say(f"round {self.round}")
        self.allow_steps()
        self.network.spoil(self.plan.rates)
        for node in self.nodes.values():
            node.period_units = node.usual_period_units
            node.disk_units_max = self.plan.disk_units_max
        self.faults.begin_again()
        self.healing = Healing(self, self.round)
        self._fill_heap(self.plan)

    def allow_steps(self) -> None:
        """What begins now may take as many steps again: a round's faults, or the healing."""
        if not self.options.steps:
            self._last_step = self.step + STEPS_MAX

    def say(self, text: str) -> None:
        """A line of the trace, if there is one."""
        if self.trace is not None:
            self.trace(f"{self.step:6} {self.now:7} {text}")

    def say_fault(self, fault: Fault, node: SimulatedNode | None) -> None:
        """`fault` begins; at `node`, where it is of one."""
        self.say(f"fault {fault.index} {fault.kind} for {fault.duration}")

    # Nodes

    def start(self, node: SimulatedNode) -> None:
        """Start `node` from its disk."""
        if node.gone:
            return
        if node.incarnation:
            self.monitor.counts["restart"] += 1
        self._start_with(node, read_disk(node, self.monitor))

    def _start_with(self, node: SimulatedNode, state: DurableState) -> None:
        plan = self.plan
        node.incarnation += 1
        node.last_write = 0
        config = ReplicaConfig(
            node=node.id,
            quorums=plan.quorums,
            frame_bytes_max=plan.frame_bytes_max,
            seed=node.chance.next(),
            voting=node.voting,
            timing=plan.timing,
            limits=plan.limits_of(node.id, node.incarnation),
        )
        machine = AppendList(self.monitor.applied, self.monitor.restored)
        replica = self.make_replica(node, config, state)
        node.service = Service(replica, machine, plan.session_limits)
        self.pump(node)

    def make_replica(
        self, node: SimulatedNode, config: ReplicaConfig, state: DurableState
    ) -> ReplicatedLog:
        """The core of `node`, whose disk says `state`."""
        if node.foreign:
            assert self._make_core is not None
            return self._make_core(config, CLUSTER, state)
        return Replica(config, state)

    def crash(self, node: SimulatedNode, *, power: bool = True, later: bool = True) -> None:
        """`node` stops at once; its disk keeps what it likes of the unfinished (`Disk.crash`)."""
        if node.service is None:
            return
        self.monitor.counts["crash"] += 1
        node.service = None
        node.armed = 0
        node.backlog.clear()
        node.disk.crash(node.chance, power=power, later=later)
        node.disk_free_at = self.now
        self.say(f"{node.id} crashed")

    def _tick(self, node: SimulatedNode, _: None) -> None:
        self.at(node.period_units, self._tick, node)
        if not node.stands:
            self._tick_once(node)

    def _tick_once(self, node: SimulatedNode) -> None:
        if node.service is None or node.paused:
            return
        self.monitor.ticks[node.id] += 1
        node.service.tick()
        self.pump(node)

    def leap(self, node: SimulatedNode, ticks: int) -> None:
        """The clock of `node` jumps forward: so many ticks are due at once."""
        for _ in range(ticks):
            self._tick_once(node)

    def pump(self, node: SimulatedNode) -> None:
        """Take what the service has, until it has nothing."""
        while (service := node.service) is not None and (ready := service.take()):
            self.monitor.reached[node.id] = service.applied
            if node.armed and ready.records:
                self._crash_midway(node, ready)
                return
            self._watch(node, service, ready)
            if node.writes_first and ready.write_id:
                self._write(node, ready)
            for to, message in ready.messages:
                self._send(node, to, message)
            if ready.write_id and not node.writes_first:
                self._write(node, ready)
            if not (ready.records or ready.decided or ready.install):
                # Only what was recorded or applied makes more to take.
                return

    def _crash_midway(self, node: SimulatedNode, ready: Ready) -> None:
        """Crash before sending, between sending and writing, or before the write is done."""
        moment = node.armed
        if moment > 1:
            for to, message in ready.messages:
                self._send(node, to, message)
        if moment > 2:
            node.disk.begin(ready.write_id, ready.records, ready.checkpoint)
        self.monitor.counts["crash around a write"] += 1
        self.crash(node)

    def _watch(self, node: SimulatedNode, service: Service, ready: Ready) -> None:
        for entry in ready.decided:
            self.monitor.decided(node.id, entry)
        if ready.decided or ready.install is not None:
            self.monitor.digested(node.id, service.applied, service.digest.encode())
            self.monitor.tabled(node.id, service.applied, table_digest(service))
        for event in ready.events:
            self.say(f"{node.id} {event}")
            if isinstance(event, LeaderChanged):
                self._note_leader(node, event.leader)

    def _note_leader(self, node: SimulatedNode, leader: NodeId) -> None:
        if leader == node.id:
            self.monitor.counts["leader elected"] += 1
            if self.monitor.has_gap:
                self.monitor.counts["leader with a gap"] += 1
        elif node.leads:
            self.monitor.counts["leader deposed"] += 1
        node.leads = leader == node.id

    def _write(self, node: SimulatedNode, ready: Ready) -> None:
        node.disk.begin(ready.write_id, ready.records, ready.checkpoint)
        if ready.checkpoint:
            self.monitor.counts["checkpoint"] += 1
        finish = max(self.now, node.disk_free_at) + node.chance.between(0, node.disk_units_max)
        node.disk_free_at = finish
        node.last_write = ready.write_id
        self.at(finish - self.now, self._written, node, (node.incarnation, ready.write_id))

    def _written(self, node: SimulatedNode, write: tuple[int, WriteId]) -> None:
        incarnation, write_id = write
        if node.service is None or node.incarnation != incarnation:
            return
        try:
            node.disk.finish(write_id)
        except DiskFailed as failure:
            # Nobody knows what reached the disk, so it is not tried again.
            self.monitor.counts[str(failure)] += 1
            self.crash(node, later=False)
            return
        node.service.persisted(write_id)
        self.pump(node)

    def sync(self, node: SimulatedNode) -> None:
        """The disk of `node` finishes what it was given."""
        node.disk_free_at = self.now
        if node.service is not None and node.last_write:
            self._written(node, (node.incarnation, node.last_write))

    # Frames

    def forget(self, *those: object) -> None:
        """Nothing happens any more that is up to methods of `those`."""
        gone = set(map(id, those))
        self._heap = [e for e in self._heap if id(getattr(e[2], "__self__", None)) not in gone]
        heapify(self._heap)

    def lose_late_frames(self) -> None:
        """What is still on its way a tick from now is lost."""
        late = (self._receive, self.seats.receive)
        limit = self.now + TICK_UNITS
        self._heap = [e for e in self._heap if e[0] <= limit or e[2] not in late]
        heapify(self._heap)

    def _send(self, node: SimulatedNode, to: NodeId, message: Message) -> None:
        if message is self._last_message:
            frame = self._last_frame
        else:
            frame = self._last_frame = node.codec.encode(message)
            self._last_message = message
        if type(message) is RawFrame:
            message = self._read_raw(to, frame)
        self.monitor.sent(node.id, message)
        self.put(node.id, to, frame, message)

    def _read_raw(self, to: NodeId, frame: bytes) -> Message:
        """What a foreign core says; one object for one message to several, as with Python's."""
        last = self._last_raw
        if last is not None and last[0] == frame and last[1] != to:
            message = last[2]
        else:
            try:
                message = self._reader.decode(frame)[1]
            except DecodeError as error:
                raise Violation("frames can be read", f"for {to}: {error}") from error
        self._last_raw = (frame, to, message)
        return message

    def put(self, sender: NodeId, to: NodeId, frame: bytes, message: Message) -> None:
        """Hand a frame to the network. Raises `Violation` for one that is too large."""
        if len(frame) > self.plan.frame_bytes_max:
            raise Violation(
                "frames fit",
                f"{sender} sends a {type(message).__name__} of {len(frame)} bytes to {to}",
            )
        if self.trace is not None:
            self.say(f"{sender} -> {to} {describe_message(message)}")
        self.monitor.framed(self.now, to, frame)
        damage_permille = self.network.rates.damage_permille
        if damage_permille:
            frame = self._damaged(sender, to, frame, message, damage_permille)
        self.network.carry(sender, to, frame)
        if self.plan.garbage_permille:
            self._garbage.follow(to, frame)

    def _damaged(
        self, sender: NodeId, to: NodeId, frame: bytes, message: Message, permille: int
    ) -> bytes:
        arrives = self._damage.pass_through((sender, to), frame, message, permille)
        if arrives is not frame:
            self.monitor.counts["value damaged on its way"] += 1
            self.say(f"a bit changes in {type(message).__name__} {sender} -> {to}")
        return arrives

    def _arrive(self, delay: int, to: NodeId, frame: bytes) -> None:
        node = self.nodes.get(to)
        if node is None:
            client = self.clients.get(to)
            if client is not None:
                self.at(delay, self.seats.receive, client, frame)
            return
        # As `at` does; most events are made here.
        self._sequence += 1
        heappush(self._heap, (self.now + delay, self._sequence, self._receive, node, frame))

    def _receive(self, node: SimulatedNode, frame: bytes) -> None:
        service = node.service
        if service is None:
            return
        if node.paused:
            node.backlog.append(frame)
            return
        service.receive(*node.codec.decode(frame))
        if not self._drains:
            self.pump(node)
        elif not node.flush_due:
            node.flush_due = True
            self.at(node.chance.between(1, 40), self._flush, node)

    def _flush(self, node: SimulatedNode, _: None) -> None:
        node.flush_due = False
        if not node.paused:
            self.pump(node)

    def pause(self, node: SimulatedNode) -> None:
        """`node` stands still until it is resumed."""
        node.paused = True

    def resume(self, node: SimulatedNode) -> None:
        """A node that was stopped for a while reads what has come in meanwhile."""
        node.paused = False
        backlog, node.backlog = node.backlog, []
        if node.service is None:
            return
        for frame in backlog:
            node.service.receive(*node.codec.decode(frame))
        self.pump(node)


def simulate(
    options: Options,
    trace: Callable[[str], None] | None = None,
    make_core: MakeCore | None = None,
) -> Monitor:
    """Run one seed to its end. Raises `SimulationFailure` if an invariant breaks."""
    return Simulation(options, trace, make_core=make_core).run()
