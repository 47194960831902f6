"""What `/dev/paxos` and user space say to one another, as in `kmod/uapi/paxos.h`.

The records are here as bytes, the ioctls as structures and numbers. A buffer of
records needs no device: the library of `kmod/core` takes and gives the same.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Any, ClassVar, Final, NamedTuple

ABI_VERSION: Final = 1
MEMBERS_MAX: Final = 64
INTERFACE_BYTES: Final = 16
MAC_BYTES: Final = 6
LATENCY_BUCKETS: Final = 64

MODE_RELAY: Final = 1
MODE_REPLICA: Final = 2
MODE_ECHO: Final = 3

FLAG_DURABLE: Final = 1 << 0
FLAG_VOTING: Final = 1 << 1

SEND: Final = 1
FRAME: Final = 2
RESTORE: Final = 16
RESTORE_SNAPSHOT: Final = 17
PROPOSE: Final = 18
PERSISTED: Final = 19
COMPACT: Final = 20
TICK: Final = 21
DECIDED: Final = 32
RECORD: Final = 33
RECORD_SNAPSHOT: Final = 34
SNAPSHOT_BYTES: Final = 35
INSTALL: Final = 36
SERVE: Final = 37
LEADER: Final = 38
CAUGHT_UP: Final = 39
TOO_LARGE: Final = 40

RECORD_CHECKPOINT: Final = 1 << 0
RECORD_LAST: Final = 1 << 1

DROP_CAUSES: Final = (
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
    "receive_queue_full",
    "send_failed",
)
"""The names of `enum paxos_drop`, in its order, as `TransportStats.dropped` has them."""

# Records

RECORD_ALIGN: Final = 8
_HEADER: Final = Struct("<IHHQQQQ")
HEADER_BYTES: Final = _HEADER.size
_PADDING: Final = tuple(bytes(-size % RECORD_ALIGN) for size in range(RECORD_ALIGN))


class RecordsError(ValueError):
    """Bytes that are no whole records: the other side speaks another version."""


class DeviceRecord(NamedTuple):
    """One record. What `a` to `d` mean depends on `kind`; see the header file."""

    kind: int
    flags: int
    a: int
    b: int
    c: int
    d: int
    payload: bytes


def record_bytes(payload_bytes: int) -> int:
    """How much room a record with such a payload takes."""
    return HEADER_BYTES + payload_bytes + -payload_bytes % RECORD_ALIGN


def pack_record(
    kind: int, a: int = 0, payload: bytes = b"", *, b: int = 0, c: int = 0, d: int = 0,
    flags: int = 0,
) -> bytes:  # fmt: skip
    """One record, with the zeros behind it."""
    size = HEADER_BYTES + len(payload)
    head = _HEADER.pack(size, kind, flags, a, b, c, d)
    return head + payload + _PADDING[size % RECORD_ALIGN]


def pack_frame(kind: int, endpoint: int, frame: bytes) -> bytes:
    """A record of `kind`, `SEND` or `FRAME`, with a frame to or from `endpoint`."""
    size = HEADER_BYTES + len(frame)
    return _HEADER.pack(size, kind, 0, endpoint, 0, 0, 0) + frame + _PADDING[size % RECORD_ALIGN]


def split_records(data: bytes) -> list[DeviceRecord]:
    """The records that `data` consists of. Raises `RecordsError`."""
    records: list[DeviceRecord] = []
    append, unpack, make = records.append, _HEADER.unpack_from, DeviceRecord._make
    at, end = 0, len(data)
    while at < end:
        if at + HEADER_BYTES > end:
            raise RecordsError(f"a record's header is cut off after {end - at} bytes")
        size, *rest = unpack(data, at)
        stop = at + size
        if size < HEADER_BYTES or stop > end:
            raise RecordsError(f"a record of {size} bytes where {end - at} are left")
        append(make((*rest, data[at + HEADER_BYTES : stop])))
        at = stop + -size % RECORD_ALIGN
    return records


# Ioctls


class MemberStruct(ctypes.Structure):
    """``struct paxos_member``"""

    node: int
    mac: Any
    _fields_: ClassVar = [("node", ctypes.c_uint16), ("mac", ctypes.c_uint8 * MAC_BYTES)]


class ConfigStruct(ctypes.Structure):
    """``struct paxos_config``"""

    version: int
    mode: int
    flags: int
    ethertype: int
    interface: bytes
    endpoint: int
    cluster: int
    frame_bytes_max: int
    members: int
    member: Any
    _fields_: ClassVar = [
        *((name, ctypes.c_uint32) for name in ("version", "mode", "flags", "ethertype")),
        ("interface", ctypes.c_char * INTERFACE_BYTES),
        *((name, ctypes.c_uint64) for name in ("endpoint", "cluster", "seed")),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "frame_bytes_max", "tick_us", "heartbeat_ticks", "election_ticks_min",
                "election_ticks_max", "resend_ticks", "window_slots", "vote_slots_max",
                "log_keep_slots", "page_bytes_max",
            )
        ),
        *(
            (name, ctypes.c_uint64)
            for name in (
                "pending_bytes_max", "log_bytes_max", "snapshot_bytes_max", "memory_bytes",
            )
        ),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "queue_bytes_max", "clients_max", "phase1", "phase2", "members", "reserved",
            )
        ),
        ("member", MemberStruct * MEMBERS_MAX),
    ]  # fmt: skip


class StatsStruct(ctypes.Structure):
    """``struct paxos_stats``"""

    frames_received: int
    frames_sent: int
    bytes_received: int
    bytes_sent: int
    packets_received: int
    packets_sent: int
    decisions: int
    proposed: int
    dropped: Any
    latency_ns: Any
    latency_ns_sum: int
    _fields_: ClassVar = [
        *(
            (name, ctypes.c_uint64)
            for name in (
                "frames_received", "frames_sent", "bytes_received", "bytes_sent",
                "packets_received", "packets_sent", "decisions", "proposed",
            )
        ),
        ("dropped", ctypes.c_uint64 * len(DROP_CAUSES)),
        ("latency_ns", ctypes.c_uint64 * LATENCY_BUCKETS),
        ("latency_ns_sum", ctypes.c_uint64),
    ]  # fmt: skip


class StatusStruct(ctypes.Structure):
    """``struct paxos_status``"""

    leader: int
    ballot: int
    promised: int
    watermark: int
    first_slot: int
    log_bytes: int
    pending_bytes: int
    in_flight_slots: int
    role: int
    voting: int
    lags: int
    snapshot_due: int
    write_id: int
    poisoned: int
    _fields_: ClassVar = [
        *(
            (name, ctypes.c_uint64)
            for name in (
                "leader", "ballot", "promised", "watermark", "read_slot", "first_slot",
                "log_bytes", "pending_bytes", "memory_bytes_free", "write_id", "persisted",
            )
        ),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "in_flight_slots", "role", "voting", "lags", "snapshot_due", "poisoned",
            )
        ),
    ]  # fmt: skip


_MAGIC: Final = 0xB5
_WRITE, _READ = 1, 2


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | _MAGIC << 8 | number


IOC_CONFIGURE: Final = _request(_READ | _WRITE, 1, ctypes.sizeof(ConfigStruct))
IOC_START: Final = _request(0, 2, 0)
IOC_STATS: Final = _request(_READ, 3, ctypes.sizeof(StatsStruct))
IOC_STATUS: Final = _request(_READ, 4, ctypes.sizeof(StatusStruct))


def make_config(
    mode: int,
    endpoint: int,
    interface: str,
    members: Mapping[int, bytes],
    **numbers: int,
) -> ConfigStruct:
    """The structure of `IOC_CONFIGURE`; `members` maps ids to MACs, `numbers` are other fields.

    Raises `ValueError` for more members, a longer name or a larger number than it holds.
    """
    name = interface.encode()
    if len(members) > MEMBERS_MAX or len(name) >= INTERFACE_BYTES or b"\0" in name:
        raise ValueError(f"{len(members)} members on interface {interface!r}")
    config = ConfigStruct(
        version=ABI_VERSION, mode=mode, endpoint=endpoint, interface=name, members=len(members)
    )
    for place, (node, mac) in enumerate(sorted(members.items())):
        config.member[place] = MemberStruct(node, (ctypes.c_uint8 * MAC_BYTES)(*mac))
    for field, number in numbers.items():
        setattr(config, field, number)
        if getattr(config, field) != number:
            raise ValueError(f"{field} cannot be {number}")
    return config


class PaxosDevice:
    """An open file of `/dev/paxos`: an endpoint, from `configure` until `close`."""

    def __init__(self, path: str) -> None:
        """Open it. Raises `OSError`."""
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def configure(self, config: ConfigStruct) -> None:
        """Make it an endpoint; what was taken is written into `config`. Raises `OSError`."""
        fcntl.ioctl(self.fd, IOC_CONFIGURE, config, True)

    def start(self) -> None:
        """Start a replica whose records were restored. Raises `OSError`."""
        fcntl.ioctl(self.fd, IOC_START)

    def stats(self) -> StatsStruct:
        """The endpoint's counters. Raises `OSError`."""
        stats = StatsStruct()
        fcntl.ioctl(self.fd, IOC_STATS, stats, True)
        return stats

    def status(self) -> StatusStruct:
        """How the replica is. Raises `OSError`."""
        status = StatusStruct()
        fcntl.ioctl(self.fd, IOC_STATUS, status, True)
        return status

    def close(self) -> None:
        """End the endpoint."""
        os.close(self.fd)


def describe_stats(stats: StatsStruct) -> dict[str, Any]:
    """The counters for people: names to numbers, latencies in microseconds."""
    described: dict[str, Any] = {
        "frames_in": stats.frames_received,
        "frames_out": stats.frames_sent,
        "bytes_in": stats.bytes_received,
        "bytes_out": stats.bytes_sent,
        "packets_in": stats.packets_received,
        "packets_out": stats.packets_sent,
        "dropped": count_drops(stats),
        "decisions": stats.decisions,
        "proposed": stats.proposed,
    }
    if measured := sum(stats.latency_ns):
        described["latency_us"] = {
            "p50": percentile_us(stats.latency_ns, 0.50),
            "p99": percentile_us(stats.latency_ns, 0.99),
            "mean": round(stats.latency_ns_sum / measured / 1000, 1),
        }
    return described


def count_drops(stats: StatsStruct) -> dict[str, int]:
    """Cause -> how many, where there are any."""
    return {cause: n for cause, n in zip(DROP_CAUSES, stats.dropped, strict=True) if n}


def percentile_us(buckets: Iterable[int], share: float) -> float:
    """Microseconds that `share` of the measured times do not exceed, to within their bucket.

    Bucket i counts times from 2**i to 2**(i + 1) nanoseconds; within one they are
    taken to be spread evenly. 0 if nothing was measured.
    """
    counts = list(buckets)
    wanted = share * sum(counts)
    below = 0
    for i, count in enumerate(counts):
        if count and below + count >= wanted:
            return round((1 << i) * (1 + (wanted - below) / count) / 1000, 1)
        below += count
    return 0.0
