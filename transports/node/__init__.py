"""A running replica and its client: one core, one transport, one store.

`open_node` runs a node inside a program of one's own, `open_client` talks to
the cluster, `load_config` reads the TOML file that both share. The command line
`paxos` is made of the same parts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from paxos_core.client import (
        ClientError,
        ClusterUnreachable,
        CommandTooLarge,
        OutcomeUnknown,
        Overloaded,
        ResultTooLarge,
    )
    from paxos_core.service import StateMachine
    from transports.node.client import Client, open_client
    from transports.node.config import ClusterConfig, ConfigError, load_config, parse_config
    from transports.node.logs import configure_logging
    from transports.node.metrics import MetricsError, open_metrics
    from transports.node.node import LeaderGained, LeaderLost, Node, NodeFailed, open_node
    from transports.node.questions import NodeSilent
    from transports.node.store.api import StoreError, StoreIdentity
    from transports.node.store.log_create import create_store

_HOMES: Final = {
    "Client": "transports.node.client",
    "ClientError": "paxos_core.client",
    "ClusterConfig": "transports.node.config",
    "ClusterUnreachable": "paxos_core.client",
    "CommandTooLarge": "paxos_core.client",
    "ConfigError": "transports.node.config",
    "LeaderGained": "transports.node.node",
    "LeaderLost": "transports.node.node",
    "MetricsError": "transports.node.metrics",
    "Node": "transports.node.node",
    "NodeFailed": "transports.node.node",
    "NodeSilent": "transports.node.questions",
    "OutcomeUnknown": "paxos_core.client",
    "Overloaded": "paxos_core.client",
    "ResultTooLarge": "paxos_core.client",
    "StateMachine": "paxos_core.service",
    "StoreError": "transports.node.store.api",
    "StoreIdentity": "transports.node.store.api",
    "configure_logging": "transports.node.logs",
    "create_store": "transports.node.store.log_create",
    "load_config": "transports.node.config",
    "open_client": "transports.node.client",
    "open_metrics": "transports.node.metrics",
    "open_node": "transports.node.node",
    "parse_config": "transports.node.config",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Loaded when first asked for: trio takes 100 ms, which `paxos --help` need not wait for.
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found


__all__ = [
    "Client",
    "ClientError",
    "ClusterConfig",
    "ClusterUnreachable",
    "CommandTooLarge",
    "ConfigError",
    "LeaderGained",
    "LeaderLost",
    "MetricsError",
    "Node",
    "NodeFailed",
    "NodeSilent",
    "OutcomeUnknown",
    "Overloaded",
    "ResultTooLarge",
    "StateMachine",
    "StoreError",
    "StoreIdentity",
    "configure_logging",
    "create_store",
    "load_config",
    "open_client",
    "open_metrics",
    "open_node",
    "parse_config",
]
