"""The exactly-once table: what each client's commands answered.

A client opens a session through the log and numbers its commands. The table is
part of the replicated state: every replica, applying the same log, knows which
commands were applied and what they answered. A command that comes again, after
a lost reply or a failover, is answered from the table and not applied twice
(the scheme is RIFL's: Lee et al., SOSP 2015; Ongaro's thesis, 6.3).

Bounded: a client says with each request below which number it has all its
answers (`floor`), and the table forgets those. When there are too many
sessions, or too many bytes of results, the session used longest ago is
dropped, on every replica alike; its client is told `UNKNOWN_SESSION`. Sessions
that nobody has used yet may take a quarter of the table from the others, no more.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, cast

import msgpack

from paxos_core.batch import BATCH_COMMANDS_MAX, decode_batch
from paxos_core.config import SessionLimits
from paxos_core.errors import MachineFailed
from paxos_core.messages import Reason
from paxos_core.types import Slot

Result = bytes | None
"""What a command answered; `None` if that was too large to keep."""

_PLACE: Final = Struct(">QIQ")
_GROUP: Final = Struct(">BBQBQBQ")
_GROUP_ARRAY: Final = 0x94
_UINT64: Final = 0xCF
NO_SESSION: Final = 0
RESULT_OVERHEAD_BYTES: Final = 64
"""What a result costs in memory beside its own bytes."""


def encode_group(session: int, floor: int, first: int, commands: bytes) -> bytes:
    """One log command: a run of a session's commands, in the form they came from the client.

    `commands` is what `batch.encode_batch` gives. With `session` 0 it asks for a
    new session; `floor` is then the client's nonce.
    """
    head = _GROUP.pack(_GROUP_ARRAY, _UINT64, session, _UINT64, floor, _UINT64, first)
    return head + commands


GROUP_OVERHEAD_BYTES: Final = _GROUP.size


def decode_group(data: bytes) -> tuple[int, int, int, list[bytes]] | None:
    """``(session, floor, first, commands)``; `None` if `data` is no group."""
    if len(data) < GROUP_OVERHEAD_BYTES:
        return None
    array, u1, session, u2, floor, u3, first = _GROUP.unpack_from(data)
    if (array, u1, u2, u3) != (_GROUP_ARRAY, _UINT64, _UINT64, _UINT64):
        return None
    commands = decode_batch(data[GROUP_OVERHEAD_BYTES:])
    return None if commands is None else (session, floor, first, commands)


def session_number(slot: Slot, index: int, nonce: int) -> int:
    """The number of the session that command `index` of `slot` opened for `nonce`: 64 bits.

    The place in the log is its alone, also after it is dropped. The nonce is its client's
    alone, also where a cluster of the same name began anew with a log of its own.
    """
    place = blake2b(_PLACE.pack(slot, index, nonce), digest_size=8)
    return int.from_bytes(place.digest(), "big") or 1


@dataclass(slots=True)
class Opened:
    """A new session for the client that sent `nonce`."""

    nonce: int
    session: int


@dataclass(slots=True)
class Answered:
    """Results of commands ``first, first + 1, ...`` of a session."""

    session: int
    group: int
    """The first command of the request that brought them."""
    first: int
    results: list[Result]


@dataclass(slots=True)
class Declined:
    """These commands were not applied, on any replica."""

    session: int
    first: int
    count: int
    reason: Reason


Outcome = Opened | Answered | Declined


def _bytes_of(results: list[Result]) -> int:
    overhead = RESULT_OVERHEAD_BYTES * len(results)
    try:
        return overhead + sum(map(len, results))  # type: ignore[arg-type]
    except TypeError:  # one was too large to keep
        return overhead + sum(len(result) for result in results if result is not None)


def _first_of(run: tuple[int, list[Result]]) -> int:
    return run[0]


@dataclass(slots=True)
class _Session:
    """Runs of results, ascending and apart, none below `floor` but for the first one's start."""

    floor: int = 1
    used: bool = False
    runs: list[tuple[int, list[Result]]] = field(default_factory=list)
    result_bytes: int = 0

    def find(self, number: int) -> tuple[bool, Result]:
        """Whether command `number` is in the table, and its result."""
        index = bisect_right(self.runs, number, key=_first_of) - 1
        if index < 0:
            return False, None
        first, results = self.runs[index]
        at = number - first
        return (True, results[at]) if at < len(results) else (False, None)

    def add(self, first: int, results: list[Result]) -> int:
        """Keep results that are new; returns their bytes."""
        size = _bytes_of(results)
        self.result_bytes += size
        runs = self.runs
        if not runs or first > runs[-1][0]:
            runs.append((first, results))
        else:
            insort(runs, (first, results), key=_first_of)
        return size

    def shrink(self, bytes_max: int) -> int:
        """Forget the oldest results, but not that their commands were applied."""
        freed = 0
        for at, (first, results) in enumerate(self.runs):
            if self.result_bytes <= bytes_max:
                break
            kept: list[Result] = [None] * len(results)
            size = _bytes_of(results) - _bytes_of(kept)
            self.runs[at] = (first, kept)
            self.result_bytes -= size
            freed += size
        return freed

    def raise_floor(self, floor: int) -> int:
        """Forget whole runs below `floor`, a higher one; returns the bytes forgotten."""
        self.floor = floor
        freed = 0
        done = 0
        for first, results in self.runs:
            if first + len(results) > floor:
                break
            freed += _bytes_of(results)
            done += 1
        del self.runs[:done]
        self.result_bytes -= freed
        return freed


class SessionTable:
    """Applies groups of commands exactly once each."""

    __slots__ = ("_bytes", "_fresh", "_fresh_max", "_limits", "_sessions")

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._sessions: OrderedDict[int, _Session] = OrderedDict()
        self._fresh: dict[int, None] = {}
        """Sessions that nobody has used yet, oldest first."""
        self._fresh_max = max(1, limits.sessions_max // 4)
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def execute(
        self, slot: Slot, commands: list[bytes], apply: Callable[[bytes], bytes]
    ) -> Iterator[Outcome]:
        """Apply what a slot decided, with the application's `apply`; tells what came of it.

        `apply` must be deterministic. Raises `MachineFailed` if it raises, or returns no bytes.
        """
        for index, command in enumerate(commands):
            group = decode_group(command)
            if group is None:
                continue
            session, floor, first, group_commands = group
            if session == NO_SESSION:
                yield self._open(slot, index, floor)
            else:
                yield from self._run(session, floor, first, group_commands, apply)

    def lookup(self, session: int, first: int, count: int) -> list[Result] | None:
        """The results of ``first .. first + count - 1`` if all of them are in the table."""
        known = self._sessions.get(session)
        if known is None or self._is_new(known, first):
            return None
        results: list[Result] = []
        for number in range(first, first + count):
            found, result = known.find(number)
            if not found:
                return None
            results.append(result)
        return results

    def _open(self, slot: Slot, index: int, nonce: int) -> Opened:
        session = session_number(slot, index, nonce)
        self._sessions[session] = _Session()
        self._fresh[session] = None
        self._evict()
        return Opened(nonce, session)

    def _run(
        self,
        session: int,
        floor: int,
        first: int,
        commands: list[bytes],
        apply: Callable[[bytes], bytes],
    ) -> Iterable[Outcome]:
        known = self._sessions.get(session)
        count = len(commands)
        if known is None:
            return [Declined(session, first, count, Reason.UNKNOWN_SESSION)]
        known.used = True
        self._sessions.move_to_end(session)
        self._fresh.pop(session, None)
        if floor > known.floor:
            self._bytes -= known.raise_floor(floor)
        if first + count > known.floor + self._limits.window:
            return [Declined(session, first, count, Reason.OUT_OF_WINDOW)]
        if first < known.floor or not self._is_new(known, first):
            return self._run_slowly(known, session, first, commands, apply)
        results = self._apply_all(commands, apply)
        self._bytes += known.add(first, results)
        if self._bytes > self._limits.bytes_max:
            self._evict()
        return [Answered(session, first, first, results)]

    @staticmethod
    def _is_new(known: _Session, first: int) -> bool:
        if not known.runs:
            return True
        last_first, last_results = known.runs[-1]
        return first >= last_first + len(last_results)

    def _apply_all(self, commands: list[bytes], apply: Callable[[bytes], bytes]) -> list[Result]:
        limit = self._limits.result_bytes_max
        try:
            results = list(map(apply, commands))
        except Exception as error:
            raise MachineFailed(f"apply raised {type(error).__name__}: {error}") from error
        if not set(map(type, results)) <= {bytes}:
            wrong = next(type(r).__name__ for r in results if type(r) is not bytes)
            raise MachineFailed(f"apply returned {wrong}, not bytes")
        if results and max(map(len, results)) > limit:
            return [None if len(result) > limit else result for result in results]
        return cast(list[Result], results)

    def _run_slowly(
        self,
        known: _Session,
        session: int,
        first: int,
        commands: list[bytes],
        apply: Callable[[bytes], bytes],
    ) -> Iterator[Outcome]:
        """Some of the group came before: apply only what did not, one by one."""
        # First, and for no command: that the group is through, whatever becomes of its parts.
        yield Answered(session, first, first, [])
        for number, command in enumerate(commands, first):
            if number < known.floor:
                # The client has this answer, or has given it up: applying it now would be late.
                continue
            found, result = known.find(number)
            if not found:
                (result,) = self._apply_all([command], apply)
                self._bytes += known.add(number, [result])
            yield Answered(session, first, number, [result])
        self._evict()

    def _evict(self) -> None:
        sessions = self._sessions
        while len(sessions) > self._limits.sessions_max or (
            self._bytes > self._limits.bytes_max and len(sessions) > 1
        ):
            # Of very many that nobody uses one goes first: opening them costs those in use
            # little. Of a few none does: programs that begin together keep their sessions.
            many = len(self._fresh) > self._fresh_max
            session = next(iter(self._fresh if many else sessions))
            self._fresh.pop(session, None)
            self._bytes -= sessions.pop(session).result_bytes
        if self._bytes > self._limits.bytes_max:
            (last,) = sessions.values()
            self._bytes -= last.shrink(self._limits.bytes_max)

    # The table is part of every snapshot

    def dump(self) -> list[Any]:
        """The table as plain lists and numbers, the same on every replica."""
        return [
            [session, known.floor, known.used, [[first, results] for first, results in known.runs]]
            for session, known in self._sessions.items()
        ]

    def load(self, dumped: list[Any]) -> None:
        """Become the table that was dumped."""
        self._sessions.clear()
        self._fresh.clear()
        self._bytes = 0
        for session, floor, used, runs in dumped:
            known = _Session(floor, used)
            for first, results in runs:
                self._bytes += known.add(first, results)
            self._sessions[session] = known
            if not used:
                self._fresh[session] = None


def pack_results(results: list[Result]) -> bytes:
    """The body of a `Reply`."""
    packed: bytes = msgpack.packb(results)
    return packed


def unpack_results(data: bytes, count: int) -> list[Result] | None:
    """The results in the body of a `Reply` of `count`; `None` if it is none."""
    if count > BATCH_COMMANDS_MAX:
        return None
    try:
        results = msgpack.unpackb(
            data, max_array_len=count, max_map_len=0, max_str_len=0, max_ext_len=0
        )
    except (ValueError, TypeError, RecursionError):
        return None
    if type(results) is not list or len(results) != count:
        return None
    if not set(map(type, results)) <= {bytes, type(None)}:
        return None
    return results
