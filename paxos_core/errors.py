"""What a replica raises at its caller. Nothing that a peer says makes it raise."""

from __future__ import annotations

from paxos_core.types import NodeId


class NotLeader(Exception):
    """Only a leader proposes. `leader` is whom to ask, 0 if unknown."""

    def __init__(self, leader: NodeId) -> None:
        super().__init__(f"not the leader; ask node {leader}" if leader else "no known leader")
        self.leader = leader


class Overloaded(Exception):
    """Too much waits already; nothing was taken. Ask again later."""


class CommandTooLarge(ValueError):
    """The command does not fit the largest value; nothing was taken."""


class MachineFailed(Exception):
    """The application's state machine broke its contract: this replica cannot follow the log."""


class Poisoned(Exception):
    """An invariant broke earlier: this replica's state is not to be trusted."""
