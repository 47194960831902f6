"""The server that is scraped: HTTP, two paths, and bounds on all that a client may ask for.

It runs among the node's own tasks, so that a scrape sees the node between two drains and
needs no locks. What a client could do to the node is bounded by that: so many connections
at a time, so many new ones a second, one request on each, so many bytes of it, and so long.
Everybody else waits in the system's queue, which is bounded as well. A thread would not be
safer: it would take the interpreter from the loop whenever it liked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import trio

from transports.api import TransportError, split_host_port
from transports.node.logs import NodeLogger
from transports.node.metrics.errors import MetricsError
from transports.node.metrics.page import Page, check_libraries, make_page
from transports.node.tasks import background

if TYPE_CHECKING:
    import h11

    from transports.node.node import Node

LOOPBACK: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 8
"""Open at a time."""
PACE_SECONDS: Final = 0.05
"""Between two connections, so that they cost the node a few per cent at most."""
EXCHANGE_SECONDS: Final = 5.0
"""From a connection's beginning to its end."""
REQUEST_BYTES_MAX: Final = 8 << 10
READ_BYTES: Final = 4 << 10
UNREAD_BYTES_MAX: Final = 64 << 10
"""Of what a client sends beside its request's head."""
BACKLOG: Final = 16
PLAIN: Final = "text/plain; charset=utf-8"
WELCOME: Final = b"A node of pluggable-paxos. Its metrics are at /metrics.\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: int
    body: bytes
    content_type: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


def check_metrics(address: str) -> None:
    """That metrics could be served, as far as that is known before. Raises `MetricsError`."""
    _read_address(address)
    check_libraries()


@asynccontextmanager
async def open_metrics(node: Node, address: str) -> AsyncIterator[str]:
    """Serve `node`'s metrics while the context lasts; yields where, as ``host:port``.

    `address` is ``host:port``, or a port alone, which is then on loopback. Port 0 is any
    that is free. GET and HEAD of ``/metrics`` have Prometheus's text, and nothing that a
    client does ends the node or holds it up. Needs the extra ``metrics``.

    Raises `MetricsError`: a library is missing, the address cannot be used.
    """
    host, port = _read_address(address)
    page = make_page(node)
    listeners = await _listen(host, port)
    try:
        bound = listeners[0].socket.getsockname()
        where = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
        log = NodeLogger(node.id)
        log.event("metrics_served", address=where)
        server = Server(page, log)
        async with background(*(partial(server.accept, listener) for listener in listeners)):
            yield where
    finally:
        for listener in listeners:
            await trio.aclose_forcefully(listener)


def _read_address(address: str) -> tuple[str, int]:
    port = address.removeprefix(":")
    if port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65536:
        return LOOPBACK, int(port)
    try:
        if address.endswith(":0"):
            # Any free port: nothing that a peer could dial, so it is not in that notation.
            return split_host_port(f"{address[:-1]}1")[0], 0
        return split_host_port(address)
    except TransportError as error:
        raise MetricsError(
            f"metrics: {error}; a port alone, such as 9464, is one on {LOOPBACK}"
        ) from error


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host's name"
        raise MetricsError(
            f"metrics cannot be served at {host}:{port} ({reason}); give --metrics another address"
        ) from error


class Server:
    """Answers each connection once."""

    def __init__(self, page: Callable[[], Page], log: NodeLogger) -> None:
        self._page = page
        self._log = log
        self._room = trio.Semaphore(CONNECTIONS_MAX)

    async def accept(self, listener: trio.SocketListener) -> None:
        """Take connections, for ever. Raises nothing: a node is worth more than its metrics."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._room.acquire()
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Out of files, mostly; the connection waits meanwhile.
                    self._room.release()
                    self._log.noisy("metrics_failed", "accept", reason=str(error))
                else:
                    nursery.start_soon(self._serve, stream)
                await trio.sleep(PACE_SECONDS)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            with trio.move_on_after(EXCHANGE_SECONDS):
                async with stream:
                    await self._exchange(stream)
        except trio.BrokenResourceError:
            # Who asked has gone.
            pass
        except Exception as error:  # a defect here, or in a transport's own counters
            self._log.noisy("metrics_failed", "request", reason=f"{type(error).__name__}: {error}")
        finally:
            self._room.release()

    async def _exchange(self, stream: trio.SocketStream) -> None:
        import h11

        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES_MAX)
        try:
            request = await _read_request(stream, connection)
        except h11.RemoteProtocolError as error:
            answer, wants_body = Answer(error.error_status_hint, f"{error}\n".encode()), True
        else:
            if request is None:
                return
            answer = self._answer(request.method, request.target)
            wants_body = request.method != b"HEAD"
        await stream.send_all(_encode(connection, answer, wants_body))
        await stream.send_eof()
        # What came and was not read would have the system take the answer back.
        left = UNREAD_BYTES_MAX
        while left > 0 and (data := await stream.receive_some(READ_BYTES)):
            left -= len(data)

    def _answer(self, method: bytes, target: bytes) -> Answer:
        path = target.partition(b"?")[0]
        if path not in (b"/", b"/metrics"):
            return Answer(404, b"there is /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return Answer(405, b"GET or HEAD\n", headers=(("Allow", "GET, HEAD"),))
        if path == b"/":
            return Answer(200, WELCOME)
        try:
            body, content_type = self._page()
        except Exception as error:
            self._log.noisy("metrics_failed", "page", reason=f"{type(error).__name__}: {error}")
            return Answer(500, b"the node's log says why\n")
        return Answer(200, body, content_type)


async def _read_request(
    stream: trio.SocketStream, connection: h11.Connection
) -> h11.Request | None:
    """The request's head; None if the client ends without one. Raises `h11.RemoteProtocolError`."""
    import h11

    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(READ_BYTES))
        elif isinstance(event, h11.Request):
            return event
        else:
            return None


def _encode(connection: h11.Connection, answer: Answer, wants_body: bool) -> bytes:
    import h11

    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Connection", "close"),
        *answer.headers,
    ]
    reason = HTTPStatus(answer.status).phrase.encode()
    events: list[h11.Event] = [
        h11.Response(status_code=answer.status, reason=reason, headers=headers)
    ]
    if wants_body:
        events.append(h11.Data(data=answer.body))
    events.append(h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)
