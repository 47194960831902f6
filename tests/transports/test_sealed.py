from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from transports.api import Frame, Transport, TransportError, UnknownTransport
from transports.ethernet import availability
from transports.memory import open_memory
from transports.sealed import TAG_BYTES, SealedTransport, open_transport, read_key, seal
from transports.testing import PROMISES, check_transport, free_tcp_addresses

CLIENT = 70_000
KEY = bytes(range(32))

_hub_numbers = itertools.count()


def fresh_hub(n: int) -> dict[int, str]:
    return dict.fromkeys(range(1, n + 1), f"sealed-{next(_hub_numbers)}")


@asynccontextmanager
async def open_sealed(
    local: int, peers: Mapping[int, str], key: bytes = KEY, **options: object
) -> AsyncIterator[SealedTransport]:
    async with open_memory(local, peers, **options) as inner:
        yield seal(inner, local, key)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.key"
    path.write_text(KEY.hex() + "\n")
    return path


@pytest.mark.parametrize("promise", PROMISES)
async def test_conformance(promise: str) -> None:
    # Bounded, since the suite sends the memory transport more than a network would take.
    await check_transport(
        open_sealed, fresh_hub, options={"queue_frames_max": 500}, promises=[promise]
    )


async def test_the_tag_is_over_both_ids_and_the_frame() -> None:
    peers = fresh_hub(2)
    async with open_sealed(1, peers) as one, open_memory(2, peers) as two:
        one.send([(2, b"frame")])
        signed = (1).to_bytes(8, "big") + (2).to_bytes(8, "big") + b"frame"
        tag = hashlib.blake2s(signed, key=KEY, digest_size=16, person=b"paxos-1").digest()
        assert await two.receive() == [(1, b"frame" + tag)]
        assert one.frame_bytes_max == two.frame_bytes_max - TAG_BYTES


async def test_what_cannot_be_sent_is_counted_once() -> None:
    peers = fresh_hub(2)
    async with open_sealed(1, peers, frame_bytes_max=100) as one, open_memory(2, peers):
        one.send([(2, b""), (2, bytes(84)), (2, bytes(85)), (-1, b"x"), (1 << 70, b"x")])
        assert one.stats.dropped == {"empty": 1, "oversized": 1, "unknown_peer": 2}
        assert one.stats.frames_sent == 1


async def recorded(peers: Mapping[int, str], sender: int, receiver: int, frame: bytes) -> bytes:
    """What `sender` puts on the wire for `receiver`."""
    async with open_sealed(sender, peers) as origin, open_memory(receiver, peers) as target:
        origin.send([(receiver, frame)])
        ((_, sealed),) = await target.receive()
    return sealed


@pytest.mark.parametrize("position", [0, 4, 5, 20])
async def test_an_altered_frame_is_dropped(position: int) -> None:
    peers = fresh_hub(2)
    good = await recorded(peers, 1, 2, b"frame")
    bad = bytearray(good)
    bad[position] ^= 1
    async with open_memory(1, peers) as one, open_sealed(2, peers) as two:
        one.send([(2, bytes(bad)), (2, good), (2, good[:-1]), (2, good + b"x")])
        assert await two.receive() == [(1, b"frame")]
        assert two.stats.dropped == {"bad_tag": 3}


@pytest.mark.parametrize("frame", [b"x", b"x" * 15, b"x" * 16, b"x" * 17, b"x" * 500])
async def test_frames_without_a_tag_are_dropped(
    frame: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    peers = fresh_hub(2)
    async with open_memory(1, peers) as one, open_sealed(2, peers) as two:
        one.send([(2, frame)] * 3)
        with trio.move_on_after(1) as scope:
            await two.receive()
        assert scope.cancelled_caught
        assert two.stats.dropped == {"bad_tag": 3}


async def test_a_tag_alone_is_no_frame() -> None:
    peers = fresh_hub(2)
    ids = (1).to_bytes(8, "big") + (2).to_bytes(8, "big")
    tag = hashlib.blake2s(ids, key=KEY, digest_size=16, person=b"paxos-1").digest()
    good = await recorded(peers, 1, 2, b"frame")
    async with open_memory(1, peers) as one, open_sealed(2, peers) as two:
        one.send([(2, tag), (2, good)])
        assert await two.receive() == [(1, b"frame")]
        assert two.stats.dropped == {"bad_tag": 1}


async def test_a_frame_is_good_from_its_sender_to_its_receiver_only() -> None:
    peers = fresh_hub(3)
    good = await recorded(peers, 1, 2, b"frame")
    async with (
        open_memory(1, peers) as one,
        open_sealed(2, peers) as two,
        open_memory(3, peers) as three,
    ):
        three.send([(2, good)])
        one.send([(2, good)])
        assert await two.receive() == [(1, b"frame")]
        assert two.stats.dropped == {"bad_tag": 1}
    async with open_memory(1, peers) as one, open_sealed(3, peers) as three_sealed:
        one.send([(3, good), (3, await recorded(fresh_hub(3), 1, 3, b"other"))])
        assert await three_sealed.receive() == [(1, b"other")]
        assert three_sealed.stats.dropped == {"bad_tag": 1}


async def test_a_wrong_key_is_dropped_and_the_right_one_is_heard() -> None:
    peers = fresh_hub(2)
    async with (
        open_sealed(1, peers) as one,
        open_sealed(2, peers, key=b"another key, as long") as two,
        open_sealed(CLIENT, peers) as client,
    ):
        two.send([(1, b"let me in")])
        one.send([(2, b"hello")])
        client.send([(1, b"hello")])
        assert await one.receive() == [(CLIENT, b"hello")]
        assert one.stats.dropped == {"bad_tag": 1}


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (KEY.hex().encode(), KEY),
        (KEY.hex().upper().encode() + b"\n", KEY),
        (b"  " + KEY[:16].hex().encode() + b"\r\n", KEY[:16]),
        (KEY, KEY),
        (b"\n" + KEY[:20], b"\n" + KEY[:20]),
        (b"a passphrase of words", b"a passphrase of words"),
    ],
)
async def test_a_key_is_read_as_digits_or_raw(content: bytes, key: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert read_key(path) == key


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, not 16 to 32: make one with: openssl rand -hex 32"),
        (b"short", "has 5 bytes"),
        (b"ab" * 15 + b"\n", "has 15 bytes"),
        (b"ab" * 33, "has 33 bytes"),
        (b"a" * 31, "has an odd number of hexadecimal digits"),
        (bytes(33), "has 33 bytes"),
        (bytes(100_000), "has 4096 bytes"),
    ],
)
async def test_a_bad_key_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(TransportError, match=message) as raised:
        read_key(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"none' cannot be read: no such file .*; make one"):
        read_key(tmp_path / "none")
    with pytest.raises(TransportError, match="cannot be read: is a directory; make one"):
        read_key(tmp_path)


def addresses_for(name: str) -> dict[int, str]:
    match name:
        case "memory":
            return fresh_hub(2)
        case "zeromq":
            return {node: f"tcp://{one}" for node, one in free_tcp_addresses(2).items()}
        case "ethernet":
            return {node: f"00:00:00:00:00:00/{node}" for node in (1, 2)}
        case _:
            return free_tcp_addresses(2)


@pytest.mark.parametrize("name", ["memory", "tcp", "transports.udp:open_udp", "zeromq", "ethernet"])
async def test_the_option_seals_any_transport(name: str, key_file: Path) -> None:
    peers = addresses_for(name)
    plain: dict[str, object] = {"frame_bytes_max": 1_000}
    if name == "ethernet":
        if reason := availability():
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
        # Apart from other clusters that may use this machine's loopback.
        plain |= {"interface": "lo", "ethertype": 0x88B6}
    options = {**plain, "key_file": str(key_file)}
    before = dict(options)
    with trio.fail_after(20):
        async with (
            open_transport(name, 1, peers, options) as one,
            open_transport(name, 2, peers, options) as two,
            open_transport(name, CLIENT, peers, plain) as keyless,
        ):
            assert one.frame_bytes_max == 984
            arrived: set[Frame] = set()
            while not (arrived and two.stats.dropped["bad_tag"]):
                keyless.send([(2, b"let me in, whoever you are")])
                one.send([(2, b"x" * 984)])
                with trio.move_on_after(0.02):
                    arrived.update(await two.receive())
            assert arrived == {(1, b"x" * 984)}
    assert options == before


async def test_without_the_option_nothing_is_wrapped() -> None:
    peers = fresh_hub(2)
    async with open_transport("memory", 1, peers, {}) as one, open_memory(2, peers) as two:
        one.send([(2, b"plain")])
        assert await two.receive() == [(1, b"plain")]


async def opened(name: str, options: Mapping[str, object]) -> Transport:
    async with open_transport(name, 1, fresh_hub(1), options) as transport:
        return transport


async def test_what_cannot_be_opened_says_why(tmp_path: Path, key_file: Path) -> None:
    with pytest.raises(UnknownTransport, match="no transport is called 'pigeon'"):
        await opened("pigeon", {})
    for wrong in (7, True, ""):
        with pytest.raises(TransportError, match="key_file takes the path of a file, not"):
            await opened("memory", {"key_file": wrong})
    with pytest.raises(TransportError, match="cannot be read"):
        await opened("memory", {"key_file": str(tmp_path / "none")})
    with pytest.raises(TransportError, match="memory has no option 'nodelay'"):
        await opened("memory", {"key_file": str(key_file), "nodelay": 1})
    for key in (b"short", bytes(33)):
        with pytest.raises(TransportError, match="the cluster key has"):
            async with open_sealed(1, fresh_hub(1), key=key):
                pass


async def test_an_error_inside_comes_out_as_it_is(key_file: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_transport("memory", 1, fresh_hub(1), {"key_file": str(key_file)}):
            raise KeyError("mine")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("transports.tcp:TcpOptions", "is none: it gives a TcpOptions, not an asynchronous"),
        ("transports._tcp_sockets:listen", "is none: it gives a coroutine, not an asynchronous"),
        ("json:loads", "cannot be opened: TypeError: "),
        ("transports.memory:open_memory", "has no option 'pigeons'"),
    ],
)
async def test_what_is_no_opener_is_told_in_one_line(name: str, said: str) -> None:
    options = {"pigeons": 3} if "memory" in name else {}
    for over in ({}, {"over": name}):
        opened = "transports.node.faulty:open_faulty" if over else name
        with pytest.raises(TransportError) as raised:
            async with open_transport(opened, 1, fresh_hub(1), {**over, **options}):
                pytest.fail("opened")
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)
