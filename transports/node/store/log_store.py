"""A durable store: an append-only log, one write and one sync per batch.

`log_format` has the bytes, `log_scan` the reading back, `log_open` the checks at
opening, `log_create` the making. This module has what happens while a node runs.

Three rules, all from what a sync does and does not say:

* Acknowledged means synced. `write` returns after `fdatasync`.
* The seal is moved only after the sync, so it is never ahead of the log.
* A failed call ends the store. The kernel may have dropped the pages it could
  not write and report success next time, so a second sync proves nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transports.node.store.api import (
    Store,
    StoreDamaged,
    StoreFailed,
    StoreIdentity,
    check_records,
)
from transports.node.store.log_format import (
    SEGMENT_HEADER_BYTES,
    Seal,
    SegmentHeader,
    batch_salt,
    pack_batch,
    pack_seal,
    pack_segment_header,
)
from transports.node.store.log_scan import BadRegion, read_records

PREALLOCATE_BYTES: Final = 8 << 20
CHECKPOINT_BATCH_BYTES: Final = 4 << 20
CHECKPOINT_SYNCS: Final = 3
"""Of the new segment, its directory and the seal."""
FILE_MODE: Final = 0o600
NEW_SEGMENT_NAME: Final = "log.new"
SEAL_NAME: Final = "sealed"
IDENTITY_NAME: Final = "identity"

_NO_PREALLOCATION: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EOPNOTSUPP, errno.EINVAL}
)


def segment_name(generation: int) -> str:
    """The file name of a generation, sortable."""
    return f"log-{generation:020d}"


@dataclass(slots=True)
class Segment:
    """An open log file and where its next batch goes."""

    fd: int
    generation: int
    salt: int
    checkpoint_end: int
    end: int
    batches: int
    batch_crc: int
    allocated: int
    """Up to here the file has its blocks, so that a sync has no size to write."""

    def seal(self, store_id: bytes) -> bytes:
        """The bytes that say: everything so far was acknowledged."""
        return pack_seal(Seal(store_id, self.generation, self.end, self.batches, self.batch_crc))


class LogStore(Store):
    """An open durable store; made by `log_open.open_store`."""

    __slots__ = (
        "_broken",
        "_closed",
        "_directory_fd",
        "_path",
        "_preallocate_bytes",
        "_seal_fd",
        "_segment",
        "_store_id",
        "durable",
        "identity",
        "syncs",
    )

    def __init__(
        self,
        path: Path,
        identity: StoreIdentity,
        store_id: bytes,
        directory_fd: int,
        seal_fd: int,
        segment: Segment,
        preallocate_bytes: int,
    ) -> None:
        self.identity = identity
        self.durable = True
        self.syncs = 0
        self._path = path
        self._store_id = store_id
        self._directory_fd = directory_fd
        self._seal_fd = seal_fd
        self._segment = segment
        self._preallocate_bytes = preallocate_bytes
        self._broken: str | None = None
        self._closed = False

    @property
    def log_bytes(self) -> int:
        """Bytes written since the last checkpoint, headers included."""
        return self._segment.end - self._segment.checkpoint_end

    def write(self, records: Sequence[bytes], *, checkpoint: bool = False) -> None:
        """As `Store.write`. A checkpoint costs a new file and three syncs."""
        if self._broken is not None:
            raise StoreFailed(self._broken)
        check_records(records, checkpoint=checkpoint)
        if not records:
            return
        # Said first and taken back last: an interrupt between write and sync ends the store too.
        self._broken = f"{self._path}: a write was interrupted; start the node again"
        try:
            if checkpoint:
                self._checkpoint(records)
            else:
                self._append(records)
        except OSError as error:
            self._broken = describe_failure(self._path, error)
            raise StoreFailed(self._broken) from error
        self._broken = None

    def replay(self) -> Iterator[bytes]:
        """The records found at opening, in the order of their writing; one batch in memory.

        Raises `StoreFailed` if it cannot be read, or is begun after a checkpoint or `close`,
        and `StoreDamaged` if the file changed since it was opened.
        """
        return self._replay(self._segment, self._segment.end)

    def close(self) -> None:
        """Sync the seal and release the lock; a second call does nothing. Raises `StoreFailed`."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._broken is None:
                os.fdatasync(self._seal_fd)
        except OSError as error:
            raise StoreFailed(describe_failure(self._path, error)) from error
        finally:
            self._broken = self._broken or f"{self._path}: the store is closed; open it again"
            for fd in (self._segment.fd, self._seal_fd, self._directory_fd):
                os.close(fd)

    def _replay(self, segment: Segment, end: int) -> Iterator[bytes]:
        if self._closed or segment is not self._segment:
            raise StoreFailed(f"{self._path}: read the records before the next checkpoint or close")
        fd = os.dup(segment.fd)
        try:
            yield from read_records(fd, segment.salt, end)
        except BadRegion as error:
            name = segment_name(segment.generation)
            node = self.identity.node
            raise damaged(self._path, node, name, error.offset, error.reason) from error
        except OSError as error:
            raise StoreFailed(describe_failure(self._path, error)) from error
        finally:
            os.close(fd)

    def _append(self, records: Sequence[bytes]) -> None:
        segment = self._segment
        data, batch_crc = pack_batch(segment.salt, segment.batches, records)
        end = segment.end + len(data)
        if end > segment.allocated:
            self._allocate(end)
        write_all(segment.fd, data, segment.end)
        os.fdatasync(segment.fd)
        self.syncs += 1
        segment.end = end
        segment.batches += 1
        segment.batch_crc = batch_crc
        os.pwrite(self._seal_fd, segment.seal(self._store_id), 0)

    def _allocate(self, end: int) -> None:
        segment = self._segment
        segment.allocated = preallocate(segment.fd, segment.allocated, end, self._preallocate_bytes)
        if segment.allocated == end:
            self._preallocate_bytes = 0  # refused once: not asked again at every write

    def _checkpoint(self, records: Sequence[bytes]) -> None:
        old = self._segment
        new = write_segment(
            self._directory_fd, self._store_id, old.generation + 1, records, self._preallocate_bytes
        )
        self._segment = new
        self.syncs += CHECKPOINT_SYNCS
        try:
            os.fsync(self._directory_fd)
            os.pwrite(self._seal_fd, new.seal(self._store_id), 0)
            # Synced before the old file goes: a seal of the old generation needs the old file.
            os.fdatasync(self._seal_fd)
        finally:
            os.close(old.fd)
        os.unlink(segment_name(old.generation), dir_fd=self._directory_fd)


def write_segment(
    directory_fd: int,
    store_id: bytes,
    generation: int,
    records: Sequence[bytes],
    preallocate_bytes: int,
) -> Segment:
    """Make the log file of a new generation that begins with `records`.

    It gets its name after its bytes are on stable storage, so under that name
    it is whole. The caller syncs the directory. Raises `OSError`; a file under
    the temporary name may stay, and is removed at the next opening.
    """
    salt = batch_salt(store_id, generation)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = os.open(NEW_SEGMENT_NAME, flags, FILE_MODE, dir_fd=directory_fd)
    try:
        end, batches, batch_crc = SEGMENT_HEADER_BYTES, 0, 0
        for group in _groups(records):
            data, batch_crc = pack_batch(salt, batches, group)
            write_all(fd, data, end)
            end += len(data)
            batches += 1
        header = SegmentHeader(store_id, generation, end)
        write_all(fd, pack_segment_header(header), 0)
        allocated = preallocate(fd, end, end, preallocate_bytes)
        os.fsync(fd)
        os.rename(
            NEW_SEGMENT_NAME,
            segment_name(generation),
            src_dir_fd=directory_fd,
            dst_dir_fd=directory_fd,
        )
    except BaseException:
        os.close(fd)
        raise
    return Segment(fd, generation, salt, end, end, batches, batch_crc, allocated)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`: one call, unless the system takes only a part.

    Raises `OSError`; a disk that fills up takes a part first, and then says so.
    """
    written = os.pwrite(fd, data, offset)
    while written < len(data):
        more = os.pwrite(fd, memoryview(data)[written:], offset + written)
        if more == 0:
            raise OSError(errno.EIO, "the write made no progress")
        written += more


def preallocate(fd: int, allocated: int, needed: int, ahead_bytes: int) -> int:
    """Give the file blocks up to `ahead_bytes` past `needed`; returns how far it has them.

    An optimisation: where there is no room for it, or no support, the write
    itself allocates. Raises `OSError` for anything else.
    """
    if ahead_bytes == 0:
        return needed
    try:
        os.posix_fallocate(fd, allocated, needed + ahead_bytes - allocated)
    except OSError as error:
        if error.errno not in _NO_PREALLOCATION:
            raise
        return needed
    return needed + ahead_bytes


def init_command(node: int | None) -> str:
    """What makes the store of `node`; of some node, if None."""
    return f"paxos init --node {'N' if node is None else node}"


def damaged(path: Path, node: int | None, name: str, offset: int, reason: str) -> StoreDamaged:
    """The error for a byte that is not what was acknowledged."""
    return StoreDamaged(
        f"{path / name}: damaged at offset {offset} ({reason}); what this node promised is "
        f"unknown, so it must not vote; move {path} away and make a store that learns and "
        f"does not vote: {init_command(node)} --non-voting"
    )


def describe_failure(path: Path, error: OSError) -> str:
    """One line for an operating system error while a store is written or opened."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: the disk is full ({reason}); free some space, then start the node again"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{path}: there is no right to read and write there ({reason}); "
            "run as the user who owns it, or change its rights"
        )
    return (
        f"{path}: the store failed ({reason}) and is not tried again; "
        "check the disk and the rights, then start the node again"
    )


def _groups(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut a checkpoint into batches, so that replaying it needs little memory at a time."""
    start = 0
    group_bytes = 0
    for index, record in enumerate(records):
        if index > start and group_bytes + len(record) > CHECKPOINT_BATCH_BYTES:
            yield records[start:index]
            start, group_bytes = index, 0
        group_bytes += len(record)
    if start < len(records):
        yield records[start:]
