"""Bad input through the device: each gives an errno or a counted drop, and nothing else."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
from collections.abc import Callable, Iterator

import device_abi as abi
import pytest
from device_kit import (
    CLIENT,
    DEVICE,
    Endpoint,
    Station,
    colons,
    ip,
    mac,
    make_config,
    parameter,
    refused,
    two_stations,
)

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NOBODY = 65_534


@pytest.fixture(scope="module")
def stations() -> Iterator[tuple[Station, Station]]:
    with two_stations() as pair:
        yield pair


@pytest.fixture
def west(stations: tuple[Station, Station]) -> Station:
    return stations[0]


def members(*nodes: int) -> Callable[[abi.Config], None]:
    def change(config: abi.Config) -> None:
        config.members = len(nodes)
        for place, node in enumerate(nodes):
            config.member[place] = abi.Member(node, (ctypes.c_uint8 * 6)(*mac(node % 256)))

    return change


def fill_name(config: abi.Config) -> None:
    start = ctypes.addressof(config) + abi.Config.interface.offset
    ctypes.memset(start, ord("w"), abi.INTERFACE_BYTES)


def group_mac(config: abi.Config) -> None:
    config.member[1].mac[0] = 3


def wrong_mac(config: abi.Config) -> None:
    config.member[0].mac[5] = 9


BAD_CONFIGS: dict[str, tuple[int, dict[str, object], Callable[[abi.Config], None] | None]] = {
    "version 0": (errno.EPROTONOSUPPORT, {"version": 0}, None),
    "version 2": (errno.EPROTONOSUPPORT, {"version": 2}, None),
    "mode 0": (errno.EINVAL, {"mode": 0}, None),
    "mode 4": (errno.EINVAL, {"mode": 4}, None),
    "a relay's flags": (errno.EINVAL, {"flags": abi.FLAG_VOTING}, None),
    "unknown flags": (errno.EINVAL, {"mode": abi.MODE_REPLICA, "flags": 4}, None),
    "reserved": (errno.EINVAL, {"reserved": 1}, None),
    "EtherType of 802.3": (errno.EINVAL, {"ethertype": 0x5FF}, None),
    "EtherType too large": (errno.EINVAL, {"ethertype": 0x10000}, None),
    "no such interface": (errno.ENODEV, {"interface": b"nowhere0"}, None),
    "an interface elsewhere": (errno.ENODEV, {"interface": b"e0"}, None),
    "no interface": (errno.ENODEV, {"interface": b""}, None),
    "a name without an end": (errno.EINVAL, {}, fill_name),
    "not Ethernet": (errno.EPFNOSUPPORT, {"interface": b"tun0"}, None),
    "an interface that is down": (errno.ENETDOWN, {"interface": b"idle0"}, None),
    "an MTU too small": (errno.EMSGSIZE, {"interface": b"small0"}, None),
    "frames above the MTU": (errno.EMSGSIZE, {"frame_bytes_max": 1475}, None),
    "frames above all": (errno.EMSGSIZE, {"frame_bytes_max": 2**32 - 1}, None),
    "endpoint 0": (errno.EINVAL, {"endpoint": 0}, None),
    "no member": (errno.EINVAL, {"endpoint": 3}, None),
    "endpoint too large": (errno.EINVAL, {"endpoint": 2**63}, None),
    "no members": (errno.EINVAL, {"members": 0}, None),
    "too many members": (errno.EINVAL, {"members": 65}, None),
    "members beyond all": (errno.EINVAL, {"members": 2**32 - 1}, None),
    "member 0": (errno.EINVAL, {}, members(0, 1)),
    "a member twice": (errno.EINVAL, {}, members(1, 1)),
    "members out of order": (errno.EINVAL, {}, members(2, 1)),
    "a group's MAC": (errno.EINVAL, {}, group_mac),
    "another MAC than the interface's": (errno.EADDRNOTAVAIL, {}, wrong_mac),
    "a queue without room": (errno.EINVAL, {"queue_bytes_max": 4096}, None),
    "a queue above the ceiling": (errno.E2BIG, {"queue_bytes_max": 2**32 - 1}, None),
    "clients above the ceiling": (errno.E2BIG, {"clients_max": 2**32 - 1}, None),
    "memory above the ceiling": (
        errno.E2BIG,
        {"mode": abi.MODE_REPLICA, "memory_bytes": 2**64 - 1},
        None,
    ),
    "an echo that is a client": (errno.EINVAL, {"mode": abi.MODE_ECHO, "endpoint": CLIENT}, None),
    "a replica that is a client": (
        errno.EINVAL,
        {"mode": abi.MODE_REPLICA, "endpoint": CLIENT},
        None,
    ),
    "a tick too short": (errno.EINVAL, {"mode": abi.MODE_REPLICA, "tick_us": 1}, None),
}


@pytest.fixture(scope="module")
def odd_interfaces(stations: tuple[Station, Station]) -> None:
    ip("-n", "west", "link", "add", "idle0", "type", "dummy")
    ip("-n", "west", "link", "add", "small0", "address", colons(mac(1)), "type", "dummy")
    ip("-n", "west", "link", "set", "small0", "mtu", "500", "up")
    if os.path.exists("/dev/net/tun"):
        ip("-n", "west", "tuntap", "add", "tun0", "mode", "tun")
        ip("-n", "west", "link", "set", "tun0", "up")


@pytest.mark.usefixtures("odd_interfaces")
@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_a_bad_configuration_is_refused_and_changes_nothing(name: str, west: Station) -> None:
    number, settings, change = BAD_CONFIGS[name]
    if name == "not Ethernet" and not os.path.exists("/dev/net/tun"):
        pytest.skip("this kernel has no interface of another kind")
    bad = west.config(1)
    for key, value in settings.items():
        setattr(bad, key, value)
    if change is not None:
        change(bad)
    with west.open() as endpoint:
        with refused(number):
            endpoint.configure(bad)
        with refused(errno.ENOTCONN):
            endpoint.read()
        endpoint.configure(west.config(1))
        assert endpoint.stats().drops() == {}


def test_defaults_are_written_back(west: Station) -> None:
    with west.endpoint(1) as endpoint:
        taken = endpoint.config
        assert (taken.ethertype, taken.frame_bytes_max) == (0x88B5, 1474)
        assert (taken.queue_bytes_max, taken.clients_max) == (4 << 20, 4096)


@pytest.mark.parametrize("request_", [abi.CONFIGURE, abi.STATS, abi.STATUS])
@pytest.mark.parametrize("more", [-8, -1, 1, 8, 1000])
def test_a_request_of_another_size_is_none(request_: int, more: int, west: Station) -> None:
    with west.endpoint(1) as endpoint, refused(errno.ENOTTY):
        fcntl.ioctl(endpoint.fd, abi.other_size(request_, more), bytearray(4096))


@pytest.mark.parametrize("request_", [0, 0xB500, 0xB505, 0x5401, 0x8910, 2**32 - 1])
def test_an_unknown_request_is_none(request_: int, west: Station) -> None:
    with west.open() as endpoint, refused(errno.ENOTTY):
        fcntl.ioctl(endpoint.fd, request_, bytearray(4096))


@pytest.mark.parametrize("request_", [abi.CONFIGURE, abi.STATS, abi.STATUS])
def test_a_request_that_points_nowhere_is_a_fault(request_: int, west: Station) -> None:
    with west.open() as endpoint:
        if request_ != abi.CONFIGURE:
            endpoint.configure(west.config(1))
        mode_has_it = request_ != abi.STATUS
        assert _libc.ioctl(endpoint.fd, ctypes.c_ulong(request_), ctypes.c_void_p(64)) == -1
        assert ctypes.get_errno() == (errno.EFAULT if mode_has_it else errno.EOPNOTSUPP)


def test_a_configuration_that_cannot_be_written_back_is_not_taken(west: Station) -> None:
    with mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        config = abi.Config.from_buffer(page)
        ctypes.pointer(config)[0] = west.config(1)
        address = ctypes.addressof(config)
        assert _libc.mprotect(ctypes.c_void_p(address), mmap.PAGESIZE, mmap.PROT_READ) == 0
        with west.open() as endpoint, west.open() as other:
            request = ctypes.c_ulong(abi.CONFIGURE)
            assert _libc.ioctl(endpoint.fd, request, ctypes.c_void_p(address)) == -1
            assert ctypes.get_errno() == errno.EFAULT
            with refused(errno.ENOTCONN):
                endpoint.stats()
            other.configure(west.config(1))  # the place is free
        del config


def test_before_it_is_configured_an_endpoint_does_nothing(west: Station) -> None:
    uses: tuple[Callable[[Endpoint], object], ...] = (
        Endpoint.read,
        lambda endpoint: endpoint.write(abi.record(abi.SEND, b"x", 2)),
        Endpoint.stats,
        Endpoint.status,
        Endpoint.start,
    )
    with west.open() as endpoint:
        for use in uses:
            with refused(errno.ENOTCONN):
                use(endpoint)
        assert endpoint.wait(select.POLLIN | select.POLLOUT) == select.POLLERR


def test_a_relay_is_configured_once_and_has_no_status(west: Station) -> None:
    with west.endpoint(1) as endpoint:
        with refused(errno.EISCONN):
            endpoint.configure(west.config(1))
        with refused(errno.EISCONN):
            endpoint.start()
        with refused(errno.EOPNOTSUPP):
            endpoint.status()


def test_two_endpoints_cannot_have_one_place(west: Station) -> None:
    with west.open() as late:
        with west.endpoint(1):
            with refused(errno.EADDRINUSE):
                late.configure(west.config(1))
            with refused(errno.EADDRINUSE):
                late.configure(west.config(1, abi.MODE_ECHO))
            with west.endpoint(1, ethertype=0x88B6), west.endpoint(CLIENT):
                pass
        late.configure(west.config(1))


def in_child(act: Callable[[], object]) -> int:
    """What errno it fails with; 0 for success."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            act()
            status = 0
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_without_cap_net_raw_nothing_can_be_configured(west: Station) -> None:
    def as_nobody() -> None:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        endpoint.configure(west.config(1))

    def as_root_of_another_namespace() -> None:
        assert _libc.unshare(CLONE_NEWUSER) == 0
        endpoint.configure(west.config(1))

    with west.open() as endpoint:
        assert in_child(as_nobody) == errno.EPERM
        assert in_child(as_root_of_another_namespace) == errno.EPERM
        endpoint.configure(west.config(1))


def test_the_right_counts_in_the_namespace_of_the_interface() -> None:
    def in_a_namespace_of_ones_own() -> None:
        assert _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
        fd = os.open(DEVICE, os.O_RDWR)
        Endpoint(fd).configure(make_config(1, "lo", members={1: bytes(6)}))

    assert in_child(in_a_namespace_of_ones_own) == errno.ENETDOWN  # lo, but not yet up


def test_only_root_may_open_it_unless_a_rule_says_otherwise() -> None:
    def as_nobody() -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.open(DEVICE, os.O_RDWR)

    assert os.stat(DEVICE).st_mode & 0o777 == 0o660
    assert in_child(as_nobody) == errno.EACCES


GOOD = abi.record(abi.SEND, b"good", 2)


def altered(place: int, value: int, size: int) -> bytes:
    return GOOD[:place] + value.to_bytes(size, "little") + GOOD[place + size :]


BAD_RECORDS = {
    "one byte": (errno.EINVAL, GOOD[:1]),
    "half a header": (errno.EINVAL, GOOD[:20]),
    "a header alone": (errno.EINVAL, GOOD[:40]),
    "without its zeros": (errno.EINVAL, GOOD[:44]),
    "something else than zeros": (errno.EINVAL, GOOD[:-1] + b"\x01"),
    "length 0": (errno.EINVAL, altered(0, 0, 4)),
    "length 39": (errno.EINVAL, altered(0, 39, 4)),
    "length beyond the end": (errno.EINVAL, altered(0, 49, 4)),
    "length beyond all": (errno.EMSGSIZE, altered(0, 2**32 - 1, 4)),
    "length that runs over": (errno.EMSGSIZE, altered(0, 2**32 - 7, 4)),
    "type 0": (errno.EINVAL, altered(4, 0, 2)),
    "type FRAME": (errno.EINVAL, altered(4, abi.FRAME, 2)),
    "type PROPOSE": (errno.EINVAL, altered(4, abi.PROPOSE, 2)),
    "unknown type": (errno.EINVAL, altered(4, 0xFFFF, 2)),
    "flags": (errno.EINVAL, altered(6, 1, 2)),
    "a number that says nothing": (errno.EINVAL, altered(16, 1, 8)),
    "no frame": (errno.EINVAL, abi.record(abi.SEND, b"", 2)),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_a_bad_record_is_refused_and_those_before_it_are_taken(
    name: str, stations: tuple[Station, Station]
) -> None:
    number, bad = BAD_RECORDS[name]
    west, east = stations
    with west.endpoint(1) as one, east.endpoint(2) as two:
        with refused(number):
            one.write(bad)
        assert one.write(GOOD + GOOD + bad) == 2 * len(GOOD)
        assert two.receive(2) == [(1, b"good")] * 2
        assert one.stats().frames_sent == 2


def test_frames_that_cannot_be_sent_are_counted(west: Station) -> None:
    with west.endpoint(1) as one:
        for to, size in ((2, 1475), (2, 65_000), (3, 10), (1, 10), (CLIENT, 10), (2**64 - 1, 10)):
            one.send(to, b"x" * size)
        assert one.stats().drops() == {"oversized": 2, "unknown_peer": 4}


def test_records_may_be_written_in_pieces_at_once(stations: tuple[Station, Station]) -> None:
    west, east = stations
    frames = [bytes([number % 256]) * (number % 90 + 1) for number in range(3000)]
    data = b"".join(abi.record(abi.SEND, frame, 2) for frame in frames)
    with west.endpoint(1) as one, east.endpoint(2, queue_bytes_max=32 << 20) as two:
        pieces = [data[at : at + 9973] for at in range(0, len(data), 9973)]
        written = os.writev(one.fd, pieces)
        assert written == len(data)  # several of the module's own buffers
        assert two.receive(len(frames)) == [(1, frame) for frame in frames]


def test_bytes_that_are_not_there_are_a_fault(stations: tuple[Station, Station]) -> None:
    west, east = stations
    nowhere = ctypes.c_void_p(64)
    with west.endpoint(1) as one, east.endpoint(2) as two:
        assert _libc.write(one.fd, nowhere, ctypes.c_size_t(96)) == -1
        assert ctypes.get_errno() == errno.EFAULT
        one.send(2, b"still here")
        two.wait()
        assert _libc.read(two.fd, nowhere, ctypes.c_size_t(4096)) == -1
        assert ctypes.get_errno() == errno.EFAULT
        assert two.receive() == [(1, b"still here")]


def test_a_read_or_write_of_nothing_does_nothing(west: Station) -> None:
    with west.endpoint(1) as endpoint:
        assert os.read(endpoint.fd, 0) == b""
        assert os.write(endpoint.fd, b"") == 0


def test_there_is_no_place_to_seek_to(west: Station) -> None:
    with west.endpoint(1) as endpoint, refused(errno.ESPIPE):
        os.lseek(endpoint.fd, 0, os.SEEK_CUR)


def test_how_many_may_be_open_is_bounded(west: Station) -> None:
    with parameter("endpoints_max", 2), west.open(), west.open(), refused(errno.ENFILE):
        west.open()
    with west.open(), west.open(), west.open():
        pass


def test_the_ceilings_bound_the_defaults_too(west: Station) -> None:
    with parameter("queue_bytes_max", 200_000), parameter("clients_max", 10):
        with west.endpoint(1) as endpoint:
            taken = endpoint.config
            assert (taken.queue_bytes_max, taken.clients_max) == (200_000, 10)
        with west.open() as endpoint, refused(errno.E2BIG):
            endpoint.configure(west.config(1, clients_max=11))
