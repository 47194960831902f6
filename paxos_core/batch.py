"""Lists of commands as bytes.

A value is a batch: MessagePack ``array 32`` of ``bin 32``. Acceptors, and the
kernel, carry a value without looking inside. The command list of a client's
`Request` has the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgpack

_HEADER: Final = Struct(">BI")
_HEADERS: Final = Struct(">BIBI")
_ARRAY32: Final = 0xDD
_BIN32: Final = 0xC6

BATCH_HEADER_BYTES: Final = _HEADER.size
COMMAND_HEADER_BYTES: Final = _HEADER.size
BATCH_COMMANDS_MAX: Final = 4096
"""Bounds what a reader allocates: hostile nesting costs at most this per level."""


def encode_batch(commands: Sequence[bytes]) -> bytes:
    """The bytes that hold `commands`, in order; at most `BATCH_COMMANDS_MAX` of them."""
    assert len(commands) <= BATCH_COMMANDS_MAX
    if len(set(map(len, commands))) == 1:
        # Commands of one length are common, and then one join does it all.
        header = _HEADER.pack(_BIN32, len(commands[0]))
        return header.join((_HEADER.pack(_ARRAY32, len(commands)), *commands))
    parts = [_HEADER.pack(_ARRAY32, len(commands))]
    for command in commands:
        parts.append(_HEADER.pack(_BIN32, len(command)))
        parts.append(command)
    return b"".join(parts)


NOOP: Final = encode_batch(())
"""The value for a slot that nobody proposed for (Paxos Made Simple, section 3)."""


def decode_batch(data: bytes) -> list[bytes] | None:
    """The commands in `data`; `None` if it is no batch."""
    if len(data) < BATCH_HEADER_BYTES:
        return None
    if len(data) >= _HEADERS.size:
        # One command alone is the rule while little goes on: three times as fast this way.
        marker, count, first_marker, size = _HEADERS.unpack_from(data)
        if (marker, count, first_marker, size) == (_ARRAY32, 1, _BIN32, len(data) - _HEADERS.size):
            return [data[_HEADERS.size :]]
    marker, count = _HEADER.unpack_from(data)
    if marker != _ARRAY32 or count > BATCH_COMMANDS_MAX:
        return None
    try:
        commands = msgpack.unpackb(
            data, max_array_len=count, max_map_len=0, max_str_len=0, max_ext_len=0
        )
    except (ValueError, TypeError, RecursionError):
        return None
    if not set(map(type, commands)) <= {bytes}:
        return None
    result: list[bytes] = commands
    return result
