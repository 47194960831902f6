"""TCP on loopback. The time limits are guards against hanging, nothing is timed."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest
import trio
import trio.testing
from ipv6_cases import need_ipv6
from names import MANY, give_many

from transports._tcp_sockets import _connect
from transports.api import Frame, TransportError
from transports.framing import Hello, join_frames, pack_hello
from transports.tcp import TcpTransport, open_tcp
from transports.testing import PROMISES, check_transport, free_tcp_addresses

CLIENT = 70_000


@pytest.fixture(autouse=True)
async def _guard() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def inject(address: str, data: bytes) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port_of(address)) as stream:
        if data:
            await stream.send_all(data)


@asynccontextmanager
async def draining(*transports: TcpTransport) -> AsyncIterator[list[tuple[int, Frame]]]:
    """Read all the time; gives the list of (index of the transport, frame)."""
    arrived: list[tuple[int, Frame]] = []

    async def drain(index: int, transport: TcpTransport) -> None:
        while True:
            arrived.extend((index, frame) for frame in await transport.receive())

    async with trio.open_nursery() as nursery:
        for index, transport in enumerate(transports):
            nursery.start_soon(drain, index, transport)
        yield arrived
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


async def until_received(sender: TcpTransport, receiver: TcpTransport, frame: Frame) -> None:
    """Send `frame`, which `receiver` must get, until it does."""
    while True:
        sender.send([frame])
        with trio.move_on_after(0.02):
            if frame[1] in [got for _, got in await receiver.receive()]:
                return


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(promise: str) -> None:
    await check_transport(open_tcp, free_tcp_addresses, promises=[promise], inject_garbage=inject)


@pytest.mark.parametrize("promise", ["arrival", "integrity", "clogged"])
async def test_conformance_with_narrow_bounds(promise: str) -> None:
    options = {"frame_bytes_max": 600, "queue_bytes_max": 700}
    await check_transport(open_tcp, free_tcp_addresses, options=options, promises=[promise])


async def test_frames_to_replicas_that_are_up_are_not_lost_after_opening() -> None:
    peers = free_tcp_addresses(2)
    async with open_tcp(2, peers) as two, open_tcp(1, peers) as one:
        one.send([(2, b"at once")])
        assert await two.receive() == [(1, b"at once")]


async def test_causes_of_drops_are_counted() -> None:
    peers = free_tcp_addresses(2)
    async with open_tcp(1, peers, frame_bytes_max=10) as one:
        one.send([(2, b""), (2, b"x" * 11), (1, b"me"), (2, b"down"), (CLIENT, b"who")])
        expected = {"empty": 1, "oversized": 1, "unknown_peer": 2, "disconnected": 1}
        assert one.stats.dropped == expected
    one.send([(2, b"x")])
    assert one.stats.dropped["closed"] == 1


HELLO = join_frames([pack_hello(Hello(CLIENT, 1))])


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\0\0\0\0", "malformed"),
        (b"\x7f\0\0\0", "malformed"),
        (join_frames([b"not a hello"]), "malformed"),
        (HELLO[:8] + b"\0\x07" + HELLO[10:], "malformed"),
        (HELLO + b"\xff\xff\xff\xff", "malformed"),
        (HELLO + join_frames([b"fine"]) + b"\0\0\0\0", "malformed"),
        (join_frames([pack_hello(Hello(1, 1))]), "unknown_sender"),
        (join_frames([pack_hello(Hello(9, 1))]), "unknown_sender"),
        (join_frames([pack_hello(Hello(2, 3))]), "misdirected"),
    ],
)
async def test_a_bad_stream_is_closed_and_counted(data: bytes, cause: str) -> None:
    peers = free_tcp_addresses(3)
    async with (
        open_tcp(1, peers) as one,
        draining(one),
        await trio.open_tcp_stream("127.0.0.1", port_of(peers[1])) as stream,
    ):
        await stream.send_all(data)
        with pytest.raises((trio.BrokenResourceError, StopAsyncIteration)):  # noqa: PT012
            if not await stream.receive_some():
                raise StopAsyncIteration
        assert one.stats.dropped[cause] == 1


async def test_a_stream_without_a_hello_is_closed_in_time() -> None:
    peers = free_tcp_addresses(1)
    async with (
        open_tcp(1, peers, hello_seconds=0.05) as one,
        draining(one),
        await trio.open_tcp_stream("127.0.0.1", port_of(peers[1])) as silent,
        open_tcp(CLIENT, peers) as client,
        draining(client) as answers,
    ):
        await silent.send_all(HELLO[:-1])
        assert await silent.receive_some() == b""
        assert one.stats.dropped["malformed"] == 1
        # One that did say hello stays.
        one.send([(CLIENT, b"still there")])
        await until(lambda: bool(answers))


async def test_connections_are_bounded() -> None:
    peers = free_tcp_addresses(1)
    async with (
        open_tcp(1, peers, connections_max=2) as one,
        draining(one),
        open_tcp(CLIENT, peers),
        open_tcp(CLIENT + 1, peers),
    ):
        await until(lambda: len(one._accepted) == 2)
        async with open_tcp(CLIENT + 2, peers):
            await until(lambda: one.stats.dropped["refused"] >= 1)
        streams = [await trio.open_tcp_stream("127.0.0.1", port_of(peers[1])) for _ in range(10)]
        await until(lambda: one.stats.dropped["refused"] >= 5)
        assert len(one._streams) <= 4
        assert set(one._accepted) == {CLIENT, CLIENT + 1}
        for stream in streams:
            await stream.aclose()


async def test_a_newer_stream_of_a_client_replaces_the_older() -> None:
    peers = free_tcp_addresses(1)
    async with open_tcp(1, peers) as one, draining(one) as arrived:
        older = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        await older.send_all(HELLO + join_frames([b"older"]))
        await until(lambda: len(arrived) >= 1)
        newer = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        await newer.send_all(HELLO + join_frames([b"newer"]))
        assert await older.receive_some() == b""
        await until(lambda: len(arrived) >= 2)
        one.send([(CLIENT, b"answer")])
        assert await newer.receive_some() == join_frames([b"answer"])
        assert arrived == [(0, (CLIENT, b"older")), (0, (CLIENT, b"newer"))]
        await older.aclose()
        await newer.aclose()


async def test_a_full_queue_drops_whole_frames_and_the_rest_arrives_in_order() -> None:
    peers = free_tcp_addresses(2)
    options = {"frame_bytes_max": 100_000, "queue_bytes_max": 200_000}
    async with open_tcp(1, peers, **options) as one, open_tcp(2, peers, **options) as two:
        await until_received(one, two, (2, b"contact"))
        for number in range(400):
            one.send([(2, b"%06d" % number + bytes(50_000))])
        assert one.stats.dropped["queue_full"] > 0
        got: list[int] = []
        with trio.move_on_after(0.5):
            while True:
                for _, frame in await two.receive():
                    assert len(frame) == 50_006
                    got.append(int(frame[:6]))
        assert got == sorted(set(got))
        assert len(got) == 400 - one.stats.dropped["queue_full"]


async def test_a_batch_beyond_the_queue_keeps_what_fits() -> None:
    peers = free_tcp_addresses(2)
    options = {"frame_bytes_max": 100, "queue_bytes_max": 500}
    async with open_tcp(1, peers, **options) as one, open_tcp(2, peers, **options) as two:
        await until_received(one, two, (2, b"contact"))
        one.send([(2, bytes([n]) * 96) for n in range(10)])
        assert one.stats.dropped["queue_full"] == 5
        got: list[Frame] = []
        while len(got) < 5:
            got += await two.receive()
        assert got == [(1, bytes([n]) * 96) for n in range(5)]


async def test_what_waits_is_sent_though_nobody_receives_here() -> None:
    peers = free_tcp_addresses(2)
    async with open_tcp(1, peers, queue_bytes_max=1 << 26) as one, open_tcp(2, peers) as two:
        await until_received(one, two, (2, b"contact"))
        frames = [(2, bytes([n]) * 500_000) for n in range(40)]
        one.send(frames)
        got: list[Frame] = []
        while len(got) < 40:
            got += [frame for frame in await two.receive() if len(frame[1]) == 500_000]
        assert got == [(1, frame) for _, frame in frames]


async def test_receive_lets_others_run_though_data_is_always_ready() -> None:
    peers = free_tcp_addresses(2)
    async with open_tcp(1, peers) as one, open_tcp(2, peers) as two:
        await until_received(one, two, (2, b"contact"))
        for _ in range(50):
            one.send([(2, b"x")])
            with trio.testing.assert_checkpoints():
                await two.receive()


async def test_a_pair_shares_the_stream_that_the_lower_id_dialled() -> None:
    peers = free_tcp_addresses(2)
    async with open_tcp(1, peers) as one, open_tcp(2, peers) as two, draining(one, two):
        await until(lambda: bool(two._accepted and one._accepted))
        assert one._routes[2] is one._dialled[2]
        assert two._routes[1] is two._accepted[1]
        one._lose(one._dialled[2])
        assert one._routes[2] is one._accepted[2]
        await until(lambda: one._routes[2] is one._dialled.get(2))


async def test_a_peer_that_dials_is_dialled_at_once() -> None:
    peers = free_tcp_addresses(2)
    waits = {"reconnect_first_seconds": 1000.0, "reconnect_last_seconds": 1000.0}
    async with (
        open_tcp(1, peers, **waits) as one,
        draining(one),
        open_tcp(2, peers, **waits) as two,
        draining(two),
    ):
        await until(lambda: 2 in one._dialled)


async def test_a_host_out_of_files_accepts_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = free_tcp_addresses(1)

    class Exhausted:
        def __init__(self, listener: socket.socket) -> None:
            self.listener = listener
            self.refusals = 0

        def accept(self) -> tuple[socket.socket, object]:
            self.refusals += 1
            if self.refusals <= 2:
                raise OSError(errno.EMFILE, "too many open files")
            return self.listener.accept()

        def close(self) -> None:
            self.listener.close()

    async with open_tcp(1, peers) as one:
        assert one._listener is not None
        exhausted = Exhausted(one._listener)
        monkeypatch.setattr(one, "_listener", exhausted)
        async with open_tcp(CLIENT, peers) as client:
            client.send([(1, b"patient")])
            assert await one.receive() == [(CLIENT, b"patient")]
            assert exhausted.refusals > 2


async def test_a_dialling_socket_that_meets_itself_has_not_connected() -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    assert not await _connect(sock, sock.getsockname())
    assert sock.fileno() == -1


async def test_a_name_s_address_that_answers_nothing_hides_no_other() -> None:
    peers = free_tcp_addresses(2)
    port = port_of(peers[2])
    give_many("127.0.0.2", "127.0.0.1")
    with socket.socket() as silent, ExitStack() as waiting:
        silent.bind(("127.0.0.2", port))
        silent.listen(0)
        for _ in range(3):
            # A queue that is full has the kernel drop who else comes.
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(silent.getsockname())
        named = {**peers, 2: f"{MANY}:{port}"}
        async with open_tcp(2, peers) as two, open_tcp(CLIENT, named, connect_seconds=0.1) as one:
            await until_received(one, two, (2, b"x"))


async def test_a_replica_listens_on_its_name_s_first_address_that_is_its_machine_s() -> None:
    (peer,) = free_tcp_addresses(1).values()
    named = {1: f"{MANY}:{port_of(peer)}"}
    give_many("192.0.2.1", "127.0.0.2", "127.0.0.1")
    async with open_tcp(1, named) as one:
        assert one._listener is not None
        assert one._listener.getsockname() == ("127.0.0.2", port_of(peer))
        with pytest.raises(TransportError, match="address already in use; stop the process"):
            async with open_tcp(1, named):
                pass


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
async def test_other_forms_of_address(host: str) -> None:
    if host == "[::1]":
        need_ipv6()
    peers = {i: f"{host}:{port_of(a)}" for i, a in free_tcp_addresses(2).items()}
    async with open_tcp(1, peers) as one, open_tcp(2, peers) as two:
        await until_received(one, two, (2, b"x"))


@pytest.mark.parametrize(
    ("local", "peers", "options", "message"),
    [
        (1, {1: "nonsense"}, {}, "bad address 'nonsense'"),
        (1, {1: "127.0.0.1:9", 2: "host"}, {}, "bad address 'host'"),
        (2, {1: "127.0.0.1:9"}, {}, "endpoint 2 has no address"),
        (0, {1: "127.0.0.1:9"}, {}, "endpoint 0 has no address"),
        (1 << 63, {1: "127.0.0.1:9"}, {}, "has no address"),
        (1, {1: "127.0.0.1:9", 65536: "127.0.0.1:8"}, {}, r"in 1..65535, not 65536"),
        (1, {1: "127.0.0.1:9"}, {"nodelay": True}, "tcp has no option 'nodelay'"),
        (1, {1: "127.0.0.1:9"}, {"queue_bytes_max": 9}, "queue_bytes_max must hold one frame"),
        (1, {1: "192.0.2.1:7999"}, {}, "give the replica an address that this machine has"),
        (1, {1: "no-such-host.invalid:9"}, {}, "check the host's name"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    local: int, peers: dict[int, str], options: dict[str, object], message: str
) -> None:
    with pytest.raises(TransportError, match=message) as raised:
        async with open_tcp(local, peers, **options):
            pass
    assert "\n" not in str(raised.value)


async def test_an_address_in_use_is_named_with_the_cure() -> None:
    peers = free_tcp_addresses(1)
    async with open_tcp(1, peers):
        with pytest.raises(TransportError, match=f"{peers[1]}: .*in use; stop the process"):
            async with open_tcp(1, peers):
                pass


async def test_an_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_tcp(1, free_tcp_addresses(3)):
            raise KeyError("mine")


async def test_a_cancellation_around_it_closes_everything() -> None:
    peers = free_tcp_addresses(3)
    with trio.move_on_after(0.05) as scope:
        async with open_tcp(1, peers) as one:
            await one.receive()
    assert scope.cancelled_caught
    async with open_tcp(1, peers):
        pass


async def test_a_link_local_address_needs_its_interface() -> None:
    with pytest.raises(TransportError, match=r"interface, as in \[fe80::1%eth0\]:7100"):
        async with open_tcp(1, {1: "[fe80::1]:7101"}):
            pytest.fail("opened")
