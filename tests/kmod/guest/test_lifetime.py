"""Endpoints that end, and those whose interface does; a reader that never reads, and a flood."""

from __future__ import annotations

import errno
import glob
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import device_abi as abi
import pytest
from device_kit import (
    CLIENT,
    Endpoint,
    Station,
    inside,
    ip,
    join,
    mac,
    packet,
    part,
    refused,
    two_namespaces,
)

MODULE = Path("/sys/module/paxos")
DEADLINE = 60_000


@pytest.fixture(scope="module")
def namespaces() -> Iterator[tuple[Station, Station]]:
    with two_namespaces() as pair:
        yield pair


@pytest.fixture
def stations(namespaces: tuple[Station, Station]) -> Iterator[tuple[Station, Station]]:
    join()
    yield namespaces
    part()


def until(condition: Callable[[], bool]) -> None:
    """Look again and again: what the kernel frees later has no event to wait for."""
    for _ in range(DEADLINE // 20):
        if condition():
            return
        select.select([], [], [], 0.02)
    raise AssertionError("it never came about")


def users() -> int:
    """Each open endpoint counts as two: its file, and what counts its bytes on their way."""
    return int((MODULE / "refcnt").read_text())


def test_an_endpoint_ends_with_its_last_reference(stations: tuple[Station, Station]) -> None:
    west, east = stations
    one, two = west.endpoint(1), east.endpoint(2)
    twin = Endpoint(os.dup(one.fd))
    child = os.fork()
    if child == 0:
        one.close()
        twin.close()
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    one.close()
    assert users() == 4
    twin.send(2, b"still open")
    assert two.receive() == [(1, b"still open")]
    with west.open() as other:
        with refused(errno.EADDRINUSE):
            other.configure(west.config(1))
        twin.close()
        other.configure(west.config(1))
    two.close()
    until(lambda: users() == 0)


def test_a_process_that_is_killed_leaves_nothing(stations: tuple[Station, Station]) -> None:
    west, _ = stations
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        endpoint = west.endpoint(1, open_flags=0)
        os.write(tell, b"!")
        endpoint.read()  # nothing will come
        os._exit(1)
    assert os.read(ready, 1) == b"!"
    os.close(ready)
    os.close(tell)
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    west.endpoint(1).close()
    until(lambda: users() == 0)


def test_a_signal_interrupts_a_reader(stations: tuple[Station, Station]) -> None:
    west, _ = stations

    def interrupt(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with west.endpoint(1, open_flags=0) as one:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(InterruptedError):
                one.read()
    finally:
        signal.signal(signal.SIGALRM, before)


def asleep(thread: threading.Thread) -> bool:
    state = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2]
    return state.split()[0] == "S"


def test_close_while_another_thread_reads(stations: tuple[Station, Station]) -> None:
    west, east = stations
    one = west.endpoint(1, open_flags=0)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(data for _, data in one.read()))
    reader.start()
    until(lambda: asleep(reader))
    one.close()
    assert users() == 2  # its read holds it
    east.inject(mac(1), packet(2, 1, b"late"))
    reader.join(60)
    assert got == [b"late"]
    until(lambda: users() == 0)


def test_two_threads_may_read_and_each_frame_comes_once(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    frames = [number.to_bytes(4, "big") for number in range(4000)]
    got: list[bytes] = []
    with west.endpoint(1, open_flags=0) as one, east.endpoint(2) as two:

        def read() -> None:
            while len(got) < len(frames):
                payloads = [data for _, data in one.read(500)]
                got.extend(data for data in payloads if data != b"end")

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for at in range(0, len(frames), 50):
            two.send(1, *frames[at : at + 50])
        until(lambda: len(got) == len(frames))
        while any(reader.is_alive() for reader in readers):
            two.send(1, b"end")
            for reader in readers:
                reader.join(0.1)
    assert sorted(got) == frames


def test_a_removed_interface_is_reported_after_what_has_come(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    with west.endpoint(1) as one:
        east.inject(mac(1), packet(2, 1, b"before"))
        one.wait()
        ip("-n", "west", "link", "delete", "w0")
        ended = select.POLLERR | select.POLLHUP
        assert one.wait(select.POLLIN | select.POLLOUT) & ended == ended
        assert [data for _, data in one.read()] == [b"before"]
        with refused(errno.ENODEV):
            one.read()
        with refused(errno.ENODEV):
            one.write(abi.record(abi.SEND, b"x", 2))
        join()
        with refused(errno.ENODEV):  # the new one only has its name
            one.read()
        with west.endpoint(1) as again:
            east.inject(mac(1), packet(2, 1, b"after"))
            assert again.receive() == [(2, b"after")]
            with refused(errno.ENODEV):
                one.read()


def test_a_waiting_reader_learns_that_the_interface_goes(
    stations: tuple[Station, Station],
) -> None:
    west, _ = stations
    with west.endpoint(1, open_flags=0) as one:
        failure: list[int | None] = []

        def read() -> None:
            try:
                one.read()
            except OSError as error:
                failure.append(error.errno)

        reader = threading.Thread(target=read)
        reader.start()
        until(lambda: asleep(reader))
        ip("-n", "west", "link", "delete", "w0")
        reader.join(60)
        assert failure == [errno.ENODEV]


def test_an_interface_that_moves_to_another_namespace_is_gone(
    stations: tuple[Station, Station],
) -> None:
    west, _ = stations
    with west.endpoint(1) as one:
        ip("-n", "west", "link", "set", "w0", "netns", "east")
        with refused(errno.ENODEV):
            one.read()


def test_an_interface_that_is_down_drops_and_comes_back(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2) as two:
        ip("-n", "west", "link", "set", "w0", "down")
        one.send(2, b"lost", b"too")
        two.send(1, b"no carrier")
        with refused(errno.EAGAIN):
            one.read()
        ip("-n", "west", "link", "set", "w0", "up")
        one.send(2, b"back")
        assert two.receive() == [(1, b"back")]
        two.send(1, b"again")
        assert one.receive() == [(2, b"again")]
        assert one.stats().drops() == {"interface_down": 2}
        assert two.stats().drops() == {"interface_down": 1}


def test_an_mtu_that_shrinks_makes_frames_too_large(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2) as two:
        ip("-n", "west", "link", "set", "w0", "mtu", "700")
        one.send(2, b"x" * 1000)
        one.send(2, b"small")
        assert two.receive() == [(1, b"small")]
        assert one.stats().drops() == {"oversized": 1}


def test_a_reader_that_never_reads_loses_the_newest(stations: tuple[Station, Station]) -> None:
    west, east = stations
    total = 5_000
    with west.endpoint(1, queue_bytes_max=256 << 10) as one, east.endpoint(2) as two:
        for number in range(total):
            two.send(1, number.to_bytes(4, "big"))
        lost = one.stats().drops()["queue_full"]
        assert 0 < lost < total
        kept = [int.from_bytes(data, "big") for _, data in one.receive(total - lost)]
        assert kept == list(range(total - lost))
        two.send(1, b"room again")
        assert one.receive() == [(2, b"room again")]


def queue(station: Station, *words: str) -> None:
    """Put another queue before the interface; what waits in the old one is dropped."""
    tc = ["ip", "netns", "exec", station.namespace, "tc", "qdisc", "replace", "dev"]
    command = [*tc, station.interface, "root", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# One packet in 100 s. A delay would not do: netem takes delayed packets off the sender's account.
NEVER = ("netem", "slot", "100s", "100s", "packets", "1", "limit", "100000")


def test_a_writer_that_floods_a_slow_interface_has_to_wait(
    stations: tuple[Station, Station],
) -> None:
    west, _ = stations
    batch = b"".join(abi.record(abi.SEND, b"x" * 1000, 2) for _ in range(20))
    queue(west, *NEVER)
    with west.endpoint(1) as one:
        with refused(errno.EAGAIN):
            while True:
                one.write(batch)
        sent = one.stats().frames_sent
        assert 500 < sent < 5000  # packets of half of 4 MiB, give or take a batch
        poll = select.poll()
        poll.register(one.fd, select.POLLOUT)
        assert poll.poll(0) == []
        queue(west, "pfifo")
        assert one.wait(select.POLLOUT) == select.POLLOUT
        assert one.write(batch) == len(batch)


def test_a_waiting_writer_is_woken_by_room(stations: tuple[Station, Station]) -> None:
    west, _ = stations
    batch = b"".join(abi.record(abi.SEND, b"x" * 1000, 2) for _ in range(20))
    queue(west, *NEVER)
    with west.endpoint(1, open_flags=0) as one:

        def write() -> None:
            for _ in range(200):
                one.write(batch)

        writer = threading.Thread(target=write)
        writer.start()
        until(lambda: asleep(writer))
        assert one.stats().frames_sent < 4000
        queue(west, "pfifo")
        writer.join(60)
        assert not writer.is_alive()


def test_what_is_on_its_way_outlives_the_endpoint_and_holds_the_module(
    stations: tuple[Station, Station],
) -> None:
    west, _ = stations
    queue(west, *NEVER)
    with west.endpoint(1) as one:
        one.send(2, b"goes out")
        one.send(2, b"on its way")
    assert users() == 1
    ip("-n", "west", "link", "delete", "w0")  # and what waits there with it
    until(lambda: users() == 0)


def has(namespace: str, interface: str) -> bool:
    with inside(namespace):
        return interface in [name for _, name in socket.if_nameindex()]


def test_an_open_endpoint_keeps_its_namespace_and_a_closed_one_frees_it(
    stations: tuple[Station, Station],
) -> None:
    ip("netns", "add", "short")
    ip("-n", "short", "link", "set", "lo", "up")
    # Its end in west goes when the namespace of the other end does.
    ip("-n", "west", "link", "add", "cord", "type", "veth", "peer", "name", "end", "netns", "short")
    station = Station("short", "lo", bytes(6))
    members = {1: bytes(6), 2: bytes(6)}
    one, two = station.endpoint(1, members=members), station.endpoint(2, members=members)
    ip("netns", "delete", "short")
    one.send(2, b"we still have our interface")
    assert two.receive() == [(1, b"we still have our interface")]
    one.close()
    assert has("west", "cord")
    two.close()
    until(lambda: not has("west", "cord"))


def rmmod() -> subprocess.CompletedProcess[str]:
    return subprocess.run(["rmmod", "paxos"], capture_output=True, text=True, check=False)


def insmod() -> None:
    (built,) = glob.glob("/run/kmod-vm/module/**/paxos.ko", recursive=True)
    subprocess.run(["insmod", built], check=True, capture_output=True)


def test_the_module_cannot_be_unloaded_while_it_is_used(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2) as two:
        refusal = rmmod()
        assert refusal.returncode != 0
        assert "in use" in refusal.stderr
        one.send(2, b"undisturbed")
        assert two.receive() == [(1, b"undisturbed")]


def test_unloading_leaves_nothing_behind(stations: tuple[Station, Station]) -> None:
    west, east = stations
    for _ in range(3):
        with west.endpoint(1) as one, east.endpoint(2) as two, west.endpoint(CLIENT) as client:
            one.send(2, b"never read" * 100)
            client.send(2, b"nor this")
            two.wait()
        until(lambda: users() == 0)
        done = rmmod()
        assert done.returncode == 0, done.stderr
        assert not MODULE.exists()
        assert not Path("/dev/paxos").exists()
        insmod()
