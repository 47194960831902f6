"""A replica in the kernel, by way of `/dev/paxos`.

One open file is both the core and the way to the clients: frames of the other replicas
never come to user space. What is read is parted into clients' frames, for the node,
and all other records, for the core's `NativeReplica`.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NoReturn, Protocol

import trio

from paxos_core.durable import DurableState
from paxos_core.errors import Poisoned
from transports._datagrams import reason
from transports._ethernet_sockets import inspect
from transports._paxos_device import (
    FLAG_DURABLE,
    FLAG_VOTING,
    FRAME,
    MODE_REPLICA,
    ConfigStruct,
    DeviceRecord,
    StatusStruct,
    make_config,
)
from transports._paxos_endpoint import LOST, Device, DeviceEndpoint
from transports.api import Frame, NodeId, TransportError, read_options
from transports.chardev import KmodOptions, check_options, open_configured, read_macs
from transports.node.config import ClusterConfig
from transports.node.membership import replica_config, seed_of
from transports.node.native.channel import CoreStatus, read_status
from transports.node.native.replica import NativeReplica, restore_records

MICROSECONDS: Final = 1000
"""In a millisecond."""


class ReplicaDevice(Device, Protocol):
    """A device in mode replica: what `PaxosDevice` is."""

    def start(self) -> None:
        """Start the replica. Raises `OSError`."""
        ...

    def status(self) -> StatusStruct:
        """How the replica is. Raises `OSError`."""
        ...


class KernelEndpoint(DeviceEndpoint):
    """Clients' frames; what is for the core is kept in `records`."""

    def __init__(
        self,
        local: NodeId,
        replicas: Sequence[NodeId],
        device: ReplicaDevice,
        frame_bytes_max: int,
        clients_max: int,
        interface: str,
    ) -> None:
        super().__init__(local, replicas, device, frame_bytes_max, clients_max)
        self.device = device
        self.records: list[DeviceRecord] = []
        self._early: list[Frame] = []
        self._interface = interface

    async def receive(self) -> list[Frame]:
        """As `Transport.receive`, but it also returns, without a frame, when there are records."""
        while True:
            if self._closed or self._early or self.records:
                await trio.lowlevel.checkpoint()
            else:
                await self._wait_readable()
                self.collect()
            # No await from here on: a cancelled call has taken nothing out.
            if self._closed:
                raise trio.ClosedResourceError
            if self._early or self.records:
                frames, self._early = self._early, []
                return frames

    def receive_soon(self, seconds: float) -> list[Frame]:
        """As `Transport.receive_soon`."""
        if not (self._early or self.records):
            self._early = super().receive_soon(seconds)
        frames, self._early = self._early, []
        return frames

    def collect(self) -> None:
        """Read what there is, without waiting."""
        self._early += self._drain()

    def _take_in(self, records: Iterable[DeviceRecord], arrived: list[Frame]) -> None:
        frames: list[DeviceRecord] = []
        for record in records:
            (frames if record.kind == FRAME else self.records).append(record)
        super()._take_in(frames, arrived)

    def _read_failed(self, error: OSError) -> None:
        self.fail(error)

    def fail(self, error: OSError) -> NoReturn:
        """Raise what an error of the device means: `Poisoned`, or a lost interface."""
        if error.errno == errno.EIO:
            poisoned = self.device.status().poisoned
            raise Poisoned(f"invariant {poisoned} of the core in the kernel") from error
        if error.errno not in LOST:
            raise error
        self._lose(error)

    def _lose(self, error: OSError) -> NoReturn:
        raise TransportError(
            f"interface {self._interface} went away ({reason(error)}), and the replica in the "
            "kernel with it; bring it up, then start the node again"
        ) from error


class DeviceChannel:
    """The core behind the device."""

    name = "kernel"
    counts_ticks = False

    def __init__(self, endpoint: KernelEndpoint, *, durable: bool) -> None:
        self.durable = durable
        self._device = endpoint.device
        self._endpoint = endpoint
        self._fresh = True

    @property
    def dropped(self) -> Mapping[str, int]:
        """Nothing: the device's own counters have it."""
        return {}

    def write(self, records: bytes) -> int:
        """As `Channel.write`."""
        written = 0
        try:
            while written < len(records):
                # A short write may only mean that the device takes so much at a time.
                more = os.write(self._device.fd, records[written:] if written else records)
                if not more:
                    break
                written += more
        except BlockingIOError:
            pass
        except OSError as error:
            self._endpoint.fail(error)
        return written

    def read(self) -> Sequence[DeviceRecord]:
        """As `Channel.read`: what the endpoint has collected; at first it is made to collect."""
        endpoint = self._endpoint
        if self._fresh:
            endpoint.collect()
            self._fresh = bool(endpoint.records)
        records, endpoint.records = endpoint.records, []
        return records

    def status(self) -> CoreStatus:
        """As `Channel.status`."""
        return read_status(self._device.status())


def kernel_config(
    config: ClusterConfig,
    node: NodeId,
    options: KmodOptions,
    macs: Mapping[NodeId, bytes],
    flags: int,
) -> ConfigStruct:
    """The device's configuration for a replica. Raises `TransportError` for what does not fit."""
    timing, limits = config.timing, config.limits
    try:
        return make_config(
            MODE_REPLICA,
            node,
            options.interface,
            macs,
            flags=flags,
            ethertype=options.ethertype,
            cluster=config.cluster_id,
            seed=seed_of(config, node),
            frame_bytes_max=options.frame_bytes_max,
            tick_us=config.tick_ms * MICROSECONDS,
            heartbeat_ticks=timing.heartbeat_ticks,
            election_ticks_min=timing.election_ticks_min,
            election_ticks_max=timing.election_ticks_max,
            resend_ticks=timing.resend_ticks,
            window_slots=limits.window_slots,
            vote_slots_max=limits.vote_slots_max,
            log_keep_slots=limits.log_keep_slots,
            page_bytes_max=limits.page_bytes_max,
            pending_bytes_max=limits.pending_bytes_max,
            log_bytes_max=limits.log_bytes_max,
            snapshot_bytes_max=limits.snapshot_bytes_max,
            memory_bytes=options.memory_bytes,
            queue_bytes_max=options.queue_bytes_max,
            clients_max=options.clients_max,
            phase1=config.phase1,
            phase2=config.phase2,
        )
    except ValueError as error:
        raise TransportError(f"kmod: {error}; give less") from error


@asynccontextmanager
async def open_kernel_replica(
    config: ClusterConfig, node: NodeId, state: DurableState, voting: bool, durable: bool
) -> AsyncIterator[tuple[NativeReplica, KernelEndpoint]]:
    """A replica in the kernel that continues from `state`, while the context lasts.

    Raises `TransportError`.
    """
    options = read_options(KmodOptions, "kmod", config.transport_options)
    check_options(options)
    macs = read_macs(config.nodes)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        inspect("kmod", sock, options.interface, node, macs, options.frame_bytes_max)
    flags = (FLAG_VOTING if voting else 0) | (FLAG_DURABLE if durable else 0)
    asked = kernel_config(config, node, options, macs, flags)
    device = open_configured(options.device, asked)
    endpoint = KernelEndpoint(
        node, list(macs), device, asked.frame_bytes_max, options.clients_max, options.interface
    )
    try:
        replica = start_replica(config, node, state, endpoint, voting, durable)
        await trio.lowlevel.checkpoint()
        yield replica, endpoint
    finally:
        endpoint.close()


def start_replica(
    config: ClusterConfig,
    node: NodeId,
    state: DurableState,
    endpoint: KernelEndpoint,
    voting: bool,
    durable: bool,
) -> NativeReplica:
    """Restore a configured replica from `state`, and start it. Raises `TransportError`."""
    channel = DeviceChannel(endpoint, durable=durable)
    try:
        for record in restore_records(state):
            if channel.write(record) < len(record):
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        endpoint.device.start()
    except OSError as error:
        cure = "; give it more with memory_bytes" if error.errno == errno.ENOMEM else ""
        raise TransportError(
            "kmod: the replica in the kernel does not start with this store's records: "
            f"{reason(error)}{cure}"
        ) from error
    own = replica_config(config, node, endpoint.frame_bytes_max, voting)
    return NativeReplica(own, channel, state)
