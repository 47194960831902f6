"""Plays the kernel with replicas in it: a core of Python behind records, on a fake network.

Everything of a node above the device is the real thing, and so are the clients' relays.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from fake_core import FakePort
from fake_device import FRAME_BYTES_MAX, FakeEndpoint, FakeKernel, Hub

from paxos_core import Limits, QuorumSystem, ReplicaConfig
from paxos_core.config import Timing
from transports import _paxos_device as uapi
from transports._paxos_device import (
    ConfigStruct,
    DeviceRecord,
    StatusStruct,
    pack_record,
    split_records,
)
from transports.chardev import KmodOptions
from transports.node.native.channel import ROLES
from transports.node.native.kernel import DeviceChannel

FIRST_CLIENT = 1 << 16
FIRST_CLIENT_KIND = 32
MARK = pack_record(uapi.TICK, 0)
"""What user space never writes: the end of what it has."""


class FakeReplica(FakeEndpoint):
    """An endpoint in mode replica. One thread works through what comes from either side."""

    def __init__(self, config: ConfigStruct) -> None:
        super().__init__()
        self.config = config
        self.durable = bool(config.flags & uapi.FLAG_DURABLE)
        self.send: Callable[[bytes], None] = lambda message: None
        self._arrived: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._restores: list[bytes] = []
        self._proposals: list[bytes] = []
        self._unread: list[bytes] = []
        self._lock = threading.Lock()
        self._up_to_date = threading.Event()
        self._port: FakePort | None = None
        self._ended = False

    def close(self) -> None:
        self._ended = True
        super().close()

    # Calls of user space

    def start(self) -> None:
        self._port = FakePort(
            replica_config(self.config), self.config.cluster, self._restores, durable=self.durable
        )
        self._pump()
        threading.Thread(target=self._work, daemon=True).start()

    def status(self) -> StatusStruct:
        """As of all that was written before, which the real device has taken in by then."""
        self._up_to_date.clear()
        with suppress(OSError):
            self.user.send(MARK)
            self._up_to_date.wait(5)
        with self._lock:
            assert self._port is not None
            status = self._port.status()
        return StatusStruct(
            leader=status.leader,
            ballot=status.ballot,
            promised=status.promised,
            watermark=status.watermark,
            first_slot=status.first_slot,
            log_bytes=status.log_bytes,
            pending_bytes=status.pending_bytes,
            in_flight_slots=status.in_flight_slots,
            role=ROLES.index(status.role),
            voting=status.voting,
            lags=status.lags,
            snapshot_due=status.snapshot_due,
            write_id=status.write_id,
            poisoned=status.poisoned,
        )

    def restore(self, record: bytes) -> None:
        """At once, as the real device does it; the other records come by way of the socket."""
        self._restores.append(record)

    # What comes in

    def written(self, message: bytes, relay: Callable[[bytes], None]) -> None:
        self._arrived.put(("user", message))

    def hear(self, message: bytes) -> None:
        self._arrived.put(("network", message))

    def _work(self) -> None:
        assert self._port is not None
        tick_seconds = self.config.tick_us / 1e6
        due = time.monotonic() + tick_seconds
        while not self._ended:
            arrived: list[tuple[str, bytes]] = []
            with suppress(queue.Empty):
                arrived.append(self._arrived.get(timeout=max(0.0, due - time.monotonic())))
                while True:
                    arrived.append(self._arrived.get_nowait())
            with self._lock:
                for origin, message in arrived:
                    self._take(origin, message)
                if time.monotonic() >= due:
                    due = time.monotonic() + tick_seconds
                    self._port.write(pack_record(uapi.TICK, 1))
                sends = self._pump()
            if ("user", MARK) in arrived:
                self._up_to_date.set()
            for message in sends:
                self.send(message)

    def _take(self, origin: str, message: bytes) -> None:
        assert self._port is not None
        if message == MARK:
            return
        for record in split_records(message):
            again = repack(record)
            if record.kind == uapi.SEND:
                self.send(again)
            elif record.kind == uapi.PROPOSE:
                self._proposals.append(again)
            elif origin == "user":
                self._port.write(again)
            elif record.a >= FIRST_CLIENT and record.payload[4] >= FIRST_CLIENT_KIND:
                self._unread.append(again)
            else:
                self._port.write(again)

    # What goes out

    def _pump(self) -> list[bytes]:
        """What is to be sent, once the rest is on its way to user space."""
        assert self._port is not None
        while self._proposals and self._port.write(self._proposals[0]):
            self._proposals.pop(0)
        sends: list[bytes] = []
        for record in split_records(self._port.read()):
            (sends if record.kind == uapi.SEND else self._unread).append(repack(record))
            self.counters.decisions += record.kind == uapi.DECIDED
        with suppress(OSError):
            while self._unread:
                self.inner.send(self._unread[0], socket.MSG_DONTWAIT)
                self._unread.pop(0)
        return sends


def repack(record: DeviceRecord) -> bytes:
    kind, flags, a, b, c, d, payload = record
    return pack_record(kind, a, payload, b=b, c=c, d=d, flags=flags)


def replica_config(config: ConfigStruct) -> ReplicaConfig:
    members = tuple(config.member[n].node for n in range(config.members))
    limits = {
        name: getattr(config, name)
        for name in (
            "window_slots", "pending_bytes_max", "vote_slots_max", "log_bytes_max",
            "log_keep_slots", "snapshot_bytes_max", "page_bytes_max",
        )
    }  # fmt: skip
    timing = ("heartbeat_ticks", "election_ticks_min", "election_ticks_max", "resend_ticks")
    return ReplicaConfig(
        config.endpoint,
        QuorumSystem(members, config.phase1, config.phase2),
        frame_bytes_max=config.frame_bytes_max,
        seed=config.seed,
        voting=bool(config.flags & uapi.FLAG_VOTING),
        timing=Timing(**{name: getattr(config, name) for name in timing}),
        limits=Limits(**limits),
    )


@contextmanager
def fake_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKernel]:
    """`transport = "kmod"` goes to a fake kernel, in both modes."""
    kernel = FakeKernel()

    def hub_of(config: ConfigStruct) -> Hub:
        members = (config.member[n] for n in range(config.members))
        return tuple((member.node, bytes(member.mac)) for member in members)

    def open_replica(path: str, config: ConfigStruct) -> FakeReplica:
        config.frame_bytes_max = config.frame_bytes_max or FRAME_BYTES_MAX
        device = FakeReplica(config)
        hub = hub_of(config)
        device.send = partial(kernel.relay, hub, config.endpoint, device)
        kernel.join(hub, config.endpoint, device)
        return device

    def open_relay(
        local: int, macs: dict[int, bytes], options: KmodOptions, frame_bytes_max: int
    ) -> object:
        return kernel.opener(local, macs, options)(frame_bytes_max)

    monkeypatch.setattr("transports.node.native.kernel.open_configured", open_replica)

    def write(channel: DeviceChannel, records: bytes) -> int:
        if split_records(records)[0].kind in (uapi.RESTORE, uapi.RESTORE_SNAPSHOT):
            channel._device.restore(records)  # type: ignore[attr-defined]
            return len(records)
        return really_write(channel, records)

    really_write = DeviceChannel.write
    monkeypatch.setattr(DeviceChannel, "write", write)
    monkeypatch.setattr("transports.node.native.kernel.inspect", lambda *arguments: None)
    monkeypatch.setattr("transports.chardev.open_relay_device", open_relay)
    yield kernel
