"""Kmod: raw Ethernet through the kernel module and `/dev/paxos`; needs the module.

In mode `relay` the kernel does what the Ethernet transport does in user space: it
hears packets with the EtherType, checks whom they are from and whom they are for, and
hands over their frames, many with one read; what is written goes out without passing
a socket. Bytes on the wire and addresses are those of the Ethernet transport, so both
reach one another.

In mode `replica` a replica's whole core is in the kernel; a node opens that one by
itself, and clients are relays here as well.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import trio

from transports._datagrams import check_ids, open_nursery_of_own, reason
from transports._ethernet_sockets import check_link, inspect, read_mac
from transports._paxos_device import MODE_RELAY, ConfigStruct, PaxosDevice, make_config
from transports._paxos_endpoint import Device, DeviceEndpoint
from transports.api import (
    Frame,
    NodeId,
    TransportError,
    group_frames,
    read_addresses,
    read_options,
)

DEVICE: Final = "/dev/paxos"
MODES: Final = ("relay", "replica")


@dataclass(frozen=True, slots=True)
class KmodOptions:
    """What `open_kmod` takes."""

    mode: str = "relay"
    """`relay`, or `replica` for nodes whose core is in the kernel."""
    interface: str = ""
    """The name of the interface, as in `eth0`. It must be given."""
    ethertype: int = 0x88B5
    """The one that IEEE 802 sets apart for local experiments."""
    device: str = DEVICE
    """The module's device."""
    frame_bytes_max: int = 0
    """At most the interface's MTU less 26, which is also what one gets without this option."""
    queue_bytes_max: int = 4 << 20
    """Frames that the kernel keeps until they are read; what comes then is dropped."""
    clients_max: int = 4_096
    """Clients whose way back is remembered; one more displaces the one silent longest."""
    memory_bytes: int = 0
    """For a replica in the kernel: its log, votes and queues. Without it, as the limits ask."""
    reopen_seconds: float = 0.1
    """How often an interface that went away is looked for."""


class RelayTransport(DeviceEndpoint):
    """An open relay. When its interface is removed, it waits for one of that name.

    Frames that are sent meanwhile are dropped as `interface_down`.
    """

    def __init__(
        self,
        local: NodeId,
        replicas: Collection[NodeId],
        opened: tuple[Device, int],
        options: KmodOptions,
        reopen: Callable[[int], Device],
        nursery: trio.Nursery,
    ) -> None:
        """`opened` is the device and its `frame_bytes_max`, which `reopen` is asked for again."""
        super().__init__(local, replicas, *opened, options.clients_max)
        self._reopen = reopen
        self._reopen_seconds = options.reopen_seconds
        self._nursery = nursery
        self._back: trio.Event | None = None
        self._waiting = False

    async def _wait_readable(self) -> None:
        if self._waiting:
            raise trio.BusyResourceError("another task is receiving")
        self._waiting = True
        try:
            back = self._back
            if back is not None:
                await back.wait()
            else:
                await trio.lowlevel.wait_readable(self._fd)
        except trio.ClosedResourceError:
            # Closed by us, or for a device that takes its place.
            if self._closed:
                raise
        finally:
            self._waiting = False

    def send(self, batch: Sequence[Frame]) -> None:
        """As `DeviceEndpoint.send`."""
        if self._back is None or self._closed:
            super().send(batch)
            return
        for frames in group_frames(batch, self.frame_bytes_max, self.stats).values():
            self._drop("interface_down", len(frames))

    def receive_soon(self, seconds: float) -> list[Frame]:
        """As `DeviceEndpoint.receive_soon`."""
        return super().receive_soon(seconds) if self._back is None else []

    def _drain(self) -> list[Frame]:
        return super()._drain() if self._back is None else []

    def _lose(self, error: OSError) -> None:
        if self._back is None:
            self._release()
            self._back = trio.Event()
            self._nursery.start_soon(self._await_interface)

    async def _await_interface(self) -> None:
        """Wait until there is an endpoint again, or none is wanted any more, then end."""
        while not self._closed:
            with suppress(OSError, TransportError):
                self._use(self._reopen(self.frame_bytes_max))
                break
            await trio.sleep(self._reopen_seconds)
        back, self._back = self._back, None
        assert back is not None
        back.set()

    def close(self) -> None:
        """As `DeviceEndpoint.close`."""
        if self._back is not None:
            self._closed = True
            self._back.set()
        super().close()


def check_options(options: KmodOptions) -> None:
    """Check what needs no look at the machine. Raises `TransportError`."""
    if options.mode not in MODES:
        raise TransportError(f"kmod: mode is relay or replica, not {options.mode!r}")
    check_link("kmod", options.interface, options.ethertype)


def open_device(path: str) -> PaxosDevice:
    """Open the module's device. Raises `TransportError` that says what is missing."""
    try:
        return PaxosDevice(path)
    except FileNotFoundError as error:
        raise TransportError(
            f"kmod: there is no {path}: build and load the module: "
            "make -C kmod install && modprobe paxos"
        ) from error
    except PermissionError as error:
        raise TransportError(
            f"kmod: no right to open {path}: run as root, or as a member of its group"
        ) from error
    except OSError as error:
        raise TransportError(f"kmod: {path} cannot be opened: {reason(error)}") from error


def open_configured(path: str, config: ConfigStruct) -> PaxosDevice:
    """Open the device and make it the endpoint that `config` says. Raises `TransportError`.

    What was taken is written into `config`.
    """
    device = open_device(path)
    try:
        device.configure(config)
    except OSError as error:
        device.close()
        raise TransportError(f"kmod: {_why_refused(path, config, error)}") from error
    return device


def _why_refused(path: str, config: ConfigStruct, error: OSError) -> str:
    name = config.interface.decode()
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"endpoint {config.endpoint} is open already on interface {name}: "
                "stop the process that uses it"
            )
        case errno.EPERM | errno.EACCES:
            return (
                "the right CAP_NET_RAW is missing: run as root, "
                "or give it to the process, as with setpriv or the service's AmbientCapabilities"
            )
        case errno.ENODEV:
            return f"no interface {name!r}: make it, or name another"
        case errno.ENETDOWN:
            return f"interface {name} is down: bring it up, as with ip link set {name} up"
        case errno.EPROTONOSUPPORT | errno.ENOTTY:
            return f"{path} is of another version: load the module that belongs to this code"
        case errno.E2BIG:
            return (
                "the module's own limits are lower: ask for less, or raise them "
                "in /sys/module/paxos/parameters"
            )
        case errno.ENOMEM:
            return "the kernel has no memory for it: ask for less with memory_bytes"
        case _:
            return f"{path} refuses this endpoint: {reason(error)}"


def read_macs(peers: Mapping[NodeId, str]) -> dict[NodeId, bytes]:
    """The replicas' MACs. Raises `TransportError`."""
    return read_addresses("kmod", peers, read_mac)


def open_relay_device(
    local: NodeId, macs: Mapping[NodeId, bytes], options: KmodOptions, frame_bytes_max: int
) -> tuple[PaxosDevice, int]:
    """A relay, and the largest frame that it takes. Raises `TransportError`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        inspect("kmod", sock, options.interface, local, macs, frame_bytes_max)
    try:
        config = make_config(
            MODE_RELAY,
            local,
            options.interface,
            macs,
            ethertype=options.ethertype,
            frame_bytes_max=frame_bytes_max,
            queue_bytes_max=options.queue_bytes_max,
            clients_max=options.clients_max,
        )
    except ValueError as error:
        raise TransportError(f"kmod: {error}; give less") from error
    device = open_configured(options.device, config)
    return device, config.frame_bytes_max


@asynccontextmanager
async def open_kmod(
    local: NodeId, peers: Mapping[NodeId, str], **options: object
) -> AsyncIterator[RelayTransport]:
    """Open endpoint `local`; `peers` maps replicas to MACs, as in `02:00:00:00:00:01`.

    Options: `KmodOptions`; `interface` must be given and be up. Raises `TransportError`,
    also for a replica in mode `replica`: that one is no transport, but a node.
    """
    chosen = read_options(KmodOptions, "kmod", options)
    check_options(chosen)
    check_ids(local, peers)
    macs = read_macs(peers)
    if chosen.mode == "replica" and local in peers:
        raise TransportError(
            "kmod: a replica in the kernel is opened by open_node, or paxos node; "
            'as a transport alone take mode = "relay"'
        )

    def open_once(frame_bytes_max: int) -> tuple[Device, int]:
        return open_relay_device(local, macs, chosen, frame_bytes_max)

    async with open_relay(local, peers, chosen, open_once) as transport:
        yield transport


@asynccontextmanager
async def open_relay(
    local: NodeId,
    replicas: Collection[NodeId],
    options: KmodOptions,
    open_once: Callable[[int], tuple[Device, int]],
) -> AsyncIterator[RelayTransport]:
    """A relay over what `open_once` opens, which is handed the largest frame, 0 for the default."""
    opened = open_once(options.frame_bytes_max)
    async with open_nursery_of_own() as nursery:
        transport = RelayTransport(
            local, replicas, opened, options, lambda frame: open_once(frame)[0], nursery
        )
        try:
            await trio.lowlevel.checkpoint()
            yield transport
        finally:
            transport.close()


def availability() -> str | None:
    """Return why the module cannot be used here, or None if it can."""
    try:
        open_device(DEVICE).close()
    except TransportError as error:
        return str(error).removeprefix("kmod: ")
    return None


__all__ = [
    "DEVICE",
    "DeviceEndpoint",
    "KmodOptions",
    "RelayTransport",
    "availability",
    "open_kmod",
]
