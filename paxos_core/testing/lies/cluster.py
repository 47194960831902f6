"""Honest replicas, a liar among them, and a monitor that compares what they decide.

The liar is the last member. It runs a real replica too, so that its lies come close
to the truth; what that one would send is handed to the lie instead, which may change
it, hold it back, or send more. Frames are bytes, with the sender that the transport
names beside them, as a node gets them.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import msgpack

from paxos_core.codec import Codec, DecodeError
from paxos_core.config import Limits, ReplicaConfig, Timing
from paxos_core.describe import describe_message
from paxos_core.errors import NotLeader, Overloaded, Poisoned
from paxos_core.messages import Message
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Ready
from paxos_core.replica import Replica
from paxos_core.testing.chance import LIAR, LIARS_NETWORK, LIARS_SEEDS, Chance, stream
from paxos_core.types import NodeId, Slot

if TYPE_CHECKING:
    from paxos_core.testing.lies.kinds import Lie

CLUSTER = 0x51
TICK_UNITS = 100
FRAME_BYTES_MAX = 700
LIMITS = Limits(
    window_slots=4, vote_slots_max=16, log_keep_slots=4, log_bytes_max=2500,
    page_bytes_max=1400, pending_bytes_max=4000, snapshot_bytes_max=1 << 14,
)  # fmt: skip


class Disagreement(Exception):
    """Two honest replicas decided differently."""


class Member:
    """A replica, its application (the list of commands) and whether it has stopped."""

    def __init__(self, node: NodeId, quorums: QuorumSystem, seed: int) -> None:
        self.node = node
        self.codec = Codec(CLUSTER, node)
        config = ReplicaConfig(
            node, quorums, FRAME_BYTES_MAX, seed, True, Timing(1, 5, 9, 2), LIMITS
        )
        self.replica = Replica(config)
        self.commands: list[bytes] = []
        self.stopped = ""
        """Why it stopped, as a node would."""


class LyingCluster:
    """Runs in virtual time; raises `Disagreement` out of `step`."""

    def __init__(self, lie: Lie, seed: int, size: int = 3) -> None:
        self.lie = lie
        self.now = 0
        self.lying = True
        quorums = QuorumSystem(range(1, size + 1))
        seeds = stream(seed, LIARS_SEEDS)
        self.members = {n: Member(n, quorums, seeds.next()) for n in quorums.members}
        self.liar = self.members[size]
        self.honest = [member for member in self.members.values() if member is not self.liar]
        self.chance: Chance = stream(seed, LIAR)
        self._seed = seed
        self._dice = stream(seed, LIARS_NETWORK)
        self.decided: dict[Slot, bytes] = {}
        """What the honest ones decided; the first who did counts."""
        self.states: dict[Slot, list[bytes]] = {}
        """The application below a slot, wherever one was there."""
        self.told: list[str] = []
        """The liar's frames, as text."""
        self.allowed: frozenset[int] | None = None
        """Which frames, counted from 0, may be lies; None for all."""
        self.asked = 0
        """How many frames wanted to be lies so far."""
        self._truth: tuple[NodeId, Message] | None = None
        self._lies_now = False
        self.cuts = True
        """Whether links between honest members fail now and then."""
        self._cut: tuple[NodeId, ...] = ()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        for member in self.members.values():
            self.at(self._dice.below(TICK_UNITS), self._ticker(member))
        self.at(5 * TICK_UNITS, self._change_cut)

    # Time

    def _change_cut(self) -> None:
        """Cut one honest member off from the other honest ones, or nobody; the liar hears all."""
        self._cut = ()
        if self.cuts:
            self.at(self._dice.between(5, 30) * TICK_UNITS, self._change_cut)
            if self._dice.happens(600):
                self._cut = (self._dice.choice(self.honest).node,)

    def at(self, delay: int, act: Callable[[], None]) -> None:
        """Have `act` happen after `delay`."""
        self._sequence += 1
        heappush(self._heap, (self.now + delay, self._sequence, act))

    def step(self) -> None:
        """The next event. Raises `Disagreement`."""
        self.now, _, act = heappop(self._heap)
        act()

    def _ticker(self, member: Member) -> Callable[[], None]:
        def tick() -> None:
            self.at(TICK_UNITS, tick)
            self.guarded(member, member.replica.tick)
            if member is self.liar and self.lying:
                self._lies_now = True
                self.lie.tick(self)
                self._lies_now = False

        return tick

    # Members

    def guarded(self, member: Member, act: Callable[[], None]) -> None:
        """Do it, and pump. A replica whose invariant breaks stops, as its node would."""
        if member.stopped:
            return
        try:
            act()
            self._pump(member)
        except (AssertionError, Poisoned) as error:
            member.stopped = str(error)

    def _pump(self, member: Member) -> None:
        while ready := member.replica.take():
            self._apply(member, ready)
            for to, message in ready.messages:
                self._send(member, to, message)
            if ready.write_id:
                member.replica.persisted(ready.write_id)
        if member.replica.snapshot_due:
            watermark = member.replica.status().watermark
            member.replica.compact(watermark, msgpack.packb(member.commands))

    def _apply(self, member: Member, ready: Ready) -> None:
        if ready.install is not None:
            self._install(member, ready.install.slot, ready.install.data)
        for entry in ready.decided:
            member.commands += entry.commands
            if member is self.liar:
                continue
            value = b"+".join(entry.commands)
            if self.decided.setdefault(entry.slot, value) != value:
                raise Disagreement(
                    f"node {member.node} decides {value!r} for slot {entry.slot}, "
                    f"where another decided {self.decided[entry.slot]!r}"
                )
            self._compare(member, entry.slot + 1)

    def _install(self, member: Member, slot: Slot, data: bytes) -> None:
        try:
            member.commands = msgpack.unpackb(data)
        except (ValueError, TypeError) as error:
            # As a service does: no version of this code wrote it.
            raise AssertionError(f"not a snapshot: {error}") from error
        if member is not self.liar:
            self._compare(member, slot)

    def _compare(self, member: Member, slot: Slot) -> None:
        known = self.states.setdefault(slot, list(member.commands))
        if known != member.commands:
            raise Disagreement(f"node {member.node} has another state below slot {slot}")

    def propose(self, command: bytes) -> bool:
        """Hand `command` to whoever leads, the liar too; whether there was one with room."""
        for member in self.members.values():
            if member.stopped or member.replica.leader != member.node:
                continue
            try:
                member.replica.propose(command)
            except (NotLeader, Overloaded):
                continue
            self.guarded(member, lambda: None)
            return True
        return False

    # Frames

    def _send(self, member: Member, to: NodeId, message: Message) -> None:
        if member is self.liar and self.lying:
            self._truth, self._lies_now = (to, message), True
            self.lie.change(self, to, message)
            self._truth, self._lies_now = None, False
        else:
            self.carry(member.node, to, member.codec.encode(message))

    def say(self, to: NodeId, message: Message, as_node: NodeId = 0) -> None:
        """The liar sends `message`, or has it look as if `as_node` did."""
        if to == self.liar.node or to not in self.members:
            return
        self.asked += 1
        # Dice of its own: a lie that is left out leaves the fate of other frames as it was.
        dice = stream(self._seed, LIARS_NETWORK, self.asked)
        if self.allowed is not None and self.asked - 1 not in self.allowed:
            truth, self._truth = self._truth, None
            if truth is not None:
                self.tell_truth(*truth, dice)
            return
        sender = as_node or self.liar.node
        note = f" in the name of {as_node}" if as_node else ""
        self.told.append(f"{self.liar.node} -> {to}{note}: {describe_message(message)}")
        self.carry(sender, to, Codec(CLUSTER, sender).encode(message), dice)

    def tell_truth(self, to: NodeId, message: Message, dice: Chance | None = None) -> None:
        """The liar passes on what its replica says."""
        self.carry(self.liar.node, to, self.liar.codec.encode(message), dice)

    def carry(self, named: NodeId, to: NodeId, frame: bytes, dice: Chance | None = None) -> None:
        """A frame goes to `to`, from a sender that the transport calls `named`.

        With `dice` of its own it is the liar's, who is near to everybody, whoever it poses as.
        """
        target = self.members.get(to)
        cut = self._cut and self.liar.node not in (named, to) and {named, to} & set(self._cut)
        delay_max = 5 if dice else 60
        if cut and dice is None:
            return
        dice = dice or self._dice
        if target is None or dice.happens(20):
            return
        if target is self.liar or named != self.liar.node:
            self.lie.overhear(self, named, to, frame)
        for _ in range(1 + dice.happens(20)):
            self.at(dice.between(1, delay_max), lambda: self._arrive(target, named, frame))

    def _arrive(self, target: Member, named: NodeId, frame: bytes) -> None:
        try:
            sender, message = target.codec.decode(frame)
        except DecodeError:
            return
        deaf = target is self.liar and self.lying and isinstance(message, self.lie.deaf_to)
        if sender == named and not deaf:
            self.guarded(target, lambda: target.replica.receive(sender, message))
