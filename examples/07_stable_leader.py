"""Many values, one phase 1: a leader asks once for all slots, then each value costs a round trip.

Run: python examples/07_stable_leader.py
"""

from __future__ import annotations

from paxos_core.testing import run_script

COMMANDS = ("x=1", "x=2", "x=3", "x=4")
ELECTION = "> cluster 3\n> campaign 1\n> stabilize\n"
story = ELECTION + "\n# It leads. From here on nobody prepares anything.\n"
for command in COMMANDS:
    story += f"> propose 1 {command}\n> stabilize\n"
told = run_script(story)
print(told)


def count(kind: str) -> int:
    return sum(f"-> {to} {kind} " in line for line in told.splitlines() for to in (1, 2, 3))


print(f"Prepare {count('Prepare')}, Promise {count('Promise')}: for the whole log")
print(f"Accept {count('Accept')}, Accepted {count('Accepted')}: for {len(COMMANDS)} commands")
assert count("Prepare") == 2
assert count("Accept") == 2 * len(COMMANDS)
assert told.count("1 decides") == len(COMMANDS)
print("Lesson: with a stable leader phase 1 costs nothing, and a decision is one round trip.")
