"""Four acceptors, elections by three and decisions by two: only the two kinds have to meet.

Run: python examples/11_flexible_quorums.py
"""

from __future__ import annotations

from paxos_core import QuorumSystem
from paxos_core.testing import run_script

STORY = """
# Phase 1 takes three of four, phase 2 two of four. 3 + 2 > 4: any three have one of any two.
> cluster 4 phase1=3 phase2=2
> campaign 1
> stabilize

# Two are gone, and the leader goes on with one other: half is enough to decide.
> crash 3
> crash 4
> propose 1 blue
> stabilize 1 2

# But half is not enough to elect: 2 hears nothing from 1, and must wait for a third.
> crash 1
> campaign 2
> stabilize 2
> restart 3
> campaign 2
> stabilize 2 3
> restart 4
> campaign 2
> stabilize 2 3 4
> state
"""
told = run_script(STORY)
print(told)
assert "1 decides slot 0: blue" in told
assert told.count("2 leads in") == 1
assert "4 promised" not in told
try:
    QuorumSystem([1, 2, 3, 4], phase1=2, phase2=2)
    raise AssertionError("two and two may miss one another")
except ValueError as error:
    print(f"phase1=2 phase2=2: {error}")
print("Lesson: every phase 1 quorum must meet every phase 2 quorum, and no more than that.")
