"""A deterministic simulator of a whole cluster, its invariants, and scripted clusters.

``simulate(Options(seed=7))`` runs one seed and raises `SimulationFailure` if an
invariant breaks; ``paxos simulate --seeds 0:2000`` runs many.
"""

from paxos_core.testing.failure import SimulationFailure, Violation
from paxos_core.testing.minimise import minimise
from paxos_core.testing.options import Options
from paxos_core.testing.script import run_script, trace_script
from paxos_core.testing.simulator import Simulation, simulate
from paxos_core.testing.tracing import trace_seed

__all__ = [
    "Options",
    "Simulation",
    "SimulationFailure",
    "Violation",
    "minimise",
    "run_script",
    "simulate",
    "trace_script",
    "trace_seed",
]
