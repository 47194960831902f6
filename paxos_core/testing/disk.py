"""A simulated disk: what a crash, a power loss and broken hardware leave of a node's writes.

A write is finished some time after it was begun; then it was synced, and the
node is told. A crash keeps what is finished. Of the write that is under way any
sectors may have arrived, in any order; of those behind it nothing, or all, as if
the crash had come later. After a power loss the seal may be an older one, too.

Broken hardware is `Disk.rot` and its like:
they destroy what was acknowledged, and note it in `damage`, so that somebody
can check that a start finds it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from paxos_core.durable import Record, encode_record
from paxos_core.testing import disk_bytes as b
from paxos_core.testing.chance import Chance
from paxos_core.testing.failure import Violation
from paxos_core.types import WriteId

Watcher = Callable[[Record], None]
"""Told of every record that became durable."""

SEAL, IDENTITY, LOG = "seal", "identity", "log"


class DiskFailed(Exception):
    """A write or a sync failed: the node must stop, and must not try again."""


class Disk:
    """One node's disk. `watch` is called for each record that reached it for good."""

    __slots__ = (
        "_batches", "_end", "_failed", "_flight", "_generation", "_pending", "_salt", "_seals",
        "_store", "_watch", "damage", "failing", "files", "full", "records", "stray", "written",
    )  # fmt: skip

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self.records: list[bytes] = []
        """What the last `open` has found."""
        self.written = 0
        """Records, ever."""
        self.damage: dict[str | int, str] = {}
        """What was destroyed of what was acknowledged (a file, or a log's generation), and how."""
        self.failing = False
        """The next sync fails."""
        self.full = False
        """No write succeeds."""
        self._failed = False
        """A write did not: until the node is started again, nothing that the disk says counts."""
        self.stray = ""
        """What becomes of the next write: "lost", "misdirected", or as it should be."""
        self._pending: deque[tuple[WriteId, list[Record], bool]] = deque()
        self._flight: list[Record] = []
        """Of a write that was not acknowledged and may be there all the same."""
        self._seals: list[bytes] = []
        """The seals since the last one that was synced; a power loss may bring back any."""
        self._store = 0
        self._generation = self._batches = self._end = self._salt = 0
        self.files = b.Files()
        self.format()

    # The node's side

    def format(self) -> None:
        """Make an empty store: what `paxos init` does."""
        self._store += 1
        self._pending.clear()
        self._flight = []
        self.damage.clear()
        self.stray = ""
        self.files = b.Files(b.pack_identity(self._store))
        self._begin_log(0, [])

    def begin(self, write_id: WriteId, records: list[Record], checkpoint: bool) -> None:
        """A batch is on its way to the disk."""
        self._pending.append((write_id, records, checkpoint))

    def finish(self, write_id: WriteId) -> None:
        """Every batch up to `write_id` is on the disk.

        Raises `DiskFailed`; the batch may then be there, or some of it.
        """
        while self._pending and self._pending[0][0] <= write_id:
            if self._failed:
                raise Violation("a failed sync is final", "a disk is used after it failed")
            if self.full or self.failing:
                what = "the disk is full" if self.full else "the sync failed"
                self.failing, self._failed = False, True
                raise DiskFailed(what)
            _, records, checkpoint = self._pending.popleft()
            self._put(records, checkpoint)

    def crash(self, chance: Chance, *, power: bool = True, later: bool = True) -> None:
        """The node stops; nothing that is not finished is sure.

        `power`: it may be a power loss. `later`: writes may have been finished before.
        """
        if later and not self.full:
            for _ in range(chance.below(len(self._pending) + 1)):
                _, records, checkpoint = self._pending.popleft()
                self._put(records, checkpoint)
        if self._pending:
            _, records, checkpoint = self._pending[0]
            self._put_some(records, checkpoint, chance)
        self._pending.clear()
        self._failed = False
        # Hardware that destroys an acknowledged batch and a seal at once leaves nothing to find.
        if power and not self.is_damaged and chance.happens(500):
            self.files.seal = chance.choice(self._seals)

    def open(self) -> b.Contents:
        """What a start reads; a torn tail is cut. Raises `DiskRefused`."""
        found = b.read_files(self.files)
        self.records = found.records
        if found.generation != self._generation or found.batches > self._batches:
            self._note_durable(self._flight)
        self._flight = []
        self._generation, self._batches, self._end = found.generation, found.batches, found.end
        self._salt = b.salt_of(self._store, found.generation)
        log = self.files.logs[found.generation]
        del log[found.end :]
        self.files.logs = {found.generation: log}
        self._reseal(found.batch_crc)
        self._seals = [self.files.seal]
        return found

    # Broken hardware

    @property
    def is_damaged(self) -> bool:
        """Whether something that the next start must read is not what was acknowledged."""
        return bool(self.causes)

    @property
    def causes(self) -> set[str]:
        """What was done to it."""
        if not self.damage:
            return set()
        matter = {SEAL, IDENTITY, LOG, max(self.files.logs, default=-1)}
        return {cause for part, cause in self.damage.items() if part in matter}

    def lose(self) -> None:
        """The disk is gone."""
        self.files = b.Files()
        self._pending.clear()
        self.damage = {LOG: "disk lost"}

    def rot(self, chance: Chance) -> None:
        """Some bits of something that was acknowledged change; not the last batch alone after a
        power loss took its seal: nothing can tell that from a torn write."""
        self.files.seal = self._seals[-1]
        match chance.below(10):
            case 0:
                self.files.seal = _flip(self.files.seal, chance)
                self.damage[SEAL] = "bit rot"
            case 1:
                assert self.files.identity is not None
                self.files.identity = _flip(self.files.identity, chance)
                self.damage[IDENTITY] = "bit rot"
            case _:
                log = self.files.logs[self._generation]
                log[: self._end] = _flip(bytes(log[: self._end]), chance)
                self.damage[self._generation] = "bit rot"

    def copy_log(self) -> tuple[int, bytes]:
        """A copy of the log, which somebody may put back when it is old."""
        return self._generation, bytes(self.files.logs[self._generation][: self._end])

    def put_back(self, copy: tuple[int, bytes]) -> bool:
        """Put an old copy of the log in the place of the log; whether it was older."""
        if copy == self.copy_log():
            return False
        self.files.seal = self._seals[-1]
        self.files.logs = {copy[0]: bytearray(copy[1])}
        self.damage[LOG] = "old log"
        return True

    # The bytes

    def _put(self, records: list[Record], checkpoint: bool) -> None:
        encoded = [encode_record(record) for record in records]
        if checkpoint:
            self._begin_log(self._generation + 1, encoded)
        else:
            self._append(encoded)
        self._note_durable(records)

    def _note_durable(self, records: list[Record]) -> None:
        self.written += len(records)
        for record in records:
            self._watch(record)

    def _append(self, records: list[bytes]) -> None:
        data, batch_crc = b.pack_batch(self._salt, self._batches, records)
        log = self.files.logs[self._generation]
        if self.stray:
            self._go_astray(log, data)
        else:
            log[self._end : self._end + len(data)] = data
        self._end += len(data)
        self._batches += 1
        self._reseal(batch_crc)

    def _go_astray(self, log: bytearray, data: bytes) -> None:
        """The disk says that the batch was written, and it was not, or to another place."""
        log[self._end :] = bytes(len(data))
        if self.stray == "misdirected":
            sectors = -(-self._end // b.SECTOR_BYTES)
            at = len(data) * 7919 % sectors * b.SECTOR_BYTES
            log[at : at + len(data)] = data
        self.damage[self._generation] = f"{self.stray} write"
        self.stray = ""

    def _begin_log(self, generation: int, records: list[bytes]) -> None:
        self.files.logs = {generation: self._segment(generation, records)}
        self._generation = generation
        self._salt = b.salt_of(self._store, generation)
        self._end = len(self.files.logs[generation])
        self._batches = 1 if records else 0
        batch_crc = b.pack_batch(self._salt, 0, records)[1] if records else 0
        self.damage.pop(LOG, None)
        self._reseal(batch_crc)
        self._seals = [self.files.seal]

    def _segment(self, generation: int, records: list[bytes]) -> bytearray:
        """A log that begins with a checkpoint."""
        salt = b.salt_of(self._store, generation)
        data = b.pack_batch(salt, 0, records)[0] if records else b""
        head = b.pack_segment(self._store, generation, b.SEGMENT_BYTES + len(data))
        return bytearray(head + data)

    def _reseal(self, batch_crc: int) -> None:
        self.files.seal = b.pack_seal(
            self._store, self._generation, self._end, self._batches, batch_crc
        )
        self._seals.append(self.files.seal)
        self.damage.pop(SEAL, None)

    def _put_some(self, records: list[Record], checkpoint: bool, chance: Chance) -> None:
        """A write that was cut off: any of its sectors are there, or all of it, or nothing."""
        how = chance.below(3)
        if how == 0:
            return
        self._flight = records
        encoded = [encode_record(record) for record in records]
        if checkpoint:
            # It gets its name once it is whole; the seal may not name it yet.
            generation = self._generation + 1
            self.files.logs[generation] = self._segment(generation, encoded)
            return
        log = self.files.logs[self._generation]
        data, _ = b.pack_batch(self._salt, self._batches, encoded)
        landed = log + data if how == 1 else _some_sectors(log, data, chance)
        self.files.logs[self._generation] = landed


def _some_sectors(log: bytearray, data: bytes, chance: Chance) -> bytearray:
    """`log`, which was allocated ahead, after some sectors of `data` have arrived behind it."""
    end = len(log)
    whole = log + data
    landed = log + bytes(len(data))
    start = end
    while start < len(whole):
        stop = min(len(whole), (start // b.SECTOR_BYTES + 1) * b.SECTOR_BYTES)
        if chance.happens(500):
            landed[start:stop] = whole[start:stop]
        start = stop
    return landed


def _flip(data: bytes, chance: Chance) -> bytes:
    """`data` with a bit flipped, or a sector of it zeroed or filled with noise."""
    changed = bytearray(data)
    start = chance.below(len(data))
    stop = start + 1
    match chance.below(4):
        case 0:
            start -= start % b.SECTOR_BYTES
            stop = min(len(data), start + b.SECTOR_BYTES)
            changed[start:stop] = bytes(stop - start)
        case 1:
            start -= start % b.SECTOR_BYTES
            stop = min(len(data), start + b.SECTOR_BYTES)
            changed[start:stop] = bytes(chance.below(256) for _ in range(stop - start))
    if changed == data:
        changed[start] ^= 1 << chance.below(8)
    return bytes(changed)
