"""The replica against arbitrary messages: it does not raise, repeats, and keeps its gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_kit import (
    any_message,
    campaign,
    config,
    elect,
    explore,
    near_ballots,
    near_slots,
    single,
    value_of,
)
from hypothesis import given
from hypothesis import strategies as st

from paxos_core import Codec, Limits, Ready, Replica, ReplicaConfig, encode_record, replay
from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.durable import Promised, Record, Voted
from paxos_core.election import Role
from paxos_core.types import ROUND_BELIEVED_MAX, U64_MAX, ballot_node, make_ballot

LIMITS = Limits(window_slots=2, vote_slots_max=4, log_keep_slots=2, snapshot_bytes_max=100)
members_and_strangers = st.sampled_from([1, 2, 3, 2, 3, 4, 65535, 70000, 0])
STATE = b"state"


def slot_value(slot: int) -> bytes:
    """A world in which every slot has one value that anyone ever proposes."""
    return value_of(b"%d" % slot)


def consistent(kind: type[m.Message]) -> st.SearchStrategy[m.Message]:
    """Messages as peers that only crash may send them, in any order: near numbers, true values."""
    slots, ballots = near_slots, near_ballots
    valued = slots.map(lambda s: (s, checksum(slot_value(s)), slot_value(s)))
    pages = st.lists(st.tuples(slots, ballots.filter(bool)), max_size=3)
    table: dict[type[m.Message], st.SearchStrategy[m.Message]] = {
        m.PreVote: st.builds(m.PreVote, ballots, slots),
        m.PreVoteReply: st.builds(
            m.PreVoteReply, ballots.filter(bool), st.integers(0, 1), ballots, slots
        ),
        m.Prepare: st.builds(m.Prepare, ballots, slots),
        m.Promise: st.builds(
            lambda b, f, n, w, page: m.Promise(
                b, f, n, w, [m.Vote(s, v, checksum(slot_value(s)), slot_value(s)) for s, v in page]
            ),
            ballots, slots, slots | st.just(m.NO_MORE), slots, pages,
        ),
        m.Accept: st.builds(
            lambda b, w, v: m.Accept(b, v[0], w, v[1], v[2]), ballots, slots, valued
        ),
        m.Accepted: st.builds(m.Accepted, ballots, slots, slots),
        m.Nack: st.builds(m.Nack, ballots, ballots),
        m.Heartbeat: st.builds(m.Heartbeat, ballots, slots, slots),
        m.HeartbeatAck: st.builds(m.HeartbeatAck, ballots, slots, slots),
        m.Learn: st.builds(m.Learn, slots),
        m.Chosen: st.builds(lambda v, e, w: m.Chosen(v[0], e, w, v[1], v[2]), valued, slots, slots),
        m.SnapshotRequest: st.builds(m.SnapshotRequest, slots, slots),
        m.SnapshotChunk: st.builds(
            lambda s, at, to: m.SnapshotChunk(s, at, to, 5, checksum(STATE), STATE[at:to]),
            slots, st.integers(0, 5), st.integers(0, 5),
        ),
    }  # fmt: skip
    return table[kind]


peer_messages = st.one_of([consistent(kind) for kind in m.PeerMessage.__args__])
inputs = (
    st.tuples(st.just("receive"), st.sampled_from([2, 3, 2, 3, 4, 70000]), peer_messages)
    | st.tuples(st.just("from ballot's own"), st.none(), peer_messages)
    | st.tuples(st.just("grant"), st.none(), st.integers(0, 5))
    | st.tuples(
        st.sampled_from(["tick", "ticks", "take", "persist", "propose"]), st.none(), st.none()
    )
)
scripts = st.lists(inputs, max_size=40)
hostile_scripts = st.lists(
    st.tuples(st.just("receive"), members_and_strangers, any_message) | inputs, max_size=30
)

KINDS_OF_REPLICA = ["voting", "not voting", "restarted", "leader", "alone"]


def make(kind: str) -> Replica:
    if kind == "alone":
        return single(limits=LIMITS)
    settings = config(1, limits=LIMITS, voting=kind != "not voting", frame_bytes_max=512)
    if kind == "restarted":
        records: list[Record] = [Promised(make_ballot(2, 2))]
        for slot in range(3):
            value = slot_value(slot)
            records.append(Voted(slot, make_ballot(1, 3), checksum(value), value))
        return Replica(settings, replay(records))
    replica = Replica(settings)
    if kind == "leader":
        elect(replica)
    return replica


class Driver:
    """Feeds a script to a replica and checks the gate over everything that leaves."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.taken: list[Ready] = []
        self.write_ids: list[int] = []
        self.written = replay([])
        self.batches: list[list[Record]] = []
        self.checkpoints: list[bool] = []
        self.stored: list[Record] = []

    def run(self, script: list[Any]) -> None:
        for action, sender, what in script:
            self.one(action, sender, what)
        self.one("take", None, None)

    def one(self, action: str, sender: Any, what: Any) -> None:
        replica = self.replica
        if action == "receive":
            replica.receive(sender, what)
        elif action == "from ballot's own":
            replica.receive(ballot_node(getattr(what, "ballot", 2)), what)
        elif action == "grant":
            self.grant(what)
        elif action == "tick":
            replica.tick()
        elif action == "ticks":
            for _ in range(20):
                replica.tick()
        elif action == "propose" and replica.status().role is Role.LEADER:
            replica.propose(slot_value(9))
        elif action == "take":
            self.take()
        elif action == "persist" and self.write_ids:
            self.persist()

    def grant(self, slot: int) -> None:
        """Whatever the replica asks for, some peer agrees to."""
        for _, message in self.take().messages:
            if isinstance(message, m.PreVote):
                self.replica.receive(2, m.PreVoteReply(message.ballot, 1, 0, 0))
            elif isinstance(message, m.Prepare):
                page = m.Promise(message.ballot, message.from_slot, m.NO_MORE, 0, [])
                self.replica.receive(3, page)
            elif isinstance(message, m.Accept):
                self.replica.receive(2, m.Accepted(message.ballot, message.slot, message.slot))

    def take(self) -> Ready:
        ready = self.replica.take()
        # Messages live on inside the replica: what left is what they said when they left.
        encode = Codec(1, 1).encode
        decode = Codec(1, 1).decode
        sent = [(to, decode(encode(message))[1]) for to, message in ready.messages]
        self.taken.append(replace(ready, messages=sent))
        if ready.write_id:
            self.write_ids.append(ready.write_id)
            self.batches.append(ready.records)
            self.checkpoints.append(ready.checkpoint)
        return ready

    def persist(self) -> None:
        self.store()
        self.replica.persisted(self.write_ids[-1])
        self.write_ids.clear()

    def store(self) -> None:
        for records, checkpoint in zip(self.batches, self.checkpoints, strict=True):
            self.stored = list(records) if checkpoint else self.stored + records
        self.batches, self.checkpoints = [], []


@pytest.mark.parametrize("kind", KINDS_OF_REPLICA)
@explore
@given(script=scripts)
def test_peers_that_only_crash_never_make_it_raise(kind: str, script: list[Any]) -> None:
    replica = make(kind)
    Driver(replica).run(script)
    assert replica.poison is None


@pytest.mark.parametrize("kind", KINDS_OF_REPLICA)
@explore
@given(script=hostile_scripts)
def test_no_message_makes_it_raise_but_for_a_broken_invariant(kind: str, script: list[Any]) -> None:
    """Peers that lie can break what Paxos assumes; that poisons, and nothing else is raised."""
    replica = make(kind)
    try:
        Driver(replica).run(script)
    except AssertionError:
        assert (replica.poison or "").startswith("two values chosen"), replica.poison


@pytest.mark.parametrize("kind", KINDS_OF_REPLICA)
@explore
@given(script=scripts)
def test_the_same_inputs_give_the_same_bytes(kind: str, script: list[Any]) -> None:
    drivers = [Driver(make(kind)), Driver(make(kind))]
    encode = Codec(1, 1).encode
    seen = []
    for driver in drivers:
        driver.run(script)
        seen.append(
            [
                (
                    ready.write_id,
                    [encode_record(record) for record in ready.records],
                    [(to, encode(message)) for to, message in ready.messages],
                    ready.decided,
                    ready.install,
                    ready.events,
                    ready.checkpoint,
                )
                for ready in driver.taken
            ]
        )
    assert seen[0] == seen[1]


class Witness(Driver):
    """Knows what is on stable storage, and holds every message that leaves against it."""

    def take(self) -> Ready:
        ready = super().take()
        # The records of a driver that crashes now: what it stored, and no more.
        state = replay(self.stored)
        for _, message in self.taken[-1].messages:
            if isinstance(message, m.Prepare | m.Promise):
                assert state.promised >= message.ballot, f"{message} left too early"
            elif isinstance(message, m.Accepted):
                assert state.promised >= message.ballot, f"{message} left too early"
                for slot in range(message.first_slot, message.last_slot + 1):
                    voted = state.votes.get(slot)
                    assert slot < self.replica.status().watermark or (
                        voted is not None and voted.ballot >= message.ballot
                    ), f"{message} left before the vote for slot {slot}"
            if isinstance(message, m.Promise):
                for v in message.votes:
                    assert state.votes.get(v.slot) or v.slot < self.replica.status().watermark
        return ready


@pytest.mark.parametrize("kind", ["voting", "leader"])
@explore
@given(script=scripts)
def test_nothing_that_needs_a_record_leaves_before_it(kind: str, script: list[Any]) -> None:
    replica = Replica(config(1, limits=LIMITS, frame_bytes_max=512))
    witness = Witness(replica)
    if kind == "leader":
        for _ in range(6):
            witness.one("ticks", None, None)
            witness.one("grant", None, 0)
            witness.take()
            if witness.write_ids:
                witness.persist()
    witness.run(script)


@explore
@given(script=scripts)
def test_who_may_not_vote_never_does(script: list[Any]) -> None:
    driver = Driver(make("not voting"))
    driver.run(script)
    for ready in driver.taken:
        said = {type(message) for _, message in ready.messages}
        assert said <= {m.Learn, m.Chosen, m.SnapshotRequest, m.SnapshotChunk, m.Nack}
        # A checkpoint restates the promise that was there; it makes none.
        assert all(r == Promised(0) for r in ready.records if isinstance(r, Promised | Voted))
    assert driver.replica.status().role is Role.FOLLOWER


@pytest.mark.parametrize("kind", KINDS_OF_REPLICA)
@explore
@given(script=hostile_scripts)
def test_what_it_keeps_is_bounded_whatever_comes(kind: str, script: list[Any]) -> None:
    replica = make(kind)
    driver = Driver(replica)
    for action in script:
        try:
            driver.one(*action)
        except AssertionError:
            return
        assert len(replica._acceptor.votes) <= LIMITS.vote_slots_max
        assert len(replica._learner._ahead) <= LIMITS.vote_slots_max
        assert len(replica._catchup._buffer) <= LIMITS.snapshot_bytes_max


@pytest.mark.parametrize("kind", ["voting", "restarted", "leader"])
@explore
@given(script=scripts)
def test_a_crash_at_any_point_keeps_every_promise_that_was_said(
    kind: str, script: list[Any]
) -> None:
    replica = Replica(config(1, limits=LIMITS, frame_bytes_max=512))
    driver = Driver(replica)
    driver.run(script)
    promised = [
        message.ballot
        for ready in driver.taken
        for _, message in ready.messages
        if isinstance(message, m.Promise | m.Accepted)
    ]
    again = Replica(config(1, limits=LIMITS, frame_bytes_max=512), replay(driver.stored))
    assert again.status().promised >= max(promised, default=0)
    decided = {e.slot: e.checksum for ready in driver.taken for e in ready.decided}
    for entry in again.take().decided:
        assert decided.get(entry.slot, entry.checksum) == entry.checksum


@pytest.mark.parametrize(
    "message",
    [
        m.PreVoteReply(1, 0, U64_MAX, 0),
        m.Heartbeat(make_ballot((1 << 48) - 1, 2), 0, 1),
        m.Prepare(make_ballot((1 << 48) - 1, 2), 0),
        m.Accept(make_ballot((1 << 48) - 1, 2), 0, 0, 0, b""),
        m.PreVote(U64_MAX, U64_MAX),
    ],
    ids=lambda x: type(x).__name__,
)
def test_the_last_ballot_of_all_does_not_make_time_raise(message: m.Message) -> None:
    replica = Replica(ReplicaConfig(1, config(1).quorums))
    replica.receive(2, message)
    for _ in range(200):
        replica.tick()
        replica.take()
    assert replica.poison is None


def test_the_last_ballot_that_is_believed_can_be_campaigned_above_more_than_once() -> None:
    replica = Replica(config(1))
    replica.receive(2, m.Prepare(ROUND_BELIEVED_MAX << 16 | 2, 0))
    prepares = [campaign(replica).ballot for _ in range(3)]
    assert prepares == sorted(set(prepares))
    assert replica.poison is None


def test_a_damaged_vote_in_a_promise_does_not_poison() -> None:
    replica = Replica(config(1))
    ready = elect(
        replica,
        lambda _, p: m.Promise(p.ballot, 0, m.NO_MORE, 0, [m.Vote(0, make_ballot(1, 3), 1, b"x")]),
    )
    for _, message in ready.messages:
        if isinstance(message, m.Accept):
            replica.receive(2, m.Accepted(message.ballot, message.slot, message.slot))
    replica.take()
    assert replica.poison is None
