"""How far the clocks of two nodes are apart, as far as the messages between them tell.

What was received was sent before. So the receiver's clock is ahead of the sender's by no more
than the time of the receipt less that of the sending; and a message the other way bounds it from
below. Over a third node, bounds add up. (As clocks are set by NTP, RFC 5905, section 8, without
the guess that both ways take equally long.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import product
from typing import Final

from paxos_core.quorum import MEMBERS_MAX
from paxos_core.trace.read import Event

UNKNOWN: Final = float("inf")
"""No bound."""
RECENT: Final = 64
"""Messages of a link that count, the last ones: over a long run two clocks drift apart."""

Ahead = dict[tuple[int, int], float]
"""By (one, other): by how many seconds at most the other's clock is ahead of the one's."""


def bound_clocks(events: Sequence[Event]) -> Ahead:
    """Bounds from the messages of a merged trace, within each node's last run.

    Without a message, over others too, a pair is missing; and all are if a bound contradicts
    another one: then a clock was set within a run.
    """
    links: dict[tuple[int, int], deque[float]] = {}
    sent: dict[str, tuple[int, int, float]] = {}
    runs: dict[int, int] = {}
    for event in events:
        node, at = event.get("node"), event.get("at", 0)
        if node is None:
            continue
        if event["kind"] == "start":
            runs[node] = runs.get(node, 0) + 1
            links = {pair: times for pair, times in links.items() if node not in pair}
        ident = event.get("message", {}).get("id")
        if event["kind"] == "receive" and ident in sent:
            sender, run, then = sent[ident]
            if sender != node and run == runs.get(sender, 0):
                link = links.setdefault((sender, node), deque(maxlen=RECENT))
                link.append(at - then)
        for message in event.get("sent", ()):
            sent[message["id"]] = node, runs.get(node, 0), at
    return _close({pair: min(times) for pair, times in links.items()})


def _close(ahead: Ahead) -> Ahead:
    """With what follows over third nodes: shortest paths, as Floyd and Warshall find them."""
    nodes = list(dict.fromkeys(node for pair in ahead for node in pair))[:MEMBERS_MAX]
    for between, one, other in product(nodes, repeat=3):
        over = ahead.get((one, between), UNKNOWN) + ahead.get((between, other), UNKNOWN)
        if over < ahead.get((one, other), UNKNOWN):
            ahead[one, other] = over
    return {} if any(ahead.get((node, node), 0) < 0 for node in nodes) else ahead
