"""What is in a laboratory: its stations, their names, and their addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transports.node.config import Scalar

PREFIX: Final = "paxos-"
HUB: Final = "hub"
CLIENT: Final = "client"
BRIDGE: Final = "br0"
INTERFACE: Final = "eth0"
PORT: Final = 7100
RAW: Final = ("ethernet", "kmod")
"""Transports without IP."""
NODES_MAX: Final = 15
MTU_MIN, MTU_MAX, MTU_DEFAULT = 576, 65_535, 1_500
IPV6_MTU_MIN: Final = 1_280
_CLIENT_NUMBER: Final = 100

_NAMESPACE: Final = re.compile(rf"{PREFIX}([1-9][0-9]{{0,9}})-({HUB}|{CLIENT}|n[1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Station:
    """One end of a cable: a node's, or the client's."""

    laboratory: int
    name: str
    """As people write it, and that of the bridge's port: `n1`, or `client`."""
    number: int

    @property
    def namespace(self) -> str:
        """The name of its network namespace."""
        return namespace_of(self.laboratory, self.name)

    @property
    def mac(self) -> str:
        """That of its interface: locally administered, P A X in ASCII, and the number."""
        return f"02:50:41:58:00:{self.number:02x}"

    @property
    def ipv4(self) -> str:
        """Its address, in a network that exists in the laboratory only."""
        return f"10.80.0.{self.number}"

    @property
    def ipv6(self) -> str:
        """Likewise."""
        return f"fd50:4158::{self.number:x}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A laboratory."""

    laboratory: int
    """Its number: the id of the process that makes it."""
    nodes: tuple[int, ...]
    mtu_bytes: int = MTU_DEFAULT
    ipv6: bool = False
    """Whether nodes use their IPv6 addresses, and so must have them."""

    @property
    def hub(self) -> str:
        """The namespace that holds the bridge, and nothing else."""
        return namespace_of(self.laboratory, HUB)

    @property
    def client(self) -> Station:
        """Where clients are."""
        return Station(self.laboratory, CLIENT, _CLIENT_NUMBER)

    def node(self, node: int) -> Station:
        """Where `node` is."""
        return Station(self.laboratory, f"n{node}", node)

    @property
    def stations(self) -> tuple[Station, ...]:
        """The nodes', then the client's."""
        return (*map(self.node, self.nodes), self.client)


def namespace_of(laboratory: int, name: str) -> str:
    """The namespace of a station or of the hub."""
    return f"{PREFIX}{laboratory}-{name}"


def read_namespace(namespace: str) -> tuple[int, str] | None:
    """(laboratory, name), or None if the namespace is none of ours."""
    found = _NAMESPACE.fullmatch(namespace)
    return (int(found[1]), found[2]) if found else None


def addresses(plan: Plan, transport: str) -> dict[int, str]:
    """Node -> address, in the notation of `transport`; `host:port` for one not known here."""
    stations = {node: plan.node(node) for node in plan.nodes}
    if transport in RAW:
        return {node: station.mac for node, station in stations.items()}
    scheme = "tcp://" if transport == "zeromq" else ""
    hosts = {
        node: f"[{station.ipv6}]" if plan.ipv6 else station.ipv4
        for node, station in stations.items()
    }
    return {node: f"{scheme}{host}:{PORT}" for node, host in hosts.items()}


def options(transport: str) -> Mapping[str, Scalar]:
    """What `transport` must be told in a laboratory."""
    return {"interface": INTERFACE} if transport in RAW else {}


def entering(namespace: str) -> tuple[str, ...]:
    """The words before a command that shall run in a namespace."""
    return ("ip", "netns", "exec", namespace)
