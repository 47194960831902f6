"""Peers: their processes, their wire, and what is missing; and the node without Python."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

import transports.bench.peers.etcd as etcd
import transports.bench.peers.pysyncobj as pysyncobj
from transports.bench.cluster import loopback_addresses
from transports.bench.ladder import plain_c
from transports.bench.ladder.driving import drive
from transports.bench.ladder.plain_c import PlainCKind
from transports.bench.ladder.stands import Ground, StandKind
from transports.bench.peers.etcd import EtcdKind
from transports.bench.peers.protobuf import fields, put_request, read_header, read_leader, varint
from transports.bench.peers.pysyncobj import PySyncObjKind
from transports.bench.places import LOOPBACK, Place
from transports.bench.processes import MeasureFailed
from transports.bench.saved.schema import Cell, Closed, Effort, Stand
from transports.node.cli.lab.ip import unavailable
from transports.node.cli.lab.network import open_network

EFFORT = Effort(repeats=1, warm_seconds=0.1, seconds=0.3)


def require(reason: str) -> None:
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layer", "rung", "variant", "outstanding"),
    [
        (EtcdKind(), "etcd", "durable", "default", 1),
        (EtcdKind(), "etcd", "durable", "best", 16),
        (PySyncObjKind(), "pysyncobj", "paxos", "best for latency", 1),
        (PySyncObjKind(), "pysyncobj", "paxos", "best for rate, client in its leader", 32),
    ],
)
async def test_a_peer_takes_loads_one_after_the_other(
    tmp_path: Path, kind: StandKind, layer: str, rung: str, variant: str, outstanding: int
) -> None:
    load = Closed(outstanding=outstanding)
    cell = Cell(layer=layer, rung=rung, variant=variant, load=load)  # type: ignore[arg-type]
    require(kind.unavailable(cell.stand))
    ground = Ground(tmp_path, LOOPBACK, EFFORT, {})
    async with kind.open(cell.stand, ground) as running:
        pids = set(running.pids.values())
        assert len(pids) == len(running.pids)
        for repeat in range(2):
            sample = (await drive(running, cell, repeat, EFFORT, LOOPBACK)).sample
            assert sample.commands > 0
            assert sum(p.user_seconds for p in sample.processes) > 0
        await running.settle()
    check_gone(pids, tmp_path)


ETCD = Cell(layer="etcd", rung="durable", variant="default", load=Closed(outstanding=1))


@pytest.mark.slow
async def test_a_member_of_etcd_that_ends_costs_the_stand(tmp_path: Path) -> None:
    require(EtcdKind().unavailable(ETCD.stand))
    ground = Ground(tmp_path, LOOPBACK, EFFORT, {})
    async with EtcdKind().open(ETCD.stand, ground) as running:
        pids = running.pids
        os.kill(next(pid for role, pid in pids.items() if "follower" in role), signal.SIGKILL)
        # Two of three still take every put: the load is well, what it costs cannot be told.
        with pytest.raises(MeasureFailed, match=r"follower \d has ended"):
            await drive(running, ETCD, 0, EFFORT, LOOPBACK)
        with pytest.raises(MeasureFailed, match=r"etcd, member \d, ended with signal 9"):
            await running.settle()
    check_gone(set(pids.values()), tmp_path)


@pytest.mark.slow
async def test_a_leader_of_etcd_that_ends_under_load_is_said(tmp_path: Path) -> None:
    require(EtcdKind().unavailable(ETCD.stand))
    ground = Ground(tmp_path, LOOPBACK, EFFORT, {})
    async with EtcdKind().open(ETCD.stand, ground) as running:
        os.kill(running.pids["leader"], signal.SIGKILL)
        with pytest.raises(MeasureFailed, match=r"etcd: .*(closed|reset|refused|pipe)"):
            await drive(running, ETCD, 0, EFFORT, LOOPBACK)


@pytest.mark.slow
async def test_a_port_that_is_taken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(EtcdKind().unavailable(ETCD.stand))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = loopback_addresses(6)
        free[2] = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(etcd, "loopback_addresses", lambda _count: free)
        with pytest.raises(MeasureFailed, match=r"etcd, member 3, ended.*address already in use"):
            async with EtcdKind().open(ETCD.stand, Ground(tmp_path, LOOPBACK, EFFORT, {})):
                pytest.fail("it started")
    check_gone(set(), tmp_path)


def check_gone(pids: set[int], directory: Path) -> None:
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert list(directory.iterdir()) == []


@pytest.mark.slow
async def test_the_core_without_python_is_measured(tmp_path: Path) -> None:
    cell = Cell(layer="ethernet-veth", rung="paxos", variant="plain-c", load=Closed(outstanding=4))
    kind = PlainCKind()
    require(unavailable() or kind.unavailable(cell.stand))
    with open_network((1, 2, 3)) as (plan, _claim):
        place = Place(plan)
        async with kind.open(cell.stand, Ground(tmp_path, place, EFFORT, {})) as running:
            sample = (await drive(running, cell, 0, EFFORT, place)).sample
    assert sample.commands > 0
    assert sample.latency.samples == sample.commands
    assert {p.role for p in sample.processes} == {"leader", "follower 2", "follower 3"}


def test_a_missing_peer_says_how_it_is_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(pysyncobj, "find_spec", lambda _name: None)
    stand = Stand("etcd", "durable", "best", 3)
    assert "apt-get install etcd-server" in EtcdKind().unavailable(stand)
    assert "pip install '.[peers]'" in PySyncObjKind().unavailable(stand)
    assert "apt-get install make gcc" in PlainCKind().unavailable(stand)
    monkeypatch.setattr(plain_c, "SOURCES", tmp_path)
    assert "in a checkout" in PlainCKind().unavailable(stand)
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/etcd")
    assert EtcdKind().unavailable(stand) == ""


def test_a_put_is_what_protobuf_makes_of_it() -> None:
    # protoc --encode=etcdserverpb.PutRequest <<< 'key: "k" value: "hi"'
    assert put_request(b"k", b"hi") == bytes.fromhex("0a016b 12026869")
    assert varint(300) == bytes.fromhex("ac02")
    assert len(put_request(b"k", bytes(300))) == 3 + 1 + 2 + 300


def test_responses_are_read() -> None:
    header = b"\x10\x07\x18\xac\x02\x20\x03"
    answer = b"\x0a" + varint(len(header)) + header + b"\x20\x07"
    assert read_header(answer) == {2: 7, 3: 300, 4: 3}
    assert read_leader(answer) == (7, 7)
    assert read_header(b"") == {}
    assert list(fields(b"\x09" + bytes(8) + b"\x15" + bytes(4))) == [(1, bytes(8)), (2, bytes(4))]


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 11, b"\x0b"])
def test_what_is_cut_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"field|number"):
        list(fields(data))
