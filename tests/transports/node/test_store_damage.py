"""Every byte of every file: what was acknowledged is found damaged, never read wrong or cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from store_cases import (
    CLUSTER,
    NODE,
    content,
    copied,
    log_file,
    make,
    opened,
    read_back,
    seal_file,
)

from transports.node.store import log_format, log_open, log_scan
from transports.node.store.api import StoreDamaged, StoreForeign
from transports.node.store.log_open import open_store

RECORDS = [b"all", b"promise 1", b"vote 2", b"", b"vote three"]
SPARE_BYTES = 64


@dataclass
class Sample:
    path: Path
    files: dict[str, bytes]
    log: str
    end: int


@pytest.fixture(params=[log_scan.CHUNK_BYTES, 7], ids=["one chunk", "many chunks"])
def sample(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Sample:
    monkeypatch.setattr(log_scan, "CHUNK_BYTES", request.param)
    monkeypatch.setattr(log_open, "CHUNK_BYTES", request.param)
    # These tests are about content; thousands of real syncs would only take time.
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)
    path = make(tmp_path / "s")
    store, _ = opened(path, preallocate_bytes=SPARE_BYTES)
    store.write([b"forgotten"])
    store.write(RECORDS[:1], checkpoint=True)
    store.write(RECORDS[1:2])
    store.write(RECORDS[2:4])
    store.write(RECORDS[4:])
    end = store._segment.end
    store.close()
    files = content(path)
    log = log_file(path).name
    assert set(files) == {"identity", "sealed", log}
    assert len(files[log]) > end + 8, "some zeros are allocated ahead"
    return Sample(path, files, log, end)


def flips(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    for offset in range(start, len(data)):
        for mask in (0x01, 0x80, 0xFF):
            yield offset, data[:offset] + bytes([data[offset] ^ mask]) + data[offset + 1 :]


def take_seal_back(sample: Sample, batches: int) -> list[int]:
    """Make the seal name only the first `batches`; returns where each batch begins and ends."""
    data = sample.files[sample.log]
    identity = log_format.unpack_identity(sample.files["identity"])
    salt = log_format.batch_salt(identity.store_id, 2)
    ends, crcs = [log_format.SEGMENT_HEADER_BYTES], [0]
    while (header := log_format.unpack_batch_header(salt, data, ends[-1])) is not None:
        ends.append(ends[-1] + log_format.BATCH_HEADER_BYTES + header.payload_bytes)
        crcs.append(header.header_crc)
    assert len(ends) == 5
    seal = log_format.Seal(identity.store_id, 2, ends[batches], batches, crcs[batches])
    (sample.path / "sealed").write_bytes(log_format.pack_seal(seal))
    return ends


def assert_found(path: Path, what: str) -> None:
    before = content(path)
    with pytest.raises((StoreDamaged, StoreForeign)) as caught:
        open_store(path, CLUSTER, NODE)
    message = str(caught.value)
    assert "\n" not in message, what
    if isinstance(caught.value, StoreDamaged):
        assert "must not vote" in message, what
        assert f"paxos init --node {NODE} --non-voting" in message, what
    assert content(path) == before, "a damaged store is left as it is"


@pytest.mark.parametrize("name", ["identity", "sealed"])
def test_a_flip_anywhere_in_a_small_file_is_found(sample: Sample, name: str) -> None:
    for offset, data in flips(sample.files[name]):
        (sample.path / name).write_bytes(data)
        assert_found(sample.path, f"{name} at {offset}")


def test_a_flip_anywhere_in_what_was_acknowledged_is_found(sample: Sample) -> None:
    data = sample.files[sample.log]
    for offset, flipped in flips(data):
        (sample.path / sample.log).write_bytes(flipped)
        if offset < sample.end:
            assert_found(sample.path, f"log at {offset}")
            continue
        copy = copied(sample.path, sample.path.parent / "copy")
        assert read_back(copy) == RECORDS, offset
        assert log_file(copy).stat().st_size == sample.end, "the rest was cut"


@pytest.mark.parametrize("name", ["identity", "sealed"])
def test_a_small_file_of_another_length_is_found(sample: Sample, name: str) -> None:
    data = sample.files[name]
    for length in range(len(data)):
        (sample.path / name).write_bytes(data[:length])
        assert_found(sample.path, f"{name}, {length} bytes")
        (sample.path / name).write_bytes(data[:length] + bytes(len(data) - length))
        if data[length:].strip(b"\0"):
            assert_found(sample.path, f"{name}, zeros from {length}")
    (sample.path / name).write_bytes(data + b"\0")
    assert_found(sample.path, f"{name}, a byte more")


def test_a_log_cut_or_zeroed_anywhere_is_found_if_it_was_acknowledged(sample: Sample) -> None:
    data = sample.files[sample.log]
    for length in range(len(data)):
        for changed in (data[:length], data[:length] + bytes(len(data) - length)):
            (sample.path / sample.log).write_bytes(changed)
            if changed[: sample.end] != data[: sample.end]:
                assert_found(sample.path, f"log, {length} bytes")
                continue
            copy = copied(sample.path, sample.path.parent / "copy")
            assert read_back(copy) == RECORDS


@pytest.mark.parametrize("seal_at", [0, 1, 2])
def test_behind_a_seal_that_a_power_loss_took_back(sample: Sample, seal_at: int) -> None:
    """The seal is not synced at each write: then only the last batch may pass for a torn one."""
    data = sample.files[sample.log]
    ends = take_seal_back(sample, seal_at + 1)
    assert read_back(copied(sample.path, sample.path.parent / "copy")) == RECORDS
    for offset, flipped in flips(data):
        (sample.path / sample.log).write_bytes(flipped)
        if offset < ends[-2]:
            assert_found(sample.path, f"log at {offset}")
            continue
        expected = RECORDS[:-1] if offset < ends[-1] else RECORDS
        copy = copied(sample.path, sample.path.parent / "copy")
        assert read_back(copy) == expected, offset
        assert read_back(copy) == expected, "and the cut is a clean end"


def test_an_unacknowledged_batch_is_whole_or_cut(sample: Sample) -> None:
    """A process dies while the last write is under way: every length of it, on zeros or not."""
    store, _ = opened(copied(sample.path, sample.path.parent / "longer"))
    store.write([b"last", b"batch"])
    end = store._segment.end
    longer = (store._path / sample.log).read_bytes()[:end]
    store.close()
    for length in range(sample.end, end + 1):
        for zeros in (0, 1, 100):
            (sample.path / sample.log).write_bytes(longer[:length] + bytes(zeros))
            copy = copied(sample.path, sample.path.parent / "copy")
            whole = length == end
            assert read_back(copy) == RECORDS + [b"last", b"batch"] * whole
    for offset in range(sample.end, end):
        holed = longer[: sample.end] + bytes(offset - sample.end) + longer[offset:]
        (sample.path / sample.log).write_bytes(holed)
        copy = copied(sample.path, sample.path.parent / "copy")
        whole = offset == sample.end
        assert read_back(copy) == RECORDS + [b"last", b"batch"] * whole, "its start never came"


def test_after_a_cut_the_store_goes_on(sample: Sample) -> None:
    torn = b"torn" * 100
    (sample.path / sample.log).write_bytes(sample.files[sample.log][: sample.end] + torn)
    store, records = opened(sample.path)
    assert records == RECORDS
    store.write([b"next"])
    # Rests of it behind a batch that is torn later would make that one look damaged.
    assert not any((sample.path / sample.log).read_bytes()[store._segment.end :])
    store.close()
    assert read_back(sample.path) == [*RECORDS, b"next"]


def test_a_record_that_looks_like_a_batch_is_not_taken_for_one(sample: Sample) -> None:
    """A torn batch may carry what a client sent, and a client may send the bytes of a batch."""
    forged, _ = log_format.pack_batch(log_format.batch_salt(bytes(16), 2), 9, [b"forged"])
    store, _ = opened(copied(sample.path, sample.path.parent / "longer"))
    store.write([forged, b"tail"])
    end = store._segment.end
    data = (store._path / sample.log).read_bytes()[: end - 1]
    store.close()
    (sample.path / sample.log).write_bytes(data)
    assert read_back(sample.path) == RECORDS


def test_a_false_length_is_not_believed(sample: Sample) -> None:
    identity = log_format.unpack_identity(sample.files["identity"])
    salt = log_format.batch_salt(identity.store_id, 2)
    rest = b"not four gigabytes"
    numbers = (4, 0xFFFF_FFFF, 1, log_format.crc32(rest))
    header_crc = log_format.crc32(log_format._BATCH_FIELDS.pack(*numbers), salt)
    header = log_format._BATCH.pack(log_format.BATCH_MAGIC, header_crc, *numbers)
    data = sample.files[sample.log][: sample.end]
    (sample.path / sample.log).write_bytes(data + header + rest)
    assert read_back(sample.path) == RECORDS


@pytest.mark.parametrize("name", ["identity", "sealed", "log-00000000000000000002"])
def test_a_missing_file_is_found(sample: Sample, name: str) -> None:
    (sample.path / name).unlink()
    assert_found(sample.path, name)


def test_two_bad_batches_behind_the_seal_are_not_one_torn_one(sample: Sample) -> None:
    ends = take_seal_back(sample, 2)
    data = bytearray(sample.files[sample.log])
    data[ends[3] - 1] ^= 1
    data[ends[3]] ^= 1
    (sample.path / sample.log).write_bytes(data)
    assert_found(sample.path, "a damaged batch, then something that is no longer one")


def test_sound_batches_in_another_order_are_found(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    start = store._segment.end
    for record in (b"one", b"two", b"six"):
        store.write([record])
    size = (store._segment.end - start) // 3
    store.close()
    data = log_file(path).read_bytes()
    one, two, six = (data[start + size * n : start + size * (n + 1)] for n in range(3))
    log_file(path).write_bytes(data[:start] + two + one + six)
    assert_found(path, "swapped")


def test_another_history_of_the_same_store_is_found(tmp_path: Path) -> None:
    """A copy of a store that went on by itself: sound, as long, and not what was acknowledged."""
    path = make(tmp_path / "s")
    copy = copied(path, tmp_path / "copy")
    for target, record in ((path, b"promised 1"), (copy, b"promised 2")):
        store, _ = opened(target)
        store.write([record])
        store.close()
    shutil.copy(log_file(copy), log_file(path))
    assert_found(path, "the other's log")


def test_a_generation_that_the_seal_cannot_know_is_found(sample: Sample) -> None:
    later = copied(sample.path, sample.path.parent / "later")
    store, _ = opened(later)
    store.write([b"third"], checkpoint=True)
    store.write([b"fourth"], checkpoint=True)
    store.close()
    shutil.copy(log_file(later), sample.path)
    assert_found(sample.path, "generation 4 beside 2: the seal was synced at 3")


@pytest.mark.parametrize("name", ["identity", "sealed", "log-00000000000000000002"])
def test_a_file_of_another_store_of_the_same_node_is_found(sample: Sample, name: str) -> None:
    other = make(sample.path.parent / "other")
    store, _ = opened(other)
    store.write([b"x"], checkpoint=True)
    store.close()
    shutil.copy(other / name, sample.path / name)
    assert_found(sample.path, name)
    with pytest.raises(StoreForeign, match="part of another store"):
        open_store(sample.path, CLUSTER, NODE)


def test_an_older_log_under_the_newer_name_is_found(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    first = log_file(path)
    old = first.read_bytes()
    store, _ = opened(path)
    store.write([b"all"], checkpoint=True)
    store.close()
    log_file(path).write_bytes(old)
    assert_found(path, "generation 1 as 2")
    log_file(path).unlink()
    first.write_bytes(old)
    assert_found(path, "generation 1 alone")


@pytest.mark.parametrize("leftover", ["log.new", "log-00000000000000000001"])
def test_what_an_interrupted_checkpoint_left_is_removed(sample: Sample, leftover: str) -> None:
    (sample.path / leftover).write_bytes(b"half of something")
    assert read_back(sample.path) == RECORDS
    assert not (sample.path / leftover).exists()


def test_a_finished_checkpoint_that_was_not_sealed_must_be_whole(sample: Sample) -> None:
    """Renamed, but the process died before the seal: whole, or damaged, but never the old log."""
    before = copied(sample.path, sample.path.parent / "before")
    store, _ = opened(sample.path)
    store.write([b"all of it"], checkpoint=True)
    store.close()
    name = log_file(sample.path).name
    data = (sample.path / name).read_bytes()
    (before / name).write_bytes(data)
    assert read_back(copied(before, sample.path.parent / "copy")) == [b"all of it"]
    for length in range(len(data)):
        (before / name).write_bytes(data[:length])
        assert_found(before, f"checkpoint of {length} bytes")
    (before / name).write_bytes(data)
    (before / sample.log).unlink()
    assert_found(before, "the seal's own file is gone")


def test_damage_while_replaying_is_found(sample: Sample) -> None:
    store, records = open_store(sample.path, CLUSTER, NODE)
    assert next(records) == RECORDS[0]
    with open(sample.path / sample.log, "r+b") as log:
        log.seek(sample.end - 1)
        log.write(b"\xff")
    with pytest.raises(StoreDamaged):
        list(records)
    store.close()
    assert_found(sample.path, "and at the next opening")
    assert seal_file(sample.path).exists()
