"""Tells a node's operator what makes it wait: foreign frames, and nobody to agree with.

Nodes whose configurations differ cannot talk to one another, and a node cannot know
more of that than that what comes is not what it expects, or that nothing comes.
"""

from __future__ import annotations

from typing import Final

import trio

from transports.node.logs import NodeLogger
from transports.node.node import Node, NodeFailed

LOOK_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 5.0
REPEAT_SECONDS: Final = 60.0

DOUBTS: Final = {
    "malformed": "what came is not of {transport} as it is set here; are transport and keys the "
    "same everywhere?",
    "unknown_sender": "it came from an id that is not in [nodes]; are they the same everywhere?",
    "misattributed": "it came from another address than the node has in [nodes]; "
    "are they the same everywhere?",
    "misdirected": "it was meant for another node; are [nodes] the same everywhere?",
    "bad_tag": "its tag is not of this cluster key; is key_file the same everywhere?",
    "tls_failed": "it spoke no TLS, or its certificate is none of this authority's, or expired; "
    "are tls_authority and the certificates those of one cluster everywhere?",
    "unauthenticated": "who came has no key that is known here; are the keys the same everywhere?",
    "handshake_failed": "a node closed the connection at once; does it have the same transport, "
    "and the same keys?",
    "impostor": "the key is not that of the node that it claims to be; is each key in its place?",
}
"""Cause of a drop in the transport -> what an operator should look for."""


async def tell_doubts(node: Node) -> None:
    """Log, until cancelled, what keeps `node` from agreeing with others: a line a minute each.

    Raises `NodeFailed` if there has been no leader yet and never can be, because too
    many nodes' addresses answer in the language of another transport.
    """
    log = NodeLogger(node.id, noisy_interval_s=REPEAT_SECONDS)
    counted: dict[str, int] = {}
    led_at = trio.current_time()
    led = False
    while True:
        await trio.sleep(LOOK_SECONDS)
        dropped: dict[str, int] = node.status()["dropped"]
        for cause, doubt in DOUBTS.items():
            if dropped.get(cause, 0) > counted.get(cause, 0):
                reason = doubt.format(transport=node.config.transport)
                log.noisy("foreign", cause, count=dropped[cause], reason=reason)
        counted = dropped
        if node.leader:
            led = True
            led_at = trio.current_time()
        elif not led and _hopeless(node):
            raise NodeFailed(_why_hopeless(node))
        elif trio.current_time() - led_at >= SILENCE_SECONDS:
            log.noisy("waiting", "no_leader", reason=_why_waiting(node))


def _hopeless(node: Node) -> bool:
    config = node.config
    return len(config.nodes) - len(node.foreign) < max(config.phase1, config.phase2)


def _why_hopeless(node: Node) -> str:
    config = node.config
    others = ", ".join(f"node {other} at {config.nodes[other]}" for other in sorted(node.foreign))
    return (
        f"{others}: what answers there does not speak {config.transport}, so there can be no "
        "quorum; give every node's configuration the same transport and addresses"
    )


def _why_waiting(node: Node) -> str:
    config = node.config
    others = ", ".join(str(other) for other in config.nodes if other != node.id)
    came = "" if node.status()["frames_received"] else "nothing came from any node; "
    return (
        f"{came}{config.phase1} of {len(config.nodes)} nodes must be up; do {others} run, "
        f"and with the same cluster, transport ({config.transport}), addresses and keys?"
    )
