"""A look at a replica, for people."""

from __future__ import annotations

from dataclasses import dataclass

from paxos_core.election import Role
from paxos_core.types import Ballot, NodeId, Slot


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """How a replica is, as `Replica.status` has it."""

    node: NodeId
    role: Role
    voting: bool
    leader: NodeId
    ballot: Ballot
    promised: Ballot
    watermark: Slot
    first_slot: Slot
    in_flight_slots: int
    pending_bytes: int
    log_bytes: int
    lags: bool
