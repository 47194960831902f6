"""The sockets of the Ethernet transport: interfaces, the filter in the kernel, binding."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from transports import _linux
from transports._datagrams import enlarge_buffers, reason
from transports._packets import FRAME_OVERHEAD_BYTES, HEADER_BYTES, MAGIC, RECEIVER_OFFSET
from transports.api import NodeId, TransportError

ETHERNET_HEADER_BYTES = 14
MAC_BYTES = 6
FRAME_BYTES_MIN = 528
"""What the protocol above cannot do without, and a tag of a cluster key."""
FRAME_BYTES_MAX = 65_481
ETHERTYPE_MIN = 0x0600
ETHERTYPES_TAKEN = {
    0x0800: "IPv4",
    0x0806: "ARP",
    0x86DD: "IPv6",
    0x8100: "VLAN tags",
    0x88A8: "VLAN tags",
}

_INSTRUCTION = struct.Struct("=HBBI")
_KEEP_WHOLE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Interface:
    """What there is to know of an interface before it is used."""

    mac: bytes
    mtu_bytes: int
    """The most that a frame carries behind its Ethernet header."""
    up: bool


def read_mac(address: str) -> bytes:
    """Read `02:00:00:00:00:01`. Raises `TransportError` for anything else.

    What follows a slash is left out; it tells apart replicas that share an interface.
    """
    parts = address.partition("/")[0].split(":")
    digits = "0123456789abcdefABCDEF"
    valid = len(parts) == MAC_BYTES and all(
        len(part) == 2 and set(part) <= set(digits) for part in parts
    )
    if not valid:
        raise TransportError(
            f"bad address {address!r}: write the MAC of the replica's interface, "
            "as in 02:00:00:00:00:01"
        )
    mac = bytes(int(part, 16) for part in parts)
    if mac[0] & 1:
        raise TransportError(
            f"bad address {address!r}: it is a group's; write the MAC of one interface"
        )
    return mac


def format_mac(mac: bytes) -> str:
    """Return the MAC as people write it."""
    return mac.hex(":")


def open_socket() -> socket.socket:
    """Open a packet socket that hears nothing yet. Raises `TransportError` without the right."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError as error:
        raise TransportError(
            "ethernet: the right CAP_NET_RAW is missing: run as root, "
            "or give it to the process, as with setpriv or the service's AmbientCapabilities"
        ) from error
    except (OSError, AttributeError) as error:
        raise TransportError(
            "ethernet: this system has no packet sockets: use Linux, or another transport"
        ) from error
    sock.setblocking(False)
    return sock


def look_at(sock: socket.socket, name: str, layer: str = "ethernet") -> Interface:
    """Ask the socket's network namespace for an interface. Raises `OSError` if there is none."""
    family, mac = struct.unpack_from("=H6s", _request(sock, _linux.SIOCGIFHWADDR, name), 16)
    if family not in (_linux.ARPHRD_ETHER, _linux.ARPHRD_LOOPBACK):
        raise TransportError(
            f"{layer}: interface {name} is not of Ethernet's kind: choose one that has a MAC"
        )
    (mtu_bytes,) = struct.unpack_from("=i", _request(sock, _linux.SIOCGIFMTU, name), 16)
    (flags,) = struct.unpack_from("=H", _request(sock, _linux.SIOCGIFFLAGS, name), 16)
    return Interface(mac, mtu_bytes, bool(flags & _linux.IFF_UP))


def inspect(
    layer: str,
    sock: socket.socket,
    name: str,
    local: NodeId,
    peers: Mapping[NodeId, bytes],
    frame_bytes_max: int,
) -> Interface:
    """Look at the interface; `TransportError` unless it serves `local`.

    `peers` maps replicas to MACs; a `frame_bytes_max` of 0 asks for what the MTU allows.
    """
    try:
        interface = look_at(sock, name, layer)
    except OSError as error:
        raise TransportError(
            f"{layer}: no interface {name!r}: {reason(error)}; make it, or name one of {known()}"
        ) from error
    if not interface.up:
        raise TransportError(
            f"{layer}: interface {name} is down: bring it up, as with ip link set {name} up"
        ) from OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
    wanted = peers.get(local, interface.mac)
    if wanted != interface.mac:
        raise TransportError(
            f"{layer}: replica {local} has the address {format_mac(wanted)}, "
            f"but interface {name} is {format_mac(interface.mac)}: correct one of them"
        )
    _check_mtu(layer, name, interface.mtu_bytes, frame_bytes_max)
    return interface


def _check_mtu(layer: str, name: str, mtu_bytes: int, wanted_bytes: int) -> None:
    frame_bytes = wanted_bytes or FRAME_BYTES_MIN
    if mtu_bytes >= frame_bytes + FRAME_OVERHEAD_BYTES and frame_bytes <= FRAME_BYTES_MAX:
        return
    least = frame_bytes + FRAME_OVERHEAD_BYTES
    lower = ", or lower frame_bytes_max" if wanted_bytes else ""
    raise TransportError(
        f"{layer}: the MTU of {name} is {mtu_bytes}, too small for frames of {frame_bytes} bytes: "
        f"raise it, as with ip link set {name} mtu {least}{lower}"
    )


def check_link(layer: str, name: str, ethertype: int) -> None:
    """That an interface is named, and that the EtherType is one. Raises `TransportError`."""
    if not name:
        raise TransportError(f"{layer}: the option interface is missing: name one of {known()}")
    if not ETHERTYPE_MIN <= ethertype <= 0xFFFF:
        raise TransportError(
            f"{layer}: ethertype is in {ETHERTYPE_MIN:#x}..0xffff, not {ethertype:#x}"
        )
    if ethertype in ETHERTYPES_TAKEN:
        raise TransportError(
            f"{layer}: ethertype {ethertype:#06x} is that of {ETHERTYPES_TAKEN[ethertype]}: "
            "take another, such as 0x88b5 or 0x88b6"
        )


def known() -> str:
    """The interfaces that there are, for people."""
    return ", ".join(name for _, name in socket.if_nameindex()) or "none here"


def _request(sock: socket.socket, request: int, name: str) -> bytes:
    # Through the socket, since it may live in another namespace than the caller.
    encoded = name.encode()
    if len(encoded) > _linux.INTERFACE_NAME_BYTES_MAX or b"\0" in encoded:
        raise OSError(errno.ENODEV, "no interface has such a name")
    return fcntl.ioctl(sock, request, encoded.ljust(_linux.IFREQ_BYTES, b"\0"))


def listen(
    sock: socket.socket, local: NodeId, name: str, ethertype: int, buffer_bytes: int
) -> None:
    """Make `sock` hear what comes for `local` on the interface. Raises `OSError`."""
    enlarge_buffers(sock, buffer_bytes)
    # The filter first: nothing shall slip in before it.
    _attach(sock, _filter_for(local))
    sock.bind((name, ethertype))


def _filter_for(local: NodeId) -> bytes:
    """Make a classic BPF program that spares us what is for others.

    Frames that are not packets of ours pass, so that they are counted.
    """
    keep, drop = 10, 11
    receiver_at = ETHERNET_HEADER_BYTES + RECEIVER_OFFSET
    program = (  # code, operand, and where a comparison that fails leads
        (_linux.BPF_LOAD_WORD, _linux.SKF_AD_PKTTYPE, 0),
        (_linux.BPF_JUMP_EQUAL, _linux.PACKET_HOST, drop),
        (_linux.BPF_LOAD_LENGTH, 0, 0),
        (_linux.BPF_JUMP_GREATER_OR_EQUAL, ETHERNET_HEADER_BYTES + HEADER_BYTES, keep),
        (_linux.BPF_LOAD_WORD, ETHERNET_HEADER_BYTES, 0),
        (_linux.BPF_JUMP_EQUAL, MAGIC, keep),
        (_linux.BPF_LOAD_WORD, receiver_at, 0),
        (_linux.BPF_JUMP_EQUAL, local >> 32, drop),
        (_linux.BPF_LOAD_WORD, receiver_at + 4, 0),
        (_linux.BPF_JUMP_EQUAL, local & 0xFFFFFFFF, drop),
        (_linux.BPF_RETURN, _KEEP_WHOLE, 0),
        (_linux.BPF_RETURN, 0, 0),
    )
    return b"".join(
        _INSTRUCTION.pack(code, 0, to - at - 1 if to else 0, operand)
        for at, (code, operand, to) in enumerate(program)
    )


def _attach(sock: socket.socket, program: bytes) -> None:
    held = array.array("B", program)
    address, size = held.buffer_info()
    described = struct.pack("HP", size // _INSTRUCTION.size, address)
    sock.setsockopt(socket.SOL_SOCKET, _linux.SO_ATTACH_FILTER, described)


def claim(local: NodeId, name: str, ethertype: int) -> socket.socket:
    """Hold the replica's place on the interface, so that it is not opened twice.

    A packet socket does not keep others from hearing the same; an abstract
    UNIX address does, belongs to the network namespace, and ends with the process.
    Raises `TransportError`.
    """
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0paxos ethernet {name} {ethertype:#06x} {local}")
    except OSError as error:
        holder.close()
        raise TransportError(
            f"ethernet: replica {local} is open already on interface {name}: {reason(error)}; "
            "stop the process that uses it"
        ) from error
    return holder
