"""What the tests of the core share: a replica driven by hand, and strategies for messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from paxos_core import Limits, QuorumSystem, Ready, Replica, ReplicaConfig, Service
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import KINDS
from paxos_core.types import U64_MAX, Ballot, NodeId, Slot, make_ballot

T = TypeVar("T")

explore = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Hypothesis without clocks and without a memory of its own: the same examples every time."""

BOUNDARY_NUMBERS = (0, 1, 2**32 - 1, 2**32, 2**63, U64_MAX)


def value_of(*commands: bytes) -> bytes:
    return encode_batch(commands)


def config(
    node: NodeId = 1, members: Iterable[NodeId] = (1, 2, 3), **settings_: Any
) -> ReplicaConfig:
    return ReplicaConfig(node, QuorumSystem(members), **settings_)


def accept(ballot: Ballot, slot: Slot, value: bytes, watermark: Slot = 0) -> m.Accept:
    return m.Accept(ballot, slot, watermark, checksum(value), value)


def chosen(slot: Slot, value: bytes, page_end: Slot, watermark: Slot) -> m.Chosen:
    return m.Chosen(slot, page_end, watermark, checksum(value), value)


def vote(slot: Slot, ballot: Ballot, value: bytes) -> m.Vote:
    return m.Vote(slot, ballot, checksum(value), value)


def of_type(messages: Iterable[tuple[NodeId, m.Message]], kind: type[T]) -> list[T]:
    return [message for _, message in messages if isinstance(message, kind)]


def to_node(messages: Iterable[tuple[NodeId, m.Message]], node: NodeId, kind: type[T]) -> list[T]:
    return [message for to, message in messages if to == node and isinstance(message, kind)]


def commands_of(ready: Ready) -> list[bytes]:
    return [command for entry in ready.decided for command in entry.commands]


def drain(replica: Replica | Service) -> Ready:
    """Take and persist until nothing follows; all of it as one Ready."""
    total = Ready()
    while ready := replica.take():
        # After a checkpoint the earlier records may be forgotten.
        total.records = ready.records if ready.checkpoint else total.records + ready.records
        total.messages += ready.messages
        total.decided += ready.decided
        total.events += ready.events
        total.install = ready.install or total.install
        total.checkpoint = total.checkpoint or ready.checkpoint
        if ready.write_id:
            total.write_id = ready.write_id
            replica.persisted(ready.write_id)
    return total


def tick_until(replica: Replica, kind: type[T], most: int = 100) -> list[T]:
    for _ in range(most):
        replica.tick()
        found = of_type(drain(replica).messages, kind)
        if found:
            return found
    raise AssertionError(f"no {kind.__name__} in {most} ticks")


def campaign(replica: Replica) -> m.Prepare:
    """Bring a replica to phase 1, every peer granting; its Prepare."""
    ballot = tick_until(replica, m.PreVote)[0].ballot
    for peer in replica.config.peers:
        replica.receive(peer, m.PreVoteReply(ballot, 1, 0, 0))
    return of_type(drain(replica).messages, m.Prepare)[0]


def elect(
    replica: Replica,
    promise: Callable[[NodeId, m.Prepare], m.Promise] | None = None,
) -> Ready:
    """Make a replica leader with promises from all its peers; what it then said."""
    prepare = campaign(replica)
    for peer in replica.config.peers:
        answer = m.Promise(prepare.ballot, prepare.from_slot, m.NO_MORE, 0, [])
        replica.receive(peer, promise(peer, prepare) if promise else answer)
    return drain(replica)


def single(**settings_: Any) -> Replica:
    """A cluster of one, leading."""
    replica = Replica(config(1, (1,), **settings_))
    for _ in range(100):
        replica.tick()
        drain(replica)
        if replica.leader == 1:
            return replica
    raise AssertionError("a single member never led")


def decide(replica: Replica, *commands: bytes) -> Ready:
    """Propose on a leader with peers and let a quorum accept each command in turn."""
    total = Ready()
    for command in commands:
        replica.propose(command)
        ready = drain(replica)
        ballot = replica.status().ballot
        slots = {proposal.slot for proposal in of_type(ready.messages, m.Accept)}
        for slot in sorted(slots):
            for peer in replica.config.peers:
                replica.receive(peer, m.Accepted(ballot, slot, slot))
        for part in (ready, drain(replica)):
            total.records += part.records
            total.messages += part.messages
            total.decided += part.decided
    return total


def follower_with_log(count: int, node: NodeId = 1, **settings_: Any) -> Replica:
    """A follower of node 2 that learnt `count` slots, each one's command its own number."""
    replica = Replica(config(node, **settings_))
    for slot in range(count):
        value = value_of(b"%d" % slot)
        replica.receive(2, chosen(slot, value, count, count))
    drain(replica)
    return replica


SMALL = Limits(window_slots=4, vote_slots_max=8, log_bytes_max=1000, log_keep_slots=2)

# Strategies

numbers = st.sampled_from(BOUNDARY_NUMBERS) | st.integers(0, U64_MAX)
bodies = st.binary(max_size=40)
votes = st.lists(st.builds(m.Vote, numbers, numbers, numbers, bodies), max_size=3)


def _field(type_name: str) -> st.SearchStrategy[Any]:
    if type_name == "bytes":
        return bodies
    return votes if type_name.startswith("list") else numbers


def messages_of(kind: type[m.Message]) -> st.SearchStrategy[m.Message]:
    """Messages of one type with any numbers and bodies."""
    return st.builds(kind, **{f.name: _field(str(f.type)) for f in fields(kind)})


any_message = st.one_of([messages_of(kind) for kind in KINDS])

near_ballots = st.sampled_from([0, *(make_ballot(r, n) for r in (1, 2, 3) for n in (1, 2, 3))])
near_slots = st.integers(0, 5)
