"""Where a node's time goes: a few looks at the clock for each drain, none for a message.

Costs nothing where nobody asks: the node's own methods are wrapped, once, before its loops
begin. Each part is charged with the time that no inner part took.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from typing import Any, Final

from transports.bench.wire import Message
from transports.node.node import Node

NS: Final = 1_000_000_000
OUTSIDE, CORE, DECODE, ENCODE, STORE, SEND = range(6)
NAMES: Final = ("outside", "core", "decode", "encode", "store", "send")
WRAPPED: Final = (
    ("_feed", CORE),
    ("_pump", CORE),
    ("_decode", DECODE),
    ("_encode", ENCODE),
    ("_write", STORE),
)
"""Methods of `Node`, and the part that each is."""


class Parts:
    """Takes the time of a node's parts. Pass `watch` to `open_node`."""

    def __init__(self) -> None:
        self._spent_ns = [0] * len(NAMES)
        self._now = [perf_counter_ns(), OUTSIDE]
        """Since when, and which part is on."""
        self._store_cpu_ns = 0
        self._begin_cpu_ns = thread_time_ns()
        self._node: Node | None = None

    def watch(self, node: Node) -> None:
        """Take the time of this node from now on. For `open_node`."""
        self._node = node
        for name, part in WRAPPED:
            setattr(node, name, self._timed(part, getattr(node, name)))
        node._write = self._working(node._write)  # type: ignore[method-assign]
        transport = node._transport
        # The instance's attribute hides the method: the class is everybody's.
        transport.send = self._timed(SEND, transport.send)  # type: ignore[method-assign]

    def _timed(self, part: int, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, with its time charged to `part`, less what parts within it take."""
        spent, state, clock = self._spent_ns, self._now, perf_counter_ns

        def timed(*arguments: Any) -> Any:
            outer = state[1]
            if outer == part:
                # A part within itself: nothing to tell apart.
                return act(*arguments)
            now = clock()
            spent[outer] += now - state[0]
            state[0] = now
            state[1] = part
            try:
                return act(*arguments)
            finally:
                now = clock()
                spent[part] += now - state[0]
                state[0] = now
                state[1] = outer

        return timed

    def _working(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, with what the thread works in it noted: the rest of it is waiting for the disk."""

        def working(*arguments: Any) -> Any:
            begin = thread_time_ns()
            try:
                return act(*arguments)
            finally:
                self._store_cpu_ns += thread_time_ns() - begin

        return working

    def tell(self) -> Message:
        """`parts`: name -> seconds since the beginning, as in `PARTS`; and `syncs`.

        What the thread worked outside of the other parts is `receive`: system calls that
        wait and read, and trio. What it did not work is `idle`, but for waiting for a disk.
        """
        assert self._node is not None
        since, part = self._now
        spent = list(self._spent_ns)
        spent[part] += perf_counter_ns() - since
        worked = thread_time_ns() - self._begin_cpu_ns
        inside = sum(spent[CORE:])
        receive = max(0, worked - (inside - spent[STORE]) - self._store_cpu_ns)
        parts = dict(zip(NAMES[CORE:], spent[CORE:], strict=True))
        parts |= {"receive": receive, "idle": max(0, spent[OUTSIDE] - receive)}
        return {
            "parts": {name: ns / NS for name, ns in parts.items()},
            "syncs": self._node.syncs,
        }
