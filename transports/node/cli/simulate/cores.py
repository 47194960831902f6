"""The cores that a simulated node may run beside Python's."""

from __future__ import annotations

import ctypes

from paxos_core import DurableState, ReplicaConfig
from paxos_core.testing.cores import PYTHON, MakeCore
from transports.node.cores import load_c_core
from transports.node.native.library import LibraryChannel
from transports.node.native.replica import NativeReplica


def make_of(core: str) -> MakeCore | None:
    """What makes the foreign nodes of `core`; `None` if there are none. Raises `ConfigError`."""
    return None if core == PYTHON else c_core(load_c_core())


def c_core(library: ctypes.CDLL) -> MakeCore:
    """The core in `library`, behind the same adapter as in a real node, and durable."""

    def make(config: ReplicaConfig, cluster: int, state: DurableState) -> NativeReplica:
        channel = LibraryChannel(library, config, cluster, state, durable=True)
        return NativeReplica(config, channel, state)

    return make
