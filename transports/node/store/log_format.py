"""The bytes of the append-only log: what each file holds, and how a wrong byte shows.

A store is a directory with three kinds of file, all little-endian:

* `identity`: whose store it is. Written once.
* `log-<generation>`: a header, then batches back to back, then zeros that were
  allocated ahead. A checkpoint begins the next generation in a new file.
* `sealed`: up to where the log was acknowledged. Overwritten after every sync,
  itself synced only now and then, so that after a power loss it may be behind
  the log, and never ahead of it.

Nothing here does I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

FORMAT_VERSION: Final = 1

IDENTITY_MAGIC: Final = b"PAXOSIDY"
SEGMENT_MAGIC: Final = b"PAXOSLOG"
SEAL_MAGIC: Final = b"PAXOSEND"
BATCH_MAGIC: Final = 0x4854_4142  # "BATH" in a dump

STORE_ID_BYTES: Final = 16

_BLOCK: Final = struct.Struct("<8sII")  # magic, version, crc of all other bytes
_IDENTITY: Final = struct.Struct("<16sQQB")  # store id, cluster, node, voting
_SEGMENT: Final = struct.Struct("<16sQQ")  # store id, generation, checkpoint end
_SEAL: Final = struct.Struct("<16sQQQI")  # store id, generation, end, batches, last batch's crc
_BATCH: Final = struct.Struct("<IIQIII")  # magic, header crc, number, bytes, records, payload crc
_BATCH_FIELDS: Final = struct.Struct("<QIII")  # what the header's crc covers
_SALT: Final = struct.Struct("<16sQ")

IDENTITY_BYTES: Final = _BLOCK.size + _IDENTITY.size
SEGMENT_HEADER_BYTES: Final = _BLOCK.size + _SEGMENT.size
SEAL_BYTES: Final = _BLOCK.size + _SEAL.size
BATCH_HEADER_BYTES: Final = _BATCH.size
BATCH_MAGIC_BYTES: Final = struct.pack("<I", BATCH_MAGIC)


class BadBytes(Exception):
    """The bytes are not what was written. The message says which part shows it."""


class OtherVersion(Exception):
    """The bytes are whole, and of a format version that this code does not know."""

    def __init__(self, version: int) -> None:
        super().__init__(f"format version {version}")
        self.version = version


@dataclass(frozen=True, slots=True)
class Identity:
    """The content of `identity`."""

    store_id: bytes
    cluster: int
    node: int
    voting: bool


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The head of a log file."""

    store_id: bytes
    generation: int
    checkpoint_end: int
    """The offset where the checkpoint's batches end. The file got its name only once they were
    on stable storage, so nothing before this offset can be torn."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The content of `sealed`: everything before `end` in that generation was acknowledged."""

    store_id: bytes
    generation: int
    end: int
    batches: int
    batch_crc: int
    """The header checksum of the last batch before `end`; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What stands before a batch's payload."""

    number: int
    """0, 1, 2, ... within the file: a batch that is lost from the middle leaves a gap."""
    payload_bytes: int
    record_count: int
    payload_crc: int
    header_crc: int


def pack_identity(identity: Identity) -> bytes:
    """`IDENTITY_BYTES` bytes."""
    body = _IDENTITY.pack(identity.store_id, identity.cluster, identity.node, identity.voting)
    return _pack_block(IDENTITY_MAGIC, body)


def unpack_identity(data: bytes) -> Identity:
    """Raises `BadBytes` and `OtherVersion`."""
    store_id, cluster, node, voting = _IDENTITY.unpack(
        _unpack_block(IDENTITY_MAGIC, data, _IDENTITY.size)
    )
    return Identity(store_id, cluster, node, bool(voting))


def pack_segment_header(header: SegmentHeader) -> bytes:
    """`SEGMENT_HEADER_BYTES` bytes."""
    body = _SEGMENT.pack(header.store_id, header.generation, header.checkpoint_end)
    return _pack_block(SEGMENT_MAGIC, body)


def unpack_segment_header(data: bytes) -> SegmentHeader:
    """Raises `BadBytes` and `OtherVersion`."""
    return SegmentHeader(*_SEGMENT.unpack(_unpack_block(SEGMENT_MAGIC, data, _SEGMENT.size)))


def pack_seal(seal: Seal) -> bytes:
    """`SEAL_BYTES` bytes: well within one disk sector, which is written whole or not at all."""
    body = _SEAL.pack(seal.store_id, seal.generation, seal.end, seal.batches, seal.batch_crc)
    return _pack_block(SEAL_MAGIC, body)


def unpack_seal(data: bytes) -> Seal:
    """Raises `BadBytes` and `OtherVersion`."""
    return Seal(*_SEAL.unpack(_unpack_block(SEAL_MAGIC, data, _SEAL.size)))


def batch_salt(store_id: bytes, generation: int) -> int:
    """Where a file's batch checksums start, so that no batch of another file passes for its own.

    It also keeps a record that happens to contain the bytes of a batch from
    being taken for one.
    """
    return crc32(_SALT.pack(store_id, generation))


def pack_batch(salt: int, number: int, records: Sequence[bytes]) -> tuple[bytes, int]:
    """(header and payload, the header's checksum).

    The payload is every record's length (u32), then every record.
    """
    count = len(records)
    payload = struct.pack(f"<{count}I", *map(len, records)) + b"".join(records)
    payload_crc = crc32(payload)
    fields = _BATCH_FIELDS.pack(number, len(payload), count, payload_crc)
    header_crc = crc32(fields, salt)
    header = _BATCH.pack(BATCH_MAGIC, header_crc, number, len(payload), count, payload_crc)
    return header + payload, header_crc


def unpack_batch_header(salt: int, data: bytes | bytearray, offset: int = 0) -> BatchHeader | None:
    """The header at `offset`, or None if no whole and sound one is there.

    A length is returned only when the checksum over it holds. It may still be
    larger than the file: compare before reading.
    """
    if len(data) - offset < BATCH_HEADER_BYTES:
        return None
    magic, header_crc, number, size, count, payload_crc = _BATCH.unpack_from(data, offset)
    if magic != BATCH_MAGIC:
        return None
    if header_crc != crc32(_BATCH_FIELDS.pack(number, size, count, payload_crc), salt):
        return None
    return BatchHeader(number, size, count, payload_crc, header_crc)


def unpack_payload(header: BatchHeader, payload: bytes) -> list[bytes]:
    """The records of a batch. Raises `BadBytes` unless the payload is the one that was packed."""
    if len(payload) != header.payload_bytes or crc32(payload) != header.payload_crc:
        raise BadBytes("a batch's checksum does not match its records")
    if header.record_count * 4 > len(payload):
        raise BadBytes("a batch has less room than it has records")
    lengths = struct.unpack_from(f"<{header.record_count}I", payload)
    start = header.record_count * 4
    if start + sum(lengths) != len(payload):
        raise BadBytes("a batch's lengths do not add up")
    records = []
    for length in lengths:
        records.append(payload[start : start + length])
        start += length
    return records


def _pack_block(magic: bytes, body: bytes) -> bytes:
    crc = crc32(body, crc32(_BLOCK.pack(magic, FORMAT_VERSION, 0)))
    return _BLOCK.pack(magic, FORMAT_VERSION, crc) + body


def _unpack_block(magic: bytes, data: bytes, body_bytes: int) -> bytes:
    if len(data) < _BLOCK.size:
        raise BadBytes(f"it has {len(data)} bytes, too few")
    found_magic, version, crc = _BLOCK.unpack_from(data)
    body = data[_BLOCK.size :]
    if found_magic != magic:
        raise BadBytes("it does not begin with its magic number")
    if crc != crc32(body, crc32(_BLOCK.pack(magic, version, 0))):
        raise BadBytes("its checksum does not match")
    # Only now: a version is believed when the checksum, which every version has, holds.
    if version != FORMAT_VERSION:
        raise OtherVersion(version)
    if len(body) != body_bytes:
        raise BadBytes(f"it has {len(data)} bytes, not {_BLOCK.size + body_bytes}")
    return body
