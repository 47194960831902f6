"""Opens a node's core and the way to its peers: Python, the C twin, or a replica in the kernel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paxos_core import Codec, DurableState, Replica, ReplicaConfig
from paxos_core.raw_codec import RawCodec
from paxos_core.replicated_log import ReplicatedLog
from transports.api import Transport
from transports.node.config import ClusterConfig, ConfigError, check_frame
from transports.node.membership import replica_config
from transports.node.opening import open_endpoint

if TYPE_CHECKING:
    import ctypes


@dataclass(frozen=True, slots=True)
class Core:
    """One member's core, and what goes with it."""

    name: str
    """`python`, `c` or `kernel`."""
    replica: ReplicatedLog
    transport: Transport
    codec: Codec
    dropped: Callable[[], Mapping[str, int]] = dict
    """Frames that the core itself refused, by cause."""


@asynccontextmanager
async def open_core(
    config: ClusterConfig, node: int, state: DurableState, *, voting: bool, durable: bool
) -> AsyncIterator[Core]:
    """The core that `config` names, continuing from `state`, while the context lasts.

    Raises `ConfigError` and `TransportError`.
    """
    if config.kernel_replica:
        from transports.node.native.kernel import open_kernel_replica

        async with open_kernel_replica(config, node, state, voting, durable) as (replica, endpoint):
            check_frame(config, endpoint.frame_bytes_max)
            yield Core("kernel", replica, endpoint, RawCodec(config.cluster_id, node))
        return
    if config.core == "c":
        load_c_core()
    async with open_endpoint(config, node) as transport:
        check_frame(config, transport.frame_bytes_max)
        own = replica_config(config, node, transport.frame_bytes_max, voting)
        if config.core == "c":
            yield _make_c_core(config, own, state, transport, durable)
        else:
            codec = Codec(config.cluster_id, node)
            yield Core("python", Replica(own, state), transport, codec)


def load_c_core() -> ctypes.CDLL:
    """The C twin, built if need be. Raises `ConfigError`."""
    from transports.node.native.build import BuildFailed, library_path
    from transports.node.native.library import load_library

    try:
        path = library_path()
        return load_library(str(path))
    except BuildFailed as error:
        raise ConfigError(str(error)) from error
    except (OSError, AttributeError) as error:
        raise ConfigError(
            f"{path}: the C core cannot be loaded ({error}); remove the file, to build it again"
        ) from error


def _make_c_core(
    config: ClusterConfig,
    own: ReplicaConfig,
    state: DurableState,
    transport: Transport,
    durable: bool,
) -> Core:
    from transports.node.native.library import CoreRefused, LibraryChannel
    from transports.node.native.replica import NativeReplica

    cluster = config.cluster_id
    try:
        channel = LibraryChannel(load_c_core(), own, cluster, state, durable=durable)
    except CoreRefused as error:
        raise ConfigError(str(error)) from error
    replica = NativeReplica(own, channel, state)
    return Core("c", replica, transport, RawCodec(cluster, own.node), lambda: channel.dropped)
