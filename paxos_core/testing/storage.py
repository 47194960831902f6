"""What a node, and whoever operates it, does with the disk that a start finds.

The rules are DESIGN's and the durable store's: a node refuses a disk that is
missing or damaged, and comes back on a new one as a learner without a vote.
The simulator knows what was destroyed, so it can tell a refusal that was due
from one that was not, and damage that went unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paxos_core.durable import DurableState, decode_record, replay
from paxos_core.testing.disk_bytes import DiskRefused
from paxos_core.testing.failure import Violation

if TYPE_CHECKING:
    from paxos_core.testing.members import SimulatedNode
    from paxos_core.testing.monitor import Monitor

FOUND = "damage is found"


def read_disk(node: SimulatedNode, monitor: Monitor) -> DurableState:
    """The state that `node` starts from. Raises `Violation`."""
    disk = node.disk
    causes = sorted(disk.causes)
    try:
        contents = disk.open()
    except DiskRefused as refusal:
        if not causes:
            raise Violation(
                "a sound disk is read", f"node {node.id} refuses its disk: {refusal}"
            ) from refusal
        for cause in causes:
            monitor.counts[f"found: {cause}"] += 1
        _rebuild(node, monitor)
        return DurableState()
    if causes:
        raise Violation(FOUND, f"node {node.id} starts on a disk with {', '.join(causes)}")
    if contents.torn:
        monitor.counts["torn write cut"] += 1
    if contents.end > contents.sealed_end:
        monitor.counts["start with more than was sealed"] += 1
    state = replay(map(decode_record, contents.records))
    if node.incarnation:
        monitor.restarted(node.id, state)
    return state


def _rebuild(node: SimulatedNode, monitor: Monitor) -> None:
    """A new store that learns and does not vote, as `paxos init --non-voting` makes it."""
    node.disk.format()
    node.voting = False
    monitor.wiped(node.id)
