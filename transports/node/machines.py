"""The state machine that `paxos node` runs when it is given no other."""

from __future__ import annotations

from struct import Struct
from typing import Final

_STATE: Final = Struct(">Q")


class Journal:
    """Counts commands. A command's result is its number in the log, from 1, in decimal."""

    def __init__(self) -> None:
        self.count = 0

    def apply(self, command: bytes) -> bytes:
        """The command's number; what it says is the log's business, not the state's."""
        self.count += 1
        return b"%d" % self.count

    def snapshot(self) -> bytes:
        """The count."""
        return _STATE.pack(self.count)

    def restore(self, snapshot: bytes) -> None:
        """Count on from there."""
        (self.count,) = _STATE.unpack(snapshot)
