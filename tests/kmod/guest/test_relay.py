"""Frames through the device: out, in, and between it and the Ethernet transport."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator

import device_abi as abi
import pytest
import trio
from device_kit import (
    CLIENT,
    ETHERTYPE,
    Station,
    colons,
    inside,
    mac,
    packet,
    refused,
    two_stations,
)

from transports._packets import unpack
from transports.ethernet import open_ethernet

PEERS = {1: colons(mac(1)), 2: colons(mac(2))}


@pytest.fixture
def stations() -> Iterator[tuple[Station, Station]]:
    with two_stations() as pair:
        yield pair


def test_frames_arrive_whole_in_order_and_with_their_senders_id(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    frames = [bytes([number]) * size for number, size in enumerate((1, 2, 63, 64, 700, 1474), 1)]
    with west.endpoint(1) as one, east.endpoint(2) as two:
        one.send(2, *frames)
        assert two.receive(len(frames)) == [(1, frame) for frame in frames]
        two.send(1, b"back")
        assert one.receive() == [(2, b"back")]
        stats = two.stats()
        assert (stats.frames_received, stats.bytes_received) == (6, sum(map(len, frames)))
        assert (stats.frames_sent, stats.bytes_sent, stats.packets_sent) == (1, 4, 1)
        assert stats.drops() == {}


def test_frames_to_one_receiver_share_packets_that_fill_the_mtu(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    frames = [bytes([number]) * 98 for number in range(40)]
    with west.endpoint(1) as one, east.packet_socket(ETHERTYPE) as wire:
        one.send(2, *frames)
        loads, sizes = [], []
        while len(loads) < len(frames):
            seen = wire.recv(2000)
            assert seen[:14] == mac(2) + mac(1) + ETHERTYPE.to_bytes(2, "big")
            sender, receiver, load = unpack(memoryview(seen)[14:], padded=True)
            assert (sender, receiver) == (1, 2)
            loads += load
            sizes.append(len(load))
        assert loads == frames
        assert sizes == [14, 14, 12]  # as many as (1500 - 24) // 100
        assert one.stats().packets_sent == 3


def test_each_receiver_of_a_batch_gets_its_own(stations: tuple[Station, Station]) -> None:
    west, east = stations
    clients = range(CLIENT, CLIENT + 20)  # more than have an open packet at a time
    with west.endpoint(1) as one, east.packet_socket(ETHERTYPE) as wire:
        for client in clients:
            wire.send(mac(1) + mac(2) + b"\x88\xb5" + packet(client, 1, b"hello"))
        assert one.receive(20) == [(client, b"hello") for client in clients]
        sent = [(client, f"{client} {turn}".encode()) for turn in range(3) for client in clients]
        data = b"".join(abi.record(abi.SEND, frame, client) for client, frame in sent)
        assert one.write(data) == len(data)
        got: dict[int, list[bytes]] = {}
        while sum(map(len, got.values())) < len(sent):
            sender, receiver, load = unpack(memoryview(wire.recv(2000))[14:], padded=True)
            assert sender == 1
            got.setdefault(receiver, []).extend(load)
        for client in clients:
            assert got[client] == [frame for to, frame in sent if to == client]


def test_a_client_that_was_silent_longest_makes_room(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1, clients_max=2) as one:
        for client in (CLIENT, CLIENT + 1, CLIENT, CLIENT + 2):
            east.inject(mac(1), packet(client, 1, b"hello"))
        one.receive(4)
        one.send(CLIENT, b"heard again just now")
        one.send(CLIENT + 1, b"silent longest")
        one.send(CLIENT + 2, b"new")
        stats = one.stats()
        assert (stats.frames_sent, stats.drops()) == (2, {"unknown_peer": 1})


def test_the_device_waits_for_a_frame_only_if_it_may(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2, open_flags=0) as two:
        with pytest.raises(BlockingIOError):
            one.read()
        assert one.wait(select.POLLIN | select.POLLOUT) == select.POLLOUT
        one.send(2, b"now")
        assert two.wait(select.POLLIN | select.POLLOUT) == select.POLLIN | select.POLLOUT
        assert [payload for _, payload in two.read()] == [b"now"]
        two.send(1, b"then")
        assert one.wait() == select.POLLIN


def test_a_waiting_reader_is_woken_by_a_frame(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2, open_flags=0) as two:
        child = os.fork()
        if child == 0:
            got = [payload for _, payload in two.read()]
            os._exit(0 if got == [b"wake up"] else 1)
        one.send(2, b"wake up")
        assert os.waitpid(child, 0) == (child, 0)


def test_what_fits_is_read_and_the_rest_waits(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2) as two:
        one.send(2, b"a" * 8, b"b" * 9, b"c")
        two.wait()
        with refused(errno.EMSGSIZE):
            two.read(47)
        assert [payload for _, payload in two.read(48 + 55)] == [b"a" * 8]
        assert [payload for _, payload in two.read(56 + 48)] == [b"b" * 9, b"c"]


async def test_the_relay_and_the_ethernet_transport_speak_to_each_other(
    stations: tuple[Station, Station],
) -> None:
    west, _ = stations
    with west.endpoint(1) as one, inside("east"):
        async with open_ethernet(2, PEERS, interface="e0") as two:
            one.send(2, b"from the device", b"x" * 1474)
            got: list[tuple[int, bytes]] = []
            with trio.fail_after(60):
                while len(got) < 2:
                    got += await two.receive()
            assert got == [(1, b"from the device"), (1, b"x" * 1474)]
            two.send([(1, b"from the socket"), (1, b"y" * 1474)])
            assert one.receive(2) == [(2, b"from the socket"), (2, b"y" * 1474)]
        async with open_ethernet(CLIENT, PEERS, interface="e0") as client:
            client.send([(1, b"ask")])
            assert one.receive() == [(CLIENT, b"ask")]
            one.send(CLIENT, b"answer")
            with trio.fail_after(60):
                assert await client.receive() == [(1, b"answer")]


def test_a_relay_on_lo_reaches_itself() -> None:
    station = Station("", "lo", bytes(6))
    members = {1: bytes(6), 2: bytes(6)}
    with station.endpoint(1, members=members) as one, station.endpoint(2, members=members) as two:
        assert one.config.frame_bytes_max == 65_481
        frames = [b"small", b"z" * 65_481, b"small again"]
        one.send(2, *frames)
        assert two.receive(3) == [(1, frame) for frame in frames]
        assert two.stats().drops() == {}


def test_an_echo_sends_clients_their_packets_back(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1, abi.MODE_ECHO) as echo, east.endpoint(CLIENT) as client:
        client.send(1, b"one", b"two")
        assert client.receive(2) == [(1, b"one"), (1, b"two")]
        with east.endpoint(2) as member:
            member.send(1, b"no client")
            client.send(1, b"three")
            assert client.receive() == [(1, b"three")]
        stats = echo.stats()
        assert (stats.frames_received, stats.frames_sent) == (4, 3)
        assert stats.drops() == {"unknown_peer": 1}
        for use in (echo.read, lambda: echo.write(abi.record(abi.SEND, b"x", CLIENT))):
            with refused(errno.EOPNOTSUPP):
                use()
