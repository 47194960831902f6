"""Where a cluster's processes run: all on loopback, or each in a network namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transports.node.cli.lab.plan import INTERFACE, Plan, Station, entering, options
from transports.node.config.types import Scalar


@dataclass(frozen=True, slots=True)
class Place:
    """Loopback, or the laboratory of `plan`, whose namespaces veth pairs and a bridge join."""

    plan: Plan | None = None

    def _station(self, node: int | None) -> Station | None:
        if self.plan is None:
            return None
        return self.plan.client if node is None else self.plan.node(node)

    def entering(self, node: int | None) -> Sequence[str]:
        """The words before a command of a node's, or of the client's for None."""
        station = self._station(node)
        return entering(station.namespace) if station else ()

    def host(self, node: int | None) -> str:
        """The IPv4 address of a node, or of the client."""
        station = self._station(node)
        return station.ipv4 if station else "127.0.0.1"

    def mac(self, node: int | None) -> str:
        """The address of its interface; empty on loopback."""
        station = self._station(node)
        return station.mac if station else ""

    @property
    def interface(self) -> str:
        """What packet sockets are bound to there."""
        return INTERFACE if self.plan else "lo"

    def transport_options(self, transport: str) -> Mapping[str, Scalar]:
        """What the transport must be told there."""
        if self.plan is None:
            return {"interface": self.interface} if transport == "ethernet" else {}
        return options(transport)


LOOPBACK: Final = Place()
