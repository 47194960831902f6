"""Proof that the C twin (kmod/core) does what paxos_core does: see docs/differential.md."""
