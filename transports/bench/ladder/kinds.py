"""Who opens which stand: one line for each rung and each peer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from transports.bench.ladder.gather import GatherKind
from transports.bench.ladder.layers import LAYERS, why_not
from transports.bench.ladder.memory import MemoryKind
from transports.bench.ladder.paxos import PaxosKind
from transports.bench.ladder.plain import PlainKind
from transports.bench.ladder.plain_c import VARIANT, PlainCKind
from transports.bench.ladder.stands import StandKind
from transports.bench.peers.etcd import EtcdKind
from transports.bench.peers.pysyncobj import PySyncObjKind
from transports.bench.saved.schema import Rung, Stand

RUNG_KINDS: Final[Mapping[Rung, StandKind]] = {
    "echo": PlainKind("echo", "client"),
    "hops": PlainKind("follower", "leader", "client"),
    "quorum": GatherKind(),
    "paxos": PaxosKind(),
    "durable": PaxosKind(),
}
"""Of the layers that join processes."""

MEMORY_KINDS: Final[Mapping[Rung, StandKind]] = {
    "echo": GatherKind(),
    "quorum": GatherKind(),
    "paxos": MemoryKind(),
    "durable": MemoryKind(),
}
"""Of the layer that is one process."""

PEER_KINDS: Final[Mapping[str, StandKind]] = {
    "etcd": EtcdKind(),
    "pysyncobj": PySyncObjKind(),
}
"""By what a cell calls its layer."""


def kind_of(stand: Stand) -> StandKind | None:
    """Who opens `stand`; None if nobody can."""
    if stand.layer in PEER_KINDS:
        return PEER_KINDS[stand.layer]
    if stand.variant == VARIANT:
        return PlainCKind()
    one_process = LAYERS[stand.layer].one_process
    return (MEMORY_KINDS if one_process else RUNG_KINDS).get(stand.rung)


def why_no_layer(name: str) -> str:
    """Why nothing of a layer can be measured here, with the cure; empty if something can."""
    layer = LAYERS.get(name)
    return why_not(layer) if layer is not None else ""


def why_unavailable(stand: Stand) -> str:
    """Why `stand` cannot be put up, though its layer is there; empty if it can."""
    kind = kind_of(stand)
    if kind is None:
        return f"nothing measures the rung {stand.rung} of {stand.layer}"
    return kind.unavailable(stand)
