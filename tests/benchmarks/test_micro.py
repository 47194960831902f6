"""What codec, core, sessions, framing and store cost by themselves: `make microbench`.

In the test suite each runs once, as a test that it runs at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paxos_core import Codec, QuorumSystem, Replica, ReplicaConfig, Service
from paxos_core import messages as m
from paxos_core.batch import decode_batch, encode_batch
from paxos_core.checksum import checksum
from paxos_core.config import SessionLimits
from paxos_core.durable import DurableState, Voted, decode_record, encode_record, replay
from paxos_core.session import (
    NO_SESSION,
    Answered,
    Opened,
    SessionTable,
    encode_group,
    pack_results,
)
from transports._packets import pack, unpack
from transports.bench.core_steps import _Cluster, _Watch
from transports.framing import FrameReader, join_frames
from transports.node.machines import Journal
from transports.node.store.api import StoreIdentity
from transports.node.store.log_create import create_store
from transports.node.store.log_open import open_store

Benchmark = Callable[..., Any]
COMMANDS = encode_batch([bytes(64)])
VALUE = encode_batch([encode_group(1, 1, 1, COMMANDS)])
BALLOT = 1 << 16 | 1
MESSAGES = {
    "request": m.Request(1, 1, 1, 1, COMMANDS),
    "accept": m.Accept(BALLOT, 1, 1, checksum(VALUE), VALUE),
    "accepted": m.Accepted(BALLOT, 1, 1),
    "reply": m.Reply(1, 1, 1, pack_results([b"100000"])),
    "prepare": m.Prepare(BALLOT, 1),
    "promise_of_64": m.Promise(
        BALLOT, 1, 65, 0, [m.Vote(slot, BALLOT, checksum(VALUE), VALUE) for slot in range(1, 65)]
    ),
    "heartbeat": m.Heartbeat(BALLOT, 1, 1),
    "learn": m.Learn(1),
    "chosen": m.Chosen(1, 2, 2, checksum(VALUE), VALUE),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_encode(benchmark: Benchmark, kind: str) -> None:
    codec = Codec(1, 1)
    frame = benchmark(codec.encode, MESSAGES[kind])
    assert codec.decode(frame)[1] == MESSAGES[kind]


@pytest.mark.parametrize("kind", MESSAGES)
def test_decode(benchmark: Benchmark, kind: str) -> None:
    codec = Codec(1, 1)
    sender, message = benchmark(codec.decode, codec.encode(MESSAGES[kind]))
    assert (sender, message) == (1, MESSAGES[kind])


def test_record(benchmark: Benchmark) -> None:
    vote = Voted(1, BALLOT, checksum(VALUE), VALUE)
    assert benchmark(lambda: decode_record(encode_record(vote))) == vote


def test_batch_of_64(benchmark: Benchmark) -> None:
    commands = [bytes(64)] * 64
    assert benchmark(lambda: decode_batch(encode_batch(commands))) == commands


def test_checksum(benchmark: Benchmark) -> None:
    assert benchmark(checksum, bytes(1000)) == checksum(bytes(1000))


def test_follower_takes_an_accept(benchmark: Benchmark) -> None:
    """From the message to the Accepted that leaves, a slot further each time."""
    replica = Replica(ReplicaConfig(2, QuorumSystem((1, 2, 3))), DurableState())
    slot = 0

    def take() -> int:
        nonlocal slot
        replica.receive(1, m.Accept(BALLOT, slot, slot, checksum(VALUE), VALUE))
        slot += 1
        sent = 0
        while ready := replica.take():
            sent += len(ready.messages)
            replica.persisted(ready.write_id)
        return sent

    assert benchmark(take) == 1


def test_replay_of_64_votes(benchmark: Benchmark) -> None:
    votes = [Voted(slot, BALLOT, checksum(VALUE), VALUE) for slot in range(64)]
    assert len(benchmark(lambda: replay(votes)).votes) == 64


def test_one_command_through_a_cluster(benchmark: Benchmark) -> None:
    """Client, leader and two followers in one process, lists for the network."""
    cluster = _Cluster(64)
    benchmark(lambda: cluster.one_command(_Watch()))


def test_session_of_64_commands(benchmark: Benchmark) -> None:
    """Decided groups of one session, each newer than the one before: applied and remembered."""
    table = SessionTable(SessionLimits())
    (opened,) = table.execute(1, [encode_group(NO_SESSION, 1, 0, encode_batch([]))], bytes)
    assert isinstance(opened, Opened)
    commands = encode_batch([bytes(64)] * 64)
    first = 1

    def execute() -> list[Any]:
        nonlocal first
        group = encode_group(opened.session, first, first, commands)
        first += 64
        return list(table.execute(2, [group], lambda command: command[:8]))

    (answered,) = benchmark(execute)
    assert isinstance(answered, Answered)
    assert len(answered.results) == 64


def test_store_append(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One vote a write, all but the wait for the disk."""
    monkeypatch.setattr(os, "fdatasync", lambda _fd: None)
    create_store(tmp_path / "store", StoreIdentity(1, 1, voting=True))
    store, records = open_store(tmp_path / "store", 1, 1)
    assert list(records) == []
    vote = [encode_record(Voted(1, BALLOT, checksum(VALUE), VALUE))]
    benchmark(store.write, vote)
    assert store.log_bytes > len(vote[0])
    store.close()


def test_idle_tick(benchmark: Benchmark) -> None:
    service = Service(Replica(ReplicaConfig(1, QuorumSystem((1, 2, 3)))), Journal())

    def tick() -> None:
        service.tick()
        service.take()

    benchmark(tick)


def test_stream_of_64_frames(benchmark: Benchmark) -> None:
    frames = [bytes(90)] * 64
    data = join_frames(frames)

    def cut() -> list[bytes]:
        return list(FrameReader(1 << 20).feed(data))

    assert benchmark(cut) == frames


def test_packet_of_one_frame(benchmark: Benchmark) -> None:
    frame = bytes(90)

    def there_and_back() -> tuple[int, int, list[bytes]]:
        return unpack(memoryview(pack(1, 2, [frame])), padded=False)

    assert benchmark(there_and_back) == (1, 2, [frame])
