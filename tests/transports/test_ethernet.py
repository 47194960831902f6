"""Raw Ethernet in a network namespace that the test makes and that ends with it.

The machine's own interfaces are never touched. The time limit is a guard against
hanging, nothing is timed.
"""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from own_network import (
    ETHERTYPE,
    PEERS,
    STATIONS,
    add_station,
    ip,
    mac,
    need_network,
    open_station,
    own_namespace,
    own_network,
    raw_frame,
    send_raw,
)

from transports import _linux
from transports._packets import FRAME_OVERHEAD_BYTES, pack
from transports.api import Frame, Transport, TransportError
from transports.ethernet import availability, open_ethernet
from transports.testing import PROMISES, check_transport

pytestmark = pytest.mark.timeout(60)

CLIENT = 70_000


def ports_forwarding() -> int:
    shown = subprocess.run(["bridge", "link"], check=True, capture_output=True, timeout=20)
    return shown.stdout.count(b"state forwarding")


@pytest.fixture
def loopback_alone() -> Iterator[None]:
    need_network()
    with own_namespace():
        yield


@pytest.fixture
def network() -> Iterator[None]:
    need_network()
    with own_network():
        # The bridge takes a port into use a moment after it has a carrier.
        while ports_forwarding() < STATIONS:
            pass
        yield


def fresh_peers(n: int) -> dict[int, str]:
    return {number: mac(number) for number in range(1, n + 1)}


@pytest.fixture
def stranger(network: None) -> Iterator[socket.socket]:
    """A packet socket on the last station."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((f"p{STATIONS}", ETHERTYPE))
        yield sock


async def inject(address: str, data: bytes) -> None:
    send_raw(address, data)


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


@asynccontextmanager
async def reading(*transports: Transport) -> AsyncIterator[list[tuple[Transport, Frame]]]:
    """Read all the time; gives the list of what came where."""
    arrived: list[tuple[Transport, Frame]] = []

    async def read(transport: Transport) -> None:
        while True:
            arrived.extend((transport, frame) for frame in await transport.receive())

    async with trio.open_nursery() as nursery:
        for transport in transports:
            nursery.start_soon(read, transport)
        yield arrived
        nursery.cancel_scope.cancel()


async def both_ways(
    one: Transport, two: Transport, arrived: list[tuple[Transport, Frame]], word: bytes
) -> None:
    """Send `word` from each to the other until it has arrived."""
    expected = {(two, (1, word)), (one, (2, word))}
    while not expected <= set(arrived):
        one.send([(2, word)])
        two.send([(1, word)])
        await trio.sleep(0.005)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(promise: str) -> None:
    await check_transport(open_station, fresh_peers, promises=[promise], inject_garbage=inject)


@pytest.mark.usefixtures("loopback_alone")
@pytest.mark.parametrize("mtu_bytes", ["65536", "1500"])
@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_on_one_shared_interface(promise: str, mtu_bytes: str) -> None:
    ip("link", "set", "lo", "mtu", mtu_bytes)

    def sharing(n: int) -> dict[int, str]:
        return {number: f"00:00:00:00:00:00/{number}" for number in range(1, n + 1)}

    await check_transport(open_ethernet, sharing, options={"interface": "lo"}, promises=[promise])


@pytest.mark.usefixtures("network")
async def test_the_bytes_on_the_wire(stranger: socket.socket) -> None:
    peers = {**PEERS, 9: mac(STATIONS)}
    async with open_station(1, peers) as one:
        one.send([(9, b"a"), (9, b"bc")])
        assert stranger.recv(2_000) == raw_frame(
            mac(STATIONS), pack(1, 9, [b"a", b"bc"]), source=mac(1)
        )


@pytest.mark.usefixtures("network")
async def test_frames_are_as_large_as_the_mtu_allows() -> None:
    for mtu_bytes in (1_500, 9_000):
        for name in ("p1", "s1", "p2", "s2", "br0"):
            ip("link", "set", name, "mtu", str(mtu_bytes))
        async with open_station(1) as one, open_station(2) as two:
            assert one.frame_bytes_max == mtu_bytes - FRAME_OVERHEAD_BYTES
            frames = [(2, b"x" * one.frame_bytes_max), (2, b"y")]
            one.send(frames)
            assert await two.receive() == [(1, frame) for _, frame in frames]


@pytest.mark.usefixtures("network")
async def test_frames_may_be_smaller_than_the_mtu_allows() -> None:
    async with open_station(1, frame_bytes_max=700) as one:
        assert one.frame_bytes_max == 700


GOOD = pack(CLIENT, 1, [b"fine"])


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "malformed"),
        (b"hello", "malformed"),
        (b"\xff" * 400, "malformed"),
        (GOOD[:23], "malformed"),
        (GOOD[:-1], "malformed"),
        (b"\0" + GOOD[1:], "malformed"),
        (GOOD[:3] + b"\x02" + GOOD[4:], "malformed"),
        (GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:], "malformed"),
        (GOOD[:24] + b"\xff\xff" + GOOD[26:], "malformed"),
        (pack(2, 1, [b"x"]), "misattributed"),
        (pack(1, 1, [b"x"]), "unknown_sender"),
        (pack(9, 1, [b"x"]), "unknown_sender"),
        (pack(CLIENT, 1, [b"x", b"x" * 701]), "oversized"),
    ],
)
@pytest.mark.usefixtures("network")
async def test_a_bad_frame_is_dropped_and_counted(
    data: bytes, cause: str, stranger: socket.socket
) -> None:
    async with open_station(1, frame_bytes_max=700) as one:
        stranger.send(raw_frame(mac(1), data))
        stranger.send(raw_frame(mac(1), pack(CLIENT, 1, [b"good"])))
        assert await one.receive() == [(CLIENT, b"good")]
        assert one.stats.dropped == {cause: 1}


@pytest.mark.usefixtures("network")
async def test_what_is_for_others_does_not_even_wake_us(stranger: socket.socket) -> None:
    async with open_station(1) as one:
        reads = 0
        read = one._read

        def counted() -> tuple[memoryview, bytes]:
            nonlocal reads
            reads += 1
            return read()

        one._read = counted  # type: ignore[method-assign]
        for receiver in (2, 1 + (1 << 32), CLIENT):
            stranger.send(raw_frame(mac(1), pack(CLIENT, receiver, [b"not yours"])))
        stranger.send(raw_frame(mac(2), pack(CLIENT, 1, [b"another's MAC"])))
        other_type = raw_frame(mac(1), pack(CLIENT, 1, [b"x"])).replace(b"\x88\xb5", b"\x88\xb6")
        stranger.send(other_type)
        stranger.send(raw_frame(mac(1), pack(CLIENT, 1, [b"yours"])))
        assert await one.receive() == [(CLIENT, b"yours")]
        assert reads == 1
        assert one.stats.dropped == {}


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("padding", [b"\0" * 40, b"\xff" * 40])
async def test_padding_is_cut_off(padding: bytes, stranger: socket.socket) -> None:
    async with open_station(1) as one:
        stranger.send(raw_frame(mac(1), pack(CLIENT, 1, [b"a", b"b"]) + padding))
        assert await one.receive() == [(CLIENT, b"a"), (CLIENT, b"b")]


@pytest.mark.usefixtures("network")
async def test_endpoints_on_one_interface_share_it_but_do_not_hear_one_another() -> None:
    shared = {1: mac(1), 2: mac(2), 3: f"{mac(1)}/3"}
    async with (
        open_station(1, shared) as one,
        open_ethernet(3, shared, interface="p1") as three,
        open_station(2, shared) as two,
    ):
        two.send([(1, b"for one"), (3, b"for three")])
        assert await one.receive() == [(2, b"for one")]
        assert await three.receive() == [(2, b"for three")]
        three.send([(1, b"lost"), (2, b"from three")])
        assert await two.receive() == [(3, b"from three")]
        two.send([(1, b"the next")])
        assert await one.receive() == [(2, b"the next")]


@pytest.mark.usefixtures("network")
async def test_a_client_that_moved_is_answered_where_it_is() -> None:
    async with open_station(1) as one:
        for name in ("p3", "p4"):
            async with open_ethernet(CLIENT, PEERS, interface=name) as client:
                client.send([(1, b"here")])
                assert await one.receive() == [(CLIENT, b"here")]
                one.send([(CLIENT, b"there")])
                assert await client.receive() == [(1, b"there")]


@pytest.mark.usefixtures("network")
async def test_an_interface_that_goes_down_and_comes_back() -> None:
    async with (
        open_station(1) as one,
        open_station(2) as two,
        reading(one, two) as arrived,
    ):
        for turn in (b"first", b"second"):
            await both_ways(one, two, arrived, b"before the " + turn)
            dropped = one.stats.dropped["interface_down"]
            ip("link", "set", "p1", "down")
            await until(lambda: one._watching)
            one.send([(2, b"x"), (2, b"y")])
            assert one.stats.dropped["interface_down"] == dropped + 2
            ip("link", "set", "p1", "up")
            await until(lambda: not one._watching)
            await both_ways(one, two, arrived, b"after the " + turn)


@pytest.mark.usefixtures("network")
async def test_who_sends_alone_notices_it_too() -> None:
    async with open_station(1) as one, open_station(2) as two:
        ip("link", "set", "p1", "down")
        one.send([(2, b"x")])
        one.send([(2, b"y")])
        assert one.stats.dropped == {"interface_down": 2}
        assert one._watching
        ip("link", "set", "p1", "up")
        async with reading(one, two) as arrived:
            await both_ways(one, two, arrived, b"after")


@pytest.mark.usefixtures("network")
async def test_an_interface_that_is_made_anew_is_used_again() -> None:
    async with (
        open_station(1) as one,
        open_station(2) as two,
        reading(one, two) as arrived,
    ):
        await both_ways(one, two, arrived, b"before")
        before = socket.if_nametoindex("p1")
        ip("link", "delete", "p1")
        await until(lambda: one._watching)
        one.send([(2, b"x")])
        assert one.stats.dropped == {"interface_down": 1}
        add_station(1)
        assert socket.if_nametoindex("p1") != before
        await both_ways(one, two, arrived, b"after")


@pytest.mark.usefixtures("network")
async def test_an_interface_that_came_back_as_another_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        open_station(1, reopen_seconds=0.01) as one,
        open_station(2) as two,
        reading(one, two) as arrived,
    ):
        ip("link", "delete", "p1")
        await until(lambda: one._watching)
        add_station(1)
        ip("link", "set", "p1", "address", mac(77))
        answers: list[bool] = []
        listen_again = one._listen_again

        def noted() -> bool:
            answers.append(listen_again())
            return answers[-1]

        monkeypatch.setattr(one, "_listen_again", noted)
        await until(lambda: len(answers) > 3)
        assert not any(answers)
        one.send([(2, b"y")])
        assert one.stats.dropped == {"interface_down": 1}
        ip("link", "set", "p1", "address", mac(1))
        await both_ways(one, two, arrived, b"after")


@pytest.mark.usefixtures("network")
async def test_an_mtu_that_shrinks_costs_the_large_frames_alone() -> None:
    async with open_station(1) as one, open_station(2) as two:
        ip("link", "set", "p1", "mtu", "1000")
        one.send([(2, b"x" * one.frame_bytes_max)])
        one.send([(2, b"small")])
        assert await two.receive() == [(1, b"small")]
        assert one.stats.dropped == {"oversized": 1}


@pytest.mark.usefixtures("network")
async def test_what_overflows_the_receive_queue_is_counted() -> None:
    async with open_station(1) as one, open_station(2, buffer_bytes=100_000) as two:
        for _ in range(1_000):
            one.send([(2, b"x" * 1_400)])
        received = 0
        while received + two.stats.dropped["receive_queue_full"] < 1_000:
            received += len(await two.receive())
        assert two.stats.dropped["receive_queue_full"] > 0


@pytest.mark.usefixtures("network")
async def test_what_the_kernel_does_not_take_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def send(self, _data: bytes) -> int:
            raise OSError(errno.ENOBUFS, "full")

    async with open_station(1) as one:
        with monkeypatch.context() as patch:
            patch.setattr(one, "_sock", Full())
            one.send([(2, b"x"), (2, b"y")])
        one.send([(2, b""), (1, b"me"), (CLIENT, b"who"), (2, bytes(1_475))])
        expected = {"queue_full": 2, "empty": 1, "unknown_peer": 2, "oversized": 1}
        assert one.stats.dropped == expected
    one.send([(2, b"x")])
    assert one.stats.dropped["closed"] == 1


ON_P1 = {"interface": "p1"}


@pytest.mark.parametrize(
    ("local", "peers", "options", "message"),
    [
        (1, {1: "127.0.0.1:9"}, ON_P1, "bad address '127.0.0.1:9': write the MAC"),
        (1, {1: "02:00:00:00:00"}, ON_P1, "bad address"),
        (1, {1: "02-00-00-00-00-01"}, ON_P1, "bad address"),
        (1, {1: "02:00:00:00:00:0g"}, ON_P1, "bad address"),
        (1, {1: "02:00:00:00:00:+1"}, ON_P1, "bad address"),
        (1, {1: mac(1), 2: "03:00:00:00:00:01"}, ON_P1, "it is a group's"),
        (1, {1: mac(1), 2: "ff:ff:ff:ff:ff:ff"}, ON_P1, "it is a group's"),
        (1, PEERS, {}, "the option interface is missing: name one of lo, .*p1"),
        (1, PEERS, {"interface": "eth99"}, "no interface 'eth99': .*name one of lo, .*p1"),
        (1, PEERS, {"interface": "x" * 200}, "no interface"),
        (1, PEERS, {"interface": "p1\0x"}, "no interface"),
        (1, PEERS, {"interface": 1}, "interface takes str, not 1"),
        (1, PEERS, {"interface": "p2"}, f"has the address {mac(1)}, but .* p2 is {mac(2)}"),
        (1, PEERS, {"interface": "closed"}, "closed is down: .* ip link set closed up"),
        (1, PEERS, {**ON_P1, "ethertype": 0x5FF}, "ethertype is in 0x600..0xffff, not 0x5ff"),
        (1, PEERS, {**ON_P1, "ethertype": 0x86DD}, "ethertype 0x86dd is that of IPv6: take anothe"),
        (1, PEERS, {**ON_P1, "frame_bytes_max": 1_475}, "the MTU of p1 is 1500, too small .*1501"),
        (1, PEERS, {**ON_P1, "vlan": 7}, "ethernet has no option 'vlan'"),
        (9, PEERS, ON_P1, "endpoint 9 has no address"),
        (1, {**PEERS, 65536: mac(9)}, ON_P1, r"in 1..65535, not 65536"),
        (3, PEERS, {"interface": "p3"}, "the MTU of p3 is 500, too small for frames of 528"),
    ],
)
@pytest.mark.usefixtures("network")
async def test_what_cannot_be_opened_says_why(
    local: int, peers: dict[int, str], options: dict[str, object], message: str
) -> None:
    ip("link", "add", "closed", "type", "bridge")
    ip("link", "set", "p3", "mtu", "500")
    with pytest.raises(TransportError, match=message) as raised:
        async with open_ethernet(local, peers, **options):
            pass
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("network")
async def test_an_interface_that_is_down_is_the_systems_fault() -> None:
    """By which a command's exit status goes: the configuration may be right."""
    ip("link", "add", "closed", "type", "bridge")
    with pytest.raises(TransportError, match="closed is down") as raised:
        async with open_ethernet(1, PEERS, interface="closed"):
            pytest.fail("opened")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.usefixtures("network")
async def test_an_interface_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_linux, "ARPHRD_ETHER", 999)
    with pytest.raises(TransportError, match="p1 is not of Ethernet's kind: choose"):
        async with open_station(1):
            pass


@pytest.mark.usefixtures("network")
async def test_a_replica_is_open_once() -> None:
    async with open_station(1):
        with pytest.raises(TransportError, match="replica 1 is open already on interface p1: "):
            async with open_station(1):
                pass
        async with open_station(1, ethertype=ETHERTYPE + 1):
            pass
    async with open_station(1):
        pass


WITHOUT_RIGHTS = """
import os, trio
from transports.api import TransportError
from transports.ethernet import availability, open_ethernet
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
async def main():
    async with open_ethernet(1, {1: "00:00:00:00:00:00"}, interface="lo"):
        pass
try:
    trio.run(main)
except TransportError as error:
    print(error)
print(availability())
"""


@pytest.mark.usefixtures("loopback_alone")
async def test_without_the_right_it_says_which_is_missing() -> None:
    finished = await trio.run_process(
        [sys.executable, "-c", WITHOUT_RIGHTS],
        capture_stdout=True,
        cwd=Path(__file__).parents[2],
    )
    error, available = finished.stdout.decode().splitlines()
    assert error.startswith("ethernet: the right CAP_NET_RAW is missing: run as root, or give")
    assert available == error.removeprefix("ethernet: ")


async def test_another_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_PACKET")
    assert availability() == "this system has no packet sockets: use Linux, or another transport"


@pytest.mark.usefixtures("network")
async def test_an_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_station(1):
            raise KeyError("mine")


@pytest.mark.usefixtures("network")
async def test_a_cancellation_closes_everything_also_while_the_interface_is_gone() -> None:
    with trio.move_on_after(0.1) as scope:
        async with open_station(1) as one:
            ip("link", "delete", "p1")
            await one.receive()
    assert scope.cancelled_caught
    assert one._sock.fileno() == -1
    add_station(1)
    async with open_station(1):
        pass
