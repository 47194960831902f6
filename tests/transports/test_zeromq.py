"""ZeroMQ on loopback. The time limits are guards against hanging, nothing is timed."""

from __future__ import annotations

import itertools
import select
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
import zmq
import zmq.auth
from ipv6_cases import need_ipv6

from transports._zeromq_sockets import endpoint_of, hello, identity_of, resolve
from transports.api import FIRST_CLIENT_ID, LAST_CLIENT_ID, Frame, TransportError
from transports.framing import join_frames
from transports.testing import PROMISES, check_transport, free_tcp_addresses
from transports.zeromq import ZeroMqTransport, open_zeromq

CLIENT = 70_000
_numbers = itertools.count()


@pytest.fixture(autouse=True)
async def _guard() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


def over_tcp(n: int) -> dict[int, str]:
    return {i: f"tcp://{address}" for i, address in free_tcp_addresses(n).items()}


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def inject(address: str, data: bytes) -> None:
    stream: trio.SocketStream
    if address.startswith("ipc://"):
        stream = await trio.open_unix_socket(address.removeprefix("ipc://"))
    else:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(address))
    async with stream:
        if data:
            await stream.send_all(data)


@pytest.fixture
def over_ipc(tmp_path: Path) -> Callable[[int], dict[int, str]]:
    return lambda n: {i: f"ipc://{tmp_path}/{next(_numbers)}" for i in range(1, n + 1)}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("keys")
    for name in ("node-1", "node-2", "node-3", "client"):
        zmq.auth.create_certificates(directory, name)
    return str(directory)


def renewed(keys: str, target: Path, *names: str) -> str:
    """Copy the keys, but make those of `names` anew, in this copy alone."""
    for file in Path(keys).iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    for name in names:
        zmq.auth.create_certificates(target, name)
    return str(target)


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


async def until_received(sender: ZeroMqTransport, receiver: ZeroMqTransport, frame: Frame) -> None:
    """Send `frame`, which `receiver` must get, until it does."""
    while True:
        sender.send([frame])
        with trio.move_on_after(0.02):
            if frame[1] in [got for _, got in await receiver.receive()]:
                return


@asynccontextmanager
async def draining(transport: ZeroMqTransport) -> AsyncIterator[list[Frame]]:
    arrived: list[Frame] = []

    async def drain() -> None:
        while True:
            arrived.extend(await transport.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        yield arrived
        nursery.cancel_scope.cancel()


@contextmanager
def foreign_socket(
    address: str, identity: bytes | None, kind: int = zmq.DEALER
) -> Iterator[zmq.Socket[bytes]]:
    """A ZeroMQ socket that is not ours."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    stranger = context.socket(kind)
    if identity is not None:
        stranger.setsockopt(zmq.ROUTING_ID, identity)
    try:
        stranger.connect(address)
        yield stranger
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_over_tcp(promise: str) -> None:
    await check_transport(open_zeromq, over_tcp, promises=[promise], inject_garbage=inject)


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_over_ipc(
    promise: str, over_ipc: Callable[[int], dict[int, str]]
) -> None:
    await check_transport(open_zeromq, over_ipc, promises=[promise], inject_garbage=inject)


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_with_curve(promise: str, keys: str) -> None:
    await check_transport(
        open_zeromq,
        over_tcp,
        options={"curve_keys": keys},
        promises=[promise],
        inject_garbage=inject,
    )


@pytest.mark.parametrize("promise", ["arrival", "integrity", "clogged"])
async def test_conformance_with_narrow_bounds(promise: str) -> None:
    options = {"frame_bytes_max": 600, "queue_bytes_max": 700, "queue_messages_max": 1}
    await check_transport(open_zeromq, over_tcp, options=options, promises=[promise])


async def test_identities_name_endpoints_and_nothing_else() -> None:
    for endpoint in (1, 255, 65_535, FIRST_CLIENT_ID, LAST_CLIENT_ID):
        identity = identity_of(endpoint)
        assert len(identity) == 8
        assert identity[0] != 0
        assert endpoint_of(identity) == endpoint
    for foreign in (b"", b"\0" * 5, b"\x80" + bytes(7), b"\x01" * 8, b"\xff" * 9):
        assert endpoint_of(foreign) is None


async def test_frames_to_replicas_that_are_up_are_not_lost_after_opening() -> None:
    peers = over_tcp(2)
    async with open_zeromq(2, peers) as two, open_zeromq(1, peers) as one:
        one.send([(2, b"at once")])
        assert await two.receive() == [(1, b"at once")]


async def test_causes_of_drops_are_counted() -> None:
    peers = over_tcp(2)
    async with open_zeromq(1, peers, frame_bytes_max=10) as one:
        one.send([(2, b""), (2, b"x" * 11), (1, b"me"), (2, b"down"), (CLIENT, b"who")])
        expected = {"empty": 1, "oversized": 1, "unknown_peer": 2, "disconnected": 1}
        assert one.stats.dropped == expected
        assert one.stats.frames_sent == 0
    one.send([(2, b"x")])
    assert one.stats.dropped["closed"] == 1


async def test_no_frame_waits_unseen_while_two_tasks_use_the_socket() -> None:
    """Each send of the client may swallow the edge that its receiver waits for."""
    peers = over_tcp(1)
    total, window = 20_000, 5
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        received = 0

        async def answer() -> None:
            while True:
                one.send(await one.receive())

        async def ask() -> None:
            for number in range(total):
                while number - received >= window:
                    await trio.lowlevel.checkpoint()
                client.send([(1, b"%d" % number)])
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            nursery.start_soon(ask)
            while received < total:
                with trio.fail_after(5):
                    received += len(await client.receive())
            nursery.cancel_scope.cancel()
        assert not one.stats.dropped
        assert not client.stats.dropped


async def test_a_send_that_swallows_the_edge_wakes_the_task_that_waits() -> None:
    peers = over_tcp(1)
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        client.send([(1, b"hello")])
        await one.receive()
        got: list[Frame] = []

        async def wait() -> None:
            got.extend(await client.receive())

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                one.send([(CLIENT, b"unseen")])
                # No await from here on: trio itself must not see the edge.
                assert select.select([client._inbound_fd], [], [], 5)[0]
                while select.select([client._inbound_fd], [], [], 0)[0]:
                    client.send([(1, b"swallows it")])
        assert got == [(1, b"unseen")]


@pytest.mark.parametrize("lingering", [False, True])
async def test_what_one_turn_leaves_is_read_in_the_next(
    lingering: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor tells of arrivals once, also of more than are read in one go."""
    monkeypatch.setattr("transports.zeromq._MESSAGES_MAX", 2)
    peers = over_tcp(2)
    async with open_zeromq(2, peers) as two, open_zeromq(1, peers) as one:
        for _ in range(100):
            for number in range(5):
                one.send([(2, b"%d" % number)])
            got: list[Frame] = []
            with trio.fail_after(1):
                while len(got) < 5:
                    got += two.receive_soon(0.1) if lingering else await two.receive()
                    await trio.lowlevel.checkpoint()
            assert got == [(1, b"%d" % number) for number in range(5)]


async def test_a_cancelled_receive_whose_edge_a_send_swallowed_loses_nothing() -> None:
    peers = over_tcp(1)
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        for turn in range(100):
            client.send([(1, b"%d" % turn)])
            one.send(await one.receive())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.receive)
                for _ in range(turn % 4):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
                client.send([(1, b"swallows")])
            await one.receive()
            one.send([(CLIENT, b"last")])
            got: list[Frame] = []
            while (1, b"last") not in got:
                with trio.fail_after(5):
                    got += await client.receive()


async def test_a_batch_is_one_message_and_keeps_its_order() -> None:
    peers = over_tcp(2)
    frames = [b"%d" % n for n in range(1000)]
    async with open_zeromq(1, peers) as one, open_zeromq(2, peers) as two:
        await until_received(one, two, (2, b"contact"))
        one.send([(2, frame) for frame in frames])
        assert await two.receive() == [(1, frame) for frame in frames]


async def test_what_zeromq_does_not_take_waits_and_is_sent_whole_and_in_order() -> None:
    peers = over_tcp(2)
    options = {"queue_bytes_max": 1 << 26, "queue_messages_max": 1}
    async with open_zeromq(1, peers, **options) as one, open_zeromq(2, peers, **options) as two:
        await until_received(one, two, (2, b"contact"))
        frames = [(2, bytes([n]) * 500_000) for n in range(80)]
        for frame in frames:
            one.send([frame])
        assert one._outbox._waiting
        got: list[Frame] = []
        while len(got) < 80:
            got += [frame for frame in await two.receive() if len(frame[1]) == 500_000]
        assert got == [(1, frame) for _, frame in frames]
        await until(lambda: not one._outbox._waiting)
        assert "queue_full" not in one.stats.dropped


async def test_a_full_queue_drops_whole_frames_and_the_rest_arrives_in_order() -> None:
    peers = over_tcp(2)
    options = {"frame_bytes_max": 100_000, "queue_bytes_max": 200_000, "queue_messages_max": 2}
    async with open_zeromq(1, peers, **options) as one, open_zeromq(2, peers, **options) as two:
        await until_received(one, two, (2, b"contact"))
        for number in range(400):
            one.send([(2, b"%06d" % number + bytes(50_000))])
        dropped = one.stats.dropped["queue_full"]
        assert dropped > 0
        got: list[int] = []
        while len(got) < 400 - dropped:
            for _, frame in await two.receive():
                if frame != b"contact":
                    assert len(frame) == 50_006
                    got.append(int(frame[:6]))
        assert got == sorted(set(got))


async def test_what_waits_for_a_peer_that_leaves_is_counted() -> None:
    peers = over_tcp(2)
    async with open_zeromq(1, peers, queue_messages_max=1) as one:
        async with open_zeromq(2, peers, queue_messages_max=1) as two:
            await until_received(one, two, (2, b"contact"))
            while not one._outbox._waiting:
                one.send([(2, bytes(1 << 20))])
        await until(lambda: not one._outbox._waiting)
        assert one.stats.dropped["disconnected"] > 0


@pytest.mark.parametrize(
    ("identity", "parts", "cause"),
    [
        (None, [b"hello"], "unknown_sender"),
        (b"somebody", [b"hello"], "unknown_sender"),
        (identity_of(1), [hello(1, 1) + join_frames([b"x"])], "unknown_sender"),
        (identity_of(9), [hello(9, 1) + join_frames([b"x"])], "unknown_sender"),
        (identity_of(CLIENT), [b"no hello"], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT + 1, 1) + join_frames([b"x"])], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 2) + join_frames([b"x"])], "misdirected"),
        (identity_of(CLIENT), [hello(CLIENT, 1)], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + b"\0\0\0\0"], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + b"\x7f\0\0\0"], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + join_frames([b"abc"])[:-1]], "malformed"),
        (identity_of(CLIENT), [hello(CLIENT, 1) + join_frames([b"x"]), b"more"], "malformed"),
    ],
)
async def test_a_foreign_message_is_dropped_and_counted(
    identity: bytes | None, parts: list[bytes], cause: str
) -> None:
    peers = over_tcp(2)
    async with open_zeromq(1, peers) as one, draining(one) as arrived:
        with foreign_socket(peers[1], identity) as stranger:
            stranger.send_multipart(parts)
            await until(lambda: one.stats.dropped[cause] == 1)
        async with open_zeromq(CLIENT, peers) as client:
            client.send([(1, b"unharmed")])
            await until(lambda: bool(arrived))
        assert arrived == [(CLIENT, b"unharmed")]


async def test_a_message_above_the_bound_ends_its_connection_only() -> None:
    peers = over_tcp(2)
    async with (
        open_zeromq(1, peers, frame_bytes_max=1000) as one,
        draining(one) as arrived,
        open_zeromq(2, peers) as two,
    ):
        await until(lambda: two._is_reachable(1))
        two.send([(1, bytes(200_000))])
        await until(lambda: not two._is_reachable(1))
        two.send([(1, b"dropped with it")])
        with foreign_socket(peers[1], identity_of(CLIENT)) as stranger:
            stranger.send(hello(CLIENT, 1) + join_frames([b"unharmed"]))
            await until(lambda: bool(arrived))
        assert arrived == [(CLIENT, b"unharmed")]


async def test_a_peer_that_broke_the_protocol_is_dialled_again() -> None:
    """libzmq itself would never do so."""
    peers = over_tcp(2)
    async with open_zeromq(1, peers, connect_seconds=0.1) as one:
        listeners = await trio.open_tcp_listeners(port_of(peers[2]), host="127.0.0.1")
        async with listeners[0] as stranger:
            stream = await stranger.accept()
            await stream.send_all(b"\xff" * 64)
            await until(lambda: one.stats.dropped.total() > 0)
            # Ended by a reset, the connection does not keep the port.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
        async with open_zeromq(2, peers) as two:
            await until_received(one, two, (2, b"found"))


async def test_a_replica_that_answers_at_anothers_address_gets_nothing() -> None:
    peers = over_tcp(3)
    crossed = {1: peers[1], 2: peers[3], 3: peers[2]}
    async with (
        open_zeromq(1, crossed) as one,
        open_zeromq(3, peers) as three,
        draining(three) as arrived,
    ):
        await until(lambda: one._is_reachable(3))
        one.send([(2, b"for two"), (3, b"for three")])
        await until(lambda: bool(arrived))
        assert arrived == [(1, b"for three")]
        assert one.stats.dropped == {"disconnected": 1}


async def test_a_second_process_of_a_replica_does_not_silence_the_first() -> None:
    peers = over_tcp(2)
    elsewhere = {1: peers[1], 2: over_tcp(1)[1]}
    async with (
        open_zeromq(1, peers) as one,
        draining(one) as arrived,
        open_zeromq(2, peers) as first,
    ):
        await until(lambda: first._is_reachable(1))
        async with open_zeromq(2, elsewhere) as second:
            await until(lambda: second._is_reachable(1))
            for sender, frame in ((second, b"second"), (first, b"first"), (second, b"again")):
                sender.send([(1, frame)])
            await until(lambda: len(arrived) == 3)
        first.send([(1, b"still here")])
        await until(lambda: len(arrived) == 4)
    assert {frame for _, frame in arrived} == {b"second", b"first", b"again", b"still here"}
    assert {sender for sender, _ in arrived} == {2}


# Keys


async def test_a_client_cannot_speak_for_a_replica(keys: str) -> None:
    peers = over_tcp(2)
    public, secret = zmq.auth.load_certificate(Path(keys) / "client.key_secret")
    server, _ = zmq.auth.load_certificate(Path(keys) / "node-1.key")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        async with open_zeromq(1, peers, curve_keys=keys) as one, draining(one) as arrived:
            thief = context.socket(zmq.DEALER)
            thief.setsockopt(zmq.ROUTING_ID, identity_of(2))
            assert secret is not None
            thief.curve_publickey, thief.curve_secretkey = public, secret
            thief.curve_serverkey = server
            thief.connect(peers[1])
            thief.send(hello(2, 1) + join_frames([b"I am two"]))
            await until(lambda: one.stats.dropped["impostor"] == 1)
            async with open_zeromq(2, peers, curve_keys=keys) as two:
                await until(lambda: two._is_reachable(1))
                two.send([(1, b"the real one")])
                await until(lambda: bool(arrived))
            assert arrived == [(2, b"the real one")]
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize("wrong", ["client", "node-1"])
async def test_a_wrong_key_does_not_connect_and_a_right_one_does(
    wrong: str, keys: str, tmp_path: Path
) -> None:
    peers = over_tcp(1)
    other = renewed(keys, tmp_path, wrong)
    async with open_zeromq(1, peers, curve_keys=keys) as one, draining(one) as arrived:
        async with open_zeromq(CLIENT, peers, curve_keys=other) as client:
            client.send([(1, b"let me in")])
            await until(lambda: one.stats.dropped["unauthenticated"] > 0)
            assert client.stats.dropped["disconnected"] == 1
            # Without the replica's key one sees no more than that it hangs up.
            seen = {"client": "unauthenticated", "node-1": "handshake_failed"}[wrong]
            await until(lambda: client.stats.dropped[seen] > 0)
            assert "malformed" not in one.stats.dropped | client.stats.dropped
        async with open_zeromq(CLIENT, peers, curve_keys=keys) as client:
            client.send([(1, b"with the right one")])
            await until(lambda: bool(arrived))
        assert arrived == [(CLIENT, b"with the right one")]


@pytest.mark.parametrize("secured", ["replica", "client"])
async def test_one_side_alone_with_keys_does_not_connect(secured: str, keys: str) -> None:
    peers = over_tcp(1)
    with_keys = {"curve_keys": keys}
    async with (
        open_zeromq(1, peers, **(with_keys if secured == "replica" else {})) as one,
        open_zeromq(CLIENT, peers, **(with_keys if secured == "client" else {})) as client,
    ):
        client.send([(1, b"hello")])
        cause = "unauthenticated" if secured == "replica" else "malformed"
        await until(lambda: one.stats.dropped[cause] > 0)
        assert client.stats.dropped["disconnected"] == 1


async def test_any_other_key_file_admits_a_client(keys: str, tmp_path: Path) -> None:
    peers = over_tcp(1)
    at_server, at_client = tmp_path / "server", tmp_path / "client"
    for directory in (at_server, at_client):
        directory.mkdir()
        renewed(keys, directory)
    zmq.auth.create_certificates(at_client, "client")
    (at_server / "alice.key").write_bytes((at_client / "client.key").read_bytes())
    async with (
        open_zeromq(1, peers, curve_keys=str(at_server)) as one,
        open_zeromq(CLIENT, peers, curve_keys=str(at_client)) as alice,
    ):
        alice.send([(1, b"I am Alice")])
        assert await one.receive() == [(CLIENT, b"I am Alice")]


def spoil(directory: Path, how: str) -> None:
    secret, public = directory / "node-1.key_secret", directory / "node-2.key"
    if how == "missing secret":
        secret.unlink()
    elif how == "missing public":
        public.unlink()
    elif how == "empty":
        public.write_text("")
    elif how == "short":
        public.write_text('curve\n    public-key = "abc"\n')
    elif how == "not Z85":
        public.write_text(f'curve\n    public-key = "{"~" * 40}"\n')
    elif how == "no secret inside":
        secret.write_bytes((directory / "node-1.key").read_bytes())
    elif how == "not a pair":
        lines = secret.read_text().splitlines()
        other = (directory / "client.key_secret").read_text().splitlines()
        secret.write_text("\n".join([*lines[:-1], other[-1]]))
    elif how == "a key twice":
        public.write_bytes((directory / "node-3.key").read_bytes())
    elif how == "a client with a replica's":
        (directory / "alice.key").write_bytes(public.read_bytes())
    elif how == "renewed by halves":
        _, secret_file = zmq.auth.create_certificates(directory, "new")
        secret.write_bytes(Path(secret_file).read_bytes())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing secret", r"node-1\.key_secret is missing or cannot be read; write it with"),
        ("missing public", r"the public key of replica 2 is missing: copy it to .*node-2\.key"),
        ("empty", r"node-2\.key holds no key; write it with zmq.auth.create_certificates"),
        ("short", r"node-2\.key is malformed: a key has 40 characters of Z85"),
        ("not Z85", r"node-2\.key is malformed"),
        ("no secret inside", r"node-1\.key_secret holds no secret key"),
        ("not a pair", r"the two keys in .*node-1\.key_secret are not a pair"),
        ("a key twice", r"node-3\.key holds the key of another; give each its own"),
        ("a client with a replica's", r"node-2\.key holds the key of another"),
        ("renewed by halves", r"node-1\.key and node-1\.key_secret differ"),
    ],
)
async def test_keys_that_cannot_be_used_say_why(
    how: str, message: str, keys: str, tmp_path: Path
) -> None:
    renewed(keys, tmp_path)
    spoil(tmp_path, how)
    with pytest.raises(TransportError, match=message) as raised:
        async with open_zeromq(1, over_tcp(2), curve_keys=str(tmp_path)):
            pass
    assert "\n" not in str(raised.value)


# Addresses


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
async def test_other_forms_of_address(host: str) -> None:
    if host == "[::1]":
        need_ipv6()
    peers = {i: f"tcp://{host}:{port_of(a)}" for i, a in over_tcp(2).items()}
    async with open_zeromq(1, peers) as one, open_zeromq(2, peers) as two:
        await until_received(one, two, (2, b"x"))
        await until_received(two, one, (1, b"y"))


async def test_a_socket_that_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    peers = {1: f"ipc://{path}"}
    async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
        client.send([(1, b"x")])
        assert await one.receive() == [(CLIENT, b"x")]
    assert not path.exists()


async def test_an_address_in_use_is_named_with_the_cure(
    over_ipc: Callable[[int], dict[int, str]],
) -> None:
    for peers in (over_tcp(1), over_ipc(1)):
        async with open_zeromq(1, peers) as one, open_zeromq(CLIENT, peers) as client:
            with pytest.raises(TransportError, match=f"{peers[1]}: .*in use; stop the process"):
                async with open_zeromq(1, peers):
                    pass
            client.send([(1, b"the first still runs")])
            assert await one.receive() == [(CLIENT, b"the first still runs")]


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(TransportError, match="precious: file exists; choose another address"):
        async with open_zeromq(1, {1: f"ipc://{path}"}):
            pass
    assert path.read_text() == "data"


@pytest.mark.parametrize(
    ("local", "peers", "options", "message"),
    [
        (1, {1: "127.0.0.1:9"}, {}, "write tcp://host:port, or ipc:///path"),
        (1, {1: "tcp://nonsense"}, {}, "bad address 'nonsense'"),
        (1, {1: "tcp://*:7000"}, {}, "write the host by which the others reach it"),
        (1, {1: "udp://127.0.0.1:9"}, {}, "bad address 'udp://127.0.0.1:9'"),
        (1, {1: "ipc://relative"}, {}, "with an absolute path"),
        (1, {1: "ipc://@abstract"}, {}, "with an absolute path"),
        (1, {1: "ipc:///" + "x" * 200}, {}, "at most 107 bytes; choose a shorter one"),
        (1, {1: "ipc:///no/such/directory/s"}, {}, "no such file.*; make its directory first"),
        (2, {1: "tcp://127.0.0.1:9"}, {}, "endpoint 2 has no address"),
        (0, {1: "tcp://127.0.0.1:9"}, {}, "endpoint 0 has no address"),
        (1 << 63, {1: "tcp://127.0.0.1:9"}, {}, "has no address"),
        (1, {1: "tcp://127.0.0.1:9", 65536: "tcp://127.0.0.1:8"}, {}, "in 1..65535, not 65536"),
        (1, {1: "tcp://127.0.0.1:9"}, {"linger": 1}, "zeromq has no option 'linger'"),
        (1, {1: "tcp://127.0.0.1:9"}, {"queue_bytes_max": 9}, "must hold one frame"),
        (1, {1: "tcp://127.0.0.1:9"}, {"curve_keys": "/no/such"}, "names no directory: /no/such"),
        (1, {1: "tcp://192.0.2.1:7999"}, {}, "give the replica an address that this machine has"),
        (1, {1: "tcp://no-such-host.invalid:9"}, {}, "check the host's name"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    local: int, peers: dict[int, str], options: dict[str, object], message: str
) -> None:
    with pytest.raises(TransportError, match=message) as raised:
        async with open_zeromq(local, peers, **options):
            pass
    assert "\n" not in str(raised.value)


async def test_an_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_zeromq(1, over_tcp(3)):
            raise KeyError("mine")


async def test_a_cancellation_around_it_closes_everything() -> None:
    peers = over_tcp(3)
    with trio.move_on_after(0.05) as scope:
        async with open_zeromq(1, peers) as one:
            await one.receive()
    assert scope.cancelled_caught
    async with open_zeromq(1, peers):
        pass


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://192.0.2.1:7101", "give the replica an address that this machine has"),
        ("tcp://[fe80::1]:7101", "a link-local address needs its interface"),
    ],
)
async def test_an_address_that_the_system_refuses_is_its_fault(address: str, said: str) -> None:
    """By which a command's exit status goes, as over TCP and UDP."""
    with pytest.raises(TransportError, match=said) as raised:
        async with open_zeromq(1, {1: address}):
            pytest.fail("opened")
    assert isinstance(raised.value.__cause__, OSError)


async def test_a_link_local_address_keeps_its_interface() -> None:
    assert await resolve("tcp://[fe80::1%lo]:7100") == "tcp://[fe80::1%lo]:7100"
    assert await resolve("tcp://[::1]:7100") == "tcp://[::1]:7100"
