"""A replica in the kernel, through the records of the device, and among others on the wire."""

from __future__ import annotations

import errno
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import device_abi as abi
import pytest
from device_kit import CLIENT, Station, ip, mac, refused
from replica_kit import (
    CLUSTER,
    OPENED,
    THREE,
    AnyReplica,
    KernelReplica,
    Probe,
    PythonReplica,
    hub,
    leader_among,
    run_until,
)

from paxos_core import Timing
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import Codec
from paxos_core.durable import Promised, Voted, encode_record
from paxos_core.types import make_ballot

ALONE = {1: mac(1)}


@pytest.fixture(scope="module")
def stations() -> Iterator[dict[int, Station]]:
    with hub() as made:
        yield made


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    for replica in OPENED:
        replica.close()
    OPENED.clear()


def alone(station: Station, **settings: object) -> KernelReplica:
    """A replica that needs nobody, and leads."""
    replica = KernelReplica(station, 1, ALONE, **settings)  # type: ignore[arg-type]
    run_until([replica], lambda: replica.leads)
    return replica


def test_a_replica_alone_decides_what_it_is_told(stations: dict[int, Station]) -> None:
    replica = alone(stations[1])
    commands = [f"command {number}".encode() for number in range(100)]
    replica.propose(*commands)
    run_until([replica], lambda: len(replica.commands) == 100)
    assert replica.commands == commands
    slots = len(replica.decided)
    stats = replica.endpoint.stats()
    assert stats.decisions == slots
    assert 0 < stats.proposed <= slots
    assert sum(stats.latency_ns) == stats.proposed
    assert stats.latency_ns_sum > 0
    status = replica.endpoint.status()
    assert (status.leader, status.voting, status.poisoned) == (1, 1, 0)
    assert status.watermark == status.read_slot == max(replica.decided) + 1
    assert (abi.LEADER, 1) in replica.others


def test_what_is_written_at_once_is_one_batch(stations: dict[int, Station]) -> None:
    replica = alone(stations[1])
    run_until([replica], lambda: replica.endpoint.status().in_flight_slots == 0)
    before = replica.endpoint.status().watermark
    replica.propose(*(b"x" * 8 for _ in range(60)))
    run_until([replica], lambda: len(replica.commands) == 60)
    assert replica.endpoint.status().watermark == before + 1


@pytest.mark.parametrize(
    "kinds",
    [
        (KernelReplica, KernelReplica, KernelReplica),
        (KernelReplica, PythonReplica, PythonReplica),
        (KernelReplica, KernelReplica, PythonReplica),
    ],
    ids=["kernel", "kernel and two of Python", "two of the kernel and Python"],
)
def test_replicas_agree_and_survive_the_loss_of_the_leader(
    kinds: tuple[type[AnyReplica], ...],
    stations: dict[int, Station],
) -> None:
    replicas = [kind(stations[n], n) for n, kind in enumerate(kinds, 1)]
    wanted = [f"{turn}.{number}".encode() for turn in range(10) for number in range(20)]
    for first in range(0, len(wanted), 20):
        leader_among(replicas).propose(*wanted[first : first + 20])
        run_until(replicas, lambda f=first: all(len(r.commands) == f + 20 for r in replicas))
    assert all(replica.commands == wanted for replica in replicas)

    lost = leader_among(replicas)
    lost.close()
    others = [replica for replica in replicas if replica is not lost]
    leader_among(others).propose(b"after")
    run_until(others, lambda: all(b"after" in replica.commands for replica in others))
    assert all(replica.commands == [*wanted, b"after"] for replica in others)


@pytest.mark.parametrize("patient", [KernelReplica, PythonReplica])
def test_each_may_lead_a_mixed_cluster(
    patient: type[AnyReplica], stations: dict[int, Station]
) -> None:
    ticks = {"election_ticks_max": 100_000}  # but a vote for another, in time
    kernel = KernelReplica(stations[1], 1, **(ticks if patient is KernelReplica else {}))  # type: ignore[arg-type]
    timing = Timing(**ticks) if patient is PythonReplica else Timing()
    others = [PythonReplica(stations[n], n, timing=timing) for n in (2, 3)]
    replicas: list[AnyReplica] = [kernel, *others]
    leader = leader_among(replicas)
    assert not isinstance(leader, patient)
    leader.propose(b"mine")
    run_until(replicas, lambda: all(replica.commands == [b"mine"] for replica in replicas))


@pytest.fixture
def probe(stations: dict[int, Station]) -> Iterator[Probe]:
    made = Probe(stations[2])
    yield made
    made.close()


QUIET = {"tick_us": 60_000_000}
"""No tick comes while a test runs."""
BALLOT = make_ballot(7, 2)
VALUE = encode_batch([b"chosen by nobody yet"])
ACCEPT = m.Accept(BALLOT, 0, 0, checksum(VALUE), VALUE)


def durable(station: Station, **settings: object) -> KernelReplica:
    flags = abi.FLAG_VOTING | abi.FLAG_DURABLE
    return KernelReplica(station, 1, flags=flags, **QUIET, **settings)  # type: ignore[arg-type]


def test_nothing_leaves_a_durable_replica_before_its_record_is_written(
    stations: dict[int, Station], probe: Probe
) -> None:
    replica = durable(stations[1])
    replica.auto_persist = False
    for told, answer, record in (
        (m.Prepare(BALLOT, 0), m.Promise, Promised(BALLOT)),
        (ACCEPT, m.Accepted, Voted(0, BALLOT, checksum(VALUE), VALUE)),
    ):
        replica.written.clear()
        probe.tell(told)
        run_until([replica], lambda: replica.unpersisted)
        assert replica.written == [encode_record(record)]
        probe.tell(m.Learn(0))  # an answer to this may leave at once: none of the other has
        assert not probe.heard(answer)
        replica.persist()
        message = probe.hear(answer)
        assert message.ballot == BALLOT  # type: ignore[attr-defined]


def test_a_replica_keeps_its_promise_over_a_restart(
    stations: dict[int, Station], probe: Probe
) -> None:
    records = [encode_record(Promised(BALLOT)), encode_record(Voted(0, BALLOT, 0, b""))]
    records[1] = encode_record(Voted(0, BALLOT, checksum(VALUE), VALUE))
    replica = durable(stations[1], restore=records)
    assert replica.endpoint.status().promised == BALLOT
    probe.tell(m.Prepare(make_ballot(6, 2), 0))
    assert probe.hear(m.Nack) == m.Nack(make_ballot(6, 2), BALLOT)
    higher = make_ballot(8, 2)
    probe.tell(m.Prepare(higher, 0))
    run_until([replica], lambda: replica.endpoint.status().persisted > 0)
    promise = probe.hear(m.Promise)
    assert isinstance(promise, m.Promise)
    assert promise.votes == [m.Vote(0, BALLOT, checksum(VALUE), VALUE)]


def test_a_replica_that_may_not_vote_promises_nothing(
    stations: dict[int, Station], probe: Probe
) -> None:
    replica = KernelReplica(stations[1], 1, flags=0, **QUIET)  # type: ignore[arg-type]
    probe.tell(m.Prepare(BALLOT, 0))
    probe.tell(ACCEPT)
    probe.tell(m.Heartbeat(BALLOT, 0, 5))
    run_until([replica], lambda: replica.endpoint.stats().frames_received == 3)
    assert replica.endpoint.stats().frames_sent == 0
    assert (replica.endpoint.status().promised, replica.endpoint.status().voting) == (0, 0)


def test_bad_frames_of_a_member_are_dropped_and_counted(
    stations: dict[int, Station], probe: Probe
) -> None:
    replica = KernelReplica(stations[1], 1, **QUIET)  # type: ignore[arg-type]
    good = probe.codec.encode(m.Heartbeat(BALLOT, 0, 1))
    probe.tell_frames(
        Codec(CLUSTER + 1, 2).encode(m.Heartbeat(BALLOT, 0, 1)),
        Codec(CLUSTER, 3).encode(m.Heartbeat(BALLOT, 0, 1)),
        good[:-1],
        b"\x00" * 40,
        b"x",
        good,
    )
    probe.hear(m.HeartbeatAck)
    drops = replica.endpoint.stats().drops()
    assert drops == {"cluster": 1, "misattributed": 1, "malformed": 3}


def golden() -> list[tuple[str, str, bytes]]:
    """Every golden vector: its name, the cause if it is bad, its bytes."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "paxos_core"))
    from golden import Bad, frames

    return [
        (v.name, v.cause, v.data) if isinstance(v, Bad) else (v.name, "", b"") for v in frames()
    ]


def test_the_bad_golden_frames_change_nothing(stations: dict[int, Station]) -> None:
    from_three = Probe(stations[3], 3)
    replica = KernelReplica(stations[1], 1, cluster=0x1122334455667788, **QUIET)  # type: ignore[arg-type]
    vectors = [data for _, cause, data in golden() if cause and len(data) <= 1400]
    assert len(vectors) > 10
    for data in vectors:
        if data:
            from_three.tell_frames(data)
    from_three.codec = Codec(0x1122334455667788, 3)
    from_three.tell(m.Heartbeat(make_ballot(7, 3), 0, 1))
    from_three.hear(m.HeartbeatAck)
    from_three.close()
    stats = replica.endpoint.stats()
    refusals = {"malformed", "version", "cluster", "misattributed"}
    assert set(stats.drops()) <= refusals
    assert sum(stats.drops().values()) == stats.frames_received - 1
    assert replica.endpoint.status().poisoned == 0


def test_clients_speak_to_user_space_over_the_replicas_endpoint(
    stations: dict[int, Station],
) -> None:
    replica = KernelReplica(stations[1], 1, **QUIET)  # type: ignore[arg-type]
    codec = Codec(CLUSTER, CLIENT)
    ask = codec.encode(m.OpenSession(5))
    foreign = Codec(CLUSTER + 1, CLIENT).encode(m.OpenSession(5))
    forged = Codec(CLUSTER, CLIENT).encode(m.Heartbeat(BALLOT, 0, 1))
    with stations[4].endpoint(CLIENT, members=THREE) as client:
        client.send(1, ask, foreign, ask, forged, ask, ask)
        run_until([replica], lambda: len(replica.frames) == 4)
        assert replica.frames == [(CLIENT, ask)] * 4
        replica.write(abi.SEND, b"an answer", a=CLIENT)
        assert client.receive() == [(1, b"an answer")]
    assert replica.endpoint.stats().drops()["cluster"] == 1


def test_a_command_waits_while_there_is_no_room(stations: dict[int, Station]) -> None:
    flags = abi.FLAG_VOTING | abi.FLAG_DURABLE
    replica = KernelReplica(stations[1], 1, ALONE, flags=flags, pending_bytes_max=4000)
    run_until([replica], lambda: replica.leads)
    replica.auto_persist = False
    command = b"c" * 1000
    taken = 0
    with refused(errno.EAGAIN):
        while True:
            written = replica.propose(command, command)
            assert written % 1040 == 0
            taken += written // 1040
    assert taken > 32  # the window's and those that wait
    poll = select.poll()
    poll.register(replica.fd, select.POLLOUT)

    def is_taken() -> bool:
        try:
            return replica.propose(command) == 1040
        except BlockingIOError:
            return False

    # At a tick whoever waits may try again, so now and then it looks as if there were room.
    assert any(not is_taken() and not poll.poll(0) for _ in range(100))
    replica.auto_persist = True
    run_until([replica], is_taken)
    run_until([replica], lambda: len(replica.commands) == taken + 1)


def test_a_reader_that_never_reads_stalls_its_replica_and_loses_nothing(
    stations: dict[int, Station],
) -> None:
    replica = alone(stations[1], log_bytes_max=4096, log_keep_slots=1)
    first = replica.endpoint.status().watermark
    for number in range(500):
        replica.propose(number.to_bytes(4, "big"))
    stalled = replica.endpoint.status()
    assert first < stalled.watermark < first + 500
    assert stalled.snapshot_due
    while len(replica.commands) < 500:
        replica.pump()
        slot = replica.endpoint.status().read_slot
        replica.write(abi.COMPACT, a=slot, b=checksum(b"state"), c=5)
        before = len(replica.decided)
        run_until(
            [replica], lambda b=before: len(replica.decided) > b or len(replica.commands) == 500
        )
    assert replica.commands == [number.to_bytes(4, "big") for number in range(500)]


SLOW = {"tick_us": 100_000, "heartbeat_ticks": 1, "election_ticks_min": 3, "election_ticks_max": 5}


def test_a_followers_reader_is_not_woken_for_each_decision(stations: dict[int, Station]) -> None:
    replicas = [KernelReplica(stations[n], n, **SLOW) for n in (1, 2, 3)]
    leader = leader_among(replicas)
    follower = next(replica for replica in replicas if replica is not leader)
    assert isinstance(leader, KernelReplica)
    assert isinstance(follower, KernelReplica)
    run_until(replicas, lambda: follower.endpoint.status().leader == leader.node)
    leader.propose(b"first")
    run_until(replicas, lambda: follower.commands)
    epoll = select.epoll()
    epoll.register(follower.fd, select.EPOLLIN | select.EPOLLET)
    wakeups, start = 0, follower.endpoint.status().read_slot
    for number in range(300):
        leader.propose(number.to_bytes(4, "big"))
        leader.pump()
        # By its edge: it tells of a wakeup, not of there being something to read.
        if epoll.poll(0):
            wakeups += 1
            follower.pump()
    run_until(replicas, lambda: len(follower.commands) == 301)
    decided = follower.endpoint.status().read_slot - start
    assert decided > 250
    assert wakeups < decided / 2


BAD_CONFIGS = {
    "too little memory": (errno.EINVAL, {"memory_bytes": 4096}),
    "quorums that do not meet": (errno.EINVAL, {"phase1": 1, "phase2": 2}),
    "a quorum of more than all": (errno.EINVAL, {"phase1": 4}),
    "a quorum that runs over": (errno.EINVAL, {"phase1": 65_537 + 1}),
    "a heartbeat after the election": (errno.EINVAL, {"heartbeat_ticks": 20}),
    "election times upside down": (errno.EINVAL, {"election_ticks_min": 31}),
    "a window above the votes": (errno.EINVAL, {"window_slots": 1024}),
    "votes beyond all": (errno.EINVAL, {"vote_slots_max": 2**32 - 1}),
    "a log to keep beyond all": (errno.EINVAL, {"log_keep_slots": 2**32 - 1}),
    "frames too small": (errno.EINVAL, {"frame_bytes_max": 100}),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_a_replica_that_cannot_be_is_refused(name: str, stations: dict[int, Station]) -> None:
    number, settings = BAD_CONFIGS[name]
    with stations[1].open() as endpoint:
        config = stations[1].config(1, abi.MODE_REPLICA, members=THREE, **settings)
        with refused(number):
            endpoint.configure(config)
        endpoint.configure(stations[1].config(1, abi.MODE_REPLICA, members=THREE))
        taken = endpoint.config
        assert (taken.phase1, taken.phase2, taken.window_slots) == (2, 2, 32)
        assert 10 << 20 < taken.memory_bytes < 100 << 20


def test_a_replica_starts_once_and_from_sound_records(stations: dict[int, Station]) -> None:
    config = stations[1].config(1, abi.MODE_REPLICA, members=THREE, flags=abi.FLAG_VOTING)
    with stations[1].open() as endpoint:
        endpoint.configure(config)
        with refused(errno.EAGAIN):
            endpoint.read()
        endpoint.write(abi.record(abi.RESTORE, b"no record"))
        with refused(errno.EBADMSG):
            endpoint.start()
        with refused(errno.EAGAIN):
            endpoint.read()
    with stations[1].open() as endpoint:
        endpoint.configure(config)
        endpoint.start()
        with refused(errno.EISCONN):
            endpoint.start()
        with refused(errno.EISCONN):
            endpoint.configure(config)


BAD_RECORDS = {
    "a frame": abi.record(abi.FRAME, b"x", 2),
    "a tick": abi.record(abi.TICK, a=1),
    "a decision": abi.record(abi.DECIDED, b"x"),
    "a record": abi.record(abi.RECORD, b"x"),
    "type 0": abi.record(0),
    "unknown type": abi.record(0xFFFF),
    "flags": abi.record(abi.PROPOSE, b"x")[:6] + b"\1" + abi.record(abi.PROPOSE, b"x")[7:],
    "a number of a command": abi.record(abi.PROPOSE, b"x", d=1),
    "a second number": abi.record(abi.PERSISTED, a=0, b=1),
    "a checksum too long": abi.record(abi.COMPACT, a=0, b=2**32),
    "half a header": abi.record(abi.PROPOSE, b"x")[:20],
    "without its zeros": abi.record(abi.PROPOSE, b"x")[:-1],
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_a_bad_record_is_refused_and_those_before_it_are_taken(
    name: str, stations: dict[int, Station]
) -> None:
    replica = alone(stations[1])
    good = abi.record(abi.PROPOSE, b"good")
    with refused(errno.EINVAL):
        replica.endpoint.write(BAD_RECORDS[name])
    assert replica.endpoint.write(good + good + BAD_RECORDS[name]) == 2 * len(good)
    run_until([replica], lambda: replica.commands == [b"good", b"good"])


def test_what_makes_no_sense_to_the_core_changes_nothing(stations: dict[int, Station]) -> None:
    replica = alone(stations[1])
    replica.write(abi.PROPOSE, b"c" * 1474)  # more than fits a frame
    replica.write(abi.PERSISTED, a=2**64 - 1)
    replica.write(abi.COMPACT, a=2**64 - 1, b=1, c=2**64 - 1)
    replica.write(abi.COMPACT, a=0)
    replica.write(abi.RESTORE, encode_record(Promised(BALLOT)))
    replica.write(abi.RESTORE_SNAPSHOT, a=1)
    replica.propose(b"still well")
    run_until([replica], lambda: replica.commands == [b"still well"])
    assert replica.endpoint.status().poisoned == 0


def test_a_command_of_a_follower_is_lost(stations: dict[int, Station]) -> None:
    replica = KernelReplica(stations[1], 1, **QUIET)  # type: ignore[arg-type]
    replica.propose(b"nobody leads")
    with refused(errno.EAGAIN):
        replica.endpoint.read()
    assert replica.endpoint.status().pending_bytes == 0


def test_a_short_buffer_loses_no_record(stations: dict[int, Station]) -> None:
    replica = alone(stations[1])
    replica.pump()
    replica.propose(b"c" * 500)
    replica.endpoint.wait()
    for size in (1, 39, 40, 500):
        with refused(errno.EMSGSIZE):
            replica.endpoint.read(size)
    run_until([replica], lambda: replica.commands == [b"c" * 500])


def test_replicas_come_and_go_under_traffic(stations: dict[int, Station]) -> None:
    others: list[AnyReplica] = [KernelReplica(stations[n], n) for n in (2, 3)]
    for turn in range(10):
        flags = 0 if turn else abi.FLAG_VOTING  # a volatile one comes back without a vote
        one = KernelReplica(stations[1], 1, flags=flags)
        replicas = [one, *others]
        leader_among(replicas).propose(f"turn {turn}".encode())
        run_until(replicas, lambda t=turn, o=one: f"turn {t}".encode() in o.commands)
        one.close()
    for replica in others:
        replica.close()


def test_a_replica_whose_interface_goes_says_what_it_knew_and_then_the_end(
    stations: dict[int, Station],
) -> None:
    """The last test: station 4 has no interface after it."""
    replica = KernelReplica(stations[4], 1, {1: mac(4)})
    run_until([replica], lambda: replica.leads)
    replica.pump()
    replica.propose(b"the last")
    ip("-n", "n4", "link", "delete", "e0")
    assert replica.endpoint.wait(select.POLLIN) & select.POLLHUP
    replica.pump()
    assert replica.commands == [b"the last"]
    with refused(errno.ENODEV):
        replica.endpoint.read()
    with refused(errno.ENODEV):
        replica.propose(b"too late")
    assert replica.leads
