"""A player without a plan, who does whatever can be done."""

from __future__ import annotations

from contextlib import suppress

from paxos_core.testing.chance import Chance, stream
from paxos_core.testing.laboratory import Laboratory, Setup
from paxos_core.testing.script_node import ScriptError

COMMANDS = ("blue", "red", "green", "amber", "violet")


def wander(setup: Setup, seed: int, actions: int) -> Laboratory:
    """A run of `actions` actions drawn from `seed`."""
    run = Laboratory(setup)
    chance = stream(seed, 7)
    while len(run.actions) < actions:
        # What cannot be done leaves everything as it was.
        with suppress(ScriptError):
            run.act(draw(run, chance))
    return run


def draw(run: Laboratory, chance: Chance) -> str:
    """Something that may be worth trying."""
    frames = run.cluster.frames
    node = 1 + chance.below(run.setup.nodes)
    other = 1 + chance.below(run.setup.nodes)
    throw = chance.below(100)
    state = run.cluster.nodes[node]
    if frames and throw < 62:
        verb = "deliver" if throw < 50 else "copy" if throw < 53 else "drop"
        return f"{verb} {run.pick(chance.below(len(frames)))}"
    if state.replica is None:
        return f"restart {node}"
    if state.leads and throw < 80:
        return f"propose {node} {chance.choice(COMMANDS)}{len(run.actions)}"
    if throw < 84:
        return f"campaign {node}"
    if throw < 89:
        return f"sync {node}" if state.holding else f"hold {node}"
    if throw < 92:
        return f"crash {node}"
    if throw < 96:
        return f"tick {node} {1 + chance.below(10)}"
    if throw < 97:
        return f"compact {node}"
    cut = frozenset({node, other}) in run.cluster.cut_cables
    return f"heal {node} {other}" if cut else f"cut {node} {other}"
