"""What a puzzle allows: how often a node may campaign, propose and crash.

It binds the player and the search alike, so a search that has seen every run within
it has seen every run that a player could try.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paxos_core.testing.script_node import ScriptError
from paxos_core.types import NodeId

_TIMES = {1: "once", 2: "twice"}


@dataclass(frozen=True)
class Allowance:
    """How often each node may do what; a node that is not named may not at all.

    What the network does to a message is not bounded, nor is how often a disk ends what
    it was given.
    """

    campaigns: Mapping[NodeId, int] = field(default_factory=dict)
    proposals: Mapping[NodeId, tuple[str, ...]] = field(default_factory=dict)
    """The commands that the search has each node propose, one after the other, each with a
    value of its own. A player words them freely."""
    crashes: Mapping[NodeId, int] = field(default_factory=dict)
    down: tuple[NodeId, ...] = ()
    """Nodes that are down, and stay so."""

    @property
    def counts(self) -> dict[str, dict[NodeId, int]]:
        """How often, by verb and node."""
        return {
            "campaign": dict(self.campaigns),
            "propose": {node: len(commands) for node, commands in self.proposals.items()},
            "crash": dict(self.crashes),
        }

    @property
    def words(self) -> str:
        """The same for people: ``nodes 1 and 3 may each campaign once; ...``."""
        clauses = [
            f"{_name(nodes)} may {'each ' if len(nodes) > 1 else ''}{verb} {_often(count)}"
            for verb, counts in self.counts.items()
            for count, nodes in _alike(counts).items()
        ]
        clauses += [] if self.crashes else ["no node may crash"]
        clauses += ["no further disk may be held"]
        clauses += [f"node {node} stays down" for node in self.down]
        return "; ".join(clauses)

    def check(self, done: list[str], action: str) -> None:
        """That `action` may follow what the player has `done`. Raises `ScriptError`."""
        verb, *rest = action.split()
        node = int(rest[0]) if rest and rest[0].isdecimal() else 0
        if verb == "hold":
            raise ScriptError("no further disk may be held in this puzzle")
        if verb == "restart" and node in self.down:
            raise ScriptError(f"in this puzzle node {node} stays down")
        if verb not in self.counts:
            return
        most = self.counts[verb].get(node, 0)
        if sum(line.split()[:2] == [verb, str(node)] for line in done) >= most:
            more = f" more than {_often(most)}" if most else ""
            raise ScriptError(f"node {node} may not {verb}{more} in this puzzle")


def _often(count: int) -> str:
    return _TIMES.get(count, f"{count} times")


def _name(nodes: list[NodeId]) -> str:
    *others, last = map(str, nodes)
    return f"nodes {', '.join(others)} and {last}" if others else f"node {last}"


def _alike(counts: Mapping[NodeId, int]) -> dict[int, list[NodeId]]:
    """The nodes by how often they may."""
    alike: dict[int, list[NodeId]] = {}
    for node, count in counts.items():
        alike.setdefault(count, []).append(node)
    return alike
