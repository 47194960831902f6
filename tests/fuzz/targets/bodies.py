"""What lies inside frames: votes, batches, groups, results. The first byte says which."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack

from paxos_core.batch import BATCH_COMMANDS_MAX, NOOP, decode_batch, encode_batch
from paxos_core.codec import DecodeError, decode_votes, encode_votes
from paxos_core.messages import Vote
from paxos_core.session import decode_group, encode_group, pack_results, unpack_results

from . import check


def _votes(data: bytes) -> None:
    try:
        votes = decode_votes(data)
    except DecodeError:
        return
    check(encode_votes(votes) == data, "other votes when written again")


def _batch(data: bytes) -> None:
    commands = decode_batch(data)
    if commands is None:
        return
    check(len(commands) <= BATCH_COMMANDS_MAX, "too many commands")
    # Any width of MessagePack may be in it; what is written has one.
    check(decode_batch(encode_batch(commands)) == commands, "another batch when written again")
    check(msgpack.unpackb(data) == commands, "MessagePack reads another batch")


def _group(data: bytes) -> None:
    group = decode_group(data)
    if group is not None:
        session, floor, first, commands = group
        again = encode_group(session, floor, first, encode_batch(commands))
        check(decode_group(again) == group, "another group when written again")


def _results(data: bytes) -> None:
    count = data[0] if data else 0
    results = unpack_results(data[1:], count)
    if results is not None:
        check(len(results) == count, "another number of results")
        check(unpack_results(pack_results(results), count) == results, "other results")


READERS = (_votes, _batch, _group, _results)


def run(data: bytes) -> int:
    READERS[data[0] % 4 if data else 0](data[1:])
    return 1


def seeds() -> Iterator[bytes]:
    yield b"\0" + encode_votes([Vote(1, 2, 3, b"x"), Vote(4, 5, 6, b"")])
    batch = encode_batch([b"put a 1", b""])
    for body in (batch, NOOP):
        yield b"\x01" + body
        yield b"\x02" + encode_group(9, 1, 1, body)
    yield b"\x03\x02" + pack_results([b"ok", None])
