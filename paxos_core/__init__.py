"""Multi-Paxos as a pure state machine: no I/O, no clock, no randomness of its own.

Start at `Replica` (the replicated log) or `Service` (a replicated state machine
with exactly-once clients); `Client` is the other end. Bytes come and go through
`Codec`. What a driver owes them stands in ``docs/core.md``.
"""

from paxos_core.client import Client, ClientConfig, ClientReady, Completion
from paxos_core.codec import Codec, DecodeError
from paxos_core.config import Limits, ReplicaConfig, SessionLimits, Timing
from paxos_core.durable import DurableState, RecordError, decode_record, encode_record, replay
from paxos_core.errors import CommandTooLarge, MachineFailed, NotLeader, Overloaded, Poisoned
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import CaughtUp, Decided, LeaderChanged, Ready
from paxos_core.replica import Replica
from paxos_core.service import Service, SnapshotError, StateMachine
from paxos_core.status import ReplicaStatus

__all__ = [
    "CaughtUp",
    "Client",
    "ClientConfig",
    "ClientReady",
    "Codec",
    "CommandTooLarge",
    "Completion",
    "Decided",
    "DecodeError",
    "DurableState",
    "LeaderChanged",
    "Limits",
    "MachineFailed",
    "NotLeader",
    "Overloaded",
    "Poisoned",
    "QuorumSystem",
    "Ready",
    "RecordError",
    "Replica",
    "ReplicaConfig",
    "ReplicaStatus",
    "Service",
    "SessionLimits",
    "SnapshotError",
    "StateMachine",
    "Timing",
    "decode_record",
    "encode_record",
    "replay",
]
