"""Bytes that are no frame of the cluster: cut ones, those of another cluster, noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paxos_core.codec import HEADER_BYTES, Codec, DecodeError
from paxos_core.testing.chance import GARBAGE, stream
from paxos_core.testing.failure import Violation
from paxos_core.testing.members import CLUSTER
from paxos_core.types import NodeId

if TYPE_CHECKING:
    from paxos_core.testing.simulator import Simulation


class Garbage:
    """What arrives beside the frames of a run, and must change nothing."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._reader = Codec(CLUSTER, 0)
        self._dice = stream(simulation.options.seed, GARBAGE)

    def follow(self, to: NodeId, frame: bytes) -> None:
        """Now and then something like `frame`, but none, arrives behind it."""
        if self._dice.happens(self._simulation.plan.garbage_permille):
            self._simulation.at(1, self._arrive, to, frame)

    def _arrive(self, to: NodeId, frame: bytes) -> None:
        frame = self._garble(frame)
        self._simulation.monitor.counts["garbage"] += 1
        try:
            message = self._reader.decode(frame)[1]
        except DecodeError:
            self._offer(to, frame)
            return
        raise Violation("garbage is refused", f"{len(frame)} bytes read as {message}")

    def _garble(self, frame: bytes) -> bytes:
        dice = self._dice
        match dice.below(3):
            case 0:
                return Codec(CLUSTER + 1, 1).encode(self._reader.decode(frame)[1])
            case 1:
                return frame[: dice.below(len(frame))]
            case _:
                noise = b"".join(dice.next().to_bytes(8, "big") for _ in range(6))
                return frame[: dice.below(HEADER_BYTES)] + noise

    def _offer(self, to: NodeId, frame: bytes) -> None:
        """A foreign core reads frames itself: it must be none the wiser for this one."""
        node = self._simulation.nodes.get(to)
        if node is None or not node.foreign or node.paused:
            return
        try:
            sender, message = node.codec.decode(frame)
        except DecodeError:
            return
        self._simulation.pump(node)
        service = node.service
        if service is None:
            # It was down, or what had to be taken first was a write that it was to crash at.
            return
        before = service.replica.status()
        service.receive(sender, message)
        if service.take() or service.replica.status() != before:
            raise Violation("garbage is refused", f"{to} heeds {len(frame)} bytes")
