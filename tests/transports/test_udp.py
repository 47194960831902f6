"""UDP on loopback. The time limit is a guard against hanging, nothing is timed."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping

import pytest
import trio
import trio.testing
from ipv6_cases import need_ipv6
from names import have_no_server

from transports import _udp_sockets
from transports._packets import FRAME_OVERHEAD_BYTES, pack
from transports.api import Frame, TransportError
from transports.testing import PROMISES, check_transport
from transports.udp import UdpTransport, availability, open_udp

pytestmark = pytest.mark.timeout(60)

CLIENT = 70_000


def free_addresses(n: int, host: str = "127.0.0.1") -> dict[int, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(n)]
    try:
        for sock in sockets:
            sock.bind((host, 0))
        shown = f"[{host}]" if ":" in host else host
        return {i: f"{shown}:{s.getsockname()[1]}" for i, s in enumerate(sockets, start=1)}
    finally:
        for sock in sockets:
            sock.close()


def free_v6_addresses(n: int) -> dict[int, str]:
    need_ipv6()
    return free_addresses(n, "::1")


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def stranger() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


async def inject(address: str, data: bytes) -> None:
    with stranger() as sock:
        sock.sendto(data, ("127.0.0.1", port_of(address)))


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(promise: str) -> None:
    await check_transport(open_udp, free_addresses, promises=[promise], inject_garbage=inject)


@pytest.mark.parametrize("promise", ["arrival", "integrity", "clients", "restart"])
async def test_conformance_over_ipv6(promise: str) -> None:
    await check_transport(open_udp, free_v6_addresses, promises=[promise])


@pytest.mark.parametrize(
    "options",
    [{"frame_bytes_max": 600, "buffer_bytes": 4_096}, {"frame_bytes_max": 65_481}],
)
@pytest.mark.parametrize("promise", ["arrival", "integrity", "clogged"])
async def test_conformance_at_the_bounds(promise: str, options: dict[str, object]) -> None:
    await check_transport(open_udp, free_addresses, options=options, promises=[promise])


async def test_the_first_frame_is_not_lost_and_a_batch_keeps_its_order() -> None:
    peers = free_addresses(2)
    async with open_udp(2, peers) as two, open_udp(1, peers) as one:
        frames = [b"%d" % number * 100 for number in range(50)]
        one.send([(2, frame) for frame in frames])
        assert await two.receive() == [(1, frame) for frame in frames]


async def test_frames_of_a_batch_share_datagrams() -> None:
    peers = free_addresses(3)
    with stranger() as three:
        peers[3] = f"127.0.0.1:{three.getsockname()[1]}"
        async with open_udp(1, peers, frame_bytes_max=1_000) as one:
            one.send([(3, b"a" * 400), (2, b"elsewhere"), (3, b"b" * 400), (3, b"c" * 400)])
            assert three.recv(9_000) == pack(1, 3, [b"a" * 400, b"b" * 400])
            assert three.recv(9_000) == pack(1, 3, [b"c" * 400])
            assert one.stats.frames_sent == 4
            assert one.stats.bytes_sent == 1_209


async def test_causes_of_drops_are_counted() -> None:
    peers = free_addresses(2)
    async with open_udp(1, peers, frame_bytes_max=10) as one:
        one.send([(2, b""), (2, b"x" * 11), (1, b"me"), (CLIENT, b"who")])
        assert one.stats.dropped == {"empty": 1, "oversized": 1, "unknown_peer": 2}
        assert one.stats.frames_sent == 0
    one.send([(2, b"x")])
    assert one.stats.dropped["closed"] == 1


class Refusing:
    """A socket that takes nothing."""

    def __init__(self, number: int) -> None:
        self.number = number

    def sendto(self, _data: bytes, _address: object) -> int:
        raise OSError(self.number, "refused")


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.EAGAIN, "queue_full"),
        (errno.ENOBUFS, "queue_full"),
        (errno.EMSGSIZE, "oversized"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.ECONNREFUSED, "unreachable"),
        (errno.EPERM, "unreachable"),
    ],
)
async def test_what_the_kernel_does_not_take_is_counted(
    number: int, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_udp(1, free_addresses(2)) as one:
        with monkeypatch.context() as patch:
            patch.setattr(one, "_sock", Refusing(number))
            one.send([(2, b"x"), (2, b"y")])
        assert one.stats.dropped == {cause: 2}
        assert one.stats.frames_sent == 0


async def test_an_error_at_reading_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = free_addresses(2)
    async with open_udp(1, peers) as one, open_udp(2, peers) as two:
        read, failures = two._read, [OSError(errno.ECONNREFUSED, "as ICMP reports it")]

        def failing_once() -> tuple[memoryview, _udp_sockets.SocketAddress]:
            if failures:
                raise failures.pop()
            return read()

        monkeypatch.setattr(two, "_read", failing_once)
        one.send([(2, b"x")])
        assert await two.receive() == [(1, b"x")]
        assert not failures


GOOD = pack(CLIENT, 1, [b"fine"])


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "malformed"),
        (GOOD[:-1], "malformed"),
        (GOOD + b"\0", "malformed"),
        (b"\0" + GOOD[1:], "malformed"),
        (pack(CLIENT, 2, [b"x"]), "misdirected"),
        (pack(2, 1, [b"x"]), "misattributed"),
        (pack(1, 1, [b"x"]), "unknown_sender"),
        (pack(9, 1, [b"x"]), "unknown_sender"),
        (pack(0, 1, [b"x"]), "unknown_sender"),
        (pack(1 << 63, 1, [b"x"]), "unknown_sender"),
        (pack(CLIENT, 1, [b"x", b"x" * 1_001]), "oversized"),
    ],
)
async def test_a_bad_datagram_is_dropped_and_counted(data: bytes, cause: str) -> None:
    peers = free_addresses(2)
    async with open_udp(1, peers, frame_bytes_max=1_000) as one:
        await inject(peers[1], data)
        await inject(peers[1], pack(CLIENT, 1, [b"good"]))
        assert await one.receive() == [(CLIENT, b"good")]
        assert one.stats.dropped == {cause: 1}
        assert one.stats.frames_received == 1


async def test_a_client_listens_to_replicas_alone() -> None:
    peers = free_addresses(1)
    async with open_udp(1, peers) as one, open_udp(CLIENT, peers) as client:
        place = f"127.0.0.1:{client._sock.getsockname()[1]}"
        await inject(place, pack(1, CLIENT, [b"forged"]))
        await inject(place, pack(CLIENT + 1, CLIENT, [b"from a client"]))
        client.send([(1, b"question")])
        assert await one.receive() == [(CLIENT, b"question")]
        one.send([(CLIENT, b"answer")])
        assert await client.receive() == [(1, b"answer")]
        assert client.stats.dropped == {"misattributed": 1, "unknown_sender": 1}


async def test_a_client_that_moved_is_answered_where_it_is() -> None:
    peers = free_addresses(1)
    async with open_udp(1, peers) as one:
        for _ in range(2):
            async with open_udp(CLIENT, peers) as client:
                client.send([(1, b"here")])
                await one.receive()
                one.send([(CLIENT, b"there")])
                assert await client.receive() == [(1, b"there")]


async def test_the_client_silent_longest_makes_room() -> None:
    peers = free_addresses(1)
    with stranger() as sock:
        sock.connect(("127.0.0.1", port_of(peers[1])))
        async with open_udp(1, peers, clients_max=2) as one:
            for client in (CLIENT, CLIENT + 1, CLIENT, CLIENT + 2):
                sock.send(pack(client, 1, [b"hello"]))
                await one.receive()
            one.send([(CLIENT + number, b"x") for number in range(3)])
            assert one.stats.dropped == {"unknown_peer": 1}
            assert sock.recv(100) == pack(1, CLIENT, [b"x"])
            assert sock.recv(100) == pack(1, CLIENT + 2, [b"x"])


async def test_what_overflows_the_receive_queue_is_counted() -> None:
    peers = free_addresses(2)
    options = {"frame_bytes_max": 1_000, "buffer_bytes": 100_000}
    async with open_udp(1, peers, **options) as one, open_udp(2, peers, **options) as two:
        for _ in range(1_000):
            one.send([(2, b"x" * 1_000)])
        received = 0
        while received + two.stats.dropped["receive_queue_full"] < 1_000:
            received += len(await two.receive())
        assert two.stats.dropped["receive_queue_full"] > 0


async def test_one_drain_is_bounded() -> None:
    peers = free_addresses(2)
    async with open_udp(1, peers) as one, open_udp(2, peers) as two:
        for _ in range(400):
            one.send([(2, b"x")])
        assert len(await two.receive()) == 256
        assert len(await two.receive()) == 144


async def test_a_large_frame_needs_no_more_than_the_option() -> None:
    peers = free_addresses(2)
    most = 65_507 - FRAME_OVERHEAD_BYTES
    async with open_udp(1, peers, frame_bytes_max=most) as one, open_udp(2, peers) as two:
        one.send([(2, b"x" * most)])
        await until(lambda: bool(one.stats.frames_sent))
        one.send([(2, b"y" * 8_192)])
        assert await two.receive() == [(1, b"y" * 8_192)]
        assert two.stats.dropped == {"oversized": 1}


async def arrives(one: UdpTransport, two: UdpTransport, frame: Frame) -> bool:
    one.send([frame])
    with trio.move_on_after(1):
        return frame[1] in [got for _, got in await two.receive()]
    return False


async def test_names_are_looked_up() -> None:
    peers = {i: f"localhost:{port_of(a)}" for i, a in free_addresses(2).items()}
    async with open_udp(1, peers) as one, open_udp(2, peers) as two:
        assert await arrives(one, two, (2, b"by name"))
        async with open_udp(CLIENT, peers) as client:
            assert await arrives(client, one, (1, b"by name"))


async def test_a_name_may_become_known_and_move(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = {**free_addresses(1), 2: "two.invalid:7000"}
    known: dict[str, tuple[str, int]] = {}
    real = trio.socket.getaddrinfo

    async def looked_up(host: str, port: int, *rest: object) -> list[object]:
        if host != "two.invalid":
            return await real(host, port, *rest)  # type: ignore[arg-type, return-value]
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", known[host])]

    monkeypatch.setattr(trio.socket, "getaddrinfo", looked_up)
    with stranger() as older, stranger() as newer:
        async with open_udp(1, peers, resolve_seconds=0.01) as one:
            one.send([(2, b"too early")])
            assert one.stats.dropped == {"unresolved": 1}
            for sock in (older, newer):
                known["two.invalid"] = place = sock.getsockname()
                await until(lambda place=place: one._ways.get(2) == place)  # type: ignore[misc]
                one.send([(2, b"found")])
                assert sock.recv(100) == pack(1, 2, [b"found"])
            older.sendto(pack(2, 1, [b"stale"]), ("127.0.0.1", port_of(peers[1])))
            newer.sendto(pack(2, 1, [b"fresh"]), ("127.0.0.1", port_of(peers[1])))
            assert await one.receive() == [(2, b"fresh")]
            assert one.stats.dropped["misattributed"] == 1


async def test_one_name_that_takes_long_does_not_hold_up_opening(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    real = trio.socket.getaddrinfo

    async def looked_up(host: str, port: int, *rest: object) -> object:
        if host == "slow.invalid":
            await trio.sleep(30)
        return await real(host, port, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trio.socket, "getaddrinfo", looked_up)
    started = trio.current_time()
    async with open_udp(1, {**free_addresses(1), 2: "slow.invalid:7000"}):
        assert trio.current_time() - started < 1


@pytest.mark.parametrize(
    ("local", "peers", "options", "message"),
    [
        (1, {1: "nonsense"}, {}, "bad address 'nonsense'"),
        (1, {1: "02:00:00:00:00:01"}, {}, "bad address"),
        (1, {1: "tcp://127.0.0.1:9"}, {}, "bad address"),
        (1, {1: "127.0.0.1:9", 2: "host"}, {}, "bad address 'host'"),
        (1, {1: "0.0.0.0:9"}, {}, "not one host's; write the replica's own"),
        (1, {1: "127.0.0.1:9", 2: "[::]:9"}, {}, "not one host's"),
        (1, {1: "127.0.0.1:9", 2: "[ff02::1]:9"}, {}, "not one host's"),
        (1, {1: "127.0.0.1:9", 2: "[::1]:9"}, {}, "mix IPv4 and IPv6"),
        (2, {1: "127.0.0.1:9"}, {}, "endpoint 2 has no address"),
        (1 << 63, {1: "127.0.0.1:9"}, {}, "has no address"),
        (1, {1: "127.0.0.1:9", 65536: "127.0.0.1:8"}, {}, r"in 1..65535, not 65536"),
        (1, {1: "127.0.0.1:9"}, {"nodelay": True}, "udp has no option 'nodelay'"),
        (1, {1: "127.0.0.1:9"}, {"frame_bytes_max": 65_482}, "is at most 65481, not 65482"),
        (1, {1: "127.0.0.1:9"}, {"clients_max": 0}, "clients_max must be above zero"),
        (1, {1: "192.0.2.1:7999"}, {}, "give the replica an address that this machine has"),
        (1, {1: "no-such-host.invalid:9"}, {}, "check the hosts' names"),
        (CLIENT, {1: "no-such-host.invalid:9"}, {}, "check the hosts' names"),
        (1, {1: "no-such-host.invalid:9", 2: "127.0.0.1:9"}, {}, "has no IPv4 address here"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    local: int, peers: Mapping[int, str], options: dict[str, object], message: str
) -> None:
    with pytest.raises(TransportError, match=message) as raised:
        async with open_udp(local, peers, **options):
            pass
    assert "\n" not in str(raised.value)


async def test_a_machine_without_a_family_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "no")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", no_socket)
        with pytest.raises(TransportError, match=r"no IPv6 on this machine: .*; give"):
            await _udp_sockets.bind(1, "[::1]:9", socket.AF_INET6, 1)


async def test_an_address_in_use_is_named_with_the_cure() -> None:
    peers = free_addresses(1)
    async with open_udp(1, peers):
        with pytest.raises(TransportError, match=f"{peers[1]}: .*in use; stop the process"):
            async with open_udp(1, peers):
                pass


async def test_buffers_are_as_large_as_asked_or_as_allowed() -> None:
    async with open_udp(1, free_addresses(1), buffer_bytes=150_000) as one:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            # The kernel doubles it, for its own book-keeping.
            granted = one._sock.getsockopt(socket.SOL_SOCKET, option)
            assert granted == 300_000


async def test_an_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_udp(1, free_addresses(3)):
            raise KeyError("mine")


async def test_a_cancellation_around_it_closes_everything() -> None:
    peers = {**free_addresses(1), 2: "two.invalid:7000"}
    with trio.move_on_after(0.05) as scope:
        async with open_udp(1, peers) as one:
            await one.receive()
    assert scope.cancelled_caught
    assert one._sock.fileno() == -1
    async with open_udp(1, peers):
        pass


async def test_it_runs_anywhere() -> None:
    assert availability() is None


async def test_a_link_local_address_needs_its_interface() -> None:
    with pytest.raises(TransportError, match=r"interface, as in \[fe80::1%eth0\]:7100"):
        async with open_udp(1, {1: "[fe80::1]:7101"}):
            pytest.fail("opened")


async def test_a_name_server_that_does_not_answer_costs_its_time_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    have_no_server(10)
    begun = trio.current_time()
    with pytest.raises(TransportError, match=r"known here: a\.test:1, b\.test:2"):
        async with open_udp(1, {1: "a.test:1", 2: "b.test:2"}):
            pass
    assert trio.current_time() - begun == 10
