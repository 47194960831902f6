"""Two proposers who outbid one another for ever: safe all the time, and nothing is chosen.

Run: python examples/06_duelling_proposers.py
"""

from __future__ import annotations

from paxos_core.testing import run_script

DUEL = """
# 1 has its promises. Before it proposes, 3 asks 2 for a promise in a higher ballot.
> cluster 3
> campaign 1
> deliver 1 -> 2 Prepare
> deliver 2 -> 1 Promise
> campaign 3
> deliver 3 -> 2 Prepare
> deliver 2 -> 3 Promise

# 2 has promised 3: the proposal of 1 comes too late, and is refused.
> propose 1 red
> deliver 1 -> 2 Accept
> deliver 2 -> 1 Nack

# 1 bids higher, so the proposal of 3 comes too late as well. And so on.
> campaign 1
> deliver 1 -> 2 Prepare
> propose 3 blue
> deliver 3 -> 2 Accept
"""
PEACE = """
# It ends when one of them waits. Then 1 gets through.
> deliver 2 -> 1 Promise
> propose 1 red
> stabilize
> state
"""
duel = run_script(DUEL)
assert "decides" not in duel, "as long as they duel"
told = run_script(DUEL + PEACE)
print(told)
assert "1 decides slot 0: red" in told
print("Lesson: ballots keep it safe, but only one proposer at a time makes it go on: a leader.")
