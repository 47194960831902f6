"""What becomes of a ZeroMQ socket's connections, as its monitor tells."""

from __future__ import annotations

from collections import deque

import trio
import zmq
from zmq.utils.monitor import parse_monitor_message

from transports.api import TransportStats

_UNAUTHENTICATED = (
    zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC,
    zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH,
)
_FAILURES = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_WATCHED = (
    _FAILURES
    | zmq.EVENT_ACCEPTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_CONNECT_RETRIED
)


class ConnectionWatch:
    """Counts connections that never became a peer's, as `ZeroMqTransport` names the causes.

    ZeroMQ tells the success of a handshake without the connection's number, so it is
    taken for the oldest one under way. When several are, the count may be off by those.
    """

    def __init__(
        self, router: zmq.Socket[bytes], stats: TransportStats, secured: bool, dials: bool
    ) -> None:
        self._stats = stats
        self._secured = secured
        self._dials = dials
        self._router = router
        self._monitor: zmq.Socket[bytes] = router.get_monitor_socket(_WATCHED)
        self._monitor.setsockopt(zmq.LINGER, 0)
        self._under_way: deque[int] = deque()
        self._told = False
        self._refused: set[bytes] = set()
        self._succeeded = 0
        self._changed = trio.lowlevel.ParkingLot()

    async def run(self) -> None:
        """Read the monitor for ever; the only task that does."""
        fd = self._monitor.fileno()
        while True:
            try:
                while True:
                    self._take(self._monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                self._changed.unpark_all()
                await trio.lowlevel.wait_readable(fd)

    async def wait_tried(self, connections: int) -> None:
        """Wait until so many have been made, or refused once."""
        while self._succeeded + len(self._refused) < connections:
            await self._changed.park()

    def _take(self, parts: list[bytes]) -> None:
        message = parse_monitor_message(parts)
        event, value = int(message["event"]), int(message["value"])
        if event == zmq.EVENT_ACCEPTED:
            self._under_way.append(value)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._succeeded += 1
            if self._under_way:
                self._under_way.popleft()
        elif event == zmq.EVENT_CONNECT_RETRIED:
            self._refused.add(message["endpoint"])
        elif event & _FAILURES:
            self._told = True
            self._stats.dropped[self._cause(event, value)] += 1
        elif event == zmq.EVENT_DISCONNECTED:
            self._note_end(value)

    def _note_end(self, number: int) -> None:
        """Count a connection that ended, unless it was a peer's or the cause was just told."""
        told, self._told = self._told, False
        if number not in self._under_way:
            return
        self._under_way.remove(number)
        if not told:
            self._stats.dropped["malformed"] += 1

    def _cause(self, event: int, value: int) -> str:
        if self._dials and event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return "handshake_failed"
        refused = event == zmq.EVENT_HANDSHAKE_FAILED_AUTH or value in _UNAUTHENTICATED
        return "unauthenticated" if self._secured and refused else "malformed"

    def close(self) -> None:
        """Stop watching."""
        trio.lowlevel.notify_closing(self._monitor.fileno())
        self._router.disable_monitor()
        self._monitor.close()


__all__ = ["ConnectionWatch"]
