"""Bad input from the wire: a counted drop, and what is good still comes through."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from device_kit import CLIENT, ETHERTYPE, MEMBERS, Endpoint, Station, mac, packet, two_stations

from transports._packets import HEADER_BYTES, unpack
from transports.framing import FramingError

MARK = b"the mark"


@pytest.fixture(scope="module")
def stations() -> Iterator[tuple[Station, Station]]:
    with two_stations() as pair:
        yield pair


def settle(east: Station, endpoint: Endpoint) -> list[tuple[int, bytes]]:
    """All frames up to a mark that is sent now: nothing sent before it is on its way still."""
    east.inject(mac(1), packet(2, 1, MARK))
    frames: list[tuple[int, bytes]] = []
    while (2, MARK) not in frames:
        frames += endpoint.receive()
    assert frames[-1] == (2, MARK)
    return frames[:-1]


WHOLE = packet(2, 1, b"one", b"two")


def header(bytes_: int, first: int = 3, magic: bytes = b"PXD\x01") -> bytes:
    ids = (2).to_bytes(8, "big") + (1).to_bytes(8, "big")
    return magic + bytes_.to_bytes(4, "big") + ids + first.to_bytes(2, "big")


BAD = {
    "no PXD": ("malformed", b"QXD\x01" + WHOLE[4:]),
    "version 0": ("malformed", header(5, magic=b"PXD\x00") + b"abc"),
    "version 2": ("malformed", header(5, magic=b"PXD\x02") + b"abc"),
    "zeros": ("malformed", bytes(60)),
    "ones": ("malformed", b"\xff" * 60),
    "size 0": ("malformed", header(0) + b"abc"),
    "size of no frame": ("malformed", header(2, 0) + bytes(40)),
    "size beyond the end": ("malformed", header(6) + b"abc"),
    "size beyond the packet's padding": ("malformed", header(1476, 1473) + bytes(1473)),
    "size beyond all": ("malformed", header(2**32 - 1, 65_535) + b"abc"),
    "size that runs over": ("malformed", header(2**32 - 24, 65_535) + b"abc"),
    "frame of 0": ("malformed", header(5, 0) + b"abc"),
    "frame beyond its size": ("malformed", header(5, 4) + b"abcd"),
    "frame short of its size by one": ("malformed", header(6, 3) + b"abcd"),
    "frame short of its size by two": ("malformed", header(7, 3) + b"abc\x00\x00"),
    "second frame beyond the end": ("malformed", header(8, 3) + b"abc\xff\xffd"),
    "for another member": ("misdirected", packet(2, 3, b"x")),
    "for a client": ("misdirected", packet(2, CLIENT, b"x")),
    "for nobody": ("misdirected", packet(2, 0, b"x")),
    "from no member": ("unknown_sender", packet(3, 1, b"x")),
    "from nobody": ("unknown_sender", packet(0, 1, b"x")),
    "from ourselves": ("unknown_sender", packet(1, 1, b"x")),
    "from an impossible client": ("unknown_sender", packet(2**63, 1, b"x")),
}
BAD |= {
    f"cut after {end}": ("malformed", WHOLE[:end]) for end in (0, 1, 4, 8, 16, 23, 24, 25, 26, 33)
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_packet_is_dropped_and_counted(name: str, stations: tuple[Station, Station]) -> None:
    west, east = stations
    cause, bad = BAD[name]
    with west.endpoint(1) as endpoint:
        east.inject(mac(1), bad)
        assert settle(east, endpoint) == []
        assert endpoint.stats().drops() == {cause: 1}
        assert endpoint.stats().packets_received == 1


def test_a_members_id_is_believed_from_its_mac_alone(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as endpoint, east.packet_socket() as wire:
        wire.send(mac(1) + mac(9) + b"\x88\xb5" + WHOLE)
        wire.send(mac(1) + mac(9) + b"\x88\xb5" + packet(CLIENT, 1, b"a client is anywhere"))
        assert settle(east, endpoint) == [(CLIENT, b"a client is anywhere")]
        assert endpoint.stats().drops() == {"misattributed": 1}


def test_a_frame_above_the_limit_is_dropped(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1, frame_bytes_max=600) as endpoint:
        east.inject(mac(1), packet(2, 1, b"small", b"x" * 601))
        east.inject(mac(1), packet(2, 1, b"x" * 600))
        assert settle(east, endpoint) == [(2, b"x" * 600)]
        assert endpoint.stats().drops() == {"oversized": 1}


def test_padding_is_left_out(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as endpoint:
        for padding in (b"\x00", b"\x00" * 27, b"PXD\x01" * 100, b"\xff" * 1400):
            east.inject(mac(1), WHOLE + padding)
        assert settle(east, endpoint) == [(2, b"one"), (2, b"two")] * 4
        assert endpoint.stats().drops() == {}


def test_a_replayed_packet_is_what_a_network_may_do(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(1) as endpoint:
        for _ in range(3):
            east.inject(mac(1), packet(2, 1, b"again"))
        assert settle(east, endpoint) == [(2, b"again")] * 3


def test_what_is_for_another_station_or_all_is_not_looked_at(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    with west.endpoint(1) as endpoint:
        for to in (b"\xff" * 6, bytes.fromhex("01005e000001"), mac(7)):
            east.inject(to, WHOLE)
        east.inject(mac(1), WHOLE, ethertype=0x88B6)
        assert settle(east, endpoint) == []
        assert endpoint.stats().drops() == {}


def test_a_client_hears_members_alone(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with west.endpoint(CLIENT) as client:
        east.inject(mac(1), packet(CLIENT + 1, CLIENT, b"another client"))
        east.inject(mac(1), packet(2, CLIENT, b"a member"))
        assert client.receive() == [(2, b"a member")]
        assert client.stats().drops() == {"unknown_sender": 1}


def test_whoever_else_listens_does_not_matter(stations: tuple[Station, Station]) -> None:
    west, east = stations
    with (
        west.endpoint(1) as one,
        west.endpoint(CLIENT) as client,
        west.packet_socket(ETHERTYPE) as sniffer,
    ):
        east.inject(mac(1), WHOLE)
        east.inject(mac(1), packet(2, CLIENT, b"you"))
        assert settle(east, one) == [(2, b"one"), (2, b"two")]
        assert client.receive() == [(2, b"you")]
        assert one.stats().drops() == {"misdirected": 1}
        assert sniffer.recv(2000)[14:] == WHOLE


def is_for_another(data: bytes) -> bool:
    """Others' packets are passed over by their header alone, as the transport's filter does."""
    if len(data) < HEADER_BYTES + 2 or data[:4] != b"PXD\x01":
        return False
    size, receiver = int.from_bytes(data[4:8], "big"), int.from_bytes(data[16:24], "big")
    return 2 < size <= len(data) - HEADER_BYTES and receiver != 1


def expect(data: bytes, source: bytes) -> tuple[str, list[tuple[int, bytes]]]:
    """What the Ethernet transport's rules make of a packet for endpoint 1."""
    if is_for_another(data):
        return "misdirected", []
    try:
        sender, receiver, frames = unpack(memoryview(data), padded=True)
    except FramingError:
        return "malformed", []
    assert receiver == 1
    if sender in MEMBERS and sender != 1:
        if MEMBERS[sender] != source:
            return "misattributed", []
    elif not 65_536 <= sender < 2**63:
        return "unknown_sender", []
    return "", [(sender, frame) for frame in frames]


def mutate(chance: random.Random) -> bytes:
    frames = [chance.randbytes(chance.choice((1, 3, 60))) for _ in range(chance.randint(1, 4))]
    data = bytearray(packet(chance.choice((2, 2, 3, CLIENT)), chance.choice((1, 1, 2)), *frames))
    for _ in range(chance.randint(0, 2)):
        place = chance.choice((4, 5, 6, 7, HEADER_BYTES, HEADER_BYTES + 1, len(data) - 1))
        data[place] = chance.choice((0, 1, 2, 5, 255, data[place] ^ 1))
    if chance.random() < 0.3:
        data = data[: chance.randrange(len(data) + 1)]
    if chance.random() < 0.3:
        data += chance.randbytes(chance.randint(1, 40))
    return bytes(data)


def test_the_kernel_judges_packets_as_the_ethernet_transport_does(
    stations: tuple[Station, Station],
) -> None:
    west, east = stations
    chance = random.Random(5)
    dropped: Counter[str] = Counter()
    frames: list[tuple[int, bytes]] = []
    with west.endpoint(1, queue_bytes_max=16 << 20) as endpoint, east.packet_socket() as wire:
        for _ in range(3000):
            data, source = mutate(chance), mac(chance.choice((2, 2, 9)))
            cause, expected = expect(data, source)
            if cause:
                dropped[cause] += 1
            frames += expected
            wire.send(mac(1) + source + b"\x88\xb5" + data)
        assert settle(east, endpoint) == frames
        assert endpoint.stats().drops() == dropped
    assert set(dropped) == {"malformed", "misdirected", "misattributed", "unknown_sender"}
    assert len(frames) > 500
