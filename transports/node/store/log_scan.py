"""Reading a log file back, and telling a torn tail from damage.

Batches are written one at a time, each synced before the next. So at most the
last one can be torn, and nothing that was acknowledged lies beyond a torn
batch. Whatever does not fit that picture is damage:

* a bad byte before the sealed end: it was acknowledged;
* a bad byte that something valid follows: the next batch was written only
  after the one before it had been synced.

All reads are bounded: a length is compared with the file before it is believed,
and checking holds at most `CHUNK_BYTES` at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from transports.node.store.log_format import (
    BATCH_HEADER_BYTES,
    BATCH_MAGIC_BYTES,
    SEGMENT_HEADER_BYTES,
    BadBytes,
    BatchHeader,
    unpack_batch_header,
    unpack_payload,
)

CHUNK_BYTES: Final = 1 << 20


class BadRegion(Exception):
    """An acknowledged part of the file is not what was written."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How far a file is known to have been acknowledged."""

    end: int
    batches: int | None = None
    """How many batches end there; None if that is not known."""
    batch_crc: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What a sound file holds."""

    end: int
    """Where the next batch goes."""
    batches: int
    batch_crc: int
    torn: bool
    """Whether something other than zeros lies after `end`: a batch that was never acknowledged."""
    size: int
    """The file's size in bytes."""


def scan_segment(fd: int, salt: int, acknowledged: Acknowledged) -> Scan:
    """Check every byte of a log file after its header.

    Raises `BadRegion` for damage and `OSError` when it cannot be read.
    """
    size = os.fstat(fd).st_size
    offset, batches, batch_crc = SEGMENT_HEADER_BYTES, 0, 0
    if acknowledged.end < SEGMENT_HEADER_BYTES:
        raise BadRegion(acknowledged.end, "the acknowledged end lies inside the header")
    while True:
        if offset == acknowledged.end:
            _check_mark(acknowledged, batches, batch_crc)
        header = _sound_batch(fd, salt, offset, size, batches)
        if header is None:
            break
        following = offset + BATCH_HEADER_BYTES + header.payload_bytes
        if offset < acknowledged.end < following:
            raise BadRegion(offset, "the acknowledged end lies inside a batch")
        offset, batches, batch_crc = following, batches + 1, header.header_crc
    if offset < acknowledged.end:
        raise BadRegion(offset, f"acknowledged up to offset {acknowledged.end}, sound only so far")
    return Scan(offset, batches, batch_crc, _is_torn(fd, salt, offset, size), size)


def read_records(fd: int, salt: int, end: int) -> Iterator[bytes]:
    """The records up to `end`, which `scan_segment` found; one batch in memory at a time.

    Raises `BadRegion` for what changed since, and `OSError`.
    """
    offset = SEGMENT_HEADER_BYTES
    while offset < end:
        header = unpack_batch_header(salt, os.pread(fd, BATCH_HEADER_BYTES, offset))
        if header is None or offset + BATCH_HEADER_BYTES + header.payload_bytes > end:
            raise BadRegion(offset, "a batch changed while it was read")
        payload = pread_exactly(fd, header.payload_bytes, offset + BATCH_HEADER_BYTES)
        try:
            records = unpack_payload(header, payload)
        except BadBytes as error:
            raise BadRegion(offset, str(error)) from error
        yield from records
        offset += BATCH_HEADER_BYTES + header.payload_bytes


def pread_exactly(fd: int, count: int, offset: int) -> bytes:
    """`count` bytes at `offset`, or fewer where the file ends. Raises `OSError`."""
    data = os.pread(fd, count, offset)
    if len(data) == count or not data:
        return data
    parts = [data]
    got = len(data)
    while got < count:
        data = os.pread(fd, count - got, offset + got)
        if not data:
            break
        parts.append(data)
        got += len(data)
    return b"".join(parts)


def _check_mark(acknowledged: Acknowledged, batches: int, batch_crc: int) -> None:
    if acknowledged.batches is None:
        return
    if (acknowledged.batches, acknowledged.batch_crc) != (batches, batch_crc):
        raise BadRegion(acknowledged.end, "the last acknowledged batch is another one")


def _sound_batch(fd: int, salt: int, offset: int, size: int, number: int) -> BatchHeader | None:
    """The header of batch `number` if the whole batch is at `offset`, else None."""
    header = unpack_batch_header(salt, os.pread(fd, BATCH_HEADER_BYTES, offset))
    if header is None or header.number != number:
        return None
    start = offset + BATCH_HEADER_BYTES
    if start + header.payload_bytes > size:
        return None
    if _crc_of(fd, start, start + header.payload_bytes) != header.payload_crc:
        return None
    return header


def _crc_of(fd: int, start: int, end: int) -> int:
    crc = 0
    while start < end:
        chunk = os.pread(fd, min(CHUNK_BYTES, end - start), start)
        if not chunk:
            break
        crc = crc32(chunk, crc)
        start += len(chunk)
    return crc


def _is_torn(fd: int, salt: int, offset: int, size: int) -> bool:
    """Whether one unfinished batch lies at `offset`. Raises `BadRegion` if it is more than that."""
    if _is_zero(fd, offset, size):
        return False
    header = unpack_batch_header(salt, os.pread(fd, BATCH_HEADER_BYTES, offset))
    if header is not None:
        torn_end = offset + BATCH_HEADER_BYTES + header.payload_bytes
        if not _is_zero(fd, torn_end, size):
            raise BadRegion(offset, "a damaged batch, with more written after it")
    found = _find_batch(fd, salt, offset + 1, size)
    if found is not None:
        raise BadRegion(offset, f"a damaged batch, with a sound one after it at offset {found}")
    return True


def _is_zero(fd: int, start: int, end: int) -> bool:
    while start < end:
        chunk = os.pread(fd, min(CHUNK_BYTES, end - start), start)
        if not chunk:
            return True
        if chunk.count(0) != len(chunk):
            return False
        start += len(chunk)
    return True


def _find_batch(fd: int, salt: int, start: int, end: int) -> int | None:
    """The offset of the first sound batch header at or after `start`."""
    while start < end:
        # A header may straddle two chunks, so they overlap by all but one byte of one.
        chunk = pread_exactly(fd, min(CHUNK_BYTES + BATCH_HEADER_BYTES - 1, end - start), start)
        at = chunk.find(BATCH_MAGIC_BYTES)
        while at >= 0:
            if unpack_batch_header(salt, chunk, at) is not None:
                return start + at
            at = chunk.find(BATCH_MAGIC_BYTES, at + 1)
        start += CHUNK_BYTES
    return None
