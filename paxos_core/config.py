"""What a replica is told once, when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from paxos_core.quorum import QuorumSystem
from paxos_core.types import NodeId

VALUE_OVERHEAD_BYTES = 160
"""More than any message adds to the value, vote, command list or result list it carries."""

FRAME_BYTES_MIN = 512
"""Below this a frame could not hold a value of useful size."""


@dataclass(frozen=True, slots=True)
class Timing:
    """All times are counts of ticks; the driver decides how long a tick is."""

    heartbeat_ticks: int = 3
    election_ticks_min: int = 15
    election_ticks_max: int = 30
    resend_ticks: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.heartbeat_ticks < self.election_ticks_min <= self.election_ticks_max:
            raise ValueError(
                "timing needs 1 <= heartbeat_ticks < election_ticks_min <= election_ticks_max"
            )
        if self.resend_ticks < 1:
            raise ValueError("resend_ticks is at least 1")


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a replica's memory. Sizes in bytes, unless the name says otherwise."""

    window_slots: int = 32
    """Slots the leader keeps open at a time."""
    pending_bytes_max: int = 8 << 20
    """Commands that wait at the leader for a slot; more are refused as `Overloaded`."""
    vote_slots_max: int = 1024
    """How far above its watermark an acceptor votes; at least twice the window."""
    log_bytes_max: int = 16 << 20
    """A snapshot is due when the log behind it has grown by this (or by the snapshot's size)."""
    log_keep_slots: int = 256
    """Slots kept below a snapshot, so that a replica that lags a little needs no snapshot."""
    snapshot_bytes_max: int = 256 << 20
    page_bytes_max: int = 256 << 10
    """One answer to a `Learn` or a `SnapshotRequest`, over all its frames."""
    command_bytes_max: int = 32 << 10
    """A client's command; less if the frame holds less."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1")
        if self.vote_slots_max < 2 * self.window_slots:
            raise ValueError("vote_slots_max is at least twice window_slots")


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of the exactly-once table.

    They decide what the replicated state is, so they must be the same on every
    replica of a cluster, now and when its log is replayed.
    """

    sessions_max: int = 4096
    window: int = 16384
    """How far a client's command numbers may run ahead of its oldest unanswered one."""
    bytes_max: int = 64 << 20
    """Results kept for retries, over all sessions."""
    result_bytes_max: int = 32 << 10
    """A larger result is not kept: the client learns that the command was applied, no more."""


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """One replica's identity and limits.

    `voting` is false for a replica that may not vote under its identity (its
    store was volatile and it is not its first start, or its store was lost): it
    learns and serves what it learnt, no more.

    Raises `ValueError` for a node that is not a member, or a frame too small.
    """

    node: NodeId
    quorums: QuorumSystem
    frame_bytes_max: int = 64 << 10
    seed: int = 0
    """Where the election jitter starts; the same seed gives the same run."""
    voting: bool = True
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.node not in self.quorums.bits:
            raise ValueError(f"node {self.node} is not among the members {self.quorums.members}")
        if self.frame_bytes_max < FRAME_BYTES_MIN:
            raise ValueError(
                f"a frame of {self.frame_bytes_max} bytes is too small: "
                f"the least is {FRAME_BYTES_MIN}"
            )

    @property
    def peers(self) -> tuple[NodeId, ...]:
        """The other members."""
        return tuple(node for node in self.quorums.members if node != self.node)

    @property
    def value_bytes_max(self) -> int:
        """The largest value that every message which carries one can hold."""
        return self.frame_bytes_max - VALUE_OVERHEAD_BYTES
