"""States that a campaign must have been in: one that never got there has tested less than it seems.

Names are those of `Monitor.counts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paxos_core.testing.plan import FRAMES_BYTES, TINY_FRAMES_BYTES

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
    "leader with a gap": "a node became leader while a slot was open below a chosen one",
    "torn write cut": "a start found a write that was cut off",
    "start with more than was sealed": "a start found a whole write that nobody had been told of",
    "found: disk lost": "a start found no store, and the node came back without a vote",
    "found: bit rot": "a start found damage, and the node came back without a vote",
    "found: lost write": "the same, for a write that the disk acknowledged and never made",
    "found: misdirected write": "the same, for one that went to another place",
    "found: old log": "the same, for an old copy of the log under a newer seal",
    "the sync failed": "a node stopped at a failed sync",
    "the disk is full": "a node stopped at a full disk",
    "clock jumped forward": "many ticks came at once",
    "clock stood": "no tick came for a while, but frames did",
    "client died waiting": "a client's process ended before its commands did",
    "partial: quorum loss": "after the last fault all links but those of one node stayed cut",
    "partial: constrained election": "the same, and the old leader was cut off",
    "partial: chain": "after the last fault only the links of a chain were left",
    "cluster of 3": "three nodes",
    "cluster of 5": "five nodes",
    "cluster of 7": "seven nodes",
    "quorums: majority": "both quorums are majorities",
    "quorums: flexible": "one quorum is smaller than a majority",
    **{f"frames of {size}": "a frame size" for size in sorted({*TINY_FRAMES_BYTES, *FRAMES_BYTES})},
    "garbage": "bytes that are no frame arrived",
    "result": "a command was answered",
    "OutcomeUnknown": "a client could not know what became of a command",
    "settled as not applied": "a later answer showed that a failed command never will be applied",
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
