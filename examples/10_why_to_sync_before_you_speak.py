"""A vote is told when it is on the disk, and not before. Why? Tell it earlier once.

Run: python examples/10_why_to_sync_before_you_speak.py
"""

from __future__ import annotations

from paxos_core.testing import run_script, script
from paxos_core.testing.script import ScriptError
from paxos_core.testing.script_cluster import ScriptCluster

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
> state
"""


class Hasty(ScriptCluster):
    """Nodes that tell the core "it is written" while the disk is still at it."""

    def _pump(self, node: int) -> None:
        super()._pump(node)
        replica = self._nodes[node].replica
        for write_id, _records, _checkpoint in self._nodes[node].held:
            if replica is not None:
                replica.persisted(write_id)
        if self._nodes[node].held and replica is not None:
            super()._pump(node)


told = run_script(STORY)
print(told)
assert "2 -> 1 Accepted" not in told, "the core kept the vote back"
assert "3 decides slot 0: red" in told

script.ScriptCluster = Hasty  # type: ignore[misc]
failure = ""
try:
    run_script(STORY.replace("> crash 2\n", "> deliver 2 -> 1 Accepted\n> crash 2\n"))
except ScriptError as error:
    failure = str(error)
finally:
    script.ScriptCluster = ScriptCluster  # type: ignore[misc]
print("the same, where 2 says that it voted before its disk has finished:")
print(f"  {failure}")
assert "decides another value for slot 0: red" in failure
print("Lesson: what an acceptor said and then forgot is a vote that others count and nobody has.")
