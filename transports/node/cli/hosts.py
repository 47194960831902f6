"""Mistakes in a configuration that look like dead nodes: unknown hosts, another transport."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

import trio

from transports.api import TransportError, split_host_port
from transports.node.cli.answers import ask
from transports.node.client import open_client
from transports.node.config import ClusterConfig
from transports.node.languages import ANSWER_SECONDS, find_other_languages

RESOLVE_SECONDS: Final = 1.0


async def why_silent(config: ClusterConfig, silent: Iterable[int]) -> str:
    """A sentence about a mistake that makes these nodes silent, if one can be found, or nothing.

    Takes two seconds at most.
    """
    silent = list(silent)
    if unknown := await unknown_hosts(config, silent):
        return unknown
    languages = await find_other_languages(config, silent)
    if not languages:
        return ""
    node = min(languages)
    return (
        f"Node {node} at {config.nodes[node]} answers over {languages[node]}, "
        f"not {config.transport}: give all the same transport"
    )


async def why_unreachable(config: ClusterConfig) -> str:
    """The same of those nodes that do not say how they are, where nobody has asked them yet.

    Who answers is asked over no other transport: it would take that for a stranger's mistake.
    """
    async with open_client(config) as client:
        answers = await ask(client, config.nodes, ANSWER_SECONDS)
    return await why_silent(config, [node for node, answer in answers.items() if answer is None])


async def unknown_hosts(config: ClusterConfig, nodes: Iterable[int]) -> str:
    """``The host 'x' of node 2 is unknown (REASON)`` for the first such of `nodes`, or nothing.

    Asked only when nodes are silent. A name server that is slow is not waited for.
    """
    if config.transport != "tcp":
        return ""
    found: dict[int, str] = {}

    async def look_up(node: int) -> None:
        try:
            host, port = split_host_port(config.nodes[node])
        except TransportError:
            return
        try:
            await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not a name"
            found[node] = f"The host {host!r} of node {node} is unknown ({reason})"

    with trio.move_on_after(RESOLVE_SECONDS):
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(look_up, node)
    return found[min(found)] if found else ""
