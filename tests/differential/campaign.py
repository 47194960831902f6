"""Many seeds: whole clusters in the simulator, and single pairs against the adversary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .clusters import shadow
from .moves import attack
from .pair import MakeSide, Pair
from .twin import Twin

CLUSTERS, PAIRS = "clusters", "pairs"
KINDS = (CLUSTERS, PAIRS)
PAIRS_PER_CLUSTER = 8
_RUNS = {CLUSTERS: shadow, PAIRS: attack}


def run_one(kind: str, seed: int, make: MakeSide = Twin) -> None:
    """One seed of one kind. Raises `Difference`."""
    _RUNS[kind](seed, make)


def runs(seed: int, kinds: Iterable[str] = KINDS) -> Iterator[tuple[str, int]]:
    """What one seed stands for: a cluster, and as much work again as single pairs."""
    for kind in kinds:
        for part in range(1 if kind == CLUSTERS else PAIRS_PER_CLUSTER):
            yield kind, seed if kind == CLUSTERS else PAIRS_PER_CLUSTER * seed + part


def campaign(steps: int, first_seed: int = 0, make: MakeSide = Twin) -> int:
    """Seeds from `first_seed` on until `steps` steps are compared; how many were.

    Raises `Difference`.
    """
    before = Pair.compared
    seed = first_seed
    while Pair.compared - before < steps:
        for kind, part in runs(seed):
            run_one(kind, part, make)
        seed += 1
    return Pair.compared - before
