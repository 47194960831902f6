"""Gathers the events of one run: their order, their clocks, and who sent what.

One recorder serves every node that is traced together. An event is held back until the
next one begins, so that an input and its own `take` can be one event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from paxos_core.codec import Codec
from paxos_core.messages import Message
from paxos_core.trace.why import CRASHED, PAUSED, RESUMED, STOPPED
from paxos_core.types import NodeId

Sink = Callable[[dict[str, Any]], None]
Clock = dict[str, int]


class Held(Protocol):
    """An event that may still grow."""

    def finish(self) -> None:
        """It grows no more: hand it to the recorder."""
        ...


class Recorder:
    """Numbers events, keeps the nodes' vector clocks, and hands each event to `sink`.

    `now` says what `at` is. Message ids are unlike one another within one recorder. With
    ``joins=False`` it sees one node alone, and remembers no sending.
    """

    __slots__ = (
        "_clocks", "_held", "_joins", "_now", "_numbers", "_sendings", "_sink", "arrival", "step",
        "stopped",
    )  # fmt: skip

    def __init__(self, sink: Sink, now: Callable[[], float], *, joins: bool = True) -> None:
        self._sink = sink
        self._joins = joins
        self._now = now
        self._held: Held | None = None
        self._clocks: dict[NodeId, Clock] = {}
        self._numbers: dict[NodeId, int] = {}
        self._sendings: dict[str, Clock] = {}
        self.step = 0
        """How many events there were."""
        self.arrival = ""
        """The id of the message that a node is about to receive, if it is known."""
        self.stopped = False
        """Nothing is written any more."""

    @property
    def now(self) -> float:
        """When it is."""
        return self._now()

    def hold(self, held: Held) -> None:
        """Keep this back until the next event begins."""
        self.settle()
        self._held = held

    def release(self, held: Held) -> bool:
        """Whether this was still held back; it is not any more."""
        if self._held is not held:
            return False
        self._held = None
        return True

    def settle(self) -> None:
        """What was held back grows no more."""
        held, self._held = self._held, None
        if held is not None:
            held.finish()

    def next_id(self, node: NodeId) -> str:
        """A name for one message that `node` sends."""
        number = self._numbers[node] = self._numbers.get(node, 0) + 1
        return f"{node}:{number}"

    def take_arrival(self) -> str:
        """`arrival`, once."""
        arrival, self.arrival = self.arrival, ""
        return arrival

    def knows(self, ident: str) -> bool:
        """Whether this recorder saw it sent."""
        return ident in self._sendings

    def put(
        self, node: NodeId, kind: str, at: float, keys: dict[str, Any], arrival: str = ""
    ) -> None:
        """An event of `node`; `arrival` is the message that it got. The clock is kept here."""
        clock = dict(self._clocks.get(node, {}))
        for entry, count in self._sendings.get(arrival, {}).items():
            clock[entry] = max(clock.get(entry, 0), count)
        own = str(node)
        clock[own] = clock.get(own, 0) + 1
        self._clocks[node] = clock
        for message in keys.get("sent", ()) if self._joins else ():
            self._sendings[message["id"]] = clock
        self._write({"at": at, "node": node, "kind": kind, "clock": clock, **keys})

    def network(self, kind: str, **keys: Any) -> None:
        """An event that is nobody's doing but the network's."""
        self.settle()
        self._write({"at": self._now(), "kind": kind, **keys})

    def crash(self, node: NodeId) -> None:
        """`node` stops at once."""
        self._outside(node, "crash", CRASHED)

    def stop(self, node: NodeId) -> None:
        """`node` is stopped by whoever runs it."""
        self._outside(node, "stop", STOPPED)

    def pause(self, node: NodeId) -> None:
        """`node` stands still."""
        self._outside(node, "pause", PAUSED)

    def resume(self, node: NodeId) -> None:
        """It goes on."""
        self._outside(node, "resume", RESUMED)

    def _outside(self, node: NodeId, kind: str, why: tuple[str, str]) -> None:
        self.settle()
        rule, text = why
        self.put(node, kind, self._now(), {"why": text, "rule": rule})

    def _write(self, event: dict[str, Any]) -> None:
        if not self.stopped:
            self._sink({"step": self.step, **event})
            self.step += 1


class TracedFrame(bytes):
    """A frame that knows which message of the trace it is, wherever the network carries it."""

    ident: str

    @classmethod
    def of(cls, frame: bytes, ident: str) -> TracedFrame:
        """`frame`, as message `ident`."""
        traced = cls(frame)
        traced.ident = ident
        return traced


def ident_of(frame: bytes) -> str:
    """Which message it is; empty if that is not known."""
    return frame.ident if isinstance(frame, TracedFrame) else ""


class NotingCodec(Codec):
    """A node's codec that tells the recorder which message the node is about to receive."""

    __slots__ = ("_inner", "_recorder")

    def __init__(self, inner: Codec, recorder: Recorder) -> None:
        super().__init__(inner.cluster, inner.sender)
        self._inner = inner
        self._recorder = recorder

    def encode(self, message: Message) -> bytes:
        """As the codec inside."""
        return self._inner.encode(message)

    def decode(self, frame: bytes) -> tuple[NodeId, Message]:
        """As the codec inside."""
        self._recorder.arrival = ident_of(frame)
        return self._inner.decode(frame)
