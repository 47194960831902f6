"""A store that keeps nothing: for tests, and for measuring the cost of the layers above.

A node on it forgets its promises with its process. Restarted under the same
identity it must not vote; whether this is the first start cannot be read from
the store, so it has to be said by whoever starts the node.
"""

from __future__ import annotations

from collections.abc import Sequence

from transports.node.store.api import Store, StoreFailed, StoreIdentity, check_records


class MemoryStore(Store):
    """Counts what it is given, and forgets it."""

    __slots__ = ("_closed", "_log_bytes", "durable", "identity", "syncs")

    def __init__(self, identity: StoreIdentity) -> None:
        self.identity = identity
        self.durable = False
        self.syncs = 0
        self._log_bytes = 0
        self._closed = False

    @property
    def log_bytes(self) -> int:
        """Bytes written since the last checkpoint."""
        return self._log_bytes

    def write(self, records: Sequence[bytes], *, checkpoint: bool = False) -> None:
        """Count the records. Raises `StoreFailed` after `close`, `ValueError` as `Store.write`."""
        if self._closed:
            raise StoreFailed("the memory store is closed; open a new one")
        total_bytes = check_records(records, checkpoint=checkpoint)
        self._log_bytes = 0 if checkpoint else self._log_bytes + total_bytes

    def close(self) -> None:
        """Refuse every later write."""
        self._closed = True
