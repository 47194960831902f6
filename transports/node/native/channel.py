"""A way to a core that takes and gives the records of `kmod/uapi/paxos.h`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from paxos_core.election import Role
from transports._paxos_device import DeviceRecord

ROLES: Final = (Role.FOLLOWER, Role.CANDIDATE, Role.LEADER)
"""In the order of `enum paxos_role`."""


@dataclass(slots=True)
class CoreStatus:
    """What a core says of itself; the names are those of `ReplicaStatus`."""

    role: Role
    voting: bool
    leader: int
    ballot: int
    promised: int
    watermark: int
    first_slot: int
    in_flight_slots: int
    pending_bytes: int
    log_bytes: int
    lags: bool
    snapshot_due: bool
    write_id: int
    """The last write that was taken; its records may still have to be read."""
    poisoned: int
    """0, or the number of the invariant that broke."""


class StatusNumbers(Protocol):
    """What `struct px_status` and `struct paxos_status` have in common."""

    role: int
    voting: int
    leader: int
    ballot: int
    promised: int
    watermark: int
    first_slot: int
    in_flight_slots: int
    pending_bytes: int
    log_bytes: int
    lags: int
    snapshot_due: int
    write_id: int
    poisoned: int


def read_status(status: StatusNumbers) -> CoreStatus:
    """The same in Python's words."""
    return CoreStatus(
        role=ROLES[status.role],
        voting=bool(status.voting),
        leader=status.leader,
        ballot=status.ballot,
        promised=status.promised,
        watermark=status.watermark,
        first_slot=status.first_slot,
        in_flight_slots=status.in_flight_slots,
        pending_bytes=status.pending_bytes,
        log_bytes=status.log_bytes,
        lags=bool(status.lags),
        snapshot_due=bool(status.snapshot_due),
        write_id=status.write_id,
        poisoned=status.poisoned,
    )


class Channel(Protocol):
    """Takes input records and gives output records, always whole ones."""

    name: str
    """What the core is: `c` or `kernel`."""

    counts_ticks: bool
    """Whether time is told by TICK records; else the core has a clock of its own."""

    durable: bool
    """Whether RECORDs come out and PERSISTED is waited for."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames that the core refused, by cause, as far as nobody else counts them."""
        ...

    def write(self, records: bytes) -> int:
        """Hand in records; how many bytes were taken. A PROPOSE may have to wait.

        Raises `Poisoned`, and `OSError` for a device that is gone.
        """
        ...

    def read(self) -> Sequence[DeviceRecord]:
        """The records that followed so far. Raises as `write`."""
        ...

    def status(self) -> CoreStatus:
        """How the core is. Raises `OSError` for a device that is gone."""
        ...
