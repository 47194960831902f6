"""The learner: the chosen log, in order and without gaps.

A value is learnt once it is known to be chosen, whoever said so. It is
delivered when every slot below it is. `watermark` is the first slot not
delivered; `log` keeps what is needed to serve a replica that lags.
"""

from __future__ import annotations

from collections.abc import Iterator

from paxos_core.checksum import checksum
from paxos_core.types import Slot

Entry = tuple[int, bytes]
"""(checksum, value)"""


ENTRY_OVERHEAD_BYTES = 128
"""What an entry costs beside its value, in memory or on disk."""


class Learner:
    """The chosen log from `first_slot` (below it, trimmed) to `watermark`, and what is ahead."""

    __slots__ = (
        "_ahead",
        "_ahead_max",
        "first_slot",
        "known_chosen",
        "log",
        "log_bytes",
        "watermark",
    )

    def __init__(self, first_slot: Slot, log: dict[Slot, Entry], ahead_max: int) -> None:
        self.first_slot = first_slot
        self.log = log
        self.watermark: Slot = first_slot + len(log)
        self.known_chosen: Slot = self.watermark
        """The highest watermark that anyone has claimed; above ours, we lag."""
        self.log_bytes = sum(ENTRY_OVERHEAD_BYTES + len(value) for _, value in log.values())
        self._ahead: dict[Slot, Entry] = {}
        """Chosen, but a slot before it is not known yet."""
        self._ahead_max = ahead_max

    @property
    def lags(self) -> bool:
        """Whether something is known to be chosen that is not known here."""
        return self.watermark < self.known_chosen

    @property
    def has_next(self) -> bool:
        """Whether the value that is next in order is known."""
        return self.watermark in self._ahead

    @property
    def keeps_below(self) -> Slot:
        """No value for this slot or a later one is kept, until the watermark moves."""
        return self.watermark + self._ahead_max

    def hear_watermark(self, watermark: Slot) -> None:
        """Somebody knows every slot below `watermark`."""
        if watermark > self.known_chosen:
            self.known_chosen = watermark

    def learn(self, slot: Slot, crc: int, value: bytes) -> bool:
        """`value` is chosen for `slot`. False if its checksum fails: then it was damaged on
        its way or in memory, and is to be learnt again from somebody else.
        """
        if slot < self.watermark or slot >= self.keeps_below:
            return True
        if checksum(value) != crc:
            return False
        known = self._ahead.setdefault(slot, (crc, value))
        assert known[0] == crc, f"two values chosen for slot {slot}"
        return True

    def deliver(self) -> Iterator[tuple[Slot, int, bytes]]:
        """The values that are next in order, as (slot, checksum, value); moves the watermark."""
        while (entry := self._ahead.pop(self.watermark, None)) is not None:
            slot = self.watermark
            self.log[slot] = entry
            self.log_bytes += ENTRY_OVERHEAD_BYTES + len(entry[1])
            self.watermark = slot + 1
            yield slot, *entry
        self.known_chosen = max(self.known_chosen, self.watermark)

    def trim(self, first_slot: Slot) -> None:
        """Forget the log below `first_slot`."""
        assert first_slot <= self.watermark
        for slot in range(self.first_slot, first_slot):
            self.log_bytes -= ENTRY_OVERHEAD_BYTES + len(self.log.pop(slot)[1])
        self.first_slot = max(self.first_slot, first_slot)

    def restart(self, slot: Slot) -> None:
        """Begin again at `slot`: a snapshot covers everything below."""
        assert slot > self.watermark
        # Emptied, not replaced: the acceptor looks into the same table.
        self.log.clear()
        self.log_bytes = 0
        self.first_slot = self.watermark = slot
        self.known_chosen = max(self.known_chosen, slot)
        self._ahead = {s: entry for s, entry in self._ahead.items() if s >= slot}
