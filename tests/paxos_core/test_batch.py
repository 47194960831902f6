from __future__ import annotations

import msgpack
import pytest
from core_kit import explore
from hypothesis import given
from hypothesis import strategies as st

from paxos_core.batch import (
    BATCH_COMMANDS_MAX,
    BATCH_HEADER_BYTES,
    COMMAND_HEADER_BYTES,
    NOOP,
    decode_batch,
    encode_batch,
)

COMMANDS = [b"", b"a", b"\x00\xff" * 200, b"put"]


def test_a_batch_is_plain_messagepack_of_fixed_width() -> None:
    data = encode_batch(COMMANDS)
    assert msgpack.unpackb(data) == COMMANDS
    assert data[:5] == b"\xdd\x00\x00\x00\x04"
    overhead = BATCH_HEADER_BYTES + COMMAND_HEADER_BYTES * len(COMMANDS)
    assert len(data) == overhead + sum(map(len, COMMANDS))


def test_a_noop_is_the_empty_batch() -> None:
    assert NOOP == b"\xdd\x00\x00\x00\x00"
    assert decode_batch(NOOP) == []


@explore
@given(st.lists(st.binary(max_size=30), max_size=20))
def test_commands_round_trip(commands: list[bytes]) -> None:
    assert decode_batch(encode_batch(commands)) == commands


def test_a_batch_is_full_at_its_bound() -> None:
    full = [b""] * BATCH_COMMANDS_MAX
    assert decode_batch(encode_batch(full)) == full
    with pytest.raises(AssertionError):
        encode_batch([*full, b""])
    over = b"\xdd" + (BATCH_COMMANDS_MAX + 1).to_bytes(4, "big") + b"\xc4\x00" * (len(full) + 1)
    assert msgpack.unpackb(over) == [*full, b""]
    assert decode_batch(over) is None


def test_a_batch_cut_anywhere_or_followed_by_anything_is_none() -> None:
    data = encode_batch(COMMANDS)
    for length in range(len(data)):
        assert decode_batch(data[:length]) is None
    assert decode_batch(data + b"\x00") is None
    assert decode_batch(data + data) is None


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb([b"a"]),
        msgpack.packb({}),
        b"\xdd\x00\x00\x00\x01\x01",
        b"\xdd\x00\x00\x00\x01\xc0",
        b"\xdd\x00\x00\x00\x01\xa0",
        b"\xdd\x00\x00\x00\x01\xa1a",
        b"\xdd\x00\x00\x00\x01\x90",
        b"\xdd\x00\x00\x00\x01\x80",
        b"\xdd\x00\x00\x00\x01\xc7\x00\x05",
        b"\xdd\x00\x00\x00\x01\xd6\xff\x00\x00\x00\x00",
        b"\xdd\x00\x00\x00\x01\xc1",
        b"\xdd\x00\x00\x00\x01\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdd\x00\x00\x00\x01" + b"\x91" * 5000,
        b"\xdd\x00\x00\x00\x01\x81\x90\xc0",
    ],
)
def test_what_is_no_batch_is_none(data: bytes) -> None:
    assert decode_batch(data) is None


def test_any_one_byte_changed_is_a_batch_or_none() -> None:
    data = encode_batch(COMMANDS)
    for at in range(len(data)):
        for change in range(256):
            found = decode_batch(data[:at] + bytes([change]) + data[at + 1 :])
            assert found is None or all(type(command) is bytes for command in found)


@explore
@given(st.binary(max_size=100), st.integers(0, 5))
def test_any_bytes_are_a_batch_or_none(tail: bytes, count: int) -> None:
    for data in (tail, b"\xdd" + count.to_bytes(4, "big") + tail):
        found = decode_batch(data)
        assert found is None or all(type(command) is bytes for command in found)
