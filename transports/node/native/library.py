"""The C twin as a library of this process: `core = "c"`.

Records go in and out through `px_port_*` of `kmod/core/px_port.h`, whose structures are
declared here once more. All of the core's state lies in one block of memory that
belongs to the `LibraryChannel`.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from paxos_core.config import VALUE_OVERHEAD_BYTES, ReplicaConfig
from paxos_core.durable import DurableState
from paxos_core.errors import Poisoned
from paxos_core.proposer import OPEN_SLOTS_MIN
from transports._paxos_device import DeviceRecord, record_bytes, split_records
from transports.node.native.channel import CoreStatus, read_status
from transports.node.native.replica import restore_records

LOG_SLOTS_MIN: Final = 1 << 18
"""The log is full, and a snapshot due, with so many slots, if not before with so many bytes."""
MEMORY_BYTES_MIN: Final = 64 << 20
MEMORY_BYTES_MAX: Final = 4 << 30
VOTES_BYTES_MAX: Final = 256 << 20
_MAP_NORESERVE: Final = 0x4000
BUFFER_BYTES_MIN: Final = 256 << 10
PORT_LIBRARY: Final = 1
_ERRORS: Final = {
    1: "malformed",
    2: "version",
    3: "cluster",
    4: "misattributed",
    6: "no_memory",
}
"""Those of `enum px_error`, negated, that are about frames."""
_NO_MEMORY: Final = -6


class PxConfig(ctypes.Structure):
    """``struct px_config``"""

    member: Any
    _fields_: ClassVar = [
        *((name, ctypes.c_uint64) for name in ("cluster", "seed")),
        *((name, ctypes.c_uint16) for name in ("node", "members", "phase1", "phase2")),
        ("voting", ctypes.c_bool),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "frame_bytes_max", "heartbeat_ticks", "election_ticks_min", "election_ticks_max",
                "resend_ticks", "window_slots", "vote_slots_max", "open_slots_max",
                "log_slots_max", "log_keep_slots", "page_bytes_max",
            )
        ),
        *(
            (name, ctypes.c_uint64)
            for name in ("pending_bytes_max", "log_bytes_max", "snapshot_bytes_max")
        ),
        ("member", ctypes.c_uint16 * 64),
    ]  # fmt: skip


class PxPort(ctypes.Structure):
    """``struct px_port``"""

    px: Any
    kind: int
    started: bool
    durable: bool
    dropped: Any
    _fields_: ClassVar = [
        ("px", ctypes.c_void_p),
        ("kind", ctypes.c_int),
        ("started", ctypes.c_bool),
        ("durable", ctypes.c_bool),
        ("dropped", ctypes.c_uint64 * 16),
    ]


class PxStatus(ctypes.Structure):
    """``struct px_status``"""

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
                "known_chosen", "next_slot", "log_bytes", "pending_bytes", "memory_bytes_free",
                "write_id", "persisted",
            )
        ),
        *(
            (name, ctypes.c_uint32)
            for name in (
                "in_flight_slots", "role", "voting", "lags", "snapshot_due", "poisoned",
            )
        ),
    ]  # fmt: skip


class CoreRefused(Exception):
    """The C core does not take its configuration. The message names cause and cure."""


def load_library(path: str) -> ctypes.CDLL:
    """The library at `path`, with its functions declared. Raises `OSError`."""
    library = ctypes.CDLL(path)
    address, u64 = ctypes.c_void_p, ctypes.c_uint64
    port = ctypes.POINTER(PxPort)
    declared: tuple[tuple[str, Any, list[Any]], ...] = (
        ("px_memory_bytes_min", u64, [ctypes.POINTER(PxConfig)]),
        ("px_init", address, [address, u64, ctypes.POINTER(PxConfig)]),
        ("px_start", ctypes.c_int, [address]),
        ("px_status", None, [address, ctypes.POINTER(PxStatus)]),
        ("px_port_write", ctypes.c_int64, [port, ctypes.c_char_p, u64]),
        ("px_port_settle", ctypes.c_int, [port]),
        ("px_port_read", ctypes.c_int64, [port, address, u64]),
        ("px_port_commit", None, [port]),
    )
    for name, result, arguments in declared:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def make_px_config(config: ReplicaConfig, cluster: int) -> PxConfig:
    """The same in C's words."""
    timing, limits, quorums = config.timing, config.limits, config.quorums
    made = PxConfig(
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
        open_slots_max=_power_of_two(max(OPEN_SLOTS_MIN, 2 * limits.vote_slots_max)),
        log_slots_max=_power_of_two(max(LOG_SLOTS_MIN, 4 * limits.log_keep_slots)),
        log_keep_slots=limits.log_keep_slots,
        page_bytes_max=limits.page_bytes_max,
        pending_bytes_max=limits.pending_bytes_max,
        log_bytes_max=limits.log_bytes_max,
        snapshot_bytes_max=limits.snapshot_bytes_max,
    )
    for place, node in enumerate(quorums.members):
        made.member[place] = node
    return made


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def memory_bytes(config: ReplicaConfig, least: int) -> int:
    """Room for what the limits allow at a time; what is never touched of it costs nothing.

    With less than they allow a snapshot is due sooner, no more.
    """
    limits = config.limits
    votes = min(limits.vote_slots_max * config.frame_bytes_max, VOTES_BYTES_MAX)
    wanted = 4 * limits.log_bytes_max + 4 * limits.pending_bytes_max + votes
    return least + max(MEMORY_BYTES_MIN, min(wanted, MEMORY_BYTES_MAX))


class LibraryChannel:
    """A core in this process. Raises `CoreRefused` for a configuration that C does not take."""

    name = "c"
    counts_ticks = True

    def __init__(
        self,
        library: ctypes.CDLL,
        config: ReplicaConfig,
        cluster: int,
        state: DurableState,
        *,
        durable: bool,
    ) -> None:
        self.durable = durable
        self._library = library
        made = make_px_config(config, cluster)
        least = library.px_memory_bytes_min(ctypes.byref(made))
        size = memory_bytes(config, least)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        try:
            self._memory = mmap.mmap(-1, size, flags=flags)
        except OSError as error:
            raise CoreRefused(
                f'core = "c" asks for {size >> 20} MiB, which the system does not give: '
                "lower log_bytes_max in [limits]"
            ) from error
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        px = library.px_init(address, size, ctypes.byref(made)) if least else None
        if not px:
            raise CoreRefused(
                'core = "c" does not take these limits: lower those in [limits], '
                'or give core = "python"'
            )
        self._port = PxPort(px=px, kind=PORT_LIBRARY, durable=durable)
        self._px = px
        self._at_port = ctypes.byref(self._port)
        self._status = PxStatus()
        self._at_status = ctypes.byref(self._status)
        restores = restore_records(state)
        # A store may hold values from when frames were larger.
        largest = max(map(len, restores), default=0) + VALUE_OVERHEAD_BYTES
        room = record_bytes(max(config.frame_bytes_max, largest))
        self._buffer = ctypes.create_string_buffer(max(BUFFER_BYTES_MIN, 4 * room))
        self._view = memoryview(self._buffer).cast("B")
        self._settled = False
        self._start(restores)

    def _start(self, restores: Sequence[bytes]) -> None:
        for record in restores:
            self.write(record)
        result = self._library.px_start(self._px)
        if result == _NO_MEMORY:
            raise CoreRefused(
                "the C core has no room for the records of this store: raise log_bytes_max in "
                '[limits], or give core = "python"'
            )
        if result < 0:
            raise CoreRefused(f"the C core does not take the records of this store ({result})")
        self._port.started = True

    def _check(self, result: int) -> int:
        if result < 0:
            poisoned = self.status().poisoned
            raise Poisoned(f"invariant {poisoned} of the C core" if poisoned else f"error {result}")
        return result

    @property
    def dropped(self) -> dict[str, int]:
        """As in `Channel`."""
        counts = self._port.dropped
        return {cause: counts[number] for number, cause in _ERRORS.items() if counts[number]}

    def write(self, records: bytes) -> int:
        """As `Channel.write`."""
        self._settled = False
        return self._check(self._library.px_port_write(self._at_port, records, len(records)))

    def read(self) -> Sequence[DeviceRecord]:
        """As `Channel.read`."""
        library, port = self._library, self._at_port
        if not self._settled:
            self._settled = True
            self._check(library.px_port_settle(port))
        size = self._check(library.px_port_read(port, self._buffer, len(self._buffer)))
        if not size:
            return ()
        records = split_records(bytes(self._view[:size]))
        library.px_port_commit(port)
        return records

    def status(self) -> CoreStatus:
        """As `Channel.status`."""
        self._library.px_status(self._px, self._at_status)
        return read_status(self._status)
