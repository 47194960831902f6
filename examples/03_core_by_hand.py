"""The core driven by hand: lists are the network, lists are the disks, a loop is the clock.

Run: python examples/03_core_by_hand.py
"""

from __future__ import annotations

from paxos_core import QuorumSystem, Ready, Replica, ReplicaConfig
from paxos_core.durable import Record
from paxos_core.messages import Message

quorums = QuorumSystem([1, 2, 3])
replicas = {n: Replica(ReplicaConfig(n, quorums, seed=n)) for n in quorums.members}
network: list[tuple[int, int, Message]] = []
disks: dict[int, list[Record]] = {n: [] for n in replicas}


def send(node: int, ready: Ready) -> None:
    """What `messages` holds may leave now: it never waits for the write."""
    network.extend((node, to, message) for to, message in ready.messages)


def write(node: int, ready: Ready) -> None:
    if ready.records:
        disks[node] += ready.records  # A real driver writes all of them, with one sync, here.
        replicas[node].persisted(ready.write_id)


def turn(node: int) -> None:
    """One turn of the driver's loop: take, send, write; again for what the write set free."""
    while ready := replicas[node].take():
        send(node, ready)
        write(node, ready)


def deliver() -> None:
    while network:
        sender, to, message = network.pop(0)
        replicas[to].receive(sender, message)
        turn(to)


def show(what: str, ready: Ready) -> None:
    messages = ", ".join(type(message).__name__ for _, message in ready.messages)
    records = ", ".join(type(record).__name__ for record in ready.records)
    commands = [command for entry in ready.decided for command in entry.commands]
    print(f"{what:22} messages [{messages}]  records [{records}]  decided {commands}")


while not any(replica.leader == node for node, replica in replicas.items()):
    for node in replicas:
        replicas[node].tick()
        turn(node)
    deliver()
leader = next(node for node in replicas if replicas[node].leader == node)
follower = next(node for node in replicas if node != leader)
print(f"node {leader} leads, elected by messages in a list")

replicas[leader].propose(b"x=1")
proposed = replicas[leader].take()
show("leader proposes", proposed)
replicas[follower].receive(leader, dict(proposed.messages)[follower])
voted = replicas[follower].take()
show("follower votes", voted)
assert not voted.messages, "the gate: a vote that is not on record is not told"
write(follower, voted)
told = replicas[follower].take()
show("follower has written", told)
replicas[leader].receive(follower, dict(told.messages)[leader])
waiting = replicas[leader].take()
show("leader hears of it", waiting)
assert not waiting.decided, "one vote is no majority: the leader's own is not on record yet"
write(leader, proposed)
chosen = replicas[leader].take()
show("leader has written", chosen)
assert [entry.commands for entry in chosen.decided] == [[b"x=1"]]
print("Lesson: take, send, write, say so. What depends on a write waits inside the core.")
