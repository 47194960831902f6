"""TCP with TLS on loopback; the certificates are made here. Nothing is timed."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from transports.api import Frame, TransportError
from transports.framing import Hello, join_frames, pack_hello
from transports.tcp import TcpTransport, open_tcp
from transports.testing import PROMISES, check_transport, free_tcp_addresses

CLIENT = 70_000
PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
async def _guard() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


class Cluster:
    """A directory with an authority and everybody's certificate."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(directory / "authority.pem")
        for name in ("node-1", "node-2", "node-3"):
            self.issue(name, name)
        self.issue("client", "somebody")

    def issue(self, file: str, name: str, expires: datetime.datetime | None = None) -> None:
        certificate = self.authority.issue_cert(name, not_before=PAST, not_after=expires)
        certificate.private_key_and_cert_chain_pem.write_to_path(self.directory / f"{file}.pem")

    def options(self, **changes: str) -> dict[str, object]:
        files = {
            "tls_certificate": f"{self.directory}/{{name}}.pem",
            "tls_authority": f"{self.directory}/authority.pem",
        }
        return {**files, **changes}

    def context(self, file: str) -> ssl.SSLContext:
        """What a foreign program with the certificate in `file` would dial with."""
        context = ssl.create_default_context(cafile=str(self.directory / "authority.pem"))
        context.check_hostname = False
        context.load_cert_chain(self.directory / f"{file}.pem")
        return context


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    return Cluster(tmp_path_factory.mktemp("cluster"))


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


async def inject(address: str, data: bytes) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port_of(address)) as stream:
        if data:
            await stream.send_all(data)


async def until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await trio.sleep(0.005)


@asynccontextmanager
async def draining(transport: TcpTransport) -> AsyncIterator[list[Frame]]:
    arrived: list[Frame] = []

    async def drain() -> None:
        while True:
            arrived.extend(await transport.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        yield arrived
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(promise: str, cluster: Cluster) -> None:
    await check_transport(
        open_tcp,
        free_tcp_addresses,
        options=cluster.options(),
        promises=[promise],
        inject_garbage=inject,
    )


async def test_large_frames_arrive_whole_both_ways(cluster: Cluster) -> None:
    peers = free_tcp_addresses(2)
    options = cluster.options() | {"queue_bytes_max": 1 << 26}
    frames = [bytes([n]) * 700_000 for n in range(40)]
    async with (
        open_tcp(2, peers, **options) as two,
        draining(two) as at_two,
        open_tcp(1, peers, **options) as one,
        draining(one) as at_one,
    ):
        one.send([(2, frame) for frame in frames])
        await until(lambda: len(at_two) == 40)
        two.send([(1, frame) for frame in frames])
        await until(lambda: len(at_one) == 40)
        assert at_two == [(1, frame) for frame in frames]
        assert at_one == [(2, frame) for frame in frames]


async def test_frames_sent_are_not_readable_on_the_wire(cluster: Cluster) -> None:
    peers = free_tcp_addresses(2)
    seen = bytearray()
    listeners = await trio.open_tcp_listeners(port_of(peers[2]), host="127.0.0.1")
    inner = free_tcp_addresses(2)
    at_two = {1: peers[1], 2: inner[2]}

    async def pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
        async for data in source:
            seen.extend(data)
            await target.send_all(data)

    async def tap(stream: trio.SocketStream) -> None:
        async with (
            await trio.open_tcp_stream("127.0.0.1", port_of(inner[2])) as further,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(pump, stream, further)
            nursery.start_soon(pump, further, stream)

    async with (
        trio.open_nursery() as nursery,
        open_tcp(2, at_two, **cluster.options()) as two,
        draining(two) as arrived,
    ):
        nursery.start_soon(trio.serve_listeners, tap, listeners)
        async with open_tcp(CLIENT, {2: peers[2]}, **cluster.options()) as client:
            client.send([(2, b"a secret of some length")])
            await until(lambda: bool(arrived))
        assert arrived == [(CLIENT, b"a secret of some length")]
        assert len(seen) > 1000
        assert b"a secret of some length" not in seen
        nursery.cancel_scope.cancel()


async def test_a_stream_without_tls_is_dropped_and_counted(cluster: Cluster) -> None:
    peers = free_tcp_addresses(1)
    async with (
        open_tcp(1, peers, **cluster.options()) as one,
        draining(one) as arrived,
        open_tcp(CLIENT, peers) as plain,
    ):
        plain.send([(1, b"in the clear")])
        await until(lambda: one.stats.dropped["tls_failed"] > 0)
        assert not arrived


async def test_a_replica_without_tls_is_not_talked_to(cluster: Cluster) -> None:
    peers = free_tcp_addresses(1)
    async with (
        open_tcp(1, peers) as plain,
        draining(plain) as arrived,
        open_tcp(CLIENT, peers, **cluster.options()) as client,
    ):
        client.send([(1, b"a secret")])
        await until(lambda: client.stats.dropped["tls_failed"] > 0)
        assert client.stats.dropped["disconnected"] == 1
        assert plain.stats.dropped["malformed"] > 0
        assert not arrived


@pytest.mark.parametrize("secured", ["replica", "client"])
async def test_another_authoritys_certificate_is_refused(
    secured: str, cluster: Cluster, tmp_path: Path
) -> None:
    """Whichever side is the stranger, the other refuses."""
    peers = free_tcp_addresses(1)
    stranger = Cluster(tmp_path).options()
    mine, theirs = cluster.options(), stranger
    if secured == "client":
        mine, theirs = theirs, mine
    async with (
        open_tcp(1, peers, **mine) as one,
        draining(one) as arrived,
        open_tcp(CLIENT, peers, **theirs) as client,
    ):
        await until(lambda: one.stats.dropped["tls_failed"] > 0)
        await until(lambda: client.stats.dropped["tls_failed"] > 0)
        assert not arrived


async def test_a_client_without_a_certificate_is_refused(cluster: Cluster) -> None:
    peers = free_tcp_addresses(1)
    context = ssl.create_default_context(cafile=str(cluster.directory / "authority.pem"))
    context.check_hostname = False
    async with open_tcp(1, peers, **cluster.options()) as one, draining(one) as arrived:
        tcp = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        async with trio.SSLStream(tcp, context) as stream:
            hello = pack_hello(Hello(CLIENT, 1))
            with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
                await stream.send_all(join_frames([hello, b"anonymous"]))
                await stream.receive_some()
            await until(lambda: one.stats.dropped["tls_failed"] == 1)
            await tcp.aclose()
        assert not arrived


@pytest.mark.parametrize(
    ("file", "sender", "accepted"),
    [
        ("node-2", 2, True),
        ("node-3", 2, False),
        ("client", 2, False),
        ("client", CLIENT, True),
        ("node-2", CLIENT, True),
    ],
)
async def test_a_certificate_binds_the_id(
    file: str, sender: int, accepted: bool, cluster: Cluster
) -> None:
    peers = free_tcp_addresses(3)
    async with open_tcp(1, peers, **cluster.options()) as one, draining(one) as arrived:
        tcp = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        stream = trio.SSLStream(tcp, cluster.context(file))
        await stream.send_all(join_frames([pack_hello(Hello(sender, 1)), b"it is me"]))
        if accepted:
            await until(lambda: bool(arrived))
        else:
            await until(lambda: one.stats.dropped["impostor"] == 1)
        assert arrived == ([(sender, b"it is me")] if accepted else [])
        await tcp.aclose()


LARGE = [b"first", bytes(range(256)) * 1000, b"last"]
"""Frames of more bytes than a record of TLS holds, or a socket takes at once."""


async def exchange(stream: trio.SSLStream[trio.SocketStream], *frames: bytes) -> bytes:
    """Send the frames, and return as many bytes as `LARGE` has with its lengths."""
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, join_frames(frames))
        while len(received) < len(join_frames(LARGE)):
            received += await stream.receive_some()
    return bytes(received)


async def test_a_trio_ssl_stream_may_dial(cluster: Cluster) -> None:
    peers = free_tcp_addresses(1)
    context = cluster.context("client")
    context.check_hostname = True
    async with open_tcp(1, peers, **cluster.options()) as one, draining(one) as arrived:
        tcp = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        async with trio.SSLStream(tcp, context, server_hostname="node-1") as stream:
            await stream.send_all(join_frames([pack_hello(Hello(CLIENT, 1)), *LARGE]))
            await until(lambda: len(arrived) == len(LARGE))
            one.send([(CLIENT, frame) for frame in LARGE])
            assert await exchange(stream, b"more") == join_frames(LARGE)
            await until(lambda: len(arrived) == len(LARGE) + 1)
    assert arrived == [(CLIENT, frame) for frame in [*LARGE, b"more"]]


async def test_a_trio_ssl_stream_may_be_dialled(cluster: Cluster) -> None:
    peers = free_tcp_addresses(1)
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(cluster.directory / "authority.pem")
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cluster.directory / "node-1.pem")
    hello = join_frames([pack_hello(Hello(CLIENT, 1))])
    first = bytearray()
    received: list[bytes] = []

    async def serve(tcp: trio.SocketStream) -> None:
        async with trio.SSLStream(tcp, context, server_side=True) as stream:
            while len(first) < len(hello):
                first.extend(await stream.receive_some(len(hello) - len(first)))
            received.append(await exchange(stream, *LARGE))

    listeners = await trio.open_tcp_listeners(port_of(peers[1]), host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        async with (
            open_tcp(CLIENT, peers, **cluster.options()) as client,
            draining(client) as arrived,
        ):
            await until(lambda: bool(client._dialled))
            client.send([(1, frame) for frame in LARGE])
            await until(lambda: len(arrived) == len(LARGE))
            await until(lambda: bool(received))
        nursery.cancel_scope.cancel()
    assert arrived == [(1, frame) for frame in LARGE]
    assert first == hello
    assert received == [join_frames(LARGE)]


async def test_a_replica_at_anothers_address_is_not_talked_to(cluster: Cluster) -> None:
    peers = free_tcp_addresses(2)
    crossed = {1: peers[2], 2: peers[1]}
    async with (
        open_tcp(1, crossed, **cluster.options()) as one,
        draining(one) as arrived,
        open_tcp(CLIENT, {2: peers[2]}, **cluster.options()) as client,
    ):
        await until(lambda: client.stats.dropped["tls_failed"] > 0)
        client.send([(2, b"for two")])
        assert client.stats.dropped["disconnected"] == 1
        assert not arrived


async def test_an_expired_certificate_of_a_peer_is_refused(tmp_path: Path) -> None:
    peers = free_tcp_addresses(1)
    mine = Cluster(tmp_path)
    mine.issue("expired", "somebody", expires=PAST + datetime.timedelta(days=1))
    async with open_tcp(1, peers, **mine.options()) as one, draining(one):
        tcp = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        stream = trio.SSLStream(tcp, mine.context("expired"))
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            await stream.send_all(join_frames([pack_hello(Hello(CLIENT, 1)), b"late"]))
            await stream.receive_some()
        await until(lambda: one.stats.dropped["tls_failed"] == 1)
        await tcp.aclose()


async def test_old_versions_are_refused(cluster: Cluster) -> None:
    peers = free_tcp_addresses(1)
    context = cluster.context("client")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with open_tcp(1, peers, **cluster.options()) as one, draining(one):
        tcp = await trio.open_tcp_stream("127.0.0.1", port_of(peers[1]))
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(tcp, context).do_handshake()
        await until(lambda: one.stats.dropped["tls_failed"] == 1)
        await tcp.aclose()


async def test_a_handshake_that_never_ends_is_closed_in_time(cluster: Cluster) -> None:
    peers = free_tcp_addresses(2)
    options = cluster.options() | {"hello_seconds": 0.05}
    listeners = await trio.open_tcp_listeners(port_of(peers[2]), host="127.0.0.1")
    async with (
        listeners[0] as mute,
        open_tcp(1, peers, **options) as one,
        draining(one),
        await trio.open_tcp_stream("127.0.0.1", port_of(peers[1])) as silent,
    ):
        assert await silent.receive_some() == b""
        for _ in range(2):
            dialled = await mute.accept()
            async for _ in dialled:
                pass
            await dialled.aclose()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tls_authority": ""}, "TLS needs tls_certificate and tls_authority"),
        ({"tls_certificate": ""}, "TLS needs tls_certificate and tls_authority"),
        ({"tls_certificate": "{d}/none.pem"}, "cannot read .*none.pem: no such file"),
        ({"tls_key": "{d}/none.pem"}, "cannot read .*none.pem: no such file"),
        ({"tls_authority": "{d}/none.pem"}, "cannot read .*none.pem: no such file"),
        ({"tls_certificate": "{d}"}, "cannot read .*: is a directory"),
        ({"tls_certificate": "{d}/junk"}, "junk and .*junk hold no certificate and key in PEM"),
        ({"tls_authority": "{d}/junk"}, "junk holds no certificate in PEM form; copy the"),
        ({"tls_key": "{d}/node-2.pem"}, "the key in .*node-2.pem does not belong to"),
        ({"tls_certificate": "{d}/node-2.pem"}, "of no use: Hostname mismatch.* name node-1"),
        ({"tls_certificate": "{d}/common.pem"}, "of no use: Hostname mismatch.* name node-1"),
        ({"tls_certificate": "{d}/expired.pem"}, "of no use: certificate has expired; have the"),
        ({"tls_authority": "{d}/other.pem"}, "of no use: .*; have the authority sign a valid one"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    mine = Cluster(tmp_path)
    mine.issue("expired", "node-1", expires=PAST + datetime.timedelta(days=1))
    common = mine.authority.issue_cert(common_name="node-1")  # and no alternative name
    common.private_key_and_cert_chain_pem.write_to_path(tmp_path / "common.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    (tmp_path / "junk").write_text("-----BEGIN NOTHING-----\n")
    changes = {key: value.replace("{d}", str(tmp_path)) for key, value in changes.items()}
    with pytest.raises(TransportError, match=message) as raised:
        async with open_tcp(1, free_tcp_addresses(1), **mine.options(**changes)):
            pass
    assert "\n" not in str(raised.value)


async def test_a_clients_own_expired_certificate_is_named(tmp_path: Path) -> None:
    mine = Cluster(tmp_path)
    mine.issue("client", "somebody", expires=PAST + datetime.timedelta(days=1))
    with pytest.raises(TransportError, match=r"client\.pem is of no use: certificate has expired"):
        async with open_tcp(CLIENT, free_tcp_addresses(1), **mine.options()):
            pass
