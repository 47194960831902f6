"""The bytes on a simulated disk, and the rules by which a start believes them.

The rules are those of the durable store (``docs/store.md``), on files in memory:

* a missing store is an error, never "nothing promised";
* batches are written one at a time, each synced before the next, so that only
  the last can be torn, and only if it was never acknowledged; that one is cut;
* a seal, rewritten after every sync, says up to where the log was acknowledged;
* anything else that is not what was written is damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from zlib import crc32

import msgpack

SECTOR_BYTES = 64
"""What arrives whole or not at all. Small, so that batches of a few records are torn too."""

_MAGIC = 0x48544142
_BATCH = Struct("<IIIII")  # magic, checksum of the next three, number, payload bytes and checksum
_FIELDS = Struct("<III")
_IDENTITY = Struct("<QI")  # store, checksum
_SEGMENT = Struct("<QIII")  # store, generation, checkpoint end, checksum
_SEAL = Struct("<QIIIII")  # store, generation, end, batches, last batch's checksum, checksum
_SALT = Struct("<QI")
_MAGIC_BYTES = _MAGIC.to_bytes(4, "little")

SEGMENT_BYTES = _SEGMENT.size


class DiskRefused(Exception):
    """A node must not vote with what is on this disk."""


class DiskMissing(DiskRefused):
    """There is nothing: the disk was lost, or never made."""


class DiskDamaged(DiskRefused):
    """Something that was acknowledged is not what was written."""


@dataclass(slots=True)
class Files:
    """What one disk holds; `identity` is `None` on an empty one."""

    identity: bytes | None = None
    logs: dict[int, bytearray] = field(default_factory=dict)
    """By generation; a checkpoint begins the next."""
    seal: bytes = b""


@dataclass(slots=True)
class Contents:
    """What a sound disk holds."""

    generation: int
    end: int
    """Where the next batch goes."""
    batches: int
    batch_crc: int
    records: list[bytes]
    torn: bool
    """An unfinished batch lies after `end`: to be cut."""
    sealed_end: int


def pack_identity(store: int) -> bytes:
    """Whose store it is."""
    return _sealed(_IDENTITY, store)


def pack_segment(store: int, generation: int, checkpoint_end: int) -> bytes:
    """The head of a log; before `checkpoint_end` nothing can be torn."""
    return _sealed(_SEGMENT, store, generation, checkpoint_end)


def pack_seal(store: int, generation: int, end: int, batches: int, batch_crc: int) -> bytes:
    """All before `end` was acknowledged. Well within a sector."""
    return _sealed(_SEAL, store, generation, end, batches, batch_crc)


def salt_of(store: int, generation: int) -> int:
    """Where a log's checksums start, so that no batch of another passes for its own."""
    return crc32(_SALT.pack(store, generation))


def pack_batch(salt: int, number: int, records: Sequence[bytes]) -> tuple[bytes, int]:
    """(the bytes of a batch, the checksum of its head)."""
    payload: bytes = msgpack.packb(records)
    payload_crc = crc32(payload)
    head_crc = crc32(_FIELDS.pack(number, len(payload), payload_crc), salt)
    return _BATCH.pack(_MAGIC, head_crc, number, len(payload), payload_crc) + payload, head_crc


def read_files(files: Files) -> Contents:
    """What a start may believe. Raises `DiskMissing` and `DiskDamaged`."""
    if files.identity is None:
        raise DiskMissing("there is no store")
    (store,) = _unsealed(_IDENTITY, files.identity, "identity")
    seal_store, sealed_generation, end, batches, batch_crc = _unsealed(_SEAL, files.seal, "seal")
    generation = _newest(files, sealed_generation)
    log = files.logs[generation]
    head = bytes(log[:SEGMENT_BYTES])
    log_store, log_generation, checkpoint_end = _unsealed(_SEGMENT, head, "log")
    if seal_store != store or log_store != store or log_generation != generation:
        raise DiskDamaged("a file is of another store or generation")
    mark: tuple[int, int, int] | None = (end, batches, batch_crc)
    if sealed_generation != generation:
        end, mark = checkpoint_end, None
    elif end < checkpoint_end:
        raise DiskDamaged("the sealed end lies inside the checkpoint")
    return _scan(log, generation, salt_of(store, generation), end, mark)


def _newest(files: Files, sealed: int) -> int:
    newest = max(files.logs, default=-1)
    if sealed not in files.logs or newest not in (sealed, sealed + 1):
        raise DiskDamaged(f"the seal names log {sealed}, and there is {sorted(files.logs)}")
    return newest


def _scan(
    log: bytearray, generation: int, salt: int, sealed_end: int, mark: tuple[int, int, int] | None
) -> Contents:
    records: list[bytes] = []
    offset, number, batch_crc = SEGMENT_BYTES, 0, 0
    while True:
        if mark is not None and offset == sealed_end and mark != (offset, number, batch_crc):
            raise DiskDamaged("the last acknowledged batch is another one")
        batch = read_batch(log, offset, salt, number)
        if batch is None:
            break
        following, batch_crc, some = batch
        if offset < sealed_end < following:
            raise DiskDamaged("the sealed end lies inside a batch")
        records += some
        offset, number = following, number + 1
    if is_acknowledged(offset, sealed_end):
        raise DiskDamaged(f"acknowledged up to {sealed_end}, sound only up to {offset}")
    torn = _is_torn(log, offset, salt)
    return Contents(generation, offset, number, batch_crc, records, torn, sealed_end)


def is_acknowledged(offset: int, sealed_end: int) -> bool:
    """Whether a bad byte at `offset` was acknowledged once, by what the seal says."""
    return offset < sealed_end


def read_batch(
    log: bytearray, offset: int, salt: int, number: int
) -> tuple[int, int, list[bytes]] | None:
    """(where the next begins, head's checksum, records) of batch `number`, if it is there whole."""
    head = read_head(log, offset, salt)
    if head is None or head[0] != number:
        return None
    _, payload_bytes, payload_crc, head_crc = head
    start = offset + _BATCH.size
    payload = log[start : start + payload_bytes]
    if len(payload) != payload_bytes or not payload_holds(payload, payload_crc):
        return None
    return start + payload_bytes, head_crc, msgpack.unpackb(payload)


def read_head(log: bytearray, offset: int, salt: int) -> tuple[int, int, int, int] | None:
    """(number, payload bytes, payload checksum, own checksum) of the sound head at `offset`."""
    if len(log) - offset < _BATCH.size:
        return None
    magic, head_crc, number, size, payload_crc = _BATCH.unpack_from(log, offset)
    if magic != _MAGIC or head_crc != crc32(_FIELDS.pack(number, size, payload_crc), salt):
        return None
    return number, size, payload_crc, head_crc


def payload_holds(payload: bytearray, payload_crc: int) -> bool:
    """Whether these are the bytes that were written."""
    return crc32(payload) == payload_crc


def _is_torn(log: bytearray, offset: int, salt: int) -> bool:
    """Whether one unfinished batch lies at `offset`. Raises `DiskDamaged` if it is more."""
    if not any(log[offset:]):
        return False
    head = read_head(log, offset, salt)
    if head is not None and any(log[offset + _BATCH.size + head[1] :]):
        raise DiskDamaged("a damaged batch, with more written after it")
    at = log.find(_MAGIC_BYTES, offset + 1)
    while at >= 0:
        if read_head(log, at, salt) is not None:
            raise DiskDamaged("a damaged batch, with a sound one after it")
        at = log.find(_MAGIC_BYTES, at + 1)
    return True


def _sealed(layout: Struct, *numbers: int) -> bytes:
    data = layout.pack(*numbers, 0)[:-4]
    return data + crc32(data).to_bytes(4, "little")


def _unsealed(layout: Struct, data: bytes, what: str) -> tuple[int, ...]:
    if len(data) != layout.size or crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise DiskDamaged(f"the {what} is not what was written")
    return layout.unpack(data)[:-1]
