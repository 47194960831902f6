"""What a cluster's configuration says to one member's core."""

from __future__ import annotations

from hashlib import blake2b

from paxos_core import QuorumSystem, ReplicaConfig
from transports.node.config import ClusterConfig


def seed_of(config: ClusterConfig, node: int) -> int:
    """Where the election jitter of `node` starts; each member's is another."""
    digest = blake2b(f"{config.cluster_id} {node}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def replica_config(
    config: ClusterConfig, node: int, frame_bytes_max: int, voting: bool
) -> ReplicaConfig:
    """What `node` is told, with frames of this size."""
    return ReplicaConfig(
        node,
        QuorumSystem(config.nodes, config.phase1, config.phase2),
        frame_bytes_max=frame_bytes_max,
        seed=seed_of(config, node),
        voting=voting,
        timing=config.timing,
        limits=config.limits,
    )
