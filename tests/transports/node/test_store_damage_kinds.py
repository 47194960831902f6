"""Every kind of record and of file: each byte changed, each length. Found, or an unfinished write.

The kinds are enumerated: one that is new, here or in `paxos_core.durable`, fails until it
is among the cases.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from record_cases import ENCODED, KINDS, kinds_of_record
from simulated_disk import Recorder
from store_cases import CLUSTER, IDENTITY, NODE, copied, log_file, make, opened

from paxos_core.durable import DurableState, Record, decode_record, replay
from transports.node.store import log_create, log_format
from transports.node.store.api import StoreDamaged, StoreForeign
from transports.node.store.log_open import open_store
from transports.node.store.log_scan import CHUNK_BYTES

FILE_KINDS = ("identity", "sealed", "log-")
"""Those of a store at rest."""
PASSING_FILES = ("log.new",)
"""Those that a crash may leave behind, and that are never read."""
MASKS = (0x01, 0x80, 0xFF)


@dataclass(frozen=True)
class Sample:
    """A store with one batch per record kind."""

    path: Path
    log: Path
    data: bytes
    ends: list[int]
    """Where each batch ends; before the first, the header does."""
    states: list[DurableState]
    """What the first 0, 1, 2, ... batches say."""


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    # These tests are about content; thousands of real syncs would only take time.
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    path = make(tmp_path / "s")
    store, _ = opened(path)
    ends = [store._segment.end]
    for record in ENCODED:
        store.write([record])
        ends.append(store._segment.end)
    store.close()
    data = log_file(path).read_bytes()
    assert len(data) < CHUNK_BYTES
    states = [replay(map(decode_record, ENCODED[:count])) for count in range(len(ENCODED) + 1)]
    return Sample(path, log_file(path), data, ends, states)


def state_of(path: Path) -> DurableState:
    """What the node that starts from this store believes."""
    store, records = open_store(path, CLUSTER, NODE, preallocate_bytes=0)
    try:
        return replay(map(decode_record, records))
    finally:
        store.close()


def assert_found(sample: Sample, data: bytes, at: int, what: str) -> None:
    """`data` in the log's place keeps the node from starting, in a line that leads to `at`."""
    sample.log.write_bytes(data)
    with pytest.raises(StoreDamaged) as caught:
        state_of(sample.path)
    message = str(caught.value)
    assert f"{sample.log.name}: damaged at offset {at} (" in message, what
    assert "must not vote" in message
    assert f"paxos init --node {NODE} --non-voting" in message
    assert "\n" not in message
    assert sample.log.read_bytes() == data, "what is damaged is left as it is"


def unseal(sample: Sample, batches: int) -> None:
    """The seal as a power loss may leave it: it knows only the first `batches`."""
    identity = log_format.unpack_identity((sample.path / "identity").read_bytes())
    salt = log_format.batch_salt(identity.store_id, 1)
    end, crc = sample.ends[batches], 0
    if batches:
        header = log_format.unpack_batch_header(salt, sample.data, sample.ends[batches - 1])
        assert header is not None
        crc = header.header_crc
    seal = log_format.Seal(identity.store_id, 1, end, batches, crc)
    (sample.path / "sealed").write_bytes(log_format.pack_seal(seal))


def test_every_kind_of_record_is_among_the_cases() -> None:
    assert KINDS.keys() == kinds_of_record()
    for kind, record in KINDS.items():
        assert type(record) is kind


def test_every_kind_of_file_is_among_the_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a whole life: made, opened, written, checkpointed, and opened again."""
    home = tmp_path / "home"
    home.mkdir()
    recorder = Recorder(home)
    recorder.install(monkeypatch)
    log_create.create_store(home / "s", IDENTITY)
    for _ in range(2):
        store, _records = opened(home / "s")
        store.write(ENCODED)
        store.write(ENCODED, checkpoint=True)
        store.close()
    made = {call.name for call in recorder.calls if call.kind == "link"}
    renamed = {call.target for call in recorder.calls if call.kind == "rename"}
    made |= renamed - {str(home / "s")}
    known = (*FILE_KINDS, *PASSING_FILES)
    assert {name for name in made if not name.startswith(known)} == set()
    assert all(any(name.startswith(kind) for name in made) for kind in known)
    left = {entry.name for entry in (home / "s").iterdir()}
    assert sorted(kind for kind in FILE_KINDS for name in left if name.startswith(kind)) == (
        sorted(FILE_KINDS)
    ), "one of each, and nothing else"
    assert len(left) == len(FILE_KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_byte_of_a_record_that_was_acknowledged(sample: Sample, kind: type[Record]) -> None:
    """Its batch's header and the record itself, each byte changed in three ways: always found."""
    number = list(KINDS).index(kind)
    start, end = sample.ends[number], sample.ends[number + 1]
    assert ENCODED[number] in sample.data[start:end]
    for offset in range(start, end):
        for mask in MASKS:
            data = bytearray(sample.data)
            data[offset] ^= mask
            assert_found(sample, bytes(data), start, f"{kind.__name__} {offset} {mask:#x}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_length_of_a_record_that_was_acknowledged(sample: Sample, kind: type[Record]) -> None:
    number = list(KINDS).index(kind)
    start, end = sample.ends[number], sample.ends[number + 1]
    for length in range(start, end):
        for data in (sample.data[:length], sample.data[:length] + bytes(end - length)):
            if data[start:] == sample.data[start:end]:
                continue  # its last bytes are zeros, and nothing changed
            assert_found(sample, data, start, f"{kind.__name__} cut at {length}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_byte_and_length_of_a_record_that_no_seal_covers(
    sample: Sample, kind: type[Record]
) -> None:
    """The last write, and a power loss took the seal back: the record is there whole, or not."""
    number = list(KINDS).index(kind)
    start, end = sample.ends[number], sample.ends[number + 1]
    before, whole = sample.states[number : number + 2]
    unseal(sample, number)
    torn = [sample.data[:length] for length in range(start, end)]
    torn += [data + bytes(end - len(data)) for data in torn]
    for offset in range(start, end):
        for mask in MASKS:
            torn.append(sample.data[:offset] + bytes([sample.data[offset] ^ mask]))
            torn[-1] += sample.data[offset + 1 : end]
    for data in torn:
        sample.log.write_bytes(data)
        copy = copied(sample.path, sample.path.parent / "copy")
        expected = whole if data == sample.data[:end] else before
        assert state_of(copy) == expected, "neither the record nor its absence"
        assert state_of(copy) == expected, "and the same at the next start"


@pytest.mark.parametrize("file", FILE_KINDS)
@pytest.mark.parametrize("change", ["flip", "cut", "missing", "empty"])
def test_every_kind_of_file(sample: Sample, file: str, change: str) -> None:
    (path,) = (entry for entry in sample.path.iterdir() if entry.name.startswith(file))
    whole = path.read_bytes()
    head = len(whole) if file != "log-" else log_format.SEGMENT_HEADER_BYTES
    changed: list[bytes | None] = {
        "flip": [
            whole[:offset] + bytes([whole[offset] ^ mask]) + whole[offset + 1 :]
            for offset in range(head)
            for mask in MASKS
        ],
        "cut": [whole[:length] for length in range(len(whole))],
        "missing": [None],
        "empty": [b""],
    }[change]
    for data in changed:
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
        with pytest.raises((StoreDamaged, StoreForeign)) as caught:
            state_of(sample.path)
        assert str(caught.value).startswith(str(sample.path))
        assert "\n" not in str(caught.value)
