"""A promise names the last vote, and the new leader must propose that value. Why? Leave it out.

Run: python examples/09_why_a_promise_carries_a_value.py
"""

from __future__ import annotations

from paxos_core.proposer import Proposer
from paxos_core.testing import run_script
from paxos_core.testing.script import ScriptError

STORY = """
# Blue is chosen: 1 and 2 have voted for it, and 1 has heard of both.
> cluster 3
> campaign 1
> stabilize
> propose 1 blue
> deliver 1 -> 2 Accept
> deliver 2 -> 1 Accepted
> crash 1

# 3 has heard nothing of it. It leads with the promise of 2, and wants red.
> campaign 3
> stabilize 2 3
> propose 3 red
> stabilize 2 3
"""
told = run_script(STORY)
print(told)
assert "2 decides slot 0: blue" in told

rule = Proposer._merge
Proposer._merge = lambda self, votes: None  # type: ignore[method-assign]
failure = ""
try:
    run_script(STORY)
except ScriptError as error:
    failure = str(error)
finally:
    Proposer._merge = rule  # type: ignore[method-assign]
print("the same, where a leader does not look at the votes that promises carry:")
print(f"  {failure}")
assert "decides another value for slot 0: red" in failure
print("Lesson: what may have been chosen is proposed again. One rule, and two values without it.")
