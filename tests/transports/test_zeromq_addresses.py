"""ZeroMQ's addresses: their forms, those in use, and what cannot be opened."""

from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
import zmq
from ipv6_cases import need_ipv6
from names import MANY, give_many
from zeromq_kit import (
    CLIENT,
    over_tcp,
    port_of,
    until_received,
)

from transports._zeromq_sockets import resolve
from transports.api import TransportError
from transports.zeromq import open_zeromq

_numbers = itertools.count()


@pytest.fixture(autouse=True)
async def _guard() -> AsyncIterator[None]:
    with trio.fail_after(60):
        yield


@pytest.fixture
def over_ipc(tmp_path: Path) -> Callable[[int], dict[int, str]]:
    return lambda n: {i: f"ipc://{tmp_path}/{next(_numbers)}" for i in range(1, n + 1)}


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
async def test_other_forms_of_address(host: str) -> None:
    if host == "[::1]":
        need_ipv6()
    peers = {i: f"tcp://{host}:{port_of(a)}" for i, a in over_tcp(2).items()}
    async with open_zeromq(1, peers) as one, open_zeromq(2, peers) as two:
        await until_received(one, two, (2, b"x"))
        await until_received(two, one, (1, b"y"))


async def test_every_address_of_a_name_gets_its_turn() -> None:
    peers = over_tcp(2)
    give_many("127.0.0.2", "127.0.0.1")
    named = {**peers, 2: f"tcp://{MANY}:{port_of(peers[2])}"}
    async with (
        open_zeromq(2, peers) as two,
        open_zeromq(CLIENT, named, connect_seconds=0.1) as client,
    ):
        await until_received(client, two, (2, b"x"))


async def test_a_replica_listens_on_its_name_s_first_address_that_is_its_machine_s() -> None:
    (peer,) = over_tcp(1).values()
    named = {1: f"tcp://{MANY}:{port_of(peer)}"}
    give_many("192.0.2.1", "127.0.0.2", "127.0.0.1")
    async with open_zeromq(1, named) as one:
        assert one._listener is not None
        bound = one._listener.getsockopt(zmq.LAST_ENDPOINT)
        assert bound == f"tcp://127.0.0.2:{port_of(peer)}".encode()
        with pytest.raises(TransportError, match="address already in use; stop the process"):
            async with open_zeromq(1, named):
                pass


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
    assert await resolve("tcp://[fe80::1%lo]:7100") == ["tcp://[fe80::1%lo]:7100"]
    assert await resolve("tcp://[::1]:7100") == ["tcp://[::1]:7100"]
