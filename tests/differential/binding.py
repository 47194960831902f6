"""px.h for ctypes, one to one. Only for these tests."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_bool, c_int, c_uint16, c_uint32, c_uint64, c_void_p
from pathlib import Path

from paxos_core import ReplicaConfig

MEMBERS_MAX = 64

OK = 0
DROPS = {
    -1: "malformed",
    -2: "version",
    -3: "cluster",
    -4: "misattributed",
    -5: "not for the core",
    -6: "no memory",
    -7: "not leader",
    -8: "overloaded",
    -9: "too large",
    -10: "poisoned",
    -11: "bad record",
    -12: "bad configuration",
    -13: "bad call",
}
"""enum px_error, in words."""

SNAPSHOT_BYTES, INSTALL, SERVE, LEADER, CAUGHT_UP, TOO_LARGE = 35, 36, 37, 38, 39, 40


class Config(Structure):
    """struct px_config"""

    _fields_ = (
        ("cluster", c_uint64),
        ("seed", c_uint64),
        ("node", c_uint16),
        ("members", c_uint16),
        ("phase1", c_uint16),
        ("phase2", c_uint16),
        ("voting", c_bool),
        ("frame_bytes_max", c_uint32),
        ("heartbeat_ticks", c_uint32),
        ("election_ticks_min", c_uint32),
        ("election_ticks_max", c_uint32),
        ("resend_ticks", c_uint32),
        ("window_slots", c_uint32),
        ("vote_slots_max", c_uint32),
        ("open_slots_max", c_uint32),
        ("log_slots_max", c_uint32),
        ("log_keep_slots", c_uint32),
        ("page_bytes_max", c_uint32),
        ("pending_bytes_max", c_uint64),
        ("log_bytes_max", c_uint64),
        ("snapshot_bytes_max", c_uint64),
        ("member", c_uint16 * MEMBERS_MAX),
    )


class Message(Structure):
    """struct px_message"""

    _fields_ = (("to", c_uint64), ("bytes", c_uint32), ("same", c_uint32), ("opaque", c_void_p))


class Decided(Structure):
    """struct px_decided"""

    _fields_ = (
        ("slot", c_uint64),
        ("checksum", c_uint32),
        ("bytes", c_uint32),
        ("value", c_void_p),
    )


class Record(Structure):
    """struct px_record"""

    _fields_ = (
        ("write_id", c_uint64),
        ("bytes", c_uint32),
        ("checkpoint", c_bool),
        ("last", c_bool),
        ("snapshot", c_bool),
        ("snapshot_slot", c_uint64),
        ("snapshot_bytes", c_uint64),
        ("snapshot_checksum", c_uint32),
        ("opaque", c_void_p),
    )


class Event(Structure):
    """struct px_event"""

    _fields_ = (
        ("type", c_uint16),
        ("bytes", c_uint32),
        ("a", c_uint64),
        ("b", c_uint64),
        ("c", c_uint64),
        ("d", c_uint64),
        ("data", c_void_p),
    )


class Status(Structure):
    """struct px_status"""

    _fields_ = (
        *(
            (name, c_uint64)
            for name in (
                "leader", "ballot", "promised", "watermark", "read_slot", "first_slot",
                "known_chosen", "next_slot", "log_bytes", "pending_bytes", "memory_bytes_free",
                "write_id", "persisted",
            )
        ),
        *(
            (name, c_uint32)
            for name in ("in_flight_slots", "role", "voting", "lags", "snapshot_due", "poisoned")
        ),
    )  # fmt: skip


_PX = c_void_p
_BYTES = ctypes.c_char_p
_FUNCTIONS = {
    "px_memory_bytes_min": (c_uint64, POINTER(Config)),
    "px_init": (_PX, c_void_p, c_uint64, POINTER(Config)),
    "px_restore": (c_int, _PX, _BYTES, c_uint32),
    "px_restore_snapshot": (c_int, _PX, c_uint64, c_uint32, c_uint64),
    "px_start": (c_int, _PX),
    "px_receive": (c_int, _PX, c_uint64, _BYTES, c_uint32),
    "px_tick": (c_int, _PX),
    "px_propose": (c_int, _PX, _BYTES, c_uint32),
    "px_persisted": (c_int, _PX, c_uint64),
    "px_compact": (c_int, _PX, c_uint64, c_uint32, c_uint64),
    "px_take": (c_int, _PX),
    "px_next_message": (c_int, _PX, POINTER(Message)),
    "px_encode": (None, _PX, POINTER(Message), c_void_p),
    "px_next_decided": (c_int, _PX, POINTER(Decided)),
    "px_next_record": (c_int, _PX, POINTER(Record)),
    "px_encode_record": (None, _PX, POINTER(Record), c_void_p),
    "px_next_event": (c_int, _PX, POINTER(Event)),
    "px_status": (None, _PX, POINTER(Status)),
    "px_dump": (c_uint32, _PX, c_void_p, c_uint32),
}


def load(path: Path) -> ctypes.CDLL:
    """The library with its prototypes. `PyDLL`-free: every call lets other threads run."""
    library = ctypes.CDLL(str(path))
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def px_config(
    config: ReplicaConfig, cluster: int, open_slots_max: int, log_slots_max: int
) -> Config:
    """What Python's configuration is in C, and the two bounds that only C has."""
    quorums, timing, limits = config.quorums, config.timing, config.limits
    return Config(
        cluster=cluster,
        seed=config.seed,
        node=config.node,
        members=len(quorums.members),
        phase1=quorums.phase1,
        phase2=quorums.phase2,
        voting=config.voting,
        frame_bytes_max=config.frame_bytes_max,
        heartbeat_ticks=timing.heartbeat_ticks,
        election_ticks_min=timing.election_ticks_min,
        election_ticks_max=timing.election_ticks_max,
        resend_ticks=timing.resend_ticks,
        window_slots=limits.window_slots,
        vote_slots_max=limits.vote_slots_max,
        open_slots_max=open_slots_max,
        log_slots_max=log_slots_max,
        log_keep_slots=limits.log_keep_slots,
        page_bytes_max=limits.page_bytes_max,
        pending_bytes_max=limits.pending_bytes_max,
        log_bytes_max=limits.log_bytes_max,
        snapshot_bytes_max=limits.snapshot_bytes_max,
        member=(c_uint16 * MEMBERS_MAX)(*quorums.members),
    )
