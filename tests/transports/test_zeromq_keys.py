"""ZeroMQ with CURVE keys: who may speak for whom, and keys that cannot be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
import zmq
import zmq.auth
from zeromq_kit import (
    CLIENT,
    draining,
    inject,
    over_tcp,
    until,
)

from transports._zeromq_sockets import hello, identity_of
from transports.api import TransportError
from transports.framing import join_frames
from transports.testing import PROMISES, check_transport
from transports.zeromq import open_zeromq


@pytest.fixture(autouse=True)
async def _guard() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


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


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance_with_curve(promise: str, keys: str) -> None:
    await check_transport(
        open_zeromq,
        over_tcp,
        options={"curve_keys": keys},
        promises=[promise],
        inject_garbage=inject,
    )


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
