"""Stops a node when another process runs as the same one, with another store.

Two processes with one identity are two acceptors that know nothing of one another's
promises. The lock on a store keeps a second process from the same store, and the address
keeps one from the same place; nothing local keeps one from a copy elsewhere. The peers
that hear both can tell; `transports.node.incarnations` says how.

They are asked as a client asks, on a client's way back: the node's own way back may lead
to the other process. It takes some seconds, in which both may have voted: this is an alarm,
not a safeguard.
"""

from __future__ import annotations

from typing import Any, Final

import trio

from paxos_core.messages import StatusRequest
from paxos_core.types import NodeId
from transports.node.client import Client, open_client
from transports.node.incarnations import (
    announcing,
    contesting,
    draw_incarnation,
    read_incarnations,
)
from transports.node.logs import NodeLogger
from transports.node.node import Node, NodeFailed

ASK_SECONDS: Final = 1.0
REOPEN_SECONDS: Final = 5.0
"""The pause after the client's endpoint could not be opened, or broke."""
REPEAT_SECONDS: Final = 3600.0


async def watch_for_doubles(node: Node) -> None:
    """Announce this process to the peers, and ask them for others, until cancelled.

    Raises `NodeFailed` once a peer tells that another process contests this one. Returns
    at once where nobody could: for a node alone, and with replicas in the kernel, where what
    nodes send one another does not come to user space.
    """
    if len(node.config.nodes) == 1 or node.config.kernel_replica:
        return
    log = NodeLogger(node.id, noisy_interval_s=REPEAT_SECONDS)
    watch = _Watch(node, draw_incarnation())
    while not watch.contested_at:
        try:
            async with open_client(node.config) as client:
                await watch.ask_until_contested(client)
        except* Exception as errors:
            # No certificate for a client, or whatever a transport of somebody else's raises:
            # a question is not worth a node.
            reason = str(errors.exceptions[0])
            log.noisy("unwatched", "no_client", reason=f"a second node {node.id} would not "
                      f"be noticed, because the peers cannot be asked: {reason}")  # fmt: skip
            await trio.sleep(REOPEN_SECONDS)
    raise NodeFailed(
        f"node {node.id} stops: another process runs as node {node.id}, and was there first; "
        f"node {watch.contested_at} hears both; end one of them for good, and never run a node "
        "from a copy of its store, nor two machines as one node"
    )


class _Watch:
    """One process's announcements, and what the peers answer."""

    def __init__(self, node: Node, incarnation: int) -> None:
        self._node = node
        self._incarnation = incarnation
        self._peers = [peer for peer in node.config.nodes if peer != node.id]
        self.contested_at: NodeId = 0
        """The peer that told of it; 0 as long as none did."""

    async def ask_until_contested(self, client: Client) -> None:
        while not self.contested_at:
            self._tell(announcing(self._incarnation))
            async with trio.open_nursery() as nursery:
                for peer in self._peers:
                    nursery.start_soon(self._ask, client, peer)
                await trio.sleep(ASK_SECONDS)

    async def _ask(self, client: Client, peer: NodeId) -> None:
        status = await client.status(peer, ASK_SECONDS)
        if status is not None:
            self._read(peer, status)

    def _read(self, peer: NodeId, status: dict[str, Any]) -> None:
        own = self._incarnation
        if own in read_incarnations(status, "contested", self._node.id):
            self.contested_at = peer
        for other in read_incarnations(status, "incarnations", self._node.id):
            if other > own:
                self._tell(contesting(other))

    def _tell(self, nonce: int) -> None:
        question = StatusRequest(nonce)
        self._node.send([(peer, question) for peer in self._peers])
