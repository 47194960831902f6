"""The state machine: keys, values and when they end, the same on every node.

A command of the log is what one connection asked for at once, in order, and the time at which
its server took it. Time is part of the log: a node's clock decides nothing, and the time of the
state only goes forward, so every node ends a key at the same command. A result is how many of
the requests were carried out, and their replies in RESP, ready to be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from struct import Struct
from typing import Annotated, Final, Literal

import msgspec

from examples.kv.resp import NILS, OK, Request, array, bulk, error, integer

NUMBER_MIN: Final = -(1 << 63)
NUMBER_MAX: Final = (1 << 63) - 1
VALUE_BYTES_MAX: Final = 16 << 10
"""Of one value: several must fit a reply, and a reply fits the session table."""
NO_NUMBER: Final = "ERR value is not an integer or out of range"
SYNTAX: Final = "ERR syntax error"
REPLY_BYTES_MAX: Final = 24 << 10
"""Of MGET, and of a batch but for its last reply: the session table takes 32 KiB."""
COUNT: Final = Struct(">H")
BATCH_MAX: Final = 1 << 14
STALE_MAX: Final = 64
"""Ends of keys that have another one by now, beyond as many as there are keys that end."""

Stamp = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_COMMAND: Final = msgspec.msgpack.Decoder(tuple[Stamp, Literal[2, 3], list[list[bytes]]])
_STATE: Final = msgspec.msgpack.Decoder(tuple[int, dict[bytes, bytes], dict[bytes, int]])


class Refused(Exception):
    """A request that changes nothing. Its text is the reply."""


def pack(now_ms: int, requests: Sequence[Request], version: int = 2) -> bytes:
    """A command of the log. `version` is that of RESP, for the replies."""
    return msgspec.msgpack.encode((now_ms, version, requests))


def unpack_result(result: bytes) -> tuple[int, bytes]:
    """(how many requests were carried out, their replies): the rest has to be asked again."""
    (count,) = COUNT.unpack_from(result)
    return count, result[COUNT.size :]


class Store:
    """For `open_node`, and for ``paxos node --machine examples.kv.machine:Store``."""

    def __init__(self) -> None:
        self.now_ms = 0
        """The latest time that a command has brought."""
        self._values: dict[bytes, bytes] = {}
        self._ends: dict[bytes, int] = {}
        """Key -> when it ends, in ms; most have none."""
        self._due: list[tuple[int, bytes]] = []
        """A heap over `_ends`; what is no longer there is skipped."""
        self._nil = NILS[2]

    def apply(self, command: bytes) -> bytes:
        """Requests in order, as far as their replies fit. Never raises."""
        try:
            stamp_ms, version, requests = _COMMAND.decode(command)
        except msgspec.DecodeError:
            # Not from a server: whoever may submit commands may submit any bytes.
            return COUNT.pack(0)
        self._go_forward(stamp_ms)
        self._nil = NILS[version]
        replies: list[bytes] = []
        room = REPLY_BYTES_MAX
        for request in requests[:BATCH_MAX]:
            if room <= 0:
                break
            reply = self._carry_out(request)
            replies.append(reply)
            room -= len(reply)
        return COUNT.pack(len(replies)) + b"".join(replies)

    def _carry_out(self, request: Request) -> bytes:
        try:
            name, *arguments = request
            act, least, most = COMMANDS[name.upper()]
        except (ValueError, KeyError):
            return error("ERR unknown command")
        if not least <= len(arguments) <= most:
            return error(f"ERR wrong number of arguments for '{name.decode().lower()}' command")
        try:
            return act(self, arguments)
        except Refused as reason:
            return error(str(reason))

    def snapshot(self) -> bytes:
        """All of it."""
        return msgspec.msgpack.encode((self.now_ms, self._values, self._ends))

    def restore(self, snapshot: bytes) -> None:
        """What `snapshot` gave."""
        self.now_ms, self._values, self._ends = _STATE.decode(snapshot)
        self._due = [(end, key) for key, end in self._ends.items()]
        heapify(self._due)

    def _go_forward(self, stamp_ms: int) -> None:
        self.now_ms = max(self.now_ms, stamp_ms)
        while self._due and self._due[0][0] <= self.now_ms:
            end, key = heappop(self._due)
            if self._ends.get(key) == end:
                del self._ends[key], self._values[key]

    def _put(self, key: bytes, value: bytes) -> None:
        if len(value) > VALUE_BYTES_MAX:
            raise Refused(f"ERR string exceeds maximum allowed size ({VALUE_BYTES_MAX} bytes)")
        self._values[key] = value

    def _end_at(self, key: bytes, end_ms: int) -> None:
        self._ends[key] = end_ms
        heappush(self._due, (end_ms, key))
        if len(self._due) > 2 * len(self._ends) + STALE_MAX:
            # A key that is set again and again leaves an end behind each time.
            self._due = [(end, known) for known, end in self._ends.items()]
            heapify(self._due)

    def _shown(self, key: bytes) -> bytes:
        value = self._values.get(key)
        return self._nil if value is None else bulk(value)

    def get(self, arguments: Request) -> bytes:
        """GET key."""
        return self._shown(arguments[0])

    def mget(self, arguments: Request) -> bytes:
        """MGET key [key ...]."""
        if sum(len(self._values.get(key, b"")) + 16 for key in arguments) > REPLY_BYTES_MAX:
            raise Refused(f"ERR the values are larger than {REPLY_BYTES_MAX} bytes together")
        return array(map(self._shown, arguments))

    def set(self, arguments: Request) -> bytes:
        """SET key value [NX | XX] [EX seconds | PX milliseconds]."""
        key, value, *options = arguments
        only, end_ms = self._options(options)
        if only and (only == b"NX") == (key in self._values):
            return self._nil
        self._put(key, value)
        self._ends.pop(key, None)
        if end_ms is not None:
            self._end_at(key, end_ms)
        return OK

    def _options(self, options: Request) -> tuple[bytes, int | None]:
        """(NX, XX or nothing; when it ends). Raises `Refused`."""
        only, end_ms = b"", None
        rest = iter(options)
        for option in rest:
            name = option.upper()
            if name in (b"NX", b"XX") and not only:
                only = name
            elif name in (b"EX", b"PX") and end_ms is None:
                span = _number(next(rest, b""), SYNTAX) * (1000 if name == b"EX" else 1)
                if not 0 < span <= NUMBER_MAX - self.now_ms:
                    raise Refused("ERR invalid expire time in 'set' command")
                end_ms = self.now_ms + span
            else:
                raise Refused(SYNTAX)
        return only, end_ms

    def mset(self, arguments: Request) -> bytes:
        """MSET key value [key value ...]: all or, where one is too large, none."""
        if len(arguments) % 2:
            raise Refused("ERR wrong number of arguments for 'mset' command")
        if any(len(value) > VALUE_BYTES_MAX for value in arguments[1::2]):
            raise Refused(f"ERR string exceeds maximum allowed size ({VALUE_BYTES_MAX} bytes)")
        for key, value in zip(arguments[::2], arguments[1::2], strict=True):
            self._put(key, value)
            self._ends.pop(key, None)
        return OK

    def delete(self, arguments: Request) -> bytes:
        """DEL key [key ...]."""
        gone = [key for key in arguments if self._values.pop(key, None) is not None]
        for key in gone:
            self._ends.pop(key, None)
        return integer(len(gone))

    def exists(self, arguments: Request) -> bytes:
        """EXISTS key [key ...]: how many there are; one that is named twice counts twice."""
        return integer(sum(key in self._values for key in arguments))

    def increment(self, arguments: Request) -> bytes:
        """INCR key."""
        return self._add(arguments[0], 1)

    def decrement(self, arguments: Request) -> bytes:
        """DECR key."""
        return self._add(arguments[0], -1)

    def increment_by(self, arguments: Request) -> bytes:
        """INCRBY key number."""
        return self._add(arguments[0], _number(arguments[1], NO_NUMBER))

    def _add(self, key: bytes, number: int) -> bytes:
        total = _number(self._values.get(key, b"0"), NO_NUMBER) + number
        if not NUMBER_MIN <= total <= NUMBER_MAX:
            raise Refused("ERR increment or decrement would overflow")
        self._values[key] = b"%d" % total
        return integer(total)

    def append(self, arguments: Request) -> bytes:
        """APPEND key value: the new length."""
        key, more = arguments
        self._put(key, self._values.get(key, b"") + more)
        return integer(len(self._values[key]))

    def expire(self, arguments: Request) -> bytes:
        """EXPIRE key seconds; a time that is over ends the key at once."""
        key, span = arguments[0], _number(arguments[1], NO_NUMBER) * 1000
        if abs(span) > NUMBER_MAX - self.now_ms:
            raise Refused("ERR invalid expire time in 'expire' command")
        if key not in self._values:
            return integer(0)
        self._end_at(key, self.now_ms + span)
        self._go_forward(self.now_ms)
        return integer(1)

    def ttl(self, arguments: Request) -> bytes:
        """TTL key: seconds; -1 for a key without an end, -2 for none."""
        key = arguments[0]
        if key not in self._values:
            return integer(-2)
        end_ms = self._ends.get(key)
        return integer(-1 if end_ms is None else (end_ms - self.now_ms + 500) // 1000)

    def count(self, _arguments: Request) -> bytes:
        """DBSIZE."""
        return integer(len(self._values))

    def clear(self, _arguments: Request) -> bytes:
        """FLUSHALL."""
        self._values.clear()
        self._ends.clear()
        self._due.clear()
        return OK


def _number(text: bytes, otherwise: str) -> int:
    """Raises `Refused` for what is no whole number of 64 bits as Redis writes one."""
    digits = text.removeprefix(b"-")
    if len(digits) > 19 or not digits.isdigit() or (digits[:1] == b"0" and text != b"0"):
        raise Refused(otherwise)
    value = int(text)
    if not NUMBER_MIN <= value <= NUMBER_MAX:
        raise Refused(otherwise)
    return value


MANY: Final = 1 << 10
COMMANDS: Final[dict[bytes, tuple[Callable[[Store, Request], bytes], int, int]]] = {
    b"GET": (Store.get, 1, 1),
    b"SET": (Store.set, 2, 7),
    b"MGET": (Store.mget, 1, MANY),
    b"MSET": (Store.mset, 2, MANY),
    b"DEL": (Store.delete, 1, MANY),
    b"EXISTS": (Store.exists, 1, MANY),
    b"INCR": (Store.increment, 1, 1),
    b"DECR": (Store.decrement, 1, 1),
    b"INCRBY": (Store.increment_by, 2, 2),
    b"APPEND": (Store.append, 2, 2),
    b"EXPIRE": (Store.expire, 2, 2),
    b"TTL": (Store.ttl, 1, 1),
    b"DBSIZE": (Store.count, 0, 0),
    b"FLUSHALL": (Store.clear, 0, 1),
}
"""Name -> (what it does, arguments at least, arguments at most)."""
