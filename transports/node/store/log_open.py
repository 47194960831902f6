"""Opening a durable store: the checks before a node may vote.

A start of a node never makes a store. A missing one is an error, because a node
that takes "nothing there" for "nothing promised" can vote twice in one ballot.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from transports.node.store import log_format as fmt
from transports.node.store.api import (
    StoreBusy,
    StoreDamaged,
    StoreFailed,
    StoreForeign,
    StoreIdentity,
    StoreMissing,
)
from transports.node.store.log_scan import (
    CHUNK_BYTES,
    Acknowledged,
    BadRegion,
    Scan,
    pread_exactly,
    scan_segment,
)
from transports.node.store.log_store import (
    IDENTITY_NAME,
    NEW_SEGMENT_NAME,
    PREALLOCATE_BYTES,
    SEAL_NAME,
    LogStore,
    Segment,
    damaged,
    describe_failure,
    init_command,
    segment_name,
    write_all,
)

_SMALL_FILE_BYTES_MAX: Final = 4096
_SEGMENT_NAME: Final = re.compile(r"log-(\d{20})\Z")

_Block = TypeVar("_Block")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, and of which node; `node` is None while that is what is asked."""

    path: Path
    node: int | None

    def damaged(self, name: str, offset: int, reason: str) -> StoreDamaged:
        """The error for a file of this store."""
        return damaged(self.path, self.node, name, offset, reason)

    def missing(self) -> StoreMissing:
        """The error for a place with nothing in it."""
        make = init_command(self.node)
        return StoreMissing(
            f"{self.path}: there is no store; make it once with: {make}; if this node has run "
            f"before, its promises are lost, so make one that does not vote: {make} --non-voting"
        )


def read_identity(path: str | os.PathLike[str]) -> StoreIdentity:
    """Whose store is at `path`, without opening it. Raises `StoreError` as `open_store` does."""
    directory = Path(os.path.abspath(path))
    where = Place(directory, None)
    try:
        with ExitStack() as opened:
            directory_fd = _open_directory(where)
            opened.callback(os.close, directory_fd)
            found = _read_identity(where, directory_fd)
    except OSError as error:
        raise StoreFailed(describe_failure(directory, error)) from error
    return StoreIdentity(found.cluster, found.node, found.voting)


def open_store(
    path: str | os.PathLike[str],
    cluster: int,
    node: int,
    *,
    preallocate_bytes: int = PREALLOCATE_BYTES,
) -> tuple[LogStore, Iterator[bytes]]:
    """Open the store of `node` in `cluster`: (the store, the records since its last checkpoint).

    Every byte is checked, and everything found is on stable storage, before
    this returns. Read the records before the first checkpoint. They hold what
    was acknowledged, and possibly one batch more that was not: a write that
    the crash cut off after it had reached the disk.

    Raises `StoreMissing`, `StoreForeign`, `StoreDamaged`, `StoreBusy` and
    `StoreFailed`; the store is then as it was.
    """
    directory = Path(os.path.abspath(path))
    where = Place(directory, node)
    try:
        with ExitStack() as opened:
            directory_fd = _open_directory(where)
            opened.callback(os.close, directory_fd)
            _lock(directory, directory_fd)
            _check_rights(directory_fd)
            identity = _read_identity(where, directory_fd)
            _check_owner(directory, identity, cluster, node)
            store = _open_log(where, directory_fd, identity, preallocate_bytes, opened)
            opened.pop_all()
    except OSError as error:
        raise StoreFailed(describe_failure(directory, error)) from error
    return store, store.replay()


def _open_log(
    where: Place,
    directory_fd: int,
    identity: fmt.Identity,
    preallocate_bytes: int,
    opened: ExitStack,
) -> LogStore:
    """Read and check every file, make what was found stable, and seal it.

    Nothing is changed before the last check has passed. `opened` gets the files to
    close if it fails. Raises `StoreForeign`, `StoreDamaged` and `OSError`.
    """
    seal_fd = _open_part(where, directory_fd, SEAL_NAME)
    opened.callback(os.close, seal_fd)
    seal_bytes = os.pread(seal_fd, _SMALL_FILE_BYTES_MAX, 0)
    seal = _parse(where, SEAL_NAME, fmt.unpack_seal, seal_bytes)
    _check_part(where, SEAL_NAME, seal.store_id, identity)
    generations = _generations(directory_fd)
    generation = _newest(where, generations, seal)
    name = segment_name(generation)
    fd = _open_part(where, directory_fd, name)
    opened.callback(os.close, fd)
    header_bytes = pread_exactly(fd, fmt.SEGMENT_HEADER_BYTES, 0)
    header = _parse(where, name, fmt.unpack_segment_header, header_bytes)
    _check_part(where, name, header.store_id, identity)
    if header.generation != generation:
        raise where.damaged(name, 0, f"it holds generation {header.generation}")
    acknowledged = _acknowledged(where, seal, header)
    salt = fmt.batch_salt(identity.store_id, generation)
    try:
        scan = scan_segment(fd, salt, acknowledged)
    except BadRegion as error:
        raise where.damaged(name, error.offset, error.reason) from error
    _make_stable(fd, acknowledged.end, scan)
    allocated = scan.end if scan.torn else max(scan.size, scan.end)
    segment = Segment(
        fd,
        generation,
        salt,
        header.checkpoint_end,
        scan.end,
        scan.batches,
        scan.batch_crc,
        allocated,
    )
    # The name of a new generation may not have reached the disk; the seal must not overtake it.
    os.fsync(directory_fd)
    os.pwrite(seal_fd, segment.seal(identity.store_id), 0)
    os.fdatasync(seal_fd)
    _remove_leftovers(directory_fd, generations, generation)
    owner = StoreIdentity(identity.cluster, identity.node, identity.voting)
    return LogStore(
        where.path, owner, identity.store_id, directory_fd, seal_fd, segment, preallocate_bytes
    )


def _newest(where: Place, generations: list[int], seal: fmt.Seal) -> int:
    """The generation to read: the sealed one, or the next if its checkpoint was being finished."""
    if seal.generation in generations:
        newest = generations[-1]
        if newest in (seal.generation, seal.generation + 1):
            return newest
        reason = f"it names generation {seal.generation}, the log is at {newest}"
        raise where.damaged(SEAL_NAME, 0, reason)
    name = segment_name(seal.generation)
    raise where.damaged(name, 0, "the file is missing")


def _acknowledged(where: Place, seal: fmt.Seal, header: fmt.SegmentHeader) -> Acknowledged:
    if seal.generation != header.generation:
        return Acknowledged(header.checkpoint_end)
    if seal.end < header.checkpoint_end:
        raise where.damaged(SEAL_NAME, 0, "the sealed end lies inside the checkpoint")
    return Acknowledged(seal.end, seal.batches, seal.batch_crc)


def _make_stable(fd: int, start: int, scan: Scan) -> None:
    """Put what was found after `start` on stable storage, and cut a torn tail. Raises `OSError`.

    It may have been read from memory alone: a process can die between write
    and sync, and after a failed sync the kernel calls pages clean that never
    reached the disk. So they are written once more, not only synced.
    """
    while start < scan.end:
        data = pread_exactly(fd, min(CHUNK_BYTES, scan.end - start), start)
        if not data:
            raise OSError(errno.EIO, "the log became shorter while it was read")
        write_all(fd, data, start)
        start += len(data)
    if scan.torn:
        os.ftruncate(fd, scan.end)
    os.fsync(fd)


def _remove_leftovers(directory_fd: int, generations: list[int], current: int) -> None:
    for generation in generations:
        if generation != current:
            os.unlink(segment_name(generation), dir_fd=directory_fd)
    if NEW_SEGMENT_NAME in os.listdir(directory_fd):
        os.unlink(NEW_SEGMENT_NAME, dir_fd=directory_fd)


def _generations(directory_fd: int) -> list[int]:
    matches = map(_SEGMENT_NAME.match, os.listdir(directory_fd))
    return sorted(int(match[1]) for match in matches if match)


def _open_directory(where: Place) -> int:
    try:
        fd = os.open(where.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise where.missing() from error
    except NotADirectoryError as error:
        raise StoreDamaged(
            f"{where.path}: not a directory, so not a store; correct `data` in the configuration"
        ) from error
    if not os.listdir(fd):
        os.close(fd)
        raise where.missing()
    return fd


def _lock(directory: Path, directory_fd: int) -> None:
    try:
        fcntl.flock(directory_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreBusy(
            f"{directory}: another process holds this store; stop that node first"
        ) from error


def _check_rights(directory_fd: int) -> None:
    """Whether files can be made there, which the first checkpoint does. Raises `OSError`.

    It may be hours away, and about the same for all nodes.
    """
    wanted = os.W_OK | os.X_OK
    if not os.access(".", wanted, dir_fd=directory_fd, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _open_part(where: Place, directory_fd: int, name: str, access: int = os.O_RDWR) -> int:
    try:
        return os.open(name, access | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory_fd)
    except FileNotFoundError as error:
        raise where.damaged(name, 0, "the file is missing") from error


def _read_identity(where: Place, directory_fd: int) -> fmt.Identity:
    fd = _open_part(where, directory_fd, IDENTITY_NAME, os.O_RDONLY)
    try:
        data = os.pread(fd, _SMALL_FILE_BYTES_MAX, 0)
    finally:
        os.close(fd)
    return _parse(where, IDENTITY_NAME, fmt.unpack_identity, data)


def _parse(where: Place, name: str, unpack: Callable[[bytes], _Block], data: bytes) -> _Block:
    try:
        return unpack(data)
    except fmt.BadBytes as error:
        raise where.damaged(name, 0, str(error)) from error
    except fmt.OtherVersion as error:
        raise StoreForeign(
            f"{where.path / name}: format version {error.version}, this program reads "
            f"{fmt.FORMAT_VERSION}; start the version that made it"
        ) from error


def _check_owner(directory: Path, identity: fmt.Identity, cluster: int, node: int) -> None:
    if identity.cluster != cluster:
        raise StoreForeign(
            f"{directory}: the store of another cluster ({identity.cluster:#018x}, not "
            f"{cluster:#018x}); correct `cluster` or `data` in the configuration"
        )
    if identity.node != node:
        raise StoreForeign(
            f"{directory}: the store of node {identity.node}, not of node {node}; "
            "start the node it belongs to, or correct `data` in the configuration"
        )


def _check_part(where: Place, name: str, store_id: bytes, identity: fmt.Identity) -> None:
    if store_id != identity.store_id:
        raise StoreForeign(
            f"{where.path / name}: part of another store; put the file back that belongs here"
        )
