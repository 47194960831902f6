"""Bytes out of `/dev/paxos`: whole records, or a `RecordsError`; and what an endpoint makes of it.

The driver is trusted more than the wire, but a program of another version may stand
behind the device.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.differential.seeds import golden_frames, port_seeds
from transports._paxos_device import (
    FRAME,
    HEADER_BYTES,
    RecordsError,
    pack_frame,
    pack_record,
    record_bytes,
    split_records,
)

from . import check


def run(data: bytes) -> int:
    try:
        records = split_records(data)
    except RecordsError:
        return 1
    at = 0
    for kind, flags, a, b, c, d, payload in records:
        again = pack_record(kind, a, payload, b=b, c=c, d=d, flags=flags)
        head = HEADER_BYTES + len(payload)
        check(again[:head] == data[at : at + head], "other bytes when packed again")
        at += record_bytes(len(payload))
    check(at >= len(data), "bytes were left out")
    return max(1, len(records))


def seeds() -> Iterator[bytes]:
    for _, data in port_seeds():
        yield data[2:]
    for _, frame in golden_frames():
        yield pack_frame(FRAME, 3, frame)
