"""The replica's contract: what it answers, what it refuses, and what it survives."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from core_kit import (
    accept,
    campaign,
    chosen,
    commands_of,
    config,
    decide,
    drain,
    elect,
    of_type,
    single,
    tick_until,
    to_node,
    value_of,
    vote,
)

from paxos_core import (
    CommandTooLarge,
    Limits,
    NotLeader,
    Overloaded,
    Poisoned,
    QuorumSystem,
    Replica,
    ReplicaConfig,
)
from paxos_core import messages as m
from paxos_core.batch import decode_batch
from paxos_core.catchup import STRANGER_PAGES_PER_TICK
from paxos_core.checksum import checksum
from paxos_core.durable import Promised, Snapshot, Voted
from paxos_core.election import Role
from paxos_core.ready import SnapshotTooLarge
from paxos_core.types import make_ballot

B1, B2, B3 = (make_ballot(n, 2) for n in (1, 2, 3))
V, W = value_of(b"v"), value_of(b"w")


# A decision


def test_a_cluster_of_one_decides_alone() -> None:
    replica = single()
    replica.propose(b"a")
    replica.propose(b"b")
    ready = drain(replica)
    assert commands_of(ready) == [b"a", b"b"]
    assert ready.messages == []


def test_a_single_member_decides_nothing_before_its_vote_is_written() -> None:
    replica = single()
    replica.propose(b"a")
    ready = replica.take()
    assert [type(record) for record in ready.records] == [Voted]
    assert ready.decided == []
    assert not replica.take().decided
    replica.persisted(ready.write_id)
    assert commands_of(replica.take()) == [b"a"]


def test_three_members_decide_with_one_peer() -> None:
    replica = Replica(config(1))
    elect(replica)
    replica.propose(b"a")
    ready = drain(replica)
    proposals = of_type(ready.messages, m.Accept)
    assert len(proposals) == 2
    assert ready.decided == []
    replica.receive(3, m.Accepted(proposals[0].ballot, 0, 0))
    assert commands_of(drain(replica)) == [b"a"]


def test_a_follower_learns_with_the_next_accept_or_heartbeat() -> None:
    for tell in (accept(B1, 1, W, watermark=1), m.Heartbeat(B1, 1, 1)):
        replica = Replica(config(1))
        replica.receive(2, accept(B1, 0, V))
        assert drain(replica).decided == []
        replica.receive(2, tell)
        assert commands_of(drain(replica)) == [b"v"]


@pytest.mark.parametrize("claim", [B2, B3])
def test_a_vote_in_an_older_ballot_proves_nothing(claim: int) -> None:
    replica = Replica(config(1))
    replica.receive(2, accept(B1, 0, V))
    replica.receive(2, m.Heartbeat(claim, 1, 1))
    assert drain(replica).decided == []
    replica.tick()
    replica.tick()
    assert of_type(drain(replica).messages, m.Learn) == [m.Learn(0)]


def test_a_value_damaged_on_its_way_is_not_voted_for() -> None:
    replica = Replica(config(1))
    replica.receive(2, m.Accept(B1, 0, 0, checksum(V), W))
    ready = drain(replica)
    assert (ready.messages, ready.records) == ([], [])
    replica.receive(2, accept(B1, 0, V))
    assert of_type(drain(replica).messages, m.Accepted) == [m.Accepted(B1, 0, 0)]


def test_our_vote_damaged_in_memory_is_not_taken_for_the_chosen_value() -> None:
    replica = Replica(config(1))
    replica.receive(2, accept(B1, 0, V))
    replica._acceptor.votes[0].value = W
    replica.receive(2, m.Heartbeat(B1, 1, 1))
    assert drain(replica).decided == []
    replica.receive(2, chosen(0, V, 1, 1))
    assert commands_of(drain(replica)) == [b"v"]


@pytest.mark.parametrize(("value", "confirmed"), [(V, True), (W, False)])
def test_behind_an_installed_snapshot_the_chosen_value_and_no_other_is_confirmed(
    value: bytes, confirmed: bool
) -> None:
    replica = Replica(config(1))
    replica.receive(3, m.SnapshotChunk(5, 0, 1, 1, checksum(b"s"), b"s"))
    replica.receive(3, chosen(5, V, 6, 6))
    drain(replica)
    replica.receive(2, accept(B1, 5, value))
    said = of_type(drain(replica).messages, m.Accepted)
    assert said == ([m.Accepted(B1, 5, 5)] if confirmed else [])


def test_a_deposed_leader_that_learns_of_it_vouches_for_nothing() -> None:
    """Five nodes: 1 leads in a low ballot and only 2 voted for its value, when the others
    chose another. What 1 then learns must not be taken for what 2 voted for.
    """
    leader = Replica(config(1, (1, 2, 3, 4, 5)))
    follower = Replica(config(2, (1, 2, 3, 4, 5)))
    elect(leader)
    leader.propose(b"v")
    for proposal in to_node(drain(leader).messages, 2, m.Accept):
        follower.receive(1, proposal)
    drain(follower)
    leader.receive(4, chosen(0, W, 1, 1))
    assert commands_of(drain(leader)) == [b"w"]
    for _ in range(10):
        leader.tick()
        for to, message in drain(leader).messages:
            if to == 2:
                follower.receive(1, message)
    assert commands_of(drain(follower)) in ([], [b"w"])
    assert leader.status().role is not Role.LEADER


def test_a_deposed_leader_that_installs_a_snapshot_steps_down() -> None:
    leader = Replica(config(1, (1, 2, 3, 4, 5)))
    elect(leader)
    leader.propose(b"v")
    drain(leader)
    leader.receive(4, m.SnapshotChunk(1, 0, 1, 1, checksum(b"s"), b"s"))
    ready = drain(leader)
    assert ready.install == Snapshot(1, checksum(b"s"), b"s")
    assert leader.status().role is not Role.LEADER
    assert of_type(ready.messages, m.Heartbeat) == []


def test_what_a_leader_learns_from_others_does_not_block_its_window() -> None:
    leader = Replica(config(1, limits=Limits(window_slots=4, vote_slots_max=8)))
    ballot = make_ballot(1, 3)
    votes = [vote(slot, ballot, value_of(b"%d" % slot)) for slot in range(4)]
    elect(leader, lambda _, p: m.Promise(p.ballot, 0, m.NO_MORE, 0, votes))
    assert leader.status().in_flight_slots == 4
    for slot in range(4):
        leader.receive(3, chosen(slot, votes[slot].value, 4, 4))
    drain(leader)
    assert leader.status().in_flight_slots == 0
    leader.propose(b"more")
    assert [p.slot for p in to_node(drain(leader).messages, 2, m.Accept)] == [4]


# Errors of propose


@pytest.mark.parametrize("leader", [0, 2, 3])
def test_not_leader_names_who_is(leader: int) -> None:
    replica = Replica(config(1))
    if leader:
        replica.receive(leader, m.Heartbeat(make_ballot(1, leader), 0, 1))
    with pytest.raises(NotLeader) as caught:
        replica.propose(b"a")
    assert caught.value.leader == leader


def test_a_candidate_is_no_leader() -> None:
    replica = Replica(config(1))
    campaign(replica)
    with pytest.raises(NotLeader):
        replica.propose(b"a")


def test_a_command_of_full_size_is_decided_and_a_larger_one_refused() -> None:
    replica = single(frame_bytes_max=512)
    replica.propose(bytes(replica.command_bytes_max))
    with pytest.raises(CommandTooLarge, match=str(replica.command_bytes_max)):
        replica.propose(bytes(replica.command_bytes_max + 1))
    assert commands_of(drain(replica)) == [bytes(replica.command_bytes_max)]


def propose_until_overloaded(replica: Replica, size: int, most: int) -> list[bytes]:
    """Commands of one size that were taken before one was refused."""
    taken: list[bytes] = []
    for n in range(most):
        command = (b"%05d" % n)[5 - size :] if size else b""
        try:
            replica.propose(command)
        except Overloaded:
            return taken
        taken.append(command)
    raise AssertionError(f"all of {most} commands were taken")


def test_overloaded_takes_nothing_and_passes() -> None:
    replica = single(limits=Limits(pending_bytes_max=100))
    taken = propose_until_overloaded(replica, 3, 1000)
    assert 1 <= len(taken) <= 34
    assert commands_of(drain(replica)) == taken
    replica.propose(b"again")
    assert commands_of(drain(replica)) == [b"again"]


@pytest.mark.parametrize("size", [0, 1])
def test_what_waits_is_bounded_also_for_the_smallest_commands(size: int) -> None:
    replica = single(limits=Limits(pending_bytes_max=1000))
    assert len(propose_until_overloaded(replica, size, 100_000)) <= 1000


def test_proposals_beyond_the_window_wait_for_it() -> None:
    replica = Replica(config(1, limits=Limits(window_slots=2, vote_slots_max=4)))
    elect(replica)
    ballot = replica.status().ballot
    for n in range(5):
        replica.propose(b"%d" % n)
        drain(replica)
    assert replica.status().in_flight_slots == 2
    replica.receive(2, m.Accepted(ballot, 0, 0))
    proposals = to_node(drain(replica).messages, 2, m.Accept)
    assert [decode_batch(p.value) for p in proposals] == [[b"2", b"3", b"4"]]


# Who may not vote


def test_a_replica_that_may_not_vote_learns_and_serves_and_no_more() -> None:
    replica = Replica(config(1, voting=False))
    said: list[m.Message] = [
        m.Prepare(B3, 0),
        m.PreVote(B3, 5),
        m.PreVoteReply(0, 1, 0, 0),
        accept(B3, 0, V),
        m.Heartbeat(B3, 1, 1),
        m.Nack(0, B3),
    ]
    answers = []
    for message in said:
        replica.receive(2, message)
        replica.receive(3, m.PreVoteReply(0, 1, 0, 0))
        answers += drain(replica).messages
    for _ in range(200):
        replica.tick()
        ready = drain(replica)
        answers += ready.messages
        assert not [r for r in ready.records if isinstance(r, Promised | Voted)]
    assert {type(x) for _, x in answers} <= {m.Learn, m.SnapshotRequest}
    assert replica.status().role is Role.FOLLOWER
    replica.receive(2, chosen(0, V, 1, 1))
    assert commands_of(drain(replica)) == [b"v"]
    replica.receive(3, m.Learn(0))
    assert len(of_type(drain(replica).messages, m.Chosen)) == 1


# Poison


def test_a_broken_invariant_stops_the_replica_for_good() -> None:
    replica = Replica(config(1))
    with pytest.raises(AssertionError):
        replica.persisted(1)
    calls: list[Any] = [
        replica.tick,
        replica.take,
        lambda: replica.persisted(0),
        lambda: replica.propose(b"a"),
        lambda: replica.receive(2, m.Heartbeat(B1, 0, 1)),
        lambda: replica.compact(0, b""),
    ]
    for call in calls:
        with pytest.raises(Poisoned, match="never taken"):
            call()
    assert replica.status().role is Role.FOLLOWER


def test_an_error_of_the_caller_does_not_poison() -> None:
    replica = single(limits=Limits(snapshot_bytes_max=3))
    with pytest.raises(CommandTooLarge):
        replica.propose(bytes(1 << 20))
    with pytest.raises(TypeError, match=r"^a command is bytes, not str$"):
        replica.propose("text")  # type: ignore[arg-type]
    replica.propose(b"a")
    assert commands_of(drain(replica)) == [b"a"]


def test_a_snapshot_over_the_limit_trims_nothing_and_is_told() -> None:
    replica = single(limits=Limits(snapshot_bytes_max=3, log_keep_slots=1))
    for command in (b"a", b"b", b"c"):
        replica.propose(command)
        drain(replica)
    replica.compact(replica.status().watermark, b"four")
    ready = drain(replica)
    assert ready.events == [SnapshotTooLarge(4)]
    assert not ready.checkpoint
    assert replica.status().first_slot == 0
    replica.compact(replica.status().watermark, b"two")
    assert drain(replica).checkpoint
    assert replica.status().first_slot > 0


def test_a_flood_of_questions_gets_few_answers() -> None:
    """A question is small and its answer large: whoever asks too often asks again."""
    replica = single()
    replica.propose(b"x" * 1000)
    drain(replica)
    for _ in range(1000):
        for stranger in range(70_000, 70_010):
            replica.receive(stranger, m.Learn(0))
            replica.receive(stranger, m.SnapshotRequest(0, 0))
    assert len(replica.take().messages) <= STRANGER_PAGES_PER_TICK
    replica.receive(70_000, m.Learn(0))
    assert not replica.take().messages
    replica.tick()
    replica.receive(70_000, m.Learn(0))
    assert replica.take().messages


def test_running_without_assertions_is_refused() -> None:
    code = (
        "from paxos_core import *\n"
        "try: Replica(ReplicaConfig(1, QuorumSystem([1])))\n"
        "except RuntimeError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "python -O" in ran.stdout


# Keeping and losing office


def test_a_leader_without_answers_steps_down() -> None:
    replica = Replica(config(1))
    elect(replica)
    for _ in range(2 * replica.config.timing.election_ticks_min):
        replica.tick()
    assert replica.status().role is Role.FOLLOWER


def test_a_node_that_hears_a_leader_helps_nobody_else_to_office() -> None:
    replica = Replica(config(1))
    replica.receive(2, m.Heartbeat(B1, 0, 1))
    replica.receive(3, m.PreVote(make_ballot(2, 3), 0))
    assert of_type(drain(replica).messages, m.PreVoteReply)[0].granted == 0


def test_a_stale_heartbeat_is_told_of_the_promise() -> None:
    replica = Replica(config(1))
    replica.receive(3, m.Prepare(make_ballot(4, 3), 0))
    drain(replica)
    replica.receive(2, m.Heartbeat(B1, 9, 1))
    assert drain(replica).messages == [(2, m.Nack(B1, make_ballot(4, 3)))]
    assert replica.leader == 0
    assert not replica.status().lags


def test_flexible_quorums_are_used_by_both_phases() -> None:
    members = (1, 2, 3, 4, 5)
    replica = Replica(ReplicaConfig(1, QuorumSystem(members, phase1=4, phase2=2)))
    prepare = campaign(replica)
    for peer, leads in ((2, False), (3, False), (4, True)):
        replica.receive(peer, m.Promise(prepare.ballot, 0, m.NO_MORE, 0, []))
        drain(replica)
        assert (replica.status().role is Role.LEADER) == leads
    replica.propose(b"a")
    drain(replica)
    replica.receive(5, m.Accepted(prepare.ballot, 0, 0))
    assert commands_of(drain(replica)) == [b"a"]


def test_decide_over_many_slots_delivers_in_order() -> None:
    replica = Replica(config(1))
    elect(replica)
    commands = [b"%d" % n for n in range(50)]
    total = decide(replica, *commands)
    assert [c for entry in total.decided for c in entry.commands] == commands
    assert [entry.slot for entry in total.decided] == list(range(50))
    assert tick_until(replica, m.Heartbeat)[0].watermark == 50
