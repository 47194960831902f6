"""Frames by way of `/dev/paxos`: what a relay and a replica in the kernel have in common.

Many frames come with one read, and a batch goes with one write.
"""

from __future__ import annotations

import errno
import os
import select
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, Protocol

import trio

from transports._paxos_device import (
    FRAME,
    SEND,
    DeviceRecord,
    StatsStruct,
    count_drops,
    describe_stats,
    pack_frame,
    split_records,
)
from transports.api import Frame, NodeId, Transport, TransportStats, group_frames

READ_BYTES: Final = 256 << 10
_READS_PER_DRAIN: Final = 16
_WRITE_BYTES: Final = 128 << 10
"""About so many bytes go with one write; a frame is never cut."""
LOST: Final = (errno.ENODEV, errno.ENXIO, errno.ENETDOWN, errno.EPIPE)
"""Errors of a device whose interface is down or gone."""
_SEND_CAUSES: Final = {errno.EMSGSIZE: "oversized"}


class Device(Protocol):
    """An endpoint of the module: what `PaxosDevice` is, or stands in for it in a test."""

    fd: int
    """Reads and writes whole records, and can be waited for."""

    def stats(self) -> StatsStruct:
        """The endpoint's counters. Raises `OSError`."""
        ...

    def close(self) -> None:
        """End the endpoint."""
        ...


class DeviceStats(TransportStats):
    """What the kernel dropped is looked up when it is read."""

    __slots__ = ("_look_up", "counted")

    def __init__(self, look_up: Callable[[], None]) -> None:
        self.counted: Counter[str] = Counter()
        """`dropped`, as it was when it was last looked up."""
        self._look_up = look_up
        super().__init__()

    @property
    def dropped(self) -> Counter[str]:
        """As in `TransportStats`."""
        self._look_up()
        return self.counted

    @dropped.setter
    def dropped(self, counted: Counter[str]) -> None:
        self.counted = counted


class DeviceEndpoint(Transport):
    """Frames by way of a device. Causes in `stats.dropped`: those of `DROP_CAUSES`.

    And `empty`, `closed`, and `queue_full` for frames that the device did not take.
    """

    stats: DeviceStats

    def __init__(
        self,
        local: NodeId,
        replicas: Collection[NodeId],
        device: Device,
        frame_bytes_max: int,
        clients_max: int,
    ) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.stats = DeviceStats(self._look_up_drops)
        self._others = frozenset(replicas) - {local}
        self._clients: OrderedDict[NodeId, None] = OrderedDict()
        self._clients_max = clients_max
        self._closed = False
        self._use(device)

    def _use(self, device: Device) -> None:
        self._device = device
        self._fd = device.fd
        self._known_drops: dict[str, int] = {}
        self._more = select.epoll()
        self._more.register(self._fd, select.EPOLLIN)

    def send(self, batch: Sequence[Frame]) -> None:
        """Write the frames as records, few writes for all of them; see `Transport.send`."""
        records: list[bytes] = []
        frames: list[bytes] = []
        for receiver, theirs in group_frames(batch, self.frame_bytes_max, self.stats).items():
            if self._closed or not (receiver in self._others or receiver in self._clients):
                # The kernel would say the same of a stranger, but only when it is asked.
                self._drop("closed" if self._closed else "unknown_peer", len(theirs))
                continue
            frames += theirs
            records += map(pack_frame, repeat(SEND), repeat(receiver), theirs)
        first = 0
        while first < len(records):
            last = _load_end(records, first)
            taken = self._write(records[first:last])
            self.stats.frames_sent += taken
            self.stats.bytes_sent += sum(map(len, frames[first : first + taken]))
            first = last

    def _write(self, records: Sequence[bytes]) -> int:
        """Hand records to the device; how many it took. The others are dropped and counted."""
        data = b"".join(records)
        written, cause = 0, "queue_full"
        try:
            # A short write may only mean that the device takes so much at a time.
            while written < len(data) and (more := os.write(self._fd, data[written:])):
                written += more
        except BlockingIOError:
            pass
        except OSError as error:
            cause = self._why_not_sent(error)
        if written == len(data):
            return len(records)
        taken = 0
        while written >= len(records[taken]):
            written -= len(records[taken])
            taken += 1
        self._drop(cause, len(records) - taken)
        return taken

    def _why_not_sent(self, error: OSError) -> str:
        if error.errno in LOST:
            self._lose(error)
            return "interface_down"
        return _SEND_CAUSES.get(error.errno or 0, "send_failed")

    def _drop(self, cause: str, frames: int) -> None:
        self.stats.counted[cause] += frames

    async def receive(self) -> list[Frame]:
        """Wait for the device, then read what it has, within a bound; see `Transport.receive`."""
        while True:
            if self._closed:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError
            await self._wait_readable()
            # No await from here on: a cancelled call has read nothing.
            frames = self._drain()
            if frames:
                return frames

    async def _wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._fd)

    def receive_soon(self, seconds: float) -> list[Frame]:
        """Wait in epoll itself; see `Transport.receive_soon`."""
        if self._closed or not self._more.poll(seconds, 1):
            return []
        return self._drain()

    def _drain(self) -> list[Frame]:
        arrived: list[Frame] = []
        for _ in range(_READS_PER_DRAIN):
            if self._closed:
                break
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                self._read_failed(error)
                break
            if not data:
                self._lose(OSError(errno.ENODEV, os.strerror(errno.ENODEV)))
                break
            self._take_in(split_records(data), arrived)
            if len(data) < READ_BYTES // 2:
                # As many records as fit come with one read, so these were the last.
                break
        return arrived

    def _take_in(self, records: Iterable[DeviceRecord], arrived: list[Frame]) -> None:
        """Add the frames to `arrived`, and remember which clients there are."""
        others, clients = self._others, self._clients
        for kind, _, sender, _, _, _, frame in records:
            if kind != FRAME:
                continue
            if sender not in others:
                clients[sender] = None
                clients.move_to_end(sender)
                if len(clients) > self._clients_max:
                    clients.popitem(last=False)
            self.stats.frames_received += 1
            self.stats.bytes_received += len(frame)
            arrived.append((sender, frame))

    def _read_failed(self, error: OSError) -> None:
        """Raises what ends the endpoint, if that does."""
        if error.errno not in LOST:
            raise error
        self._lose(error)

    def _lose(self, error: OSError) -> None:
        """The device has no interface any more. Raises what ends the endpoint, if that does."""
        raise error

    def _look_up_drops(self) -> None:
        if self._closed:
            return
        try:
            drops = count_drops(self._device.stats())
        except OSError:
            return
        for cause, count in drops.items():
            self._drop(cause, count - self._known_drops.get(cause, 0))
        self._known_drops = drops

    def describe(self) -> Mapping[str, Any]:
        """The kernel's own counters, as `kernel`; see `Transport.describe`."""
        if self._closed:
            return {}
        try:
            return {"kernel": describe_stats(self._device.stats())}
        except OSError:
            return {}

    def _release(self) -> None:
        self._look_up_drops()
        trio.lowlevel.notify_closing(self._fd)
        self._more.close()
        self._device.close()

    def close(self) -> None:
        """End the endpoint; a task that waits in `receive` gets `ClosedResourceError`."""
        if not self._closed:
            self._release()
            self._closed = True


def _load_end(records: Sequence[bytes], first: int) -> int:
    """Where the records end that go with one write: at least one, else few enough bytes."""
    room = _WRITE_BYTES
    last = first
    while last < len(records) and (room >= len(records[last]) or last == first):
        room -= len(records[last])
        last += 1
    return last
