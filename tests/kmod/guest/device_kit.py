"""Endpoints of /dev/paxos and the network they are tried on.

namespace west                 namespace east
w0 02:..:01  ------veth------  e0 02:..:02
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import device_abi as abi

from transports._packets import pack

DEVICE = "/dev/paxos"
ETHERTYPE = 0x88B5
CLIENT = 70_000
CLONE_NEWNET = 0x40000000
WAIT_MS = 60_000
"""A guard against hanging; nothing is timed."""

_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@contextmanager
def parameter(name: str, value: int) -> Iterator[None]:
    """A parameter of the module has the value, until the block ends."""
    path = Path("/sys/module/paxos/parameters") / name
    before = path.read_text()
    path.write_text(str(value))
    try:
        yield
    finally:
        path.write_text(before)


def mac(number: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, number))


def colons(address: bytes) -> str:
    return address.hex(":")


MEMBERS = {1: mac(1), 2: mac(2)}


@contextmanager
def refused(number: int) -> Iterator[None]:
    """The block raises `OSError` with this errno."""
    caught = 0
    try:
        yield
    except OSError as error:
        caught = error.errno or 0
    assert errno.errorcode.get(caught, "success") == errno.errorcode[number]


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread's network is the namespace's, until the block ends; "" is the guest's own."""
    if not namespace:
        yield
        return
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(before)
        os.close(there)
        os.close(before)


@dataclass
class Station:
    """A network namespace and its interface."""

    namespace: str
    interface: str
    mac: bytes

    def open(self, flags: int = os.O_NONBLOCK) -> Endpoint:
        """Open the device there; it is not configured."""
        with inside(self.namespace):
            return Endpoint(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC | flags))

    def endpoint(self, number: int, mode: int = abi.MODE_RELAY, **settings: object) -> Endpoint:
        """An endpoint in the given mode."""
        flags = settings.pop("open_flags", os.O_NONBLOCK)
        assert isinstance(flags, int)
        opened = self.open(flags)
        try:
            opened.configure(self.config(number, mode, **settings))
        except BaseException:
            opened.close()
            raise
        return opened

    def config(self, number: int, mode: int = abi.MODE_RELAY, **settings: object) -> abi.Config:
        """A configuration that is right, but for `settings`."""
        return make_config(number, self.interface, mode, **settings)

    def packet_socket(self, ethertype: int = 0) -> socket.socket:
        """A socket that sends any bytes, and hears packets if given an EtherType."""
        with inside(self.namespace):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.settimeout(WAIT_MS / 1000)
            sock.bind((self.interface, ethertype))
            return sock

    def inject(self, to: bytes, packet: bytes, ethertype: int = ETHERTYPE) -> None:
        """Send bytes as they are."""
        with self.packet_socket() as sock:
            sock.send(to + self.mac + ethertype.to_bytes(2, "big") + packet)


def make_config(
    number: int,
    interface: str,
    mode: int = abi.MODE_RELAY,
    members: Mapping[int, bytes] = MEMBERS,
    **settings: object,
) -> abi.Config:
    config = abi.Config(
        version=abi.ABI_VERSION,
        mode=mode,
        interface=interface.encode(),
        endpoint=number,
        members=len(members),
    )
    for place, (node, address) in enumerate(sorted(members.items())):
        config.member[place] = abi.Member(node, (ctypes.c_uint8 * 6)(*address))
    for name, value in settings.items():
        setattr(config, name, value)
    return config


@dataclass
class Endpoint:
    """An open file of the device."""

    fd: int
    config: abi.Config = field(default_factory=abi.Config)

    def configure(self, config: abi.Config) -> None:
        """Raises `OSError`; on success `config` holds what was taken."""
        self.config = config
        fcntl.ioctl(self.fd, abi.CONFIGURE, config)

    def start(self) -> None:
        fcntl.ioctl(self.fd, abi.START)

    def stats(self) -> abi.Stats:
        stats = abi.Stats()
        fcntl.ioctl(self.fd, abi.STATS, stats)
        return stats

    def status(self) -> abi.Status:
        status = abi.Status()
        fcntl.ioctl(self.fd, abi.STATUS, status)
        return status

    def write(self, data: bytes) -> int:
        return os.write(self.fd, data)

    def send(self, to: int, *frames: bytes) -> None:
        data = b"".join(abi.record(abi.SEND, frame, to) for frame in frames)
        assert os.write(self.fd, data) == len(data)

    def wait(self, events: int = select.POLLIN) -> int:
        """Wait for one of the events; returns those that came."""
        poll = select.poll()
        poll.register(self.fd, events)
        found = poll.poll(WAIT_MS)
        assert found, "nothing came"
        return found[0][1]

    def read(self, size: int = 1 << 20) -> list[tuple[abi.RecordHeader, bytes]]:
        """The records that are there. Raises `OSError`."""
        return abi.records(os.read(self.fd, size))

    def receive(self, count: int = 1) -> list[tuple[int, bytes]]:
        """Wait for so many frames: whom each is from, and its bytes."""
        frames: list[tuple[int, bytes]] = []
        while len(frames) < count:
            self.wait()
            for header, payload in self.read():
                assert header.type == abi.FRAME
                frames.append((header.a, payload))
        return frames

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@contextmanager
def two_namespaces() -> Iterator[tuple[Station, Station]]:
    """The two namespaces, not yet joined; gone afterwards."""
    try:
        for namespace in ("west", "east"):
            ip("netns", "add", namespace)
        yield Station("west", "w0", mac(1)), Station("east", "e0", mac(2))
    finally:
        for namespace in ("west", "east"):
            subprocess.run(["ip", "netns", "delete", namespace], check=False)


@contextmanager
def two_stations() -> Iterator[tuple[Station, Station]]:
    """The two namespaces, joined; gone afterwards."""
    with two_namespaces() as pair:
        join()
        yield pair


def join() -> None:
    """Make the pair of interfaces."""
    here = ("w0", "address", colons(mac(1)))
    there = ("e0", "netns", "east", "address", colons(mac(2)))
    ip("-n", "west", "link", "add", *here, "type", "veth", "peer", "name", *there)
    ip("-n", "west", "link", "set", "w0", "up")
    ip("-n", "east", "link", "set", "e0", "up")


def part() -> None:
    """Remove the pair, wherever it is; if it is gone already, so much the better."""
    for namespace, name in (("east", "e0"), ("west", "w0")):
        command = ["ip", "-n", namespace, "link", "delete", name]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return


def packet(sender: int, receiver: int, *frames: bytes) -> bytes:
    """What raw Ethernet carries."""
    return pack(sender, receiver, frames)
