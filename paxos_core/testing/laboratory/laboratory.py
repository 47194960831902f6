"""One run in the laboratory: how it began, what was done, and what came of it.

The state is whatever the actions lead to, and nothing else: the same actions lead to
the same state. So a step back is one action less, a branch is a copy of the list,
and a saved test is the list as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from paxos_core.errors import CommandTooLarge, NotLeader, Overloaded
from paxos_core.testing.laboratory.actions import read_action
from paxos_core.testing.laboratory.cluster import LaboratoryCluster, TracedLaboratoryCluster
from paxos_core.testing.laboratory.lights import Red
from paxos_core.testing.laboratory.setup import Setup, read_setup
from paxos_core.testing.script import obey
from paxos_core.testing.script_node import ScriptError
from paxos_core.types import NodeId

ACTIONS_MAX: Final = 400
EVENTS_MAX: Final = 6_000
"""Of its trace."""
FRAMES_MAX: Final = 120
"""On their way at a time; what would bring more is refused."""


class Laboratory:
    """A cluster of the real core, and the actions that brought it to where it is.

    Raises `ScriptError` for actions that cannot be done.
    """

    def __init__(self, setup: Setup, actions: Iterable[str] = (), *, traced: bool = False) -> None:
        self.setup = setup
        self._traced = traced
        self.actions: list[str] = []
        self.said: list[list[str]] = []
        """For each action, what the cluster did, in the words of a script."""
        self._trace: list[dict[str, Any]] = []
        self.cluster = self._make()
        for action in actions:
            self.act(action)

    def _make(self) -> LaboratoryCluster:
        if not self._traced:
            return LaboratoryCluster(self.setup)
        return TracedLaboratoryCluster(self.setup, sink=self._trace.append, source="paxos play")

    @classmethod
    def replay(cls, text: str) -> Laboratory:
        """The run that `text` describes: lines that begin with ``>`` are its setup and its
        actions, all others say something to people. Raises `ScriptError` with the line.
        """
        run: Laboratory | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if not line.startswith(">"):
                continue
            try:
                if run is None:
                    run = cls(read_setup(line[1:].split()))
                else:
                    run.act(line[1:].strip())
            except ScriptError as error:
                raise ScriptError(f"line {number}: {error}") from error
        if run is None:
            raise ScriptError("there is no line: > cluster N")
        return run

    def act(self, action: str) -> None:
        """Do one thing more. Raises `ScriptError` if it cannot be done; then nothing was."""
        words = read_action(action, self.setup.nodes)
        if len(self.actions) >= ACTIONS_MAX:
            raise ScriptError(f"a run has at most {ACTIONS_MAX} actions: go back, or begin anew")
        self.cluster.lights.action = len(self.actions) + 1
        before = len(self.cluster.frames)
        try:
            said = obey(self.cluster, words)
            if len(self._trace) > EVENTS_MAX:
                raise ScriptError("too much has happened in this run: go back, or begin anew")
            if before < len(self.cluster.frames) > FRAMES_MAX:
                raise ScriptError(
                    f"more than {FRAMES_MAX} messages would be on their way: "
                    "deliver or lose some first"
                )
        except (ScriptError, NotLeader, Overloaded, CommandTooLarge) as error:
            self._rebuild()
            raise ScriptError(str(error)) from error
        self.actions.append(" ".join(words))
        self.said.append(said)

    def _rebuild(self) -> None:
        """What failed half-way left something behind: begin again, and come to the same place."""
        again = Laboratory(self.setup, self.actions, traced=self._traced)
        self.cluster, self.said, self._trace = again.cluster, again.said, again._trace

    def pick(self, index: int) -> str:
        """The words that name one frame on its way, behind `deliver`, `drop` or `copy`."""
        frames = self.cluster.frames
        frame = frames[index]
        way = frame.source, frame.target, frame.kind
        alike = [i for i, f in enumerate(frames) if (f.source, f.target, f.kind) == way]
        which = f" #{alike.index(index) + 1}" if len(alike) > 1 else ""
        return f"{frame.source} -> {frame.target} {frame.kind}{which}"

    # What came of it

    @property
    def trace_header(self) -> dict[str, Any]:
        """The first line of its trace, if it is traced; see `docs/traces.md`."""
        return self._trace[0]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of its trace so far; none if it is not traced."""
        return self._trace[1:]

    @property
    def red(self) -> dict[str, Red]:
        """The invariants that are broken, by name."""
        return dict(self.cluster.lights.red)

    @property
    def logs(self) -> dict[NodeId, list[str]]:
        """What each node's application has seen."""
        return {node: list(state.commands) for node, state in self.cluster.nodes.items()}

    @property
    def stopped(self) -> dict[NodeId, str]:
        """The nodes that stopped themselves, and why."""
        return dict(self.cluster.stopped)

    def transcript(self) -> str:
        """The run as text, with what the cluster did below each action. `replay` reads it."""
        lines = [f"> {self.setup.line}"]
        for action, said in zip(self.actions, self.said, strict=True):
            lines += [f"> {action}", *(f"  {line}" for line in said)]
        return "\n".join(lines) + "\n"
