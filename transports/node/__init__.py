"""A running replica and its client: one core, one transport, one store.

`open_node` runs a node inside a program of one's own, `open_client` talks to
the cluster, `load_config` reads the TOML file that both share. The command line
`paxos` is made of the same parts.
"""

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
from transports.node.log_create import create_store
from transports.node.node import LeaderGained, LeaderLost, Node, NodeFailed, open_node
from transports.node.store import StoreError, StoreIdentity

__all__ = [
    "Client",
    "ClientError",
    "ClusterConfig",
    "ClusterUnreachable",
    "CommandTooLarge",
    "ConfigError",
    "LeaderGained",
    "LeaderLost",
    "Node",
    "NodeFailed",
    "OutcomeUnknown",
    "Overloaded",
    "ResultTooLarge",
    "StateMachine",
    "StoreError",
    "StoreIdentity",
    "create_store",
    "load_config",
    "open_client",
    "open_node",
    "parse_config",
]
