"""A replica whose invariant broke: it falls silent, says so to all who ask, and keeps nobody."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import device_abi as abi
import pytest
from device_kit import Station, mac, packet, refused
from replica_kit import CLUSTER, OPENED, KernelReplica, PythonReplica, hub, run_until

from paxos_core import Timing
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import Codec

TWO = {1: mac(1), 2: mac(2)}
TWO_VALUES = 2
"""PX_POISON_TWO_VALUES of kmod/core/core.h"""
KERNEL_LOG = Path("/dev/kmsg")


@pytest.fixture
def stations() -> Iterator[dict[int, Station]]:
    with hub() as made:
        yield made
        for replica in OPENED:
            replica.close()
        OPENED.clear()


def break_by_two_values(station: Station, slot: int) -> None:
    """Member 2 says of a slot that two values were chosen, which is never so."""
    said = f"paxos: assertion {TWO_VALUES} of replica 1 failed: it takes no part any more"
    KERNEL_LOG.write_text(f"kmod-test: expected: {said}\n")
    codec = Codec(CLUSTER, 2)
    for value in (encode_batch([b"one"]), encode_batch([b"another"])):
        chosen = m.Chosen(slot, 0, 0, checksum(value), value)
        station.inject(mac(1), packet(2, 1, codec.encode(chosen)))


def asleep(thread: threading.Thread) -> bool:
    state = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2]
    return state.split()[0] == "S"


def is_full(replica: KernelReplica) -> bool:
    status = replica.endpoint.status()
    return status.role == 2 and status.pending_bytes > 2000


def failure_of(act: object, failures: list[int | None]) -> threading.Thread:
    """A thread that does it until it fails."""

    def run() -> None:
        try:
            while True:
                act()  # type: ignore[operator]
        except OSError as error:
            failures.append(error.errno)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_broken_replica_says_so_to_readers_and_to_writers_that_wait(
    stations: dict[int, Station],
) -> None:
    flags = abi.FLAG_VOTING | abi.FLAG_DURABLE
    # A long office: on a slow machine the threads below may keep the peer from answering.
    patient = {"election_ticks_min": 250, "election_ticks_max": 250}
    one = KernelReplica(stations[1], 1, TWO, flags=flags, pending_bytes_max=4000, **patient)
    peer = PythonReplica(stations[2], 2, TWO, Timing(election_ticks_max=100_000))
    run_until([one, peer], lambda: one.leads)
    # Without its own vote on record it decides nothing, and soon a command waits for ever.
    os.set_blocking(one.fd, True)
    failures: list[int | None] = []
    command = abi.record(abi.PROPOSE, b"c" * 1000)
    waiting = [
        failure_of(lambda: one.endpoint.write(command), failures),
        failure_of(one.endpoint.read, failures),
    ]
    run_until([peer], lambda: all(map(asleep, waiting)) and is_full(one))
    break_by_two_values(stations[2], one.endpoint.status().watermark + 900)
    for thread in waiting:
        thread.join(20)
        assert not thread.is_alive(), "nobody told who waits"
    assert failures == [errno.EIO] * 2
    assert one.endpoint.status().poisoned == TWO_VALUES
    ended = select.POLLERR | select.POLLHUP
    assert one.endpoint.wait(select.POLLIN) & ended == ended
    with refused(errno.EIO):
        one.endpoint.write(command)
    sent = one.endpoint.stats().frames_sent
    stations[2].inject(mac(1), packet(2, 1, Codec(CLUSTER, 2).encode(m.Learn(0))))
    assert one.endpoint.stats().frames_sent == sent
