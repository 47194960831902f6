"""What must survive a crash: the kinds of record, their bytes, and their replay.

Each record is one fixed-width MessagePack array, as on the wire::

    [kind, number, number, ..., body]

Replay reads them in the order in which they were written. It is a pure
function: the same records give the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from paxos_core.checksum import checksum
from paxos_core.messages import Vote
from paxos_core.types import NO_BALLOT, SLOT_BELIEVED_MAX, Ballot, Slot

_UINT8: Final = 0xCC
_UINT64: Final = 0xCF
_BIN32: Final = 0xC6


class RecordError(ValueError):
    """A record that this version cannot have written: the store is not to be trusted."""


@dataclass(slots=True)
class Promised:
    """The acceptor will accept nothing below `ballot`. Written before the Promise leaves."""

    ballot: Ballot


@dataclass(slots=True)
class Voted:
    """The acceptor accepted this proposal. Written before the Accepted leaves."""

    slot: Slot
    ballot: Ballot
    checksum: int
    value: bytes


@dataclass(slots=True)
class ChosenValue:
    """The value chosen for `slot`, where the vote on record may be for another one."""

    slot: Slot
    checksum: int
    value: bytes


@dataclass(slots=True)
class ChosenUpTo:
    """Every slot below `slot` is chosen: its value is its `ChosenValue`, else its last vote.

    Written late on purpose: without it a replica only has to learn again.
    """

    slot: Slot


@dataclass(slots=True)
class Snapshot:
    """The application's state after every slot below `slot`; opaque bytes."""

    slot: Slot
    checksum: int
    data: bytes


@dataclass(slots=True)
class RawRecord:
    """A record that is encoded already, as a core that is not of Python hands it out."""

    data: bytes


Record = Promised | Voted | ChosenValue | ChosenUpTo | Snapshot | RawRecord

_KINDS: Final[dict[type[Record], int]] = {
    Promised: 1,
    Voted: 2,
    ChosenValue: 3,
    ChosenUpTo: 4,
    Snapshot: 5,
}
_NUMBERS: Final = {1: 1, 2: 3, 3: 2, 4: 1, 5: 2}
_HAS_BODY: Final = {2, 3, 5}
_TYPES: Final[dict[int, Callable[..., Record]]] = {
    kind: record_type for record_type, kind in _KINDS.items()
}
_PACKERS: Final = {
    kind: Struct(">BBB" + "BQ" * numbers + ("BI" if kind in _HAS_BODY else ""))
    for kind, numbers in _NUMBERS.items()
}
_ARRAYS: Final = {
    kind: 0x90 | (1 + numbers + (kind in _HAS_BODY)) for kind, numbers in _NUMBERS.items()
}
_MARKERS: Final = {
    kind: (_UINT64,) * numbers + ((_BIN32,) if kind in _HAS_BODY else ())
    for kind, numbers in _NUMBERS.items()
}


def encode_record(record: Record) -> bytes:
    """The bytes of one record."""
    if isinstance(record, RawRecord):
        return record.data
    kind = _KINDS[type(record)]
    pack = _PACKERS[kind].pack
    head = (_ARRAYS[kind], _UINT8, kind, _UINT64)
    match record:
        case Voted(slot, ballot, crc, value):
            return pack(*head, slot, _UINT64, ballot, _UINT64, crc, _BIN32, len(value)) + value
        case ChosenValue(slot, crc, value) | Snapshot(slot, crc, value):
            return pack(*head, slot, _UINT64, crc, _BIN32, len(value)) + value
        case Promised(number) | ChosenUpTo(number):
            return pack(*head, number)


def decode_record(data: bytes) -> Record:
    """One record back. Raises `RecordError` for anything that `encode_record` does not give."""
    if len(data) < 3 or data[1] != _UINT8 or data[2] not in _TYPES:
        raise RecordError("a record of no known kind")
    kind = data[2]
    packer = _PACKERS[kind]
    if len(data) < packer.size:
        raise RecordError("a record is cut off")
    array, _, _, *rest = packer.unpack_from(data)
    if array != _ARRAYS[kind] or tuple(rest[0::2]) != _MARKERS[kind]:
        raise RecordError("a record's field has the wrong form")
    if kind not in _HAS_BODY:
        if len(data) != packer.size:
            raise RecordError("bytes follow a record")
        return _TYPES[kind](*rest[1::2])
    *numbers, length = rest[1::2]
    body = data[packer.size :]
    if len(body) != length:
        raise RecordError("a record's body has the wrong length")
    return _TYPES[kind](*numbers, body)


@dataclass(slots=True)
class DurableState:
    """What a replica starts from. A fresh one is empty.

    `votes` holds slots from `watermark` up, `log` (slot -> checksum and value)
    those from `snapshot`'s slot, or 0, up to `watermark`.
    """

    promised: Ballot = NO_BALLOT
    watermark: Slot = 0
    votes: dict[Slot, Vote] = field(default_factory=dict)
    log: dict[Slot, tuple[int, bytes]] = field(default_factory=dict)
    snapshot: Snapshot | None = None

    @property
    def first_slot(self) -> Slot:
        """The first slot of the log."""
        return self.snapshot.slot if self.snapshot else 0


def restate(state: DurableState) -> list[Record]:
    """The fewest records that describe `state`: `replay` of them gives it again."""
    records: list[Record] = []
    if state.promised != NO_BALLOT:
        records.append(Promised(state.promised))
    if state.snapshot is not None:
        records.append(state.snapshot)
    records += [ChosenValue(slot, *state.log[slot]) for slot in sorted(state.log)]
    if state.log:
        records.append(ChosenUpTo(state.watermark))
    for _, vote in sorted(state.votes.items()):
        records.append(Voted(vote.slot, vote.ballot, vote.checksum, vote.value))
    return records


def replay(records: Iterable[Record]) -> DurableState:
    """The state that `records`, oldest first, describe.

    Raises `RecordError` if they contradict themselves, or cannot be: a slot said to be
    chosen without a value, a value or snapshot that fails its checksum, a snapshot of a slot
    that no log reaches.
    """
    state = DurableState()
    values: dict[Slot, tuple[int, bytes]] = {}
    for record in records:
        _replay_one(state, values, record)
    return state


def _replay_one(state: DurableState, values: dict[Slot, tuple[int, bytes]], record: Record) -> None:
    match record:
        case Promised(ballot):
            state.promised = max(state.promised, ballot)
        case Voted(slot, ballot, crc, value):
            _check(crc, value, f"the vote for slot {slot}")
            state.promised = max(state.promised, ballot)
            if slot >= state.watermark:
                state.votes[slot] = Vote(slot, ballot, crc, value)
        case ChosenValue(slot, crc, value):
            _check(crc, value, f"the chosen value of slot {slot}")
            if slot >= state.watermark:
                values[slot] = (crc, value)
        case ChosenUpTo(watermark):
            _replay_chosen(state, values, watermark)
        case Snapshot(slot, crc, data):
            _check(crc, data, f"the snapshot of slot {slot}")
            _replay_snapshot(state, values, record)


def _check(crc: int, data: bytes, what: str) -> None:
    if checksum(data) != crc:
        raise RecordError(f"{what} fails its checksum")


def _replay_chosen(
    state: DurableState, values: dict[Slot, tuple[int, bytes]], watermark: Slot
) -> None:
    for slot in range(state.watermark, watermark):
        vote = state.votes.pop(slot, None)
        entry = values.pop(slot, None)
        if entry is None and vote is not None:
            entry = (vote.checksum, vote.value)
        if entry is None:
            raise RecordError(f"slot {slot} is on record as chosen, but its value is not")
        state.log[slot] = entry
    state.watermark = max(state.watermark, watermark)


def _replay_snapshot(
    state: DurableState, values: dict[Slot, tuple[int, bytes]], snapshot: Snapshot
) -> None:
    if snapshot.slot > SLOT_BELIEVED_MAX:
        raise RecordError(f"a snapshot of slot {snapshot.slot}: no log is so long")
    if state.snapshot and snapshot.slot < state.snapshot.slot:
        return
    state.snapshot = snapshot
    state.watermark = max(state.watermark, snapshot.slot)
    for table in (state.votes, state.log, values):
        for slot in [slot for slot in table if slot < snapshot.slot]:
            del table[slot]
