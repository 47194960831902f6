"""The leader dies when it has carried a command out and not said so. Is it carried out again?

Run: python examples/12_exactly_once_over_a_failover.py
"""

from __future__ import annotations

from paxos_core import Client, ClientConfig, QuorumSystem, Replica, ReplicaConfig, Service
from paxos_core.messages import Message, Reply, Request


class Purse:
    """Takes money, and says how much there is: to carry it out twice would show."""

    payments = b""

    def apply(self, command: bytes) -> bytes:
        """The sum so far."""
        self.payments += command + b" "
        return b"%d" % sum(map(int, self.payments.split()))

    def snapshot(self) -> bytes:
        """All payments."""
        return self.payments

    def restore(self, snapshot: bytes) -> None:
        """Those of `snapshot`."""
        self.payments = snapshot


CLIENT = 70_000
quorums = QuorumSystem([1, 2, 3])
purses = {n: Purse() for n in quorums.members}
services = {n: Service(Replica(ReplicaConfig(n, quorums, seed=n)), purses[n]) for n in purses}
client = Client(ClientConfig(CLIENT, tuple(purses)))
results: list[object] = []
asked: set[tuple[int, int]] = set()  # (node, the command's number)


def carry(sender: int, to: int, message: Message) -> None:
    """The network. It ends the node that is the first to answer, and its answer with it."""
    if isinstance(message, Request):
        asked.add((to, message.first))
    if isinstance(message, Reply) and len(services) == len(purses):
        print(f"node {sender} has taken 100, and dies before its answer leaves")
        del services[sender]
    elif to == CLIENT:
        client.receive(sender, message)
    elif to in services:
        services[to].receive(sender, message)


def pass_time() -> None:
    """One tick for all, then everything that follows from it. Disks need no time here."""
    client.tick()
    for service in services.values():
        service.tick()
    while True:
        asks = client.take()
        results.extend(outcome for done in asks.completions for outcome in done.outcomes)
        on_its_way = [(CLIENT, *sent) for sent in asks.messages]
        for node, service in services.items():
            while ready := service.take():
                on_its_way += [(node, *sent) for sent in ready.messages]
                service.persisted(ready.write_id)
        if not on_its_way:
            return
        for sent in on_its_way:
            carry(*sent)


client.submit([b"100"])
while not results or len({service.applied for service in services.values()}) > 1:
    pass_time()
print(f"the client asked (node, for which command) {sorted(asked)}, and got {results}")
print("payments:", {node: purses[node].payments for node in services})
assert (results, {number for _, number in asked}) == ([b"100"], {1})
assert all(purses[node].payments == b"100 " for node in services)
print("Lesson: a retry has the number of the first try, and the log remembers what it answered.")
