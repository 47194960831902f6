"""A simulated run that is traced: nothing in it is different, but each event is told.

A frame knows which message of the trace it is (`TracedFrame`), so a copy, a loss and a
receipt are of the very message that was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from paxos_core.codec import KINDS
from paxos_core.config import ReplicaConfig
from paxos_core.durable import DurableState
from paxos_core.messages import Message
from paxos_core.replicated_log import ReplicatedLog
from paxos_core.testing.cores import MakeCore
from paxos_core.testing.failure import SimulationFailure
from paxos_core.testing.fault_words import fault_text
from paxos_core.testing.members import SimulatedNode
from paxos_core.testing.monitor import Monitor
from paxos_core.testing.network import Deliver, Network, Pair, Rates
from paxos_core.testing.options import Options
from paxos_core.testing.plan import TICK_UNITS, Fault, Plan, draw_plan
from paxos_core.testing.simulator import Simulation
from paxos_core.trace.recorder import NotingCodec, Recorder, Sink, TracedFrame, ident_of
from paxos_core.trace.shape import header
from paxos_core.trace.tracer import TracedLog
from paxos_core.types import NODE_MAX, NodeId

NAMES: Final = {number: kind.__name__ for kind, number in KINDS.items()}
TOLD: Final = {
    "all is healed": "all faults end: from here on everything has to come right",
    "but for ": "but some links stay cut until there is a leader",
    "a bit changes in": "a value changes on its way, which its checksum will tell",
    "round ": "faults and load begin anew",
    "the quorums can spare": "it is left out: the quorums cannot spare one more disk",
}
"""How lines begin that are the simulator's own doing, and what they mean; others are events
already."""


class TracedNetwork(Network):
    """Tells of every frame that it loses or doubles, and of every cable."""

    __slots__ = ("_arrived", "_inner", "_recorder", "_times")

    def __init__(self, seed: int, rates: Rates, deliver: Deliver, recorder: Recorder) -> None:
        super().__init__(seed, rates, self._count)
        self._inner = deliver
        self._recorder = recorder
        self._times = 0

    def carry(self, sender: NodeId, to: NodeId, frame: bytes) -> None:
        """As the network does."""
        self._times = 0
        lost = self.lost
        super().carry(sender, to, frame)
        if self.lost > lost:
            tell_loss(self._recorder, frame, "the network loses it")

    def _count(self, delay: int, to: NodeId, frame: bytes) -> None:
        self._times += 1
        ident = ident_of(frame)
        if self._times > 1 and ident:
            self._recorder.network("copy", message={"id": ident}, text="the network doubles it")
        self._inner(delay, to, frame)

    def block(self, pairs: Iterable[Pair]) -> None:
        """As the network does."""
        pairs = list(pairs)
        self._tell_cables("cut", pairs)
        super().block(pairs)

    def unblock(self, pairs: Iterable[Pair]) -> None:
        """As the network does."""
        pairs = list(pairs)
        super().unblock(pairs)
        self._tell_cables("heal", [pair for pair in pairs if pair not in self._blocked])

    def mute(self, kinds: Iterable[int]) -> None:
        """As the network does."""
        kinds = list(kinds)
        super().mute(kinds)
        self._tell_kinds(kinds, "do not pass")

    def unmute(self, kinds: Iterable[int]) -> None:
        """As the network does."""
        kinds = list(kinds)
        super().unmute(kinds)
        self._tell_kinds(kinds, "pass again")

    def _tell_kinds(self, kinds: list[int], what: str) -> None:
        names = ", ".join(NAMES[kind] for kind in kinds)
        if names:
            self._recorder.network("fault", text=f"these kinds {what}: {names}")

    def heal(self) -> None:
        """As the network does."""
        self._tell_cables("heal", list(self._blocked))
        super().heal()

    def _tell_cables(self, kind: str, pairs: list[Pair]) -> None:
        nodes = sorted({pair for pair in pairs if max(pair) <= NODE_MAX})
        if nodes:
            shown = ", ".join(f"{sender} -> {to}" for sender, to in nodes)
            verb = "nothing passes" if kind == "cut" else "frames pass again"
            text = f"{verb}: {shown}"
            self._recorder.network(kind, text=text, nodes=[list(pair) for pair in nodes])


def tell_loss(recorder: Recorder, frame: bytes, text: str) -> None:
    """`frame` arrives nowhere; nothing is said of one that is not of the trace."""
    ident = ident_of(frame)
    if ident:
        recorder.network("lose", message={"id": ident}, text=text)


class TracedSimulation(Simulation):
    """A run whose lines go to `sink`, as `docs/traces.md` has them: the header, then the events."""

    def __init__(
        self,
        options: Options,
        sink: Sink,
        *,
        plan: Plan | None = None,
        make_core: MakeCore | None = None,
    ) -> None:
        plan = plan or draw_plan(options)
        sink(header(options.command(), plan.quorums, "tick"))
        self.now = 0
        self.recorder = Recorder(sink, lambda: self.now / TICK_UNITS)
        self._logs: dict[NodeId, TracedLog] = {}
        self._ident = ""
        super().__init__(options, plan=plan, make_core=make_core)

    def make_network(self, plan: Plan) -> Network:
        """As the simulation does, but one that tells."""
        return TracedNetwork(self.options.seed, plan.rates, self._arrive, self.recorder)

    def _make_node(self, node_id: NodeId, plan: Plan) -> SimulatedNode:
        node = super()._make_node(node_id, plan)
        node.codec = NotingCodec(node.codec, self.recorder)
        return node

    def make_replica(
        self, node: SimulatedNode, config: ReplicaConfig, state: DurableState
    ) -> ReplicatedLog:
        """As the simulation does, and watched."""
        votes = dict(state.votes)
        core = super().make_replica(node, config, state)
        log = TracedLog(core, node.codec, votes, self.recorder, deferred=node.foreign)
        self._logs[node.id] = log
        return log

    def run(self) -> Monitor:
        """As `Simulation.run`."""
        try:
            return super().run()
        except SimulationFailure as failure:
            self.recorder.network(
                "fault", text=f"the run fails: {failure.invariant}: {failure.detail}"
            )
            raise
        finally:
            self.recorder.settle()

    def say(self, text: str) -> None:
        """What the simulator does itself is an event too."""
        for begin, told in TOLD.items():
            if text.startswith(begin):
                self.recorder.network("fault", text=told)

    def say_fault(self, fault: Fault, node: SimulatedNode | None) -> None:
        """In words for people."""
        self.recorder.network("fault", text=fault_text(fault, node.id if node else None))

    # Nodes

    def crash(self, node: SimulatedNode, *, power: bool = True, later: bool = True) -> None:
        """As the simulation does."""
        running = node.service is not None
        backlog = list(node.backlog)
        super().crash(node, power=power, later=later)
        if not running:
            return
        self.recorder.crash(node.id)
        for frame in backlog:
            tell_loss(self.recorder, frame, f"node {node.id} crashes before it has read it")
        for _, _, ident in self._logs[node.id].sendings:
            text = f"node {node.id} crashes before it has sent it"
            self.recorder.network("lose", message={"id": ident}, text=text)
        self._logs[node.id].sendings = []

    def pause(self, node: SimulatedNode) -> None:
        """As the simulation does."""
        if node.service is not None and not node.paused:
            self.recorder.pause(node.id)
        super().pause(node)

    def resume(self, node: SimulatedNode) -> None:
        """As the simulation does."""
        if node.service is not None and node.paused:
            self.recorder.resume(node.id)
        super().resume(node)

    # Frames

    def _send(self, node: SimulatedNode, to: NodeId, message: Message) -> None:
        sendings = self._logs[node.id].sendings
        if sendings and sendings[0][0] == to and sendings[0][1] is message:
            # Sent in the order in which they were handed out; replies to clients are not of them.
            self._ident = sendings.pop(0)[2]
        super()._send(node, to, message)
        self._ident = ""

    def put(self, sender: NodeId, to: NodeId, frame: bytes, message: Message) -> None:
        """As the simulation does; the frame knows what it is from here on."""
        ident, self._ident = self._ident, ""
        super().put(sender, to, TracedFrame.of(frame, ident) if ident else frame, message)

    def _receive(self, node: SimulatedNode, frame: bytes) -> None:
        if node.service is None:
            tell_loss(self.recorder, frame, f"node {node.id} is down")
        super()._receive(node, frame)

    def lose_late_frames(self) -> None:
        """As the simulation does."""
        before = {id(entry): entry for entry in self._heap}
        super().lose_late_frames()
        kept = set(map(id, self._heap))
        for ident, entry in before.items():
            if ident not in kept and isinstance(entry[4], bytes):
                tell_loss(self.recorder, entry[4], "all that is late is lost, so that all is well")


def trace_seed(options: Options, sink: Sink, make_core: MakeCore | None = None) -> Monitor:
    """Run one seed to its end, as `simulate` does, and hand the lines of its trace to `sink`.

    Raises `SimulationFailure` if an invariant breaks; the trace is whole also then.
    """
    return TracedSimulation(options, sink, make_core=make_core).run()
