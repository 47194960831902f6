"""Which run: a seed, and what was taken out of it."""

from __future__ import annotations

from dataclasses import dataclass

from paxos_core.testing.cores import PYTHON


@dataclass(frozen=True, slots=True)
class Options:
    """Which run: a seed, and what was taken out of it."""

    seed: int
    without: frozenset[str] = frozenset()
    """Kinds of fault switched off."""
    drop: frozenset[int] = frozenset()
    """Indices of faults left out."""
    commands: int | None = None
    """Submissions of each round to keep, from the first; all if `None`."""
    nodes: int | None = None
    steps: int | None = None
    """Stop after so many steps, without the healed phase."""
    seconds: int | None = None
    """Go on, round after round of faults and healing, until so much simulated time has passed."""
    core: str = PYTHON
    """What decides in the nodes: one of `cores.CORES`."""
    default_timing: bool = False
    """Every node has the time-outs that a user gets without choosing, not the seed's."""
    own_limits: bool = False
    """Every node has limits of its own, others at each start, and not those of the seed."""
    damage: int = 0
    """Of a thousand frames that carry a value, so many have a bit of it changed on the way.

    No kind of fault, which a seed would draw: so every seed stays the run that it was.
    """

    def command(self) -> str:
        """The command that repeats this run."""
        parts = [f"paxos simulate --seed {self.seed}"]
        if self.core != PYTHON:
            parts.append(f"--core {self.core}")
        if self.default_timing:
            parts.append("--default-timing")
        if self.own_limits:
            parts.append("--own-limits")
        if self.damage:
            parts.append(f"--damage {self.damage}")
        if self.without:
            parts.append("--without " + ",".join(sorted(self.without)))
        if self.drop:
            parts.append("--drop " + ",".join(map(str, sorted(self.drop))))
        for name in ("seconds", "commands", "nodes", "steps"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"--{name} {value}")
        return " ".join(parts)
