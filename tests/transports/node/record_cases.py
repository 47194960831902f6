"""One record of every kind, in an order that replay takes: what a store really holds."""

from __future__ import annotations

from typing import Final, get_args

from paxos_core.checksum import checksum
from paxos_core.durable import (
    ChosenUpTo,
    ChosenValue,
    Promised,
    RawRecord,
    Record,
    Snapshot,
    Voted,
    encode_record,
)
from paxos_core.types import make_ballot

_STATE: Final = b"the state after five slots"
_CHOSEN: Final = b"chosen"
_VOTED: Final = b"voted"

KINDS: Final[dict[type[Record], Record]] = {
    Snapshot: Snapshot(5, checksum(_STATE), _STATE),
    ChosenValue: ChosenValue(5, checksum(_CHOSEN), _CHOSEN),
    ChosenUpTo: ChosenUpTo(6),
    Promised: Promised(make_ballot(3, 2)),
    Voted: Voted(6, make_ballot(3, 2), checksum(_VOTED), _VOTED),
}
"""One of each, the later ones resting on the earlier."""

ENCODED: Final = [encode_record(record) for record in KINDS.values()]


def kinds_of_record() -> set[type[Record]]:
    """Every kind that a store can be given. A `RawRecord` is one of the others, encoded."""
    return set(get_args(Record)) - {RawRecord}
