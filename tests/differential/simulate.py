"""Simulated clusters of the core in a given library: ``python -m tests.differential.simulate``.

A process of its own, since a broken core may do anything to the one it is in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paxos_core.testing import Options, SimulationFailure, simulate
from transports.node.cli.simulate.cores import c_core
from transports.node.native.library import load_library


def main(library: Path, core: str, seeds: range) -> int:
    """1 if a seed fails, and then its failure on stdout."""
    make_core = c_core(load_library(str(library)))
    for seed in seeds:
        try:
            simulate(Options(seed, core=core), make_core=make_core)
        except SimulationFailure as failure:
            print(f"FAIL {failure}")
            return 1
    return 0


if __name__ == "__main__":
    library, core, first, end = sys.argv[1:]
    sys.exit(main(Path(library), core, range(int(first), int(end))))
