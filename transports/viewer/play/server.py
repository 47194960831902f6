"""HTTP for one page, on loopback alone.

Who may ask: whoever knows the token in the address, from a page of this very server. A
page of another site that guesses the port is refused by its Origin, and one that made
its own name point to this machine by its Host. Each connection has one request; how many
there are at a time, how long each may take and how much it may say is bounded.
"""

from __future__ import annotations

import errno
import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any, Final

from transports.viewer.play.files import Files, load_files
from transports.viewer.play.session import Session

BODY_BYTES_MAX: Final = 4096
CONNECTIONS_MAX: Final = 32
REQUEST_SECONDS_MAX: Final = 20.0
"""From the connection to the answer; whoever is slower is cut off."""
_POLL_SECONDS: Final = 0.2
_DRAINS_MAX: Final = 16

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PortTaken(Exception):
    """The port is in use, or may not be had. The message is one line with the cure."""


class Refusal(Exception):
    """A request that is answered with a status and a line."""

    def __init__(self, status: HTTPStatus, line: str) -> None:
        super().__init__(line)
        self.status = status


class PlayServer:
    """A session and the sockets around it.

    `port` 0 takes a free one. Raises `PortTaken`.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        request_seconds_max: float = REQUEST_SECONDS_MAX,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.session = Session()
        self.token = secrets.token_urlsafe(18)
        self.files: Files = load_files()
        self.request_seconds_max = request_seconds_max
        self.connections = threading.BoundedSemaphore(connections_max)
        self._listeners = self._listen(port)
        self.port: int = self._listeners[0].server_address[1]
        self.hosts = frozenset(
            f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")
        )

    def _listen(self, port: int) -> list[_Listener]:
        first = _open(socket.AF_INET, "127.0.0.1", port, self)
        chosen: int = first.server_address[1]
        try:
            return [first, _open(socket.AF_INET6, "::1", chosen, self)]
        except PortTaken:
            if port:
                first.server_close()
                raise
            return [first]
        except OSError:
            # A machine without IPv6.
            return [first]

    @property
    def url(self) -> str:
        """What to open."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    @contextmanager
    def running(self) -> Iterator[None]:
        """It answers inside this block."""
        threads = [
            threading.Thread(target=listener.serve_forever, args=(_POLL_SECONDS,), daemon=True)
            for listener in self._listeners
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for listener, thread in zip(self._listeners, threads, strict=True):
                listener.shutdown()
                thread.join()
                listener.cut_off(older_than_seconds=0)
                listener.server_close()


def _open(family: socket.AddressFamily, host: str, port: int, play: PlayServer) -> _Listener:
    try:
        return _Listener(family, host, port, play)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            line = f"port {port} of {host} is in use; choose another with --port, or leave it out"
            raise PortTaken(line) from error
        if error.errno == errno.EACCES:
            line = f"port {port} may not be had: choose one from 1024 on with --port"
            raise PortTaken(line) from error
        raise


class _Listener(ThreadingMixIn, HTTPServer):
    """One listening socket. A request has a thread of its own."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, family: socket.AddressFamily, host: str, port: int, play: PlayServer
    ) -> None:
        self.address_family = family
        self.play = play
        self._open: dict[Any, float] = {}
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind, and look no name up, as the standard library's server does."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, if one is free."""
        if not self.play.connections.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(b"HTTP/1.0 503 Too many connections\r\nContent-Length: 0\r\n\r\n")
            self.shutdown_request(request)
            return
        self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread's whole work."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(request, None)
            self.play.connections.release()

    def service_actions(self) -> None:
        """Between connections: whoever took too long is cut off."""
        self.cut_off(older_than_seconds=self.play.request_seconds_max)

    def cut_off(self, older_than_seconds: float) -> None:
        """End the connections that are older; their threads then end by themselves."""
        now = time.monotonic()
        for request, since in list(self._open.items()):
            if now - since >= older_than_seconds:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's business; a defect of ours is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Listener
    server_version = "paxos-play"
    sys_version = ""

    def do_GET(self) -> None:
        """The page and what belongs to it."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """What the page asks for."""
        self._answer(self._post)

    def _answer(self, act: Any) -> None:
        try:
            self._check_origin()
            status, kind, body = act()
        except Refusal as refusal:
            status, kind = refusal.status, "application/json"
            body = json.dumps({"error": str(refusal)}).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if status != HTTPStatus.OK:
            self._drain()

    def _drain(self) -> None:
        """Take what the client still sends: closed before that, the answer could get lost."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(_DRAINS_MAX):
                if not self.rfile.read1(1 << 14):
                    break

    def end_headers(self) -> None:
        """With what every answer says."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def _check_origin(self) -> None:
        play = self.server.play
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in play.hosts:
            raise Refusal(HTTPStatus.FORBIDDEN, "this server answers under its own name only")
        for origin in self.headers.get_all("Origin", []):
            if origin.removeprefix("http://") not in play.hosts or "://" not in origin:
                raise Refusal(HTTPStatus.FORBIDDEN, "this server answers its own page only")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise Refusal(HTTPStatus.FORBIDDEN, "this server answers its own page only")

    def _path(self) -> str:
        """What stands behind the token."""
        token, slash, rest = self.path.removeprefix("/").partition("/")
        if not slash or not secrets.compare_digest(token.encode(), self.server.play.token.encode()):
            raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing here: use the whole address")
        return rest

    def _get(self) -> tuple[int, str, bytes]:
        found = self.server.play.files.get(self._path())
        if found is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such file")
        return HTTPStatus.OK, *found

    def _post(self) -> tuple[int, str, bytes]:
        if self._path() != "ask":
            raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing to ask here")
        if self.headers.get_content_type() != "application/json":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request is application/json")
        answer = self.server.play.session.ask(self._body())
        return answer.status, "application/json", json.dumps(answer.document).encode()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 12):
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "a request says how long it is")
        if int(length) > BODY_BYTES_MAX:
            line = f"a request has at most {BODY_BYTES_MAX} bytes"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, line)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refusal(HTTPStatus.BAD_REQUEST, "a request was cut off")
        return body

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for the one line with the address."""
