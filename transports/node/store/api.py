"""What a node keeps across a crash, and every way in which keeping it can fail.

A store holds *records*: opaque byte strings in the order of their writing. It
promises one thing: once `Store.write` has returned, its records are read back
at the next opening, whatever happens to the process or to the power. Where it
cannot keep that promise it says so and stops; it never carries on with less.

The acceptor rests on this ("Paxos Made Simple", 2.5: an acceptor records its
intended response in stable storage before actually sending it). A store that
lost a promise would let two values be chosen for one slot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RECORDS_BYTES_MAX: Final = 1 << 30
"""The most that one `Store.write` takes, all records together, in bytes."""

U64_MAX: Final = (1 << 64) - 1
NODE_MAX: Final = (1 << 16) - 1


class StoreError(Exception):
    """A store cannot be used. The message names cause and cure, in one line."""


class StoreMissing(StoreError):
    """There is no store at the path. Never read as "a node without promises"."""


class StoreExists(StoreError):
    """There is something at the path already; a store is made once."""


class StoreForeign(StoreError):
    """The store belongs to another cluster or node, or has another format version."""


class StoreDamaged(StoreError):
    """A byte that was acknowledged is not what was written: the promise is unknown."""


class StoreBusy(StoreError):
    """Another process holds the store."""


class StoreFailed(StoreError):
    """The operating system refused a write, a sync or a read. The store is dead."""


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Whose store it is. Raises `ValueError` when a part is out of range."""

    cluster: int
    """The cluster's number, 0 .. 2**64 - 1."""
    node: int
    """The replica, 1 .. 65535."""
    voting: bool
    """False for a node that was re-made after losing its store: it learns and never votes."""

    def __post_init__(self) -> None:
        if not 0 <= self.cluster <= U64_MAX:
            raise ValueError(f"a cluster's number is 0..2**64-1, not {self.cluster}")
        if not 0 < self.node <= NODE_MAX:
            raise ValueError(f"a replica's node id is 1..{NODE_MAX}, not {self.node}")


class Store(ABC):
    """Where a node writes its records. One caller at a time; every call blocks."""

    __slots__ = ()

    identity: StoreIdentity

    durable: bool
    """Whether written records survive the process. If not, a restart must not vote."""

    syncs: int
    """How often it has waited for the disk since it was opened."""

    @property
    @abstractmethod
    def log_bytes(self) -> int:
        """Bytes written since the last checkpoint, from which to judge when the next is due."""

    @abstractmethod
    def write(self, records: Sequence[bytes], *, checkpoint: bool = False) -> None:
        """Write records, and return once all of them are on stable storage.

        All of one call survive a crash or, if the call did not return, possibly
        none of them: never some. No records is no work, and no sync.

        With `checkpoint` the records restate everything that matters, so what
        was written before is forgotten; until the call returns the old records
        stay readable.

        Raises `StoreFailed` when the operating system fails any step. Nothing is
        tried again: after a failed sync nobody knows which pages reached the
        disk. From then on every call raises it. Raises `ValueError`, before
        anything is written, for a checkpoint without records or for more than
        `RECORDS_BYTES_MAX` bytes.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the store; a second call does nothing. Raises `StoreFailed`."""


def check_records(records: Sequence[bytes], *, checkpoint: bool) -> int:
    """The bytes of all records together. Raises `ValueError` for what no store may be given."""
    if checkpoint and not records:
        raise ValueError("a checkpoint without records would forget every promise")
    total_bytes = sum(map(len, records))
    if total_bytes > RECORDS_BYTES_MAX:
        raise ValueError(
            f"{total_bytes} bytes of records in one write, {RECORDS_BYTES_MAX} at most"
        )
    return total_bytes
