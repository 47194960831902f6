"""The leader dies when one acceptor has its proposal. Is the value chosen? The next one finds out.

Run: python examples/08_leader_fails_after_one_vote.py
"""

from __future__ import annotations

from paxos_core.testing import run_script

STORY = """
> cluster 3
> campaign 1
> stabilize

# 1 votes for its own proposal, 2 gets it, 3 does not; and 1 dies. Two of three have
# voted, so the value is chosen, but nobody who lives knows that.
> propose 1 blue
> deliver 1 -> 2 Accept
> crash 1

# 3 becomes the leader with the promise of 2, which says what 2 voted for. 3 cannot
# tell whether blue was chosen. It must assume so, and proposes it again.
> campaign 3
> stabilize 2 3
> state 2 3

# Its own command comes in the next slot. When 1 is back it learns both.
> propose 3 red
> stabilize 2 3
> restart 1
> tick 3 5
> stabilize
> state
"""
told = run_script(STORY)
print(told)
assert "3 decides slot 0: blue" in told
assert "3 decides slot 1: red" in told
assert told.rstrip().endswith("log [blue red]")
print("Lesson: a new leader finishes what its predecessor may have chosen, before anything else.")
