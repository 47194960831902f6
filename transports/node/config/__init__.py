"""The cluster's configuration: one TOML file, the same for every node and client.

Everything is checked before anything starts. A mistake is a `ConfigError` of
exactly one line: the file, the line where it can be found, the key, what is
wrong, and the cure. `docs/configuration.md` lists every key.
"""

from transports.node.config.load import check_frame, load_config, parse_config
from transports.node.config.text import to_toml
from transports.node.config.types import (
    ClusterConfig,
    ConfigError,
    CoreKind,
    LogConfig,
    LogFormat,
    LogLevel,
    QuorumSizes,
    Scalar,
    StoreKind,
)

__all__ = [
    "ClusterConfig",
    "ConfigError",
    "CoreKind",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "QuorumSizes",
    "Scalar",
    "StoreKind",
    "check_frame",
    "load_config",
    "parse_config",
    "to_toml",
]
