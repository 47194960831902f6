"""The few messages of etcd's API that a put needs, in protobuf's wire format by hand.

So the bench needs no generated code. Field numbers are those of etcd's `rpc.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _LENGTH = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}


def varint(number: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def put_request(key: bytes, value: bytes) -> bytes:
    """``PutRequest``: key is field 1, value field 2."""
    return b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value)) + value


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field. Raises `ValueError` for what is no message."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _read_varint(data, at)
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + size > len(data):
            raise ValueError("a field goes on behind the end")
        yield number, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number without an end")


def _number(found: int | bytes) -> int:
    return found if isinstance(found, int) else 0


def read_header(data: bytes) -> dict[int, int]:
    """Of any response: field 1 is a ``ResponseHeader`` (2 member, 3 revision, 4 term)."""
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            return {field: _number(found) for field, found in fields(value)}
    return {}


def read_leader(data: bytes) -> tuple[int, int]:
    """(the member that answers, its leader) of a ``StatusResponse``, by its field 4."""
    leader = next((_number(value) for number, value in fields(data) if number == 4), 0)
    return read_header(data).get(2, 0), leader
