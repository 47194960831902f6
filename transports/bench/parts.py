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
WRAPPED: Final = (
    ("_feed", "core"),
    ("_pump", "core"),
    ("_decode", "decode"),
    ("_encode", "encode"),
    ("_write", "store"),
)
"""Methods of `Node`, and the part that each is."""


class Parts:
    """Takes the time of a node's parts. Pass `watch` to `open_node`."""

    def __init__(self) -> None:
        self._spent_ns = dict.fromkeys(("core", "decode", "encode", "store", "send"), 0)
        self._stack: list[str] = []
        self._since_ns = 0
        self._store_cpu_ns = 0
        self._begin_ns = perf_counter_ns()
        self._begin_cpu_ns = thread_time_ns()
        self._node: Node | None = None

    def watch(self, node: Node) -> None:
        """Take the time of this node from now on. For `open_node`."""
        self._node = node
        for name, part in WRAPPED:
            setattr(node, name, self._timed(part, getattr(node, name)))
        transport = node._transport
        # The instance's attribute hides the method: the class is everybody's.
        transport.send = self._timed("send", transport.send)  # type: ignore[method-assign]
        self._begin_ns, self._begin_cpu_ns = perf_counter_ns(), thread_time_ns()

    def _timed(self, part: str, act: Callable[..., Any]) -> Callable[..., Any]:
        spent, stack = self._spent_ns, self._stack
        waits = part == "store"

        def timed(*arguments: Any) -> Any:
            now = perf_counter_ns()
            if stack:
                spent[stack[-1]] += now - self._since_ns
            stack.append(part)
            self._since_ns = now
            cpu = thread_time_ns() if waits else 0
            try:
                return act(*arguments)
            finally:
                now = perf_counter_ns()
                spent[stack.pop()] += now - self._since_ns
                self._since_ns = now
                if waits:
                    self._store_cpu_ns += thread_time_ns() - cpu

        return timed

    def tell(self) -> Message:
        """`parts`: name -> seconds since the beginning, as in `PARTS`; and `syncs`.

        What the thread worked outside of the other parts is `receive`: system calls that
        wait and read, and trio. What it did not work is `idle`, but for waiting for a disk.
        """
        assert self._node is not None
        spent = dict(self._spent_ns)
        wall = perf_counter_ns() - self._begin_ns
        worked = thread_time_ns() - self._begin_cpu_ns
        known = sum(spent.values())
        receive = max(0, worked - (known - spent["store"]) - self._store_cpu_ns)
        parts = {**spent, "receive": receive, "idle": max(0, wall - known - receive)}
        return {
            "parts": {name: ns / NS for name, ns in parts.items()},
            "syncs": self._node.syncs,
        }
