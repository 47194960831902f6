"""Allocations that fail give an errno or a counted drop, and what was begun is undone."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator

import device_abi as abi
import pytest
from device_kit import DEVICE, Endpoint, Station, inside, mac, two_stations
from harness import failing

pytestmark = pytest.mark.skipif(
    not failing.possible(), reason="no fault injection in this kernel: make kmod-test-debug"
)

SMALL = {"vote_slots_max": 64, "log_keep_slots": 16, "log_bytes_max": 4096}
EXPECTED = {errno.ENOMEM, errno.EFAULT}
"""Copies from and to user space fail in turn as well."""


@pytest.fixture(scope="module")
def stations() -> Iterator[tuple[Station, Station]]:
    with two_stations() as pair:
        yield pair


@pytest.mark.parametrize("mode", [abi.MODE_RELAY, abi.MODE_ECHO, abi.MODE_REPLICA])
def test_each_allocation_of_an_endpoints_life_may_fail(
    mode: int, stations: tuple[Station, Station]
) -> None:
    west, _ = stations
    settings = {**SMALL, "members": {1: mac(1)}} if mode == abi.MODE_REPLICA else {}
    config = west.config(1, mode, clients_max=4, **settings)
    stats = abi.Stats()

    def live() -> None:
        # System calls alone: what else Python does would fail as well.
        fd = os.open(DEVICE, os.O_RDWR)
        try:
            fcntl.ioctl(fd, abi.CONFIGURE, abi.Config.from_buffer_copy(config))
            if mode == abi.MODE_REPLICA:
                fcntl.ioctl(fd, abi.START)
            fcntl.ioctl(fd, abi.STATS, stats)
        finally:
            os.close(fd)

    with inside(west.namespace):
        refused = [error for error in failing.each_fault(live) if error is not None]
        assert {error.errno for error in refused} <= EXPECTED
        assert len(refused) > 3
        live()


def test_each_allocation_of_a_write_may_fail(stations: tuple[Station, Station]) -> None:
    west, east = stations
    data = b"".join(abi.record(abi.SEND, bytes([number]) * 900, 2) for number in range(8))
    with west.endpoint(1) as one, east.endpoint(2) as two:
        errors = failing.each_fault(lambda: os.write(one.fd, data))
        assert {error.errno for error in errors if error is not None} <= EXPECTED
        stats = one.stats()
        assert set(stats.drops()) == {"no_memory"}
        got = two.receive(stats.frames_sent)
        assert all(frame == frame[:1] * 900 for _, frame in got)


def test_frames_are_dropped_and_counted_where_no_packet_can_be_made(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2) as two:
        with failing.frames_fail(percent=30):
            for number in range(500):
                one.send(2, number.to_bytes(2, "big"))
        stats = one.stats()
        assert stats.drops() == {"no_memory": 500 - stats.frames_sent}
        assert 0 < stats.frames_sent < 500
        numbers = [int.from_bytes(data, "big") for _, data in two.receive(stats.frames_sent)]
        assert numbers == sorted(set(numbers))


def test_an_echo_without_memory_is_silent(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1, abi.MODE_ECHO) as echo, east.endpoint(70_000) as client:
        with failing.frames_fail(percent=30):
            for _ in range(200):
                client.send(1, b"echo")
        stats = echo.stats()
        assert len(client.receive(stats.frames_sent)) == stats.frames_sent


def propose(endpoint: Endpoint, count: int) -> None:
    for number in range(count):
        endpoint.write(abi.record(abi.PROPOSE, number.to_bytes(2, "big")))


def test_a_cluster_without_memory_for_packets_stays_right() -> None:
    from replica_kit import OPENED, KernelReplica, hub, leader_among, run_until

    with hub() as made:
        try:
            replicas = [KernelReplica(made[node], node) for node in (1, 2, 3)]
            leader_among(replicas)
            with failing.frames_fail(percent=20):
                for number in range(30):
                    leader = leader_among(replicas)
                    assert isinstance(leader, KernelReplica)
                    propose(leader.endpoint, 10)
                    run_until(replicas, lambda n=number: any(len(r.commands) > n for r in replicas))
            leader = leader_among(replicas)
            assert isinstance(leader, KernelReplica)
            leader.propose(b"the end")
            run_until(replicas, lambda: all(b"the end" in r.commands for r in replicas))
            assert replicas[0].decided == replicas[1].decided == replicas[2].decided
            assert all(r.endpoint.status().poisoned == 0 for r in replicas)
        finally:
            for replica in OPENED:
                replica.close()
            OPENED.clear()
