"""Finds out over which transport nodes answer that do not answer over ours.

A node asks its peers how they are, as a client does, first over its own transport and
then, who was silent, over each other one that such addresses fit. An answer names the
cluster and comes from the node's own address, so it is proof; silence proves nothing.
No endpoint has to do anything for it that it does not do for clients anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import trio

from paxos_core.config import Limits
from transports.api import NodeId, TransportError, split_host_port
from transports.node.client import open_client
from transports.node.config import ClusterConfig

LANGUAGES: Final = ("tcp", "udp", "zeromq")
"""Those whose addresses have a host and a port. A MAC leads to none of them, nor they to a MAC."""
DATAGRAMS: Final = "udp"
"""The one whose ports are not those of the others."""
ANSWER_SECONDS: Final = 0.7
_ZEROMQ_SCHEME: Final = "tcp://"


async def find_languages(
    config: ClusterConfig, nodes: Iterable[NodeId], *, disturbed: bool = True
) -> dict[NodeId, str]:
    """Return which of `nodes` answered, and over which transport: ours, or one of `LANGUAGES`.

    Takes less than two seconds, and raises nothing: what cannot be asked is not asked.
    Unless `disturbed`, which says that what came here was no transport's of ours, nobody
    is asked at a port where our own transport may be about to answer: there a
    question in another language would in turn look like a mistake.
    """
    hosts = _hosts(config.nodes, nodes)
    if not hosts or not _others(config):
        return {}
    found = dict.fromkeys(await _ask(config, hosts), config.transport)
    silent = [node for node in hosts if node not in found]
    return found | await find_other_languages(config, silent, disturbed=disturbed)


async def find_other_languages(
    config: ClusterConfig, silent: Iterable[NodeId], *, disturbed: bool = True
) -> dict[NodeId, str]:
    """The same for nodes that are known not to answer over our transport; takes a second."""
    hosts = _hosts(config.nodes, silent)
    found: dict[NodeId, str] = {}

    async def ask(language: str) -> None:
        answered = await _ask(_in_language(config, language, hosts), hosts)
        found.update(dict.fromkeys(answered, language))

    async with trio.open_nursery() as nursery:
        for language in _others(config) if hosts else ():
            if not disturbed and DATAGRAMS not in (language, *_ours(config)):
                continue
            nursery.start_soon(ask, language)
    return found


def _ours(config: ClusterConfig) -> tuple[object, ...]:
    return config.transport, config.transport_options.get("over")


def _others(config: ClusterConfig) -> list[str]:
    return [language for language in LANGUAGES if language not in _ours(config)]


def _hosts(addresses: Mapping[NodeId, str], nodes: Iterable[NodeId]) -> dict[NodeId, str]:
    """`host:port` of those nodes that have it in their address."""
    hosts: dict[NodeId, str] = {}
    for node in nodes:
        host = addresses[node].removeprefix(_ZEROMQ_SCHEME)
        try:
            split_host_port(host)
        except TransportError:
            continue
        hosts[node] = host
    return hosts


def _in_language(
    config: ClusterConfig, language: str, hosts: Mapping[NodeId, str]
) -> ClusterConfig:
    """The same cluster, as a configuration of `language` would describe it."""
    scheme = _ZEROMQ_SCHEME if language == "zeromq" else ""
    options = config.transport_options
    return replace(
        config,
        transport=language,
        nodes={node: f"{scheme}{host}" for node, host in hosts.items()},
        # Every transport has this option, and is silent without it.
        transport_options={name: options[name] for name in ("key_file",) if name in options},
        # Commands of a size that another transport does not take are none of its business.
        limits=Limits(),
    )


async def _ask(config: ClusterConfig, nodes: Iterable[NodeId]) -> list[NodeId]:
    """Return who of `nodes` answers over the transport of `config`."""
    answered: list[NodeId] = []

    async def ask_one(node: NodeId) -> None:
        if await client.status(node, ANSWER_SECONDS) is not None:
            answered.append(node)

    try:
        async with open_client(config) as client, trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(ask_one, node)
    except* Exception:
        # Not installed, addresses of two kinds, no certificate for a client, or whatever a
        # transport of somebody else's raises: a question is not worth a node.
        answered.clear()
    return answered
