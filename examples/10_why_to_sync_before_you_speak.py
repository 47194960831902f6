"""A vote is told when it is on the disk, and not before. Why? Tell it earlier once.

Run: python examples/10_why_to_sync_before_you_speak.py
"""

from __future__ import annotations

from paxos_core.testing import run_script
from paxos_core.testing.laboratory import Laboratory

STORY = """
# The disk of 2 is slow: it has taken the vote, and has not finished it.
> cluster 3
> campaign 1
> stabilize
> hold 2
> propose 1 blue
> deliver 1 -> 2 Accept

# The power fails at 2, and its vote is gone. So is node 1, after it took all that 2 said.
> crash 2
> tick 1 1
> crash 1
> restart 2

# 2 and 3 are a majority, and neither has ever heard of blue.
> campaign 3
> stabilize 2 3
> propose 3 red
> stabilize 2 3
"""

told = run_script(STORY)
print(told)
assert "2 -> 1 Accepted" not in told, "the core kept the vote back"
assert "3 decides slot 0: red" in told

# The rule can be left out of all nodes. The first light is red as soon as 1 campaigns: whoever
# does promises its own ballot first, and its Prepare tells of that. It is the vote of 2 that hurts.
hasty = STORY.replace("> cluster 3", "> cluster 3 without=sync-first")
hasty = hasty.replace("> crash 2\n", "> deliver 2 -> 1 Accepted\n> crash 2\n")
red = Laboratory.replay(hasty).red
print("the same, where nobody waits for the disk: 1 says Prepare before its own promise is on it,")
print("and 2 says that it voted before its vote is:")
for name, light in red.items():
    print(f"  {name}: {light.sentence}")
assert "one value per slot" in red
print("Lesson: what an acceptor said and then forgot is a vote that others count and nobody has.")
