"""The simulated disk by itself, and that the durable store judges alike."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from paxos_core.durable import Promised, Record, Voted, encode_record
from paxos_core.testing.chance import Chance
from paxos_core.testing.disk import Disk, DiskFailed
from paxos_core.testing.disk_bytes import SECTOR_BYTES, DiskDamaged, DiskMissing
from paxos_core.testing.failure import Violation
from transports.node.store.api import StoreDamaged, StoreIdentity, StoreMissing
from transports.node.store.log_create import create_store
from transports.node.store.log_open import open_store
from transports.node.store.log_store import SEAL_NAME, segment_name


def vote(slot: int) -> Voted:
    value = b"%d" % slot * 70
    return Voted(slot, 1 << 16 | 1, 0, value)


BATCHES: list[list[Record]] = [[Promised(1 << 16 | 1)], [vote(0), vote(1)], [vote(2)]]


@pytest.fixture
def seen() -> list[Record]:
    return []


@pytest.fixture
def disk(seen: list[Record]) -> Disk:
    disk = Disk(seen.append)
    for write_id, records in enumerate(BATCHES, 1):
        disk.begin(write_id, records, False)
        disk.finish(write_id)
    return disk


def encoded(batches: list[list[Record]]) -> list[bytes]:
    return [encode_record(record) for records in batches for record in records]


def test_what_was_finished_is_read_back(disk: Disk, seen: list[Record]):
    disk.crash(Chance(1))
    assert disk.open().records == encoded(BATCHES)
    assert seen == [record for records in BATCHES for record in records]


def test_every_bit_of_every_byte_that_was_acknowledged_is_missed(disk: Disk):
    (log,) = disk.files.logs.values()
    identity, seal = disk.files.identity, disk.files.seal
    assert identity is not None
    for bit in range(8):
        for at in range(len(log)):
            log[at] ^= 1 << bit
            with pytest.raises(DiskDamaged):
                disk.open()
            log[at] ^= 1 << bit
        for at in range(len(identity)):
            disk.files.identity = flipped(identity, at, bit)
            with pytest.raises(DiskDamaged):
                disk.open()
        disk.files.identity = identity
        for at in range(len(seal)):
            disk.files.seal = flipped(seal, at, bit)
            with pytest.raises(DiskDamaged):
                disk.open()
        disk.files.seal = seal
    assert disk.open().records == encoded(BATCHES)


def flipped(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_a_write_that_was_cut_off_is_there_whole_or_not_at_all(disk: Disk, seen: list[Record]):
    last: list[Record] = [vote(3), vote(4), vote(5)]
    found = set()
    for seed in range(300):
        again = Disk(lambda record: None)
        for write_id, records in enumerate([*BATCHES, last], 1):
            again.begin(write_id, records, False)
            if write_id <= len(BATCHES):
                again.finish(write_id)
        again.crash(Chance(seed), later=False)
        contents = again.open()
        whole = contents.records == encoded([*BATCHES, last])
        assert whole or contents.records == encoded(BATCHES)
        found.add((whole, contents.torn))
    assert found == {(True, False), (False, True), (False, False)}


def test_what_a_cut_off_write_left_counts_as_durable_once_it_is_found(
    disk: Disk, seen: list[Record]
):
    disk.begin(9, [vote(3)], False)
    chances = (Chance(seed) for seed in range(50))
    while not disk.open().records[5:]:
        disk.begin(9, [vote(3)], False)
        disk.crash(next(chances), later=False)
    assert seen[-1] == vote(3)


def test_a_disk_that_failed_must_not_be_used_again(disk: Disk):
    disk.failing = True
    disk.begin(4, [vote(3)], False)
    with pytest.raises(DiskFailed, match="the sync failed"):
        disk.finish(4)
    with pytest.raises(Violation, match="a failed sync is final"):
        disk.finish(4)


@pytest.mark.parametrize("stray", ["lost", "misdirected"])
@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_write_that_went_astray_is_missed(disk: Disk, stray: str, more: int):
    disk.stray = stray
    for write_id in range(4, 5 + more):
        disk.begin(write_id, [vote(write_id)], False)
        disk.finish(write_id)
    disk.crash(Chance(1))
    assert disk.causes == {f"{stray} write"}
    with pytest.raises(DiskDamaged):
        disk.open()


def test_a_checkpoint_outlives_damage(disk: Disk):
    disk.rot(Chance(2))
    disk.begin(4, [vote(7)], True)
    disk.finish(4)
    assert not disk.is_damaged
    assert disk.open().records == encoded([[vote(7)]])


def test_an_old_log_under_a_newer_seal_is_missed(disk: Disk):
    copy = disk.copy_log()
    assert not disk.put_back(copy)
    disk.begin(4, [vote(3)], False)
    disk.finish(4)
    disk.crash(Chance(1), power=False)
    assert disk.put_back(copy)
    with pytest.raises(DiskDamaged):
        disk.open()


# The durable store, under the same mishaps

SEGMENT = segment_name(1)


class RealStore:
    """The same batches in a durable store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        create_store(path, StoreIdentity(1, 1, True))
        self.store, _ = open_store(path, 1, 1, preallocate_bytes=0)
        for records in BATCHES:
            self.store.write(encoded([records]))

    def judge(self) -> list[bytes]:
        self.store.close()
        store, records = open_store(self.path, 1, 1)
        found = list(records)
        store.close()
        return found

    def change(self, name: str, change: Callable[[bytearray], None]) -> None:
        data = bytearray((self.path / name).read_bytes())
        change(data)
        (self.path / name).write_bytes(data)


@pytest.fixture
def real(tmp_path: Path) -> RealStore:
    return RealStore(tmp_path / "store")


def test_the_durable_store_reads_the_same(real: RealStore):
    assert real.judge() == encoded(BATCHES)


def test_the_durable_store_cuts_a_torn_tail_too(real: RealStore):
    before = (real.path / SEGMENT).stat().st_size
    seal = (real.path / SEAL_NAME).read_bytes()
    real.store.write(encoded([[vote(3), vote(4)]]))

    def tear(log: bytearray) -> None:
        log[before : before + SECTOR_BYTES] = bytes(SECTOR_BYTES)

    real.change(SEGMENT, tear)
    real.store.close()
    (real.path / SEAL_NAME).write_bytes(seal)
    assert real.judge() == encoded(BATCHES)


@pytest.mark.parametrize("fault", ["bit rot", "lost write", "misdirected write", "old log"])
def test_the_durable_store_refuses_what_the_simulated_disk_refuses(real: RealStore, fault: str):
    before = (real.path / SEGMENT).read_bytes()
    real.store.write(encoded([[vote(3)]]))

    def spoil(log: bytearray) -> None:
        new = log[len(before) :]
        match fault:
            case "bit rot":
                log[len(before) // 2] ^= 4
            case "lost write":
                log[len(before) :] = bytes(len(new))
            case "misdirected write":
                log[len(before) :] = bytes(len(new))
                log[SECTOR_BYTES : SECTOR_BYTES + len(new)] = new
            case "old log":
                log[:] = before

    real.change(SEGMENT, spoil)
    with pytest.raises(StoreDamaged):
        real.judge()


def test_neither_starts_from_nothing(disk: Disk, real: RealStore):
    disk.lose()
    with pytest.raises(DiskMissing):
        disk.open()
    real.store.close()
    shutil.rmtree(real.path)
    with pytest.raises(StoreMissing):
        real.judge()
