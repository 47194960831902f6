"""A fault of the plan in words that need no knowledge of the simulator: for its trace."""

from __future__ import annotations

from typing import Final

from paxos_core.testing.plan import TICK_UNITS, Fault
from paxos_core.types import NodeId

_TEXTS: Final = {
    "crash": "node {node} crashes, and starts again {ticks} later",
    "armed": "node {node} will crash at one of its next writes; it starts again within {ticks}",
    "pause": "node {node} is paused for {ticks}",
    "slowdisk": "the disk of node {node} is slow for {ticks}",
    "jump": "the clock of node {node} jumps forward, or stands for {ticks}",
    "drift": "the clock of node {node} runs too fast or too slow for {ticks}",
    "wipe": "node {node} crashes, and loses all that its disk held",
    "rot": "bits change on the disk of node {node}",
    "lostwrite": "the disk of node {node} will lose a write that it says it has synced",
    "misdirect": "the disk of node {node} will write to a wrong place",
    "oldlog": "in {ticks} an old copy of its log is put back on node {node}",
    "failsync": "a sync of the disk of node {node} will fail",
    "full": "the disk of node {node} is full for {ticks}",
    "die": "a client's process ends, and another takes its place",
    "churn": "for {ticks} whoever leads is cut off again and again",
    "mute": "for {ticks} some kinds of message do not pass",
    "burst": "for {ticks} many messages are lost on some links",
    "split": "the network is split in two for {ticks}",
    "isolate": "one node is cut off for {ticks}",
    "oneway": "some links work in one direction alone for {ticks}",
    "chain": "for {ticks} the nodes are a chain: each reaches its neighbours alone",
}


def fault_text(fault: Fault, node: NodeId | None) -> str:
    """What `fault` does; `node` is where, for a kind that is at one node."""
    count = fault.duration / TICK_UNITS
    ticks = "1 tick" if count == 1 else f"{count:g} ticks"
    return _TEXTS[fault.kind].format(node=node, ticks=ticks)
