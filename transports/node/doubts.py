"""Tells a node's operator what makes it wait: foreign frames, and nobody to agree with.

Nodes whose configurations differ cannot talk to one another. A node sees of that that
what comes is not what it expects, or that nothing comes; then it asks around, see
`transports.node.languages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import trio

from transports.api import NodeId
from transports.node.languages import find_languages
from transports.node.logs import NodeLogger
from transports.node.node import Node, NodeFailed

LOOK_SECONDS: Final = 1.0
ASK_AFTER_SECONDS: Final = 2.0
ASK_SECONDS: Final = 3.0
"""Between two rounds of questions. Each opens a client's endpoint and lasts a second or two."""
GRACE_SECONDS: Final = 6.0
"""Two rounds of the others."""
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
    "oversized": "a frame was larger than this node's transport or interface takes; are "
    "frame_bytes_max and the MTU the same everywhere, and as they were at the start?",
}
"""Cause of a drop in the transport -> what an operator should look for."""


DISTURBANCES: Final = ("malformed", "handshake_failed")
"""What the streams of another transport are counted as here, both ways."""

INTERFACE_DOWN: Final = (
    "the interface is down or missing; it is used again once it is up, with the node's MAC"
)


async def tell_doubts(node: Node) -> None:
    """Log, until cancelled, what keeps `node` from agreeing with others: a line a minute each.

    Raises `NodeFailed` if there has been no leader yet and never can be, because too
    many nodes' addresses answer in the language of another transport.
    """
    log = NodeLogger(node.id, noisy_interval_s=REPEAT_SECONDS)
    counted: dict[str, int] = {}
    others = _Others(node)
    led_at = trio.current_time()
    led = False
    while True:
        await trio.sleep(LOOK_SECONDS)
        counted = _tell_drops(node, log, counted)
        if node.leader:
            led = True
            led_at = trio.current_time()
            others.forget()
            continue
        leaderless_seconds = trio.current_time() - led_at
        if not led and leaderless_seconds >= ASK_AFTER_SECONDS:
            await others.ask(disturbed=any(counted.get(cause) for cause in DISTURBANCES))
        if not led and others.are_hopeless():
            raise NodeFailed(_why_hopeless(node, others.foreign()))
        if leaderless_seconds >= SILENCE_SECONDS:
            log.noisy("waiting", "no_leader", reason=_why_waiting(node, others.foreign()))


def _tell_drops(node: Node, log: NodeLogger, counted: Mapping[str, int]) -> dict[str, int]:
    """Tell of causes that were counted more often than before; returns the counts."""
    dropped: dict[str, int] = node.status()["dropped"]
    for cause, doubt in DOUBTS.items():
        if dropped.get(cause, 0) > counted.get(cause, 0):
            reason = doubt.format(transport=node.config.transport)
            log.noisy("foreign", cause, count=dropped[cause], reason=reason)
    cause = "interface_down"
    if dropped.get(cause, 0) > counted.get(cause, 0):
        log.noisy("not_sent", cause, count=dropped[cause], reason=INTERFACE_DOWN)
    return dropped


class _Others:
    """What is known of how the other nodes speak, until there is a leader."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._languages: dict[NodeId, str] = {}
        self._ask_at = 0.0
        self._hopeless_since: float | None = None

    def forget(self) -> None:
        """There is a leader: who matters speaks as we do."""
        self._languages.clear()
        self._hopeless_since = None

    async def ask(self, disturbed: bool) -> None:
        """Ask all who they are, but not too often. Who falls silent has not changed."""
        if trio.current_time() < self._ask_at:
            return
        self._ask_at = trio.current_time() + ASK_SECONDS
        node, config = self._node, self._node.config
        peers = [peer for peer in config.nodes if peer != node.id]
        self._languages.update(await find_languages(config, peers, disturbed=disturbed))

    def foreign(self) -> dict[NodeId, str]:
        """Node -> the transport that it answers over, or nothing if only that it is not ours."""
        ours = self._node.config.transport
        answered = {node: its for node, its in self._languages.items() if its != ours}
        return dict.fromkeys(self._node.foreign - self._languages.keys(), "") | answered

    def are_hopeless(self) -> bool:
        """Whether too few nodes are left for a quorum, and have been for long enough.

        The others want to find out as well, and cannot if we have ended.
        """
        config = self._node.config
        if len(config.nodes) - len(self.foreign()) >= max(config.phase1, config.phase2):
            self._hopeless_since = None
            return False
        if self._hopeless_since is None:
            self._hopeless_since = trio.current_time()
        return trio.current_time() - self._hopeless_since >= GRACE_SECONDS


def _say_foreign(node: Node, foreign: Mapping[NodeId, str]) -> str:
    """Who speaks how; nothing if all whom we know of speak as we do."""
    told: dict[str, list[str]] = {}
    for other, language in sorted(foreign.items()):
        told.setdefault(language, []).append(f"node {other} at {node.config.nodes[other]}")
    ours = node.config.transport
    return "; ".join(
        f"{', '.join(nodes)}: "
        + (f"answers over {language}, not {ours}" if language else
           f"what answers there does not speak {ours}")
        for language, nodes in told.items()
    )  # fmt: skip


def _why_hopeless(node: Node, foreign: Mapping[NodeId, str]) -> str:
    return (
        f"{_say_foreign(node, foreign)}, so there can be no quorum; "
        "give every node's configuration the same transport and addresses"
    )


def _why_waiting(node: Node, foreign: Mapping[NodeId, str]) -> str:
    config = node.config
    others = ", ".join(str(other) for other in config.nodes if other != node.id)
    came = "" if node.status()["frames_received"] else "nothing came from any node; "
    if foreign:
        came = f"{_say_foreign(node, foreign)}; "
    return (
        f"{came}{config.phase1} of {len(config.nodes)} nodes must be up; do {others} run, "
        f"and with the same cluster, transport ({config.transport}), addresses and keys?"
    )
