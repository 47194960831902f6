"""The client's half of HTTP/2: known bytes, credit, and a server that does what it may not."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from transports.bench.peers.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_MAX,
    GOAWAY,
    GRANT_BYTES,
    HEADERS,
    MESSAGE_BYTES_MAX,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW_BYTES,
    WINDOW_UPDATE,
    Http2Error,
    UnaryCalls,
    frame,
    grpc_message,
)

TRAILERS = b"\xbf"


def make_calls() -> UnaryCalls:
    calls = UnaryCalls("h:1", "/S/M")
    calls.take()
    return calls


def answer(stream: int, message: bytes) -> bytes:
    return (
        frame(HEADERS, END_HEADERS, stream, b"\x88")
        + frame(DATA, 0, stream, grpc_message(message))
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, TRAILERS)
    )


def frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    while data:
        size = int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 : 9 + size]
        data = data[9 + size :]


def test_a_connection_begins_with_the_preface_and_large_windows() -> None:
    begin = UnaryCalls("h:1", "/S/M").take()
    assert begin == PREFACE + bytes.fromhex("000006 04 00 00000000 0004 40000000") + bytes.fromhex(
        "000004 08 00 00000000 40000000"
    )


def test_the_first_call_names_its_headers_and_the_second_refers_to_them() -> None:
    calls = make_calls()
    assert [calls.call(grpc_message(b"hi")), calls.call(grpc_message(b""))] == [1, 3]
    first, data, second, last = frames(calls.take())
    # RFC 7541: 6.1 indexed fields, 6.2.1 literals that are put into the table.
    assert first[:3] == (HEADERS, END_HEADERS, 1)
    assert first[3] == (
        b"\x83\x86\x40\x05:path\x04/S/M\x40\x0a:authority\x03h:1"
        b"\x40\x0ccontent-type\x10application/grpc\x40\x02te\x08trailers"
    )
    assert data == (DATA, END_STREAM, 1, b"\0\0\0\0\x02hi")
    # The table's newest entry is 62.
    assert second == (HEADERS, END_HEADERS, 3, bytes([0x83, 0x86, 0xC1, 0xC0, 0xBF, 0xBE]))
    assert last == (DATA, END_STREAM, 3, bytes(5))
    assert calls.take() == b""


def test_answers_may_be_cut_anywhere() -> None:
    calls = make_calls()
    for _ in range(2):
        calls.call(grpc_message(b""))
    data = answer(3, b"later") + answer(1, b"")
    ended = [one for at in range(len(data)) for one in calls.receive(data[at : at + 1])]
    assert ended == [(3, b"later"), (1, b"")]


def test_calls_wait_for_credit_in_their_order() -> None:
    calls = make_calls()
    large = grpc_message(bytes(MESSAGE_BYTES_MAX))
    for message in (large, large, large, large, grpc_message(b"")):
        calls.call(message)
    sent = [stream for kind, _, stream, _ in frames(calls.take()) if kind == DATA]
    assert sent == [1, 3, 5]
    calls.receive(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 20)))
    assert calls.take() == b""
    # One byte is missing, then it comes; what it leaves over is too little for the last.
    missing = 4 * FRAME_BYTES_MAX - WINDOW_BYTES
    calls.receive(
        frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", missing - 1)) if missing > 1 else b""
    )
    assert calls.take() == b""
    calls.receive(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))
    assert [one[:3] for one in frames(calls.take())] == [(DATA, END_STREAM, 7)]
    calls.receive(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 5)))
    assert [one[:3] for one in frames(calls.take())] == [(DATA, END_STREAM, 9)]


def test_pings_and_settings_are_acknowledged() -> None:
    calls = make_calls()
    calls.receive(frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, bytes(8)))
    calls.receive(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100)) + frame(SETTINGS, ACK, 0, b""))
    calls.receive(frame(WINDOW_UPDATE, 0, 0, bytes(4)))
    assert list(frames(calls.take())) == [(PING, ACK, 0, b"12345678"), (SETTINGS, ACK, 0, b"")]


def test_what_was_taken_is_granted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.bench.peers.http2.GRANT_BYTES", 20)
    calls = make_calls()
    for stream in (1, 3):
        calls.call(grpc_message(b""))
        calls.take()
        calls.receive(answer(stream, b""))
    assert list(frames(calls.take())) == [(WINDOW_UPDATE, 0, 0, struct.pack(">I", 10))]
    assert GRANT_BYTES > 20


REFUSED = {
    "a call without an answer": frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS),
    "half an answer": frame(DATA, 0, 1, b"\0\0\0\0\x05ab")
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS),
    "compressed": frame(DATA, 0, 1, b"\1\0\0\0\0")
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS),
    "data of nobody": frame(DATA, 0, 5, bytes(5)),
    "an end without trailers": frame(DATA, END_STREAM, 1, bytes(5)),
    "an end of nobody": frame(HEADERS, END_HEADERS | END_STREAM, 5, TRAILERS),
    "a reset": frame(RESET, 0, 1, bytes(4)),
    "a good-bye": frame(GOAWAY, 0, 0, bytes(8)),
    "headers that go on": frame(CONTINUATION, 0, 1, b""),
    "a frame too large": b"\xff\xff\xff" + bytes(6),
    "a small table": frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0)),
    "settings that are cut": frame(SETTINGS, 0, 0, bytes(5)),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_a_server_may_not_do_ends_it(data: bytes) -> None:
    calls = make_calls()
    calls.call(grpc_message(b""))
    with pytest.raises(Http2Error):
        calls.receive(data)


def test_a_request_that_does_not_fit_a_frame_is_refused() -> None:
    assert len(grpc_message(bytes(MESSAGE_BYTES_MAX))) == FRAME_BYTES_MAX
    with pytest.raises(ValueError, match="at most"):
        grpc_message(bytes(MESSAGE_BYTES_MAX + 1))
