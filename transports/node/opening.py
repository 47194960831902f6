"""Opens the transport that a configuration names, for a node or a client."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from transports.api import NodeId, Transport
from transports.node.config import ClusterConfig
from transports.sealed import open_transport

PATH_OPTIONS = frozenset({"key_file", "tls_certificate", "tls_key", "tls_authority", "curve_keys"})


def open_endpoint(
    config: ClusterConfig, endpoint: NodeId
) -> AbstractAsyncContextManager[Transport]:
    """The transport of `config`, open as `endpoint`, sealed if the options name a `key_file`.

    Options that are paths are relative to the configuration, as `data` is. Raises
    `TransportError` when it is entered.
    """
    options = {
        name: str(config.base / value)
        if name in PATH_OPTIONS and isinstance(value, str) and value
        else value
        for name, value in config.transport_options.items()
    }
    return open_transport(config.transport, endpoint, config.nodes, options)
