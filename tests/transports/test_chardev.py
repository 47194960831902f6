"""The relay over a stand-in for the device; over the real one it is tested in `tests/kmod`."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from fake_device import FakeKernel, record

from transports import chardev
from transports._paxos_device import FRAME, PaxosDevice
from transports.api import Transport, TransportError, read_options
from transports.chardev import KmodOptions, RelayTransport, availability, open_kmod, open_relay
from transports.sealed import seal
from transports.testing import PROMISES, check_transport

pytestmark = pytest.mark.timeout(60)

PEERS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}
CLIENT = 70_000
_macs = itertools.count(1)


def fresh_peers(n: int) -> dict[int, str]:
    return {node: f"02:00:00:00:{next(_macs):02x}:{node:02x}" for node in range(1, n + 1)}


class Station:
    """Opens relays of one fake kernel, as `open_kmod` does with the real one."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()

    @asynccontextmanager
    async def __call__(
        self, local: int, peers: Mapping[int, str] = PEERS, **options: object
    ) -> AsyncIterator[RelayTransport]:
        chosen = read_options(KmodOptions, "kmod", options)
        opener = self.kernel.opener(local, chardev.read_macs(peers), chosen)
        async with open_relay(local, peers, chosen, opener) as transport:
            yield transport

    async def inject(self, address: str, data: bytes) -> None:
        """What the real kernel would drop before anybody reads it."""
        self.kernel.endpoint(2).drop("malformed")


@pytest.fixture
def station() -> Station:
    return Station()


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(station: Station, promise: str) -> None:
    inject = station.inject if promise == "garbage" else None
    await check_transport(station, fresh_peers, promises=[promise], inject_garbage=inject)


async def exchange(one: Transport, two: Transport, frame: bytes) -> None:
    one.send([(2, frame)])
    assert await two.receive() == [(1, frame)]


async def test_a_batch_goes_with_few_writes_and_comes_with_few_reads(station: Station) -> None:
    async with station(1) as one, station(2) as two:
        frames = [bytes([n % 256]) * (1 + n % 1000) for n in range(1000)]
        one.send([(2, frame) for frame in frames])
        arrived: list[bytes] = []
        while len(arrived) < len(frames):
            arrived += [frame for _, frame in await two.receive()]
        assert arrived == frames
        assert one.stats.bytes_sent == two.stats.bytes_received == sum(map(len, frames))
        assert one.stats.frames_sent == two.stats.frames_received == len(frames)


async def test_frames_that_the_device_does_not_take_are_dropped(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with station(1) as one, station(2) as two:
        await exchange(one, two, b"before")
        write, given = os.write, []

        def half(fd: int, data: bytes) -> int:
            given.append(len(data))
            if len(given) > 1:
                raise BlockingIOError
            return write(fd, data[: 48 * 3])

        monkeypatch.setattr(os, "write", half)
        one.send([(2, bytes([n]) * 8) for n in range(1, 6)])
        monkeypatch.undo()
        assert given == [48 * 5, 48 * 2]
        assert one.stats.dropped == {"queue_full": 2}
        assert one.stats.frames_sent == 4
        assert one.stats.bytes_sent == 6 + 3 * 8
        arrived = await two.receive()
        assert arrived == [(1, bytes([n]) * 8) for n in range(1, 4)]


async def test_what_the_kernel_dropped_is_looked_up(station: Station) -> None:
    async with station(1) as one:
        sealed = seal(one, 1, b"k" * 16)
        station.kernel.endpoint(1).drop("misattributed")
        assert one.stats.dropped == {"misattributed": 1}
        station.kernel.endpoint(1).drop("misattributed")
        assert sealed.stats.dropped["misattributed"] == 2
        kernel = sealed.describe()["kernel"]
        assert kernel["dropped"] == {"misattributed": 2}
        assert "latency_us" not in kernel


async def test_an_interface_that_went_away_is_used_again(station: Station) -> None:
    async with station(1, reopen_seconds=0.01) as one, station(2, reopen_seconds=0.01) as two:
        await exchange(one, two, b"before")
        arrived: list[tuple[int, bytes]] = []

        async def read() -> None:
            while True:
                arrived.extend(await two.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            station.kernel.endpoint(1).drop("malformed")
            station.kernel.remove_interface()
            await until(lambda: two._back is not None)
            one.send([(2, b"lost")])
            one.send([(2, b"lost")])
            assert one.stats.dropped["interface_down"] == 1 + (one.stats.frames_sent == 1)
            with pytest.raises(trio.BusyResourceError):
                await two.receive()
            station.kernel.interface_up = True
            while (1, b"after") not in arrived:
                one.send([(2, b"after")])
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
        assert one.stats.dropped["malformed"] == 1


async def test_closed_while_the_interface_is_away(station: Station) -> None:
    async with station(1) as one:
        station.kernel.remove_interface()
        with trio.move_on_after(5) as scope:
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    with pytest.raises(trio.ClosedResourceError):
                        await one.receive()

                nursery.start_soon(wait)
                await until(lambda: one._back is not None)
                one.close()
        assert not scope.cancelled_caught
        one.send([(2, b"late")])
        assert one.stats.dropped["closed"] == 1


async def test_an_endpoint_that_was_closed_meanwhile_is_not_opened_again(station: Station) -> None:
    """Else its id would be taken on that interface for as long as the process lives."""
    async with station(1, reopen_seconds=1e-9) as one:
        station.kernel.remove_interface()
        released = one._device
        one._lose(OSError())
        one.close()
        station.kernel.interface_up = True
        await trio.testing.wait_all_tasks_blocked()
        assert one._device is released


async def test_only_so_many_clients_are_remembered(station: Station) -> None:
    async with station(1, clients_max=2) as one:
        inner = station.kernel.endpoint(1)
        for client in (CLIENT, CLIENT + 1, CLIENT, CLIENT + 2):
            inner.give(record(FRAME, client, b"hello"))
            await one.receive()
        one.send([(CLIENT + n, b"answer") for n in range(3)])
        assert one.stats.dropped["unknown_peer"] == 1
        assert one.stats.frames_sent == 2


async def test_another_version_of_the_module_is_not_read_on(station: Station) -> None:
    async with station(1) as one:
        station.kernel.endpoint(1).give(b"no record")
        with pytest.raises(ValueError, match="cut off"):
            await one.receive()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "the option interface is missing"),
        ({"interface": "lo", "mode": "teleport"}, "mode is relay or replica, not 'teleport'"),
        ({"interface": "lo", "ethertype": 5}, "ethertype is in 0x600..0xffff, not 0x5"),
        ({"interface": "none0"}, "no interface 'none0'"),
        ({"interface": "a-name-that-is-too-long"}, "no interface"),
        ({"interface": "lo"}, "but interface lo is 00:00:00:00:00:00"),
        ({"interface": "lo", "mode": "replica"}, "is opened by open_node"),
        ({"interfaces": "lo"}, "has no option 'interfaces'"),
    ],
)
async def test_mistakes_have_a_name(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(TransportError, match=complaint) as caught:
        async with open_kmod(1, PEERS, **options):
            pass
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("kmod")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (errno.ENOENT, "there is no .*load the module"),
        (errno.EACCES, "no right to open"),
        (errno.EBUSY, "cannot be opened: device or resource busy"),
    ],
)
def test_a_device_that_cannot_be_opened_says_why(
    code: int, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, flags: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    assert availability() is not None
    with pytest.raises(TransportError, match=complaint):
        chardev.open_device("/dev/paxos")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (errno.EADDRINUSE, "endpoint 1 is open already on interface lo"),
        (errno.EPERM, "CAP_NET_RAW is missing: run as root, or give it"),
        (errno.ENODEV, "no interface 'lo'"),
        (errno.ENETDOWN, "interface lo is down"),
        (errno.EPROTONOSUPPORT, "of another version"),
        (errno.E2BIG, "own limits are lower"),
        (errno.ENOMEM, "no memory"),
        (errno.EINVAL, "refuses this endpoint: invalid argument"),
    ],
)
async def test_an_endpoint_that_is_refused_says_why(
    code: int, complaint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(device: PaxosDevice, config: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(PaxosDevice, "configure", refuse)
    (tmp_path / "device").touch()
    peers = {1: "00:00:00:00:00:00", 2: "00:00:00:00:00:00/2"}
    with pytest.raises(TransportError, match=complaint):
        async with open_kmod(1, peers, interface="lo", device=str(tmp_path / "device")):
            pass


def test_a_file_that_is_no_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "device").touch()
    device = chardev.open_device(str(tmp_path / "device"))
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        device.stats()
    device.close()
