"""The server of the laboratory: whom it answers, and what it bears."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from transports.viewer.play import PlayServer, PortTaken
from transports.viewer.play.server import BODY_BYTES_MAX


@pytest.fixture
def server() -> Iterator[PlayServer]:
    made = PlayServer(request_seconds_max=30, connections_max=4)
    with made.running():
        yield made


def send(
    server: PlayServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


JSON = {"Content-Type": "application/json"}


def ask(server: PlayServer, document: object, **headers: str) -> tuple[int, dict[str, object]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(document).encode()
    status, _, answer = send(server, "POST", f"/{server.token}/ask", body, {**JSON, **named})
    return status, json.loads(answer)


def is_alive(server: PlayServer) -> bool:
    status, answer = ask(server, {"do": "look"})
    return status == 200 and "view" in answer


def test_the_page_and_its_files_are_served(server: PlayServer) -> None:
    status, headers, body = send(server, "GET", f"/{server.token}/")
    assert status == 200
    assert b"<title>Play Paxos by hand</title>" in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    for name in ("play.js", "panels.js", "viewer.js", "play.css", "viewer.css"):
        assert send(server, "GET", f"/{server.token}/{name}")[0] == 200


def test_it_listens_on_loopback_alone(server: PlayServer) -> None:
    addresses = {listener.socket.getsockname()[0] for listener in server._listeners}
    assert addresses <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in addresses
    if "::1" in addresses:
        connection = http.client.HTTPConnection("::1", server.port, timeout=20)
        connection.request("GET", f"/{server.token}/")
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize(
    "path",
    ["/", "/wrong/", "/wrong/ask", "/{token}", "/{token}/../server.py", "/{token}/none", "x"],
)
def test_without_the_whole_address_there_is_nothing(server: PlayServer, path: str) -> None:
    status, _, body = send(server, "GET", path.format(token=server.token))
    assert status == 404
    assert server.token.encode() not in body


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "localhost:1",
        "127.0.0.1:{port}.evil",
        "",
    ],
)
def test_another_host_is_refused(server: PlayServer, host: str) -> None:
    host = host.format(port=server.port)
    assert send(server, "GET", f"/{server.token}/", headers={"Host": host})[0] == 403
    assert ask(server, {"do": "look"}, Host=host)[0] == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "null",
        "127.0.0.1:{port}",
    ],
)
def test_another_origin_is_refused(server: PlayServer, origin: str) -> None:
    assert ask(server, {"do": "look"}, Origin=origin.format(port=server.port))[0] == 403


def test_its_own_page_is_answered(server: PlayServer) -> None:
    for name in ("127.0.0.1", "localhost"):
        own = f"{name}:{server.port}"
        status, _ = ask(server, {"do": "look"}, Host=own, Origin=f"http://{own}")
        assert status == 200


def test_another_site_is_refused_also_without_an_origin(server: PlayServer) -> None:
    assert ask(server, {"do": "look"}, Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(server, {"do": "look"}, Sec_Fetch_Site="same-origin")[0] == 200


def test_two_hosts_are_refused(server: PlayServer) -> None:
    own = f"Host: 127.0.0.1:{server.port}\r\n"
    answer = raw(server, f"GET /{server.token}/ HTTP/1.1\r\n{own}{own}\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 403 ")


def raw(server: PlayServer, data: bytes) -> bytes:
    """Send bytes, end, and read all that comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while got := peer.recv(65536):
            answer += got
        return answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(BODY_BYTES_MAX + 1)}, 413),
        ({"Content-Length": "999999999999999999999"}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "many"}, 411),
        ({"Content-Length": "20"}, 400),
        ({}, 411),
    ],
)
def test_a_body_of_the_wrong_size_is_refused(
    server: PlayServer, headers: dict[str, str], status: int
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**JSON, **headers}.items())
    head = f"POST /{server.token}/ask HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{lines}\r\n"
    answer = raw(server, head.encode() + b"{")
    assert answer.startswith(f"HTTP/1.0 {status} ".encode()), answer
    assert is_alive(server)


def test_a_large_body_is_refused_and_its_sender_hears_it(server: PlayServer) -> None:
    status, answer = ask(server, {"do": "begin", "line": "x" * 100_000})
    assert status == 413
    assert "at most 4096 bytes" in str(answer["error"])
    assert is_alive(server)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"do": "explode"}, 400),
        ([], 400),
        ({"do": "act", "action": "explode 1", "revision": 0}, 409),
        ({"do": "act", "action": "campaign 1", "revision": 0}, 200),
    ],
)
def test_a_request_gets_its_status(server: PlayServer, document: object, status: int) -> None:
    assert ask(server, document)[0] == status
    assert is_alive(server)


def test_only_json_is_read(server: PlayServer) -> None:
    path = f"/{server.token}/ask"
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert send(server, "POST", path, b"{}", {"Content-Type": kind})[0] == 415
    assert send(server, "POST", f"/{server.token}/", b"{}", JSON)[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_methods_are_not_there(server: PlayServer, method: str) -> None:
    status, headers, _ = send(server, method, f"/{server.token}/")
    assert status == 501
    assert "Content-Security-Policy" in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /\r\n", b"A" * 70_000]
)
def test_what_is_no_http_hurts_nobody(server: PlayServer, data: bytes) -> None:
    raw(server, data)
    assert is_alive(server)


def test_too_many_connections_are_refused_until_one_ends(server: PlayServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
    for peer in silent:
        # Once each has its thread, what it asks is read; the answer waits for the end.
        peer.sendall(b"GET / HTTP/1.1\r\n")
    answer = raw(server, b"")
    assert answer.startswith(b"HTTP/1.0 503 ")
    for peer in silent:
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass
        peer.close()
    assert poll(lambda: is_alive(server))


def poll(holds) -> bool:
    """Whether it holds soon: a thread ends a moment after its connection."""
    return any(holds() for _ in range(200))


def test_a_slow_client_is_cut_off_and_nobody_waits_for_it() -> None:
    hasty = PlayServer(request_seconds_max=0.5)
    with (
        hasty.running(),
        socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as slow,
        socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as silent,
    ):
        own = f"Host: 127.0.0.1:{hasty.port}\r\nContent-Length: 100\r\n".encode()
        head = f"POST /{hasty.token}/ask HTTP/1.1\r\nContent-Type: application/json\r\n".encode()
        slow.sendall(head + own + b"\r\n{")
        assert is_alive(hasty)
        while slow.recv(65536):
            pass
        assert silent.recv(10) == b""
        assert is_alive(hasty)


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1 is in use; choose another"):
            PlayServer(port)


def test_it_ends_with_connections_open() -> None:
    server = PlayServer()
    with server.running():
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        assert is_alive(server)
    assert peer.recv(10) == b""
    peer.close()
