"""RESP, Redis's protocol: requests out of bytes as they come, and replies as bytes.

After the protocol's specification on redis.io: a request is an array of bulk strings, or one
line of words. All lengths are bounded before anything is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

Request = list[bytes]

ARGUMENTS_MAX: Final = 1024
BULK_BYTES_MAX: Final = 1 << 20
REQUEST_BYTES_MAX: Final = 4 << 20
LINE_BYTES_MAX: Final = 4096

OK: Final = b"+OK\r\n"
PONG: Final = b"+PONG\r\n"
NILS: Final = {2: b"$-1\r\n", 3: b"_\r\n"}
"""Nothing, by the version of the protocol: all else that is used here is the same in both."""


class ProtocolError(Exception):
    """Bytes that are no request. The connection ends: nobody knows where the next begins."""


class Parser:
    """Requests out of bytes. Each byte is looked at once, however it is cut into pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._args: Request = []
        self._missing = 0
        """Arguments that are still to come; 0 between requests."""
        self._size = -1
        """Of the bulk string that is due; -1 if its length is."""
        self._kept_bytes = 0

    def feed(self, data: bytes) -> Iterator[Request]:
        """The requests that `data` completes. Raises `ProtocolError`."""
        self._rest += data
        place = 0
        try:
            while (following := self._step(place)) > place:
                place = following
                if self._args and not self._missing:
                    yield self._args
                    self._args, self._kept_bytes = [], 0
        finally:
            del self._rest[:place]

    def _step(self, place: int) -> int:
        """Take what begins at `place`; where the rest begins, `place` itself if too little came."""
        if self._size >= 0:
            return self._bulk(place)
        end = self._rest.find(b"\n", place, place + LINE_BYTES_MAX)
        if end < 0:
            if len(self._rest) - place >= LINE_BYTES_MAX:
                raise ProtocolError("too big inline request")
            return place
        line = bytes(self._rest[place:end]).rstrip(b"\r")
        self._line(line)
        return end + 1

    def _line(self, line: bytes) -> None:
        if self._missing:
            self._size = _number(line, b"$", BULK_BYTES_MAX, "bulk length")
        elif line.startswith(b"*"):
            self._missing = _number(line, b"*", ARGUMENTS_MAX, "multibulk length")
        else:
            words = line.split()
            if len(words) > ARGUMENTS_MAX:
                raise ProtocolError("too big inline request")
            self._args = words

    def _bulk(self, place: int) -> int:
        end = place + self._size
        if len(self._rest) < end + 2:
            return place
        if self._rest[end : end + 2] != b"\r\n":
            raise ProtocolError("a bulk string does not end where it said")
        self._kept_bytes += self._size
        if self._kept_bytes > REQUEST_BYTES_MAX:
            raise ProtocolError("the request is too large")
        self._args.append(bytes(self._rest[place:end]))
        self._missing -= 1
        self._size = -1
        return end + 2


def _number(line: bytes, sign: bytes, most: int, what: str) -> int:
    digits = line[1:]
    if line[:1] != sign:
        raise ProtocolError(f"expected '{sign.decode()}', got '{chr(line[0]) if line else ' '}'")
    if len(digits) > 10 or not digits.isdigit() or int(digits) > most:
        raise ProtocolError(f"invalid {what}")
    return int(digits)


def error(text: str) -> bytes:
    """An error; its first word is its code."""
    return f"-{' '.join(text.split())}\r\n".encode()


def integer(value: int) -> bytes:
    """A whole number."""
    return b":%d\r\n" % value


def bulk(value: bytes) -> bytes:
    """A string of any bytes."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def array(replies: Iterable[bytes]) -> bytes:
    """Several replies as one."""
    found = list(replies)
    return b"*%d\r\n%b" % (len(found), b"".join(found))
