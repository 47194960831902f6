"""Durable records, each behind two bytes of length: read, replayed, restated, or refused."""

from __future__ import annotations

from collections.abc import Iterator

from paxos_core.durable import (
    DurableState,
    RecordError,
    decode_record,
    encode_record,
    replay,
    restate,
)
from tests.differential.seeds import golden_records

from . import check


def _split(data: bytes) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        parts.append(data[at + 2 : end])
        at = end
    return parts


def _replay(parts: list[bytes]) -> DurableState | None:
    try:
        records = [decode_record(part) for part in parts]
        for record, part in zip(records, parts, strict=True):
            check(encode_record(record) == part, "other bytes when written again")
        return replay(records)
    except RecordError:
        return None


def run(data: bytes) -> int:
    parts = _split(data)
    state = _replay(parts)
    if state is not None:
        check(state.first_slot + len(state.log) == state.watermark, "a gap in the log")
        check(all(slot >= state.watermark for slot in state.votes), "a vote below the watermark")
        check(replay(restate(state)) == state, "another state when restated")
    return max(1, len(parts))


def seeds() -> Iterator[bytes]:
    golden = [data for _, data in golden_records()]
    for data in golden:
        yield len(data).to_bytes(2, "big") + data
    yield b"".join(len(data).to_bytes(2, "big") + data for data in golden[:12])
