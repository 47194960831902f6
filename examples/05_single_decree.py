"""One value, two phases: who proposes first asks what has been promised, then proposes.

Run: python examples/05_single_decree.py
"""

from __future__ import annotations

from paxos_core.testing import run_script

STORY = """
# Phase 1. Node 1 asks for a promise: vote for nothing below ballot 1.1 any more.
# Everybody writes the promise down before saying it, and says what it voted for.
> cluster 3
> campaign 1
> deliver 1 -> 2 Prepare
> deliver 2 -> 1 Promise

# Two of three have promised, 1 itself being one. Phase 2: it may propose a value.
> propose 1 blue
> deliver 1 -> 2 Accept

# 2 has voted, and 1 has. When 1 hears of it the value is chosen, and nothing will
# ever change that, though 3 has not heard a word yet.
> deliver 2 -> 1 Accepted

# All that was on its way arrives; and a heartbeat says how far the log is chosen.
> stabilize
> tick 1 5
> stabilize
> state
"""
told = run_script(STORY)
print(told)
assert "1 decides slot 0: blue" in told
assert "3 decides slot 0: blue" in told
print("Lesson: a majority that voted in one ballot is a choice; to hear of it is only learning.")
