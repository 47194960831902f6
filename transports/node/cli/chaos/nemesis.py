"""What goes wrong, when, and for how long: one thing after the other, drawn by a seed."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Final

import trio

from transports.node.cli.chaos.network import Network
from transports.node.cli.demo_cluster import ProcessCluster
from transports.node.cli.failures import Failure
from transports.node.cli.lab.loss import why_no_loss

KINDS: Final = ("kill", "pause", "cut", "loss", "sync", "full")
"""SIGKILL; SIGSTOP; a cable pulled out; one that loses frames; a failed sync; a full disk."""
NETWORK: Final = ("cut", "loss")
TRACED: Final = ("sync", "full")
INJECTIONS: Final = {
    "sync": ("fdatasync", "error=EIO"),
    "full": ("pwrite64", "error=ENOSPC"),
}
CALLS_MAX: Final = 60
"""A call fails that is drawn from so many."""
QUIET_SECONDS: Final = (0.1, 0.6)
LASTING_SECONDS: Final = (0.3, 1.5)
LOSS_SHARES: Final = (0.05, 0.4)
"""Of the frames each way."""
WAITS_SHARE: Final = 0.75
"""How often a node that was started is waited for: else the next fault may come before."""
READY_SECONDS: Final = 180.0
TRACED_SECONDS: Final = 4.0
"""How long a node that answers is given to come upon its failing call."""
ENDING_SECONDS: Final = 30.0
"""How long a node whose call has failed may take to end."""
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
    network: Network
    leader: Callable[[], Any]
    """Who is known to lead; 0 for nobody."""
    answers: Callable[[int], Awaitable[bool]]
    """Whether a node answers a question; takes a moment."""
    folder: Path
    """Where strace writes down what it did."""
    say: Callable[[str], None]
    began: float = field(default_factory=monotonic)
    events: list[Event] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    """By kind: how many were begun."""
    came_true: dict[str, int] = field(default_factory=dict)
    """By kind: how many of the failing calls a node came upon, and ended for."""
    _traced: dict[int, str] = field(default_factory=dict)
    """The nodes that run under strace, with the kind of fault."""
    _bag: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """For ever; cancelled between two faults or within one, `heal` mends what is left.

        Raises `Failure` for a node that ended by itself, or not as it should have.
        """
        while True:
            await trio.sleep(self.dice.uniform(*QUIET_SECONDS))
            self.cluster.check()
            await self._do(self._next_kind(), self._target())

    def _next_kind(self) -> str:
        """Each kind once, in any order, before one comes again: a short run has many."""
        if not self._bag:
            self._bag = self.dice.sample(list(self.kinds), len(self.kinds))
        return self._bag.pop()

    def _target(self) -> int:
        """Often the leader: there a fault does most."""
        # Always two draws, whoever leads: what comes later depends on the seed alone.
        at_leader, other = self.dice.random() < 0.5, self.dice.choice(self.nodes)
        leader = int(self.leader())
        return leader if at_leader and leader in self.nodes else other

    async def _do(self, kind: str, node: int) -> None:
        self.faults[kind] = self.faults.get(kind, 0) + 1
        self.say(f"{self._now():6.2f} s  {kind} node {node}")
        self._note(node, kind, ends=False)
        lasting = self.dice.uniform(*LASTING_SECONDS)
        waits = self.dice.random() < WAITS_SHARE
        share = self.dice.uniform(*LOSS_SHARES)
        number = self.dice.randint(1, CALLS_MAX)
        match kind:
            case "kill":
                await self.cluster.kill(node)
                await trio.sleep(lasting)
                await self._start(node, waits=waits)
            case "pause":
                self.cluster.send_signal(node, signal.SIGSTOP)
                await trio.sleep(lasting)
                self.cluster.send_signal(node, signal.SIGCONT)
            case "cut":
                self.network.set_link(node, False)
                await trio.sleep(lasting)
                self.network.set_link(node, True)
            case "loss":
                self.network.set_loss(node, share)
                await trio.sleep(2 * lasting)
                self.network.set_loss(node, 0.0)
            case _:
                await self._fail_a_call(kind, node, number)
                await self._start(node, waits=waits)
        self._note(node, kind, ends=True)

    async def _start(self, node: int, *, waits: bool) -> None:
        self.cluster.start(node, first=False)
        if waits:
            await self._wait_ready(node)

    async def _wait_ready(self, node: int) -> None:
        """Until it answers; one that has ended is found before the next fault."""
        with trio.move_on_after(READY_SECONDS):
            while self.cluster.runs(node):
                if await self.answers(node):
                    return
                await trio.sleep(POLL_SECONDS)

    async def _fail_a_call(self, kind: str, node: int, number: int) -> None:
        """Start the node again under strace, which lets one of its calls fail, until it ends."""
        call, error = INJECTIONS[kind]
        said = self._trace_path(node)
        said.unlink(missing_ok=True)
        await self.cluster.kill(node)
        self.prefixes[node] = [
            # -D: the node is the cluster's own child, which a signal reaches.
            # Stopped at this call alone: else every call would cost two stops, and a start seconds.
            "strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", str(said), "-e", f"trace={call}",
            "-e", f"inject={call}:{error}:when={number}",
        ]  # fmt: skip
        self._traced[node] = kind
        try:
            self.cluster.start(node, first=False)
        finally:
            self.prefixes.pop(node, None)
        await self._wait_ready(node)
        with trio.move_on_after(TRACED_SECONDS):
            self._note_end(kind, node, await self._wait_ended(node))
            return
        await self._untrace(node)

    def _note_end(self, kind: str, node: int, status: int) -> None:
        self._traced.pop(node)
        if not self._was_injected(node):
            raise Failure(f"node {node} ended with status {status}; see node-{node}.log")
        if status != 1:
            raise Failure(f"node {node} ended with {status} when a call failed ({kind}), not 1")
        self.came_true[kind] = self.came_true.get(kind, 0) + 1

    async def _untrace(self, node: int) -> None:
        """End a node that runs under strace. Raises `Failure` if its call failed and it goes on."""
        kind = self._traced[node]
        if not self.cluster.runs(node) or self._was_injected(node):
            # If it still runs, its call failed just now, or it does not care.
            with trio.move_on_after(ENDING_SECONDS):
                self._note_end(kind, node, await self._wait_ended(node))
                return
            raise Failure(f"node {node} went on after a call had failed ({kind})")
        self._traced.pop(node)
        if self.cluster.runs(node):
            await self.cluster.kill(node)

    def _was_injected(self, node: int) -> bool:
        """Whether strace has let a call of the node's fail."""
        try:
            said = self._trace_path(node).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return False
        return "(INJECTED)" in said

    def _trace_path(self, node: int) -> Path:
        return self.folder / f"strace-{node}.txt"

    async def _wait_ended(self, node: int) -> int:
        """The status that a node ends with by itself."""
        while True:
            for other, status in self.cluster.take_ended():
                if other == node:
                    return status
                raise Failure(f"node {other} ended with status {status}; see node-{other}.log")
            await trio.sleep(POLL_SECONDS)

    async def heal(self) -> None:
        """All nodes run, nothing is cut or lost, and nobody's calls fail.

        Raises `Failure` for a node that ended by itself.
        """
        for node in self.nodes:
            if any(kind in NETWORK for kind in self.kinds):
                self.network.set_link(node, True)
                self.network.set_loss(node, 0.0)
            with suppress(KeyError, ProcessLookupError):
                self.cluster.send_signal(node, signal.SIGCONT)
        for node in list(self._traced):
            await self._untrace(node)
        self._note_ends()
        self.cluster.check()
        for node in self.nodes:
            if not self.cluster.runs(node):
                self.cluster.start(node, first=False)

    def _note_ends(self) -> None:
        """That what was cut short is over."""
        begun = Counter((event.node, event.kind) for event in self.events if not event.ends)
        begun.subtract((event.node, event.kind) for event in self.events if event.ends)
        for node, kind in begun.elements():
            self._note(node, kind, ends=True)

    def _note(self, node: int, kind: str, *, ends: bool) -> None:
        self.events.append(Event(self._now(), node, kind, ends))

    def _now(self) -> float:
        return monotonic() - self.began


def why_not(kind: str, *, laboratory: bool) -> str:
    """Why this kind of fault cannot be made here, with the cure; empty if it can."""
    if kind in NETWORK and not laboratory:
        return "a cable needs a laboratory: run it as root, with ip installed"
    if kind == "loss" and (reason := why_no_loss()):
        return reason
    if kind in TRACED and shutil.which("strace") is None:
        return "a failing call needs strace: on Debian, apt-get install strace"
    return ""
