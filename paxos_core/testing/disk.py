"""A simulated disk: batches of encoded records, of which a crash may lose the latest.

A write is finished some time after it was begun. A crash keeps what is
finished, and of what is not any prefix: some whole batches, and perhaps the
beginning of the next one. A checkpoint replaces everything before it, at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from paxos_core.durable import Record, encode_record
from paxos_core.testing.chance import Chance
from paxos_core.types import WriteId

Watcher = Callable[[Record], None]
"""Told of every record that became durable."""


class Disk:
    """One node's disk. `watch` is called for each record that reached it for good."""

    __slots__ = ("_pending", "_watch", "records", "written")

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self.records: list[bytes] = []
        """What a restart reads."""
        self.written = 0
        self._pending: deque[tuple[WriteId, list[Record], bool]] = deque()

    def begin(self, write_id: WriteId, records: list[Record], checkpoint: bool) -> None:
        """A batch is on its way to the disk."""
        self._pending.append((write_id, records, checkpoint))

    def finish(self, write_id: WriteId) -> None:
        """Every batch up to `write_id` is on the disk."""
        while self._pending and self._pending[0][0] <= write_id:
            _, records, checkpoint = self._pending.popleft()
            self._put(records, checkpoint)

    def crash(self, chance: Chance) -> None:
        """Lose what is not finished, but for a prefix of it."""
        whole = chance.below(len(self._pending) + 1)
        for _ in range(whole):
            _, records, checkpoint = self._pending.popleft()
            self._put(records, checkpoint)
        if self._pending and not self._pending[0][2] and chance.happens(500):
            records = self._pending[0][1]
            self._put(records[: chance.below(len(records))], False)
        self._pending.clear()

    def wipe(self) -> None:
        """The disk is gone."""
        self.records = []
        self._pending.clear()

    def _put(self, records: list[Record], checkpoint: bool) -> None:
        encoded = [encode_record(record) for record in records]
        if checkpoint:
            self.records = encoded
        else:
            self.records += encoded
        self.written += len(encoded)
        for record in records:
            self._watch(record)
