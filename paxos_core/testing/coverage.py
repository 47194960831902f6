"""States that a campaign must have been in: one that never got there has tested less than it seems.

Names are those of `History.counts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INTERESTING: Final[Mapping[str, str]] = {
    "leader elected": "a node became leader",
    "leader deposed": "a node that led learnt of another",
    "promise that reveals votes": "a new leader was told of votes that it must keep",
    "promise with more pages": "a Promise did not fit one frame",
    "chosen above a gap": "a slot was chosen before one below it",
    "no-op chosen": "a gap was filled with nothing",
    "checkpoint": "a node restated its state and forgot its log",
    "snapshot sent while a vote is pending": "a laggard got a snapshot while slots were undecided",
    "snapshot installed": "a node took another's state",
    "crash": "a node stopped at once",
    "crash around a write": "a node stopped before, within or after a write",
    "restart": "a node came back from its disk",
    "garbage": "bytes that are no frame arrived",
    "result": "a command was answered",
    "OutcomeUnknown": "a client could not know what became of a command",
    "ClusterUnreachable": "a client was given up on before anybody took its command",
    "Overloaded": "a command was refused for want of room",
    "ResultTooLarge": "a result did not fit a frame",
    "Nack": "a proposal was refused",
    "Chosen": "a node was sent the log",
    "SnapshotRequest": "a laggard asked for a snapshot",
    "SnapshotChunk": "a node was sent a part of a snapshot",
}


def unseen(counts: Mapping[str, int]) -> list[str]:
    """Interesting states that never were, in the order above."""
    return [name for name in INTERESTING if not counts.get(name)]
