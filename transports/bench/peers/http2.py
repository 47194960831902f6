"""As much of HTTP/2 (RFC 9113) as unary gRPC calls need, without I/O and without dependencies.

A general gRPC client in Python takes most of a processor for what etcd does in a second, and is
then what is measured. Here a call is two frames of bytes that are known beforehand, and all
calls that begin together leave in one write.
"""

from __future__ import annotations

import struct
from typing import Final

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
HEADER_BYTES: Final = 9
FRAME_BYTES_MAX: Final = 16_384
"""What each side may send without having been told of more."""
WINDOW_BYTES: Final = 65_535
"""What each side may send before the other has granted more."""
GRANT_BYTES: Final = 1 << 30
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_TABLE_SIZE: Final = 1
HEADER_TABLE_BYTES: Final = 4096
GRPC_PREFIX_BYTES: Final = 5
MESSAGE_BYTES_MAX: Final = FRAME_BYTES_MAX - GRPC_PREFIX_BYTES
# HPACK (RFC 7541): `:method: POST` and `:scheme: http` are entries of its static table.
POST_HTTP: Final = b"\x83\x86"
NAMED_AGAIN: Final = POST_HTTP + bytes(0x80 | entry for entry in (65, 64, 63, 62))
"""The four headers that the first call of a connection has put into the server's table."""


class Http2Error(Exception):
    """The connection is of no more use. One line."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header that the other side shall remember; neither is longer than 126 bytes."""
    return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value


def grpc_message(message: bytes) -> bytes:
    """A message as gRPC frames it, not compressed. Raises `ValueError` if it is too large."""
    if len(message) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a request has {len(message)} bytes, at most {MESSAGE_BYTES_MAX} fit")
    return b"\0" + struct.pack(">I", len(message)) + message


class UnaryCalls:
    """One connection whose calls all go to one method.

    Give `call` what `grpc_message` made; write what `take` gives; feed `receive` with what
    comes: it returns (stream, response) of each call that has ended well.
    """

    def __init__(self, authority: str, path: str) -> None:
        self._out = [
            PREFACE,
            frame(SETTINGS, 0, 0, struct.pack(">HI", 4, GRANT_BYTES)),
            frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", GRANT_BYTES)),
        ]
        self._headers = POST_HTTP + b"".join(
            _literal(name, value)
            for name, value in (
                (b":path", path.encode()),
                (b":authority", authority.encode()),
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
            )
        )
        self._stream = 1
        self._credit_bytes = WINDOW_BYTES
        self._waiting: list[tuple[int, bytes]] = []
        self._open: dict[int, bytes] = {}
        self._rest = b""
        self._taken_bytes = 0

    def call(self, message: bytes) -> int:
        """Begin a call; returns its stream."""
        stream = self._stream
        self._stream += 2
        self._out.append(frame(HEADERS, END_HEADERS, stream, self._headers))
        self._headers = NAMED_AGAIN
        self._open[stream] = b""
        # Behind one that waits for credit, all wait: none is overtaken for ever.
        if self._waiting or len(message) > self._credit_bytes:
            self._waiting.append((stream, message))
        else:
            self._send(stream, message)
        return stream

    def _send(self, stream: int, message: bytes) -> None:
        self._credit_bytes -= len(message)
        self._out.append(frame(DATA, END_STREAM, stream, message))

    def take(self) -> bytes:
        """What is to be written now; may be empty."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Frames, cut anywhere. Raises `Http2Error`."""
        data = self._rest + data
        at, ended = 0, []
        while at + HEADER_BYTES <= len(data):
            size = int.from_bytes(data[at : at + 3], "big")
            if size > FRAME_BYTES_MAX:
                raise Http2Error(f"the server sent a frame of {size} bytes")
            end = at + HEADER_BYTES + size
            if end > len(data):
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            payload = data[at + HEADER_BYTES : end]
            at = end
            if kind == DATA:
                self._receive_data(flags, stream, payload)
            elif kind == HEADERS:
                if flags & END_STREAM:
                    ended.append((stream, self._end(stream)))
            else:
                self._receive_other(kind, flags, stream, payload)
        self._rest = data[at:]
        return ended

    def _receive_data(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & (END_STREAM | PADDED) or stream not in self._open:
            raise Http2Error("the server sent data that gRPC does not have")
        self._open[stream] += payload
        self._taken_bytes += len(payload)
        if self._taken_bytes >= GRANT_BYTES // 2:
            self._out.append(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken_bytes)))
            self._taken_bytes = 0

    def _end(self, stream: int) -> bytes:
        """The response of a call whose trailers came: a call that failed has none."""
        found = self._open.pop(stream, b"")
        if found[:1] != b"\0" or len(found) - GRPC_PREFIX_BYTES != int.from_bytes(
            found[1:5], "big"
        ):
            raise Http2Error("the server refused a call")
        return found[GRPC_PREFIX_BYTES:]

    def _receive_other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Frames that belong to the connection. Raises `Http2Error`."""
        if kind in (RESET, GOAWAY, CONTINUATION):
            raise Http2Error("the server ended a call or the connection")
        if kind == WINDOW_UPDATE and not stream:
            self._credit_bytes += int.from_bytes(payload, "big")
            self._send_waiting()
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self._check_settings(payload)
            self._out.append(frame(SETTINGS, ACK, 0, b""))

    def _send_waiting(self) -> None:
        count = 0
        for stream, message in self._waiting:
            if len(message) > self._credit_bytes:
                break
            self._send(stream, message)
            count += 1
        del self._waiting[:count]

    def _check_settings(self, payload: bytes) -> None:
        """Larger limits are not used, smaller ones not kept."""
        if len(payload) % 6:
            raise Http2Error("the server's settings are cut")
        least = {HEADER_TABLE_SIZE: HEADER_TABLE_BYTES, 4: WINDOW_BYTES, 5: FRAME_BYTES_MAX}
        for name, value in struct.iter_unpack(">HI", payload):
            if value < least.get(name, 0):
                raise Http2Error(f"the server allows too little: setting {name} is {value}")
