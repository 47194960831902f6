"""What goes wrong, when, and for how long: one thing after the other, drawn by a seed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any, Final

import trio

from transports.node.cli.demo_cluster import ProcessCluster
from transports.node.cli.failures import Failure

KINDS: Final = ("kill", "pause", "cut", "sync", "full")
"""SIGKILL; SIGSTOP; a cable pulled out; a failed sync; a full disk."""
NETWORK: Final = ("cut",)
TRACED: Final = ("sync", "full")
INJECTIONS: Final = {
    "sync": ("fdatasync", "error=EIO"),
    "full": ("pwrite64", "error=ENOSPC"),
}
CALLS_MAX: Final = 60
"""A call fails that is drawn from so many."""
QUIET_SECONDS: Final = (0.2, 1.0)
LASTING_SECONDS: Final = (0.3, 2.0)
TRACED_SECONDS: Final = 4.0
"""How long a node is given to come upon its failing call."""
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Event:
    """Something that began or ended, in seconds from the beginning of the run."""

    seconds: float
    node: int
    kind: str
    ends: bool


@dataclass
class Nemesis:
    """Does it to a cluster. Only as many nodes as may fail are hurt at a time: one of three."""

    cluster: ProcessCluster
    nodes: Sequence[int]
    kinds: Sequence[str]
    dice: Random
    prefixes: dict[int, list[str]]
    """The words that the cluster puts before a node's command, inside its namespace."""
    set_link: Callable[[int, bool], None]
    leader: Callable[[], Any]
    """Who is known to lead; 0 for nobody."""
    say: Callable[[str], None]
    began: float = field(default_factory=monotonic)
    events: list[Event] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    _traced: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """For ever; cancelled between two faults or within one, `heal` mends what is left."""
        while True:
            await trio.sleep(self.dice.uniform(*QUIET_SECONDS))
            node = self._target()
            await self._do(self.dice.choice(self.kinds), node)

    def _target(self) -> int:
        """Often the leader: there a fault does most."""
        leader = int(self.leader())
        if leader in self.nodes and self.dice.random() < 0.5:
            return leader
        return self.dice.choice(self.nodes)

    async def _do(self, kind: str, node: int) -> None:
        self.faults[kind] = self.faults.get(kind, 0) + 1
        self.say(f"{self._now():6.2f} s  {kind} node {node}")
        self._note(node, kind, ends=False)
        lasting = self.dice.uniform(*LASTING_SECONDS)
        match kind:
            case "kill":
                await self.cluster.kill(node)
                await trio.sleep(lasting)
                self.cluster.start(node, first=False)
            case "pause":
                self.cluster.send_signal(node, signal.SIGSTOP)
                await trio.sleep(lasting)
                self.cluster.send_signal(node, signal.SIGCONT)
            case "cut":
                self.set_link(node, False)
                await trio.sleep(lasting)
                self.set_link(node, True)
            case _:
                await self._fail_a_call(kind, node)
        self._note(node, kind, ends=True)

    async def _fail_a_call(self, kind: str, node: int) -> None:
        """Start the node again under strace, which lets one of its calls fail."""
        call, error = INJECTIONS[kind]
        number = self.dice.randint(1, CALLS_MAX)
        await self.cluster.kill(node)
        self.prefixes[node] = [
            # -D: the node is the cluster's own child, which a signal reaches.
            "strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
            "-e", f"inject={call}:{error}:when={number}",
        ]  # fmt: skip
        self._traced.add(node)
        try:
            self.cluster.start(node, first=False)
        finally:
            self.prefixes.pop(node, None)
        with trio.move_on_after(TRACED_SECONDS):
            status = await self._wait_ended(node)
            if status != 1:
                raise Failure(f"node {node} ended with {status} when {call} failed, not 1")
            self._traced.discard(node)
            self.cluster.start(node, first=False)
            return
        await self._untrace(node)

    async def _untrace(self, node: int) -> None:
        """It has not come to that call: it goes on without strace."""
        self._traced.discard(node)
        if self.cluster.runs(node):
            await self.cluster.kill(node)
        self.cluster.start(node, first=False)

    async def _wait_ended(self, node: int) -> int:
        """The status that a node ends with by itself."""
        while True:
            ended = dict(self.cluster.take_ended())
            if node in ended:
                return ended[node]
            await trio.sleep(POLL_SECONDS)

    async def heal(self) -> None:
        """All nodes run, nothing is cut, and nobody's calls fail."""
        for node in self.nodes:
            if node in self._traced:
                await self._untrace(node)
            with suppress(KeyError, ProcessLookupError):
                self.cluster.send_signal(node, signal.SIGCONT)
            if any(kind in NETWORK for kind in self.kinds):
                self.set_link(node, True)
            if not self.cluster.runs(node):
                self.cluster.start(node, first=False)

    def _note(self, node: int, kind: str, *, ends: bool) -> None:
        self.events.append(Event(self._now(), node, kind, ends))

    def _now(self) -> float:
        return monotonic() - self.began


def why_not(kind: str, *, laboratory: bool) -> str:
    """Why this kind of fault cannot be made here, with the cure; empty if it can."""
    if kind in NETWORK and not laboratory:
        return "a cable to pull out needs a laboratory: run it as root, with ip installed"
    if kind in TRACED and shutil.which("strace") is None:
        return "a failing call needs strace: on Debian, apt-get install strace"
    return ""
