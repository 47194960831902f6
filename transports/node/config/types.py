"""A configuration that has been read: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from paxos_core.config import Limits, Timing

Scalar = str | int | float | bool
StoreKind = Literal["durable", "memory"]
CoreKind = Literal["python", "c"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line with place, cause and cure."""


class QuorumSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many nodes a phase needs; every phase 1 quorum meets every phase 2 quorum."""

    phase1: int
    phase2: int


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node says of itself, and how."""

    level: LogLevel = "info"
    format: LogFormat = "text"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A whole configuration. `parse_config` checks one; the constructor only holds it."""

    nodes: Mapping[int, str]
    """Node id -> its address, in the transport's own notation; ascending."""
    base: Path = Path()
    """The directory that `data` is relative to: the file's own."""
    cluster: str = "paxos"
    transport: str = "tcp"
    store: StoreKind = "durable"
    data: str = "data"
    transport_options: Mapping[str, Scalar] = field(default_factory=dict)
    quorum: QuorumSizes | None = None
    """None for majorities in both phases."""
    tick_ms: int = 20
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)
    log: LogConfig = field(default_factory=LogConfig)
    core: CoreKind = "python"
    """What a node's core is made of, unless it is in the kernel."""

    def __post_init__(self) -> None:
        nodes = MappingProxyType(dict(sorted(self.nodes.items())))
        object.__setattr__(self, "nodes", nodes)
        options = MappingProxyType(dict(self.transport_options))
        object.__setattr__(self, "transport_options", options)

    @property
    def cluster_id(self) -> int:
        """The cluster's number on the wire and in a store: 64 bits of a hash of its name."""
        return int.from_bytes(blake2b(self.cluster.encode(), digest_size=8).digest(), "big")

    @property
    def kernel_replica(self) -> bool:
        """Whether nodes have their core in the kernel."""
        return self.transport == "kmod" and self.transport_options.get("mode") == "replica"

    @property
    def phase1(self) -> int:
        """Promises that a phase 1 needs."""
        return self.quorum.phase1 if self.quorum else len(self.nodes) // 2 + 1

    @property
    def phase2(self) -> int:
        """Votes that choose a value."""
        return self.quorum.phase2 if self.quorum else len(self.nodes) // 2 + 1

    @property
    def data_path(self) -> Path:
        """Where the stores of all nodes of this machine lie."""
        return self.base / self.data

    def store_path(self, node: int) -> Path:
        """Where the store of `node` lies."""
        return self.data_path / f"node-{node}"
