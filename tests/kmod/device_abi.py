"""kmod/uapi/paxos.h for the tests: numbers, and structures as ctypes lays them out.

Written a second time on purpose: test_abi_layout.py compares it with what the compiler
makes of the header, and the tests of the device then find out what the module does with it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import c_uint8, c_uint16, c_uint32, c_uint64

ABI_VERSION = 1
MEMBERS_MAX = 64
INTERFACE_BYTES = 16
MAC_BYTES = 6
RECORD_ALIGN = 8
RECORD_BYTES = 40
LATENCY_BUCKETS = 64

MODE_RELAY, MODE_REPLICA, MODE_ECHO = 1, 2, 3
FLAG_DURABLE, FLAG_VOTING = 1, 2

DROPS = (
    "malformed",
    "version",
    "cluster",
    "misdirected",
    "unknown_sender",
    "misattributed",
    "oversized",
    "unknown_peer",
    "interface_down",
    "no_memory",
    "queue_full",
    "send_failed",
)

SEND, FRAME = 1, 2
RESTORE, RESTORE_SNAPSHOT, PROPOSE, PERSISTED, COMPACT, TICK = range(16, 22)
DECIDED, RECORD, RECORD_SNAPSHOT, SNAPSHOT_BYTES, INSTALL, SERVE = range(32, 38)
LEADER, CAUGHT_UP, TOO_LARGE = range(38, 41)
RECORD_CHECKPOINT, RECORD_LAST = 1, 2


class Member(ctypes.Structure):
    """`struct paxos_member`."""

    _fields_ = (("node", c_uint16), ("mac", c_uint8 * MAC_BYTES))


class Config(ctypes.Structure):
    """`struct paxos_config`."""

    _fields_ = (
        ("version", c_uint32),
        ("mode", c_uint32),
        ("flags", c_uint32),
        ("ethertype", c_uint32),
        ("interface", ctypes.c_char * INTERFACE_BYTES),
        ("endpoint", c_uint64),
        ("cluster", c_uint64),
        ("seed", c_uint64),
        ("frame_bytes_max", c_uint32),
        ("tick_us", c_uint32),
        ("heartbeat_ticks", c_uint32),
        ("election_ticks_min", c_uint32),
        ("election_ticks_max", c_uint32),
        ("resend_ticks", c_uint32),
        ("window_slots", c_uint32),
        ("vote_slots_max", c_uint32),
        ("log_keep_slots", c_uint32),
        ("page_bytes_max", c_uint32),
        ("pending_bytes_max", c_uint64),
        ("log_bytes_max", c_uint64),
        ("snapshot_bytes_max", c_uint64),
        ("memory_bytes", c_uint64),
        ("queue_bytes_max", c_uint32),
        ("clients_max", c_uint32),
        ("phase1", c_uint32),
        ("phase2", c_uint32),
        ("members", c_uint32),
        ("reserved", c_uint32),
        ("member", Member * MEMBERS_MAX),
    )


class Stats(ctypes.Structure):
    """`struct paxos_stats`."""

    _fields_ = (
        ("frames_received", c_uint64),
        ("frames_sent", c_uint64),
        ("bytes_received", c_uint64),
        ("bytes_sent", c_uint64),
        ("packets_received", c_uint64),
        ("packets_sent", c_uint64),
        ("decisions", c_uint64),
        ("proposed", c_uint64),
        ("dropped", c_uint64 * len(DROPS)),
        ("latency_ns", c_uint64 * LATENCY_BUCKETS),
        ("latency_ns_sum", c_uint64),
    )

    def drops(self) -> dict[str, int]:
        """What was dropped, by cause; only causes that occurred."""
        return {cause: count for cause, count in zip(DROPS, self.dropped, strict=True) if count}


class Status(ctypes.Structure):
    """`struct paxos_status`."""

    _fields_ = (
        ("leader", c_uint64),
        ("ballot", c_uint64),
        ("promised", c_uint64),
        ("watermark", c_uint64),
        ("read_slot", c_uint64),
        ("first_slot", c_uint64),
        ("log_bytes", c_uint64),
        ("pending_bytes", c_uint64),
        ("memory_bytes_free", c_uint64),
        ("write_id", c_uint64),
        ("persisted", c_uint64),
        ("in_flight_slots", c_uint32),
        ("role", c_uint32),
        ("voting", c_uint32),
        ("lags", c_uint32),
        ("snapshot_due", c_uint32),
        ("poisoned", c_uint32),
    )


class RecordHeader(ctypes.LittleEndianStructure):
    """`struct paxos_record`."""

    _fields_ = (
        ("length", c_uint32),
        ("type", c_uint16),
        ("flags", c_uint16),
        ("a", c_uint64),
        ("b", c_uint64),
        ("c", c_uint64),
        ("d", c_uint64),
    )


STRUCTURES: Mapping[str, type[ctypes.Structure]] = {
    "paxos_member": Member,
    "paxos_config": Config,
    "paxos_stats": Stats,
    "paxos_status": Status,
}


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | 0xB5 << 8 | number


CONFIGURE = _request(3, 1, ctypes.sizeof(Config))
START = _request(0, 2, 0)
STATS = _request(2, 3, ctypes.sizeof(Stats))
STATUS = _request(2, 4, ctypes.sizeof(Status))


def other_size(request: int, more: int) -> int:
    """The same request with a structure larger by `more`."""
    return request + (more << 16)


def record(
    kind: int, payload: bytes = b"", a: int = 0, b: int = 0, c: int = 0, d: int = 0
) -> bytes:
    """A whole record, with the zeros behind it."""
    header = RecordHeader(RECORD_BYTES + len(payload), kind, 0, a, b, c, d)
    whole = bytes(header) + payload
    return whole + bytes(-len(whole) % RECORD_ALIGN)


def records(data: bytes) -> list[tuple[RecordHeader, bytes]]:
    """Each record in `data`, its header and payload. Fails unless all are whole."""
    found = []
    while data:
        header = RecordHeader.from_buffer_copy(data)
        end = -(-header.length // RECORD_ALIGN) * RECORD_ALIGN
        assert RECORD_BYTES <= header.length <= end <= len(data)
        assert not any(data[header.length : end])
        found.append((header, data[RECORD_BYTES : header.length]))
        data = data[end:]
    return found
