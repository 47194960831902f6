"""The node's loop by hand, one drain at a time: what is written and sent, in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from clusters import Recorder, make_config

from paxos_core import Codec, Limits, QuorumSystem, Replica, ReplicaConfig, Service, decode_record
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import Promised, Snapshot
from paxos_core.ready import LeaderChanged
from paxos_core.types import make_ballot
from transports.api import Frame, Transport, TransportStats
from transports.node.cores import Core
from transports.node.logs import NodeLogger
from transports.node.node import EVENTS_MAX, LATE_TICKS_MAX, LeaderGained, Node
from transports.node.store.api import Store, StoreFailed, StoreIdentity

CLUSTER = 7
BALLOT = make_ballot(1, 2)
V = encode_batch([b"v"])


class Tape(Transport, Store):
    """The node's transport and its store, on one tape: what it did, in order."""

    durable = True
    syncs = 0
    frame_bytes_max = 1 << 16
    identity = StoreIdentity(CLUSTER, 1, True)

    def __init__(self) -> None:
        self.stats = TransportStats()
        self.done: list[tuple[str, Any]] = []
        self.fails = False

    def send(self, batch: Sequence[Frame]) -> None:
        decode = Codec(CLUSTER, 1).decode
        self.done += [("send", (to, decode(frame)[1])) for to, frame in batch]

    async def receive(self) -> list[Frame]:
        raise NotImplementedError

    @property
    def log_bytes(self) -> int:
        return 0

    def write(self, records: Sequence[bytes], *, checkpoint: bool = False) -> None:
        if self.fails:
            raise StoreFailed("the disk failed")
        kind = "checkpoint" if checkpoint else "write"
        self.done += [(kind, decode_record(record)) for record in records]

    def close(self) -> None:
        pass

    def taken(self) -> list[tuple[str, Any]]:
        done, self.done = self.done, []
        return done


def made(
    tmp_path: Path, members: tuple[int, ...] = (1, 2, 3), **settings: Any
) -> tuple[Node, Tape]:
    tape = Tape()
    replica = Replica(ReplicaConfig(1, QuorumSystem(members), **settings))
    core = Core("python", replica, tape, Codec(CLUSTER, 1))
    node = Node(make_config(tmp_path), core, Service(replica, Recorder()), tape, NodeLogger(1))
    return node, tape


def frame(sender: int, message: m.Message) -> Frame:
    return sender, Codec(CLUSTER, sender).encode(message)


def kinds(done: list[tuple[str, Any]]) -> list[tuple[str, type]]:
    return [(what, type(x[1] if what == "send" else x)) for what, x in done]


def elected(tmp_path: Path) -> tuple[Node, Tape]:
    """Node 1, leading in its first ballot; what it said until then is off the tape."""
    node, tape = made(tmp_path)
    while not any(what == "send" for what, _ in tape.done):
        node._service.tick()
        node._pump()
    (_, (_, asked)), *_ = tape.taken()
    ballot = asked.ballot
    node._feed([frame(2, m.PreVoteReply(ballot, 1, 0, 0))])
    assert kinds(tape.taken())[0] == ("write", Promised)
    node._feed([frame(2, m.Promise(ballot, 0, m.NO_MORE, 0, []))])
    assert node.leader == 1
    tape.taken()
    return node, tape


def test_a_promise_is_written_and_then_sent_with_the_same_drain(tmp_path: Path) -> None:
    node, tape = made(tmp_path)
    node._feed([frame(2, m.Prepare(BALLOT, 0))])
    assert tape.taken() == [
        ("write", Promised(BALLOT)),
        ("send", (2, m.Promise(BALLOT, 0, m.NO_MORE, 0, []))),
    ]


def test_an_accept_to_the_others_overlaps_our_own_write(tmp_path: Path) -> None:
    node, tape = elected(tmp_path)
    node._service.replica.propose(b"x")
    node._pump()
    done = [what for what, kind in kinds(tape.taken()) if kind is not m.Heartbeat]
    assert done == ["send", "send", "write"]


def test_what_a_store_did_not_take_is_never_answered(tmp_path: Path) -> None:
    node, tape = made(tmp_path)
    tape.fails = True
    with pytest.raises(StoreFailed):
        node._feed([frame(2, m.Prepare(BALLOT, 0))])
    tape.fails = False
    node._feed([frame(2, m.Heartbeat(BALLOT, 0, 1))])
    assert ("send", m.Promise) not in kinds(tape.taken())


def test_a_checkpoint_is_written_as_one(tmp_path: Path) -> None:
    node, tape = made(tmp_path, limits=Limits(log_bytes_max=100, log_keep_slots=1))
    for slot in range(3):
        crc = checksum(V)
        node._feed([frame(2, m.Chosen(slot, 3, 3, crc, V))])
    snapshots = [what for what, record in tape.taken() if isinstance(record, Snapshot)]
    assert snapshots
    assert set(snapshots) == {"checkpoint"}


def test_each_message_is_sent_as_itself(tmp_path: Path) -> None:
    node, tape = made(tmp_path)
    node._feed([frame(2, m.Heartbeat(BALLOT, 0, 1)), frame(2, m.Heartbeat(BALLOT, 0, 2))])
    assert tape.taken() == [("send", (2, m.HeartbeatAck(BALLOT, 0, n))) for n in (1, 2)]


def test_a_bad_frame_hides_none_of_its_drain(tmp_path: Path) -> None:
    node, tape = made(tmp_path)
    node._feed([(3, b"rubbish"), frame(2, m.Heartbeat(BALLOT, 0, 1))])
    assert kinds(tape.taken()) == [("send", m.HeartbeatAck)]
    assert node.dropped == {"malformed": 1}


async def test_ticks_lost_in_a_pause_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    node, _ = made(tmp_path)
    ticks = 0

    def tick(self: object) -> None:
        nonlocal ticks
        ticks += 1

    monkeypatch.setattr(Service, "tick", tick)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node._tick_loop)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(60)
        await trio.testing.wait_all_tasks_blocked()
        assert 1 <= ticks <= LATE_TICKS_MAX + 1
        nursery.cancel_scope.cancel()


async def test_events_are_kept_from_the_call_on(tmp_path: Path) -> None:
    node, _ = made(tmp_path)
    events = node.events()
    node._tell([LeaderChanged(2, 1)])
    node._end()
    assert [event async for event in events] == [LeaderGained(2, 1)]


async def test_who_watches_and_does_not_read_loses_the_newest(tmp_path: Path) -> None:
    node, _ = made(tmp_path)
    seen: list[object] = []

    async def watch(events: AsyncIterator[object]) -> None:
        async for event in events:
            seen.append(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, node.events())
        await trio.testing.wait_all_tasks_blocked()
        node._tell([LeaderChanged(2, ballot) for ballot in range(1, EVENTS_MAX + 10)])
        await trio.testing.wait_all_tasks_blocked()
        assert seen == [LeaderGained(2, ballot) for ballot in range(1, len(seen) + 1)]
        assert len(seen) >= EVENTS_MAX
        nursery.cancel_scope.cancel()
