"""One lie, one seed: does it break agreement, or keep the others from deciding?"""

from __future__ import annotations

from dataclasses import dataclass, field

from paxos_core.testing.lies.cluster import TICK_UNITS, Disagreement, LyingCluster
from paxos_core.testing.lies.kinds import LIES

COMMANDS = 16
CUT_TICKS = 120
LYING_TICKS = 160
SILENT_TICKS = 200


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    disagreement: str = ""
    decided_while_lying: bool = False
    """Every command given to the honest ones was decided by all of them while the lie lasted."""
    decided_after: bool = False
    """At the latest some time after the liar fell silent."""
    stopped: list[str] = field(default_factory=list)
    """Why honest replicas stopped."""
    told: list[str] = field(default_factory=list)
    """The liar's lies until then, as text."""
    lies: int = 0
    """How many frames were lies, or would have been."""


def run(kind: str, seed: int, size: int = 3, allowed: frozenset[int] | None = None) -> Outcome:
    """The cluster of `seed` with a liar that lies in the way of `kind`.

    `allowed` numbers the lies that it may tell, from 0; for all others it tells the truth.
    """
    cluster = LyingCluster(LIES[kind](), seed, size)
    cluster.allowed = allowed
    outcome = Outcome(told=cluster.told)
    client = _Client(cluster)
    try:
        client.wait(CUT_TICKS)
        cluster.cuts = False
        outcome.decided_while_lying = client.wait(LYING_TICKS)
        cluster.lying = False
        outcome.decided_after = outcome.decided_while_lying or client.wait(SILENT_TICKS)
    except Disagreement as error:
        outcome.disagreement = str(error)
    outcome.lies = cluster.asked
    outcome.stopped = [member.stopped for member in cluster.honest if member.stopped]
    return outcome


def smallest(kind: str, seed: int, size: int = 3) -> Outcome | None:
    """The run of `seed` with as few lies as still break agreement; None if it does not break.

    Greedy: leave out halves, quarters and single lies as long as the others disagree.
    """
    best = run(kind, seed, size)
    if not best.disagreement:
        return None
    kept = list(range(best.lies))
    step = len(kept)
    while step:
        for start in range(0, len(kept), step):
            fewer = kept[:start] + kept[start + step :]
            shorter = run(kind, seed, size, frozenset(fewer))
            if shorter.disagreement:
                best = shorter
                kept = [number for number in fewer if number < shorter.lies]
                break
        else:
            step //= 2
    return best


class _Client:
    """Gives commands to whichever honest replica leads, again until they are decided."""

    def __init__(self, cluster: LyingCluster) -> None:
        self._cluster = cluster
        self._wanted = [b"c%d" % number for number in range(COMMANDS)]
        self._asked: dict[bytes, int] = {}
        self._next_new = 0

    def wait(self, ticks: int) -> bool:
        """Whether all is decided within so many ticks. Raises `Disagreement`."""
        cluster = self._cluster
        end = cluster.now + ticks * TICK_UNITS
        next_try = cluster.now
        while cluster.now < end:
            cluster.step()
            if cluster.now < next_try:
                continue
            next_try = cluster.now + 2 * TICK_UNITS
            if self._all_decided():
                return True
            self._ask()
        return False

    def _all_decided(self) -> bool:
        wanted = set(self._wanted)
        return all(wanted <= set(m.commands) for m in self._cluster.honest)

    def _ask(self) -> None:
        cluster = self._cluster
        known = {command for member in cluster.honest for command in member.commands}
        for command in self._wanted:
            late = cluster.now - self._asked.get(command, -(10**9)) > 12 * TICK_UNITS
            # A few at a time, so that the lie has slots to lie about all along.
            if command in known or not late:
                continue
            if command not in self._asked and cluster.now < self._next_new:
                return
            if cluster.propose(command):
                self._next_new = cluster.now + 8 * TICK_UNITS
                self._asked[command] = cluster.now
            return
