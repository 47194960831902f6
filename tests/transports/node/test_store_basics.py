from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_cases import CLUSTER, IDENTITY, NODE, log_file, make, opened, read_back

from transports.node.store import log_format, log_store
from transports.node.store.api import (
    RECORDS_BYTES_MAX,
    Store,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreExists,
    StoreFailed,
    StoreForeign,
    StoreIdentity,
    StoreMissing,
    check_records,
)
from transports.node.store.log_create import create_store
from transports.node.store.log_open import open_store, read_identity
from transports.node.store.memory import MemoryStore


def test_a_new_store_is_empty_and_keeps_what_is_written(tmp_path: Path) -> None:
    path = make(tmp_path / "data" / "node-3")
    store, records = opened(path)
    assert records == []
    assert store.identity == IDENTITY
    assert store.durable
    store.write([b"one", b"", b"two" * 1000])
    store.write([b"three"])
    store.close()
    assert read_back(path) == [b"one", b"", b"two" * 1000, b"three"]


def test_a_checkpoint_replaces_what_was_before(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    store.write([b"x" * 500])
    assert store.log_bytes > 500
    store.write([b"all"], checkpoint=True)
    assert store.log_bytes == 0
    store.write([b"more"])
    assert 0 < store.log_bytes < 100
    store.close()
    assert sorted(os.listdir(path)) == ["identity", "log-00000000000000000002", "sealed"]
    again, records = opened(path)
    assert records == [b"all", b"more"]
    assert 0 < again.log_bytes < 100
    again.close()


def test_a_large_checkpoint_is_cut_into_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "CHECKPOINT_BATCH_BYTES", 10)
    path = make(tmp_path / "s")
    store, _ = opened(path)
    records = [b"a" * 4, b"b" * 6, b"c", b"d" * 30, b"", b"e" * 10]
    store.write(records, checkpoint=True)
    assert store._segment.batches == 4
    store.close()
    assert read_back(path) == records


def test_one_write_is_one_pwrite_and_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = opened(make(tmp_path / "s"), preallocate_bytes=4096)
    store.write([b"first, which allocates"])
    calls: list[str] = []
    for name in ("pwrite", "fdatasync", "fsync", "posix_fallocate", "write"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, _name=name, _real=real: (calls.append(_name), _real(*args))[1]
        )
    store.write([bytes(9)] * 100)
    assert calls == ["pwrite", "fdatasync", "pwrite"], "the log, its sync, the seal"
    calls.clear()
    store.write([])
    assert calls == []
    store.close()


def test_space_is_allocated_ahead(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path, preallocate_bytes=1 << 16)
    store.write([b"a"])
    size = log_file(path).stat().st_size
    assert size > 1 << 16
    store.write([b"b"])
    assert log_file(path).stat().st_size == size
    store.close()
    assert read_back(path) == [b"a", b"b"]


def test_without_room_to_allocate_ahead_writes_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(fd: int, offset: int, length: int) -> None:
        asked.append(fd)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    path = make(tmp_path / "s")
    store, _ = opened(path, preallocate_bytes=4096)
    store.write([b"a"])
    store.write([b"b"])
    assert len(asked) == 1
    store.close()
    assert read_back(path) == [b"a", b"b"]


def test_the_voting_flag_is_kept(tmp_path: Path) -> None:
    identity = StoreIdentity(CLUSTER, NODE, False)
    path = make(tmp_path / "s", identity)
    store, _ = opened(path)
    assert store.identity == identity
    store.close()
    assert read_identity(path) == identity


@pytest.mark.parametrize("there", ["absent", "empty"])
def test_a_missing_store_is_an_error_that_names_the_cure(tmp_path: Path, there: str) -> None:
    path = tmp_path / "s"
    if there == "empty":
        path.mkdir()
    with pytest.raises(StoreMissing, match=f"paxos init --node {NODE} --non-voting") as caught:
        open_store(path, CLUSTER, NODE)
    assert "\n" not in str(caught.value)
    assert not path.exists() or not os.listdir(path)


def test_a_store_is_made_once(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    store.write([b"kept"])
    store.close()
    with pytest.raises(StoreExists):
        create_store(path, IDENTITY)
    assert read_back(path) == [b"kept"]
    assert os.listdir(tmp_path) == ["s"]


def test_a_new_store_is_on_the_disk_before_it_is_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its files and both directories are synced after the last change to them."""
    unsynced: set[str] = set()
    real_write, real_sync, real_rename = os.pwrite, os.fsync, os.rename
    at_its_name: list[set[str]] = []

    def name_of(fd: int) -> str:
        return Path(os.readlink(f"/proc/self/fd/{fd}")).name

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        # A file is new with its first write, and so is its name in the directory.
        unsynced.update((name_of(fd), "its directory"))
        return real_write(fd, data, offset)

    def fsync(fd: int) -> None:
        name = name_of(fd)
        unsynced.discard("its directory" if name.startswith(".s-") else name)
        real_sync(fd)

    def rename(source: str, target: str, **where: int) -> None:
        if Path(target).name == "s":
            at_its_name.append(set(unsynced))
            unsynced.add(tmp_path.name)
        else:
            assert Path(source).name not in unsynced, "a file gets its name once it is whole"
            unsynced.add("its directory")
        real_rename(source, target, **where)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    make(tmp_path / "s")
    assert at_its_name == [set()]
    assert unsynced == set()


def test_a_store_is_never_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreExists):
        create_store(tmp_path / "file", IDENTITY)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    with pytest.raises(StoreExists):
        create_store(tmp_path / "full", IDENTITY)
    (tmp_path / "empty").mkdir()
    create_store(tmp_path / "empty", IDENTITY)
    assert read_back(tmp_path / "empty") == []


def test_a_store_is_made_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    link = tmp_path / "data" / "node-1"
    link.symlink_to(tmp_path / "disk")
    assert read_back(make(link)) == []
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["data", "disk"]
    with pytest.raises(StoreExists):
        create_store(link, IDENTITY)


def test_a_mount_point_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_file = os.rename

    def rename(source: str, target: str, **at: int) -> None:
        if not at:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename_file(source, target, **at)

    monkeypatch.setattr("transports.node.store.log_create.os.rename", rename)
    with pytest.raises(StoreFailed, match=f"something is mounted there.* higher, at {tmp_path}"):
        create_store(tmp_path / "s", IDENTITY)
    assert os.listdir(tmp_path) == []


def test_a_loser_of_the_race_to_make_a_store_leaves_the_winner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.node.store.log_create.is_vacant", lambda target: True)
    path = make(tmp_path / "s")
    with pytest.raises(StoreExists):
        create_store(path, IDENTITY)
    assert os.listdir(tmp_path) == ["s"]


def test_the_store_of_another_cluster_or_node_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    with pytest.raises(StoreForeign, match="another cluster"):
        open_store(path, CLUSTER + 1, NODE)
    with pytest.raises(StoreForeign, match="node 3, not of node 4"):
        open_store(path, CLUSTER, NODE + 1)
    assert read_back(path) == []


def test_another_format_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(log_format, "FORMAT_VERSION", 2)
        path = make(tmp_path / "s")
    with pytest.raises(StoreForeign, match="format version 2"):
        open_store(path, CLUSTER, NODE)


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x")
    with pytest.raises(StoreDamaged, match="not a directory"):
        open_store(tmp_path / "s", CLUSTER, NODE)


def test_only_one_holds_a_store(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    with pytest.raises(StoreBusy, match="another process"):
        open_store(path, CLUSTER, NODE)
    program = (
        "import sys; from transports.node.store.log_open import open_store\n"
        "try: open_store(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    command = [sys.executable, "-c", program, str(path), str(CLUSTER), str(NODE)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "StoreBusy\n"
    store.close()
    assert read_back(path) == []


def test_a_failed_opening_releases_the_store(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(StoreForeign):
            open_store(path, CLUSTER, NODE + 1)
    (path / "sealed").rename(tmp_path / "sealed")
    with pytest.raises(StoreDamaged):
        open_store(path, CLUSTER, NODE)
    assert len(os.listdir("/proc/self/fd")) == before
    (tmp_path / "sealed").rename(path / "sealed")
    assert read_back(path) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_store_that_the_system_will_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "s")

    def refuse(*args: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", refuse)
        with pytest.raises(StoreFailed, match="Input/output error"):
            open_store(path, CLUSTER, NODE)
    assert read_back(path) == []


def test_closing_twice_and_writing_afterwards(tmp_path: Path) -> None:
    store, _ = opened(make(tmp_path / "s"))
    store.close()
    store.close()
    with pytest.raises(StoreFailed, match="closed"):
        store.write([b"late"])


def test_records_are_read_before_the_next_checkpoint(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    store.write([b"a"])
    store.close()
    store, late = open_store(path, CLUSTER, NODE)
    started = store.replay()
    store.write([b"b"])
    assert next(started) == b"a"
    store.write([b"all"], checkpoint=True)
    assert list(started) == [], "what was open stays readable, and only what was found at opening"
    with pytest.raises(StoreFailed, match="before the next checkpoint"):
        next(late)
    store.close()


def test_a_checkpoint_of_nothing_is_refused(tmp_path: Path) -> None:
    store, _ = opened(make(tmp_path / "s"))
    stores: list[Store] = [store, MemoryStore(IDENTITY)]
    for each in stores:
        with pytest.raises(ValueError, match="forget every promise"):
            each.write([], checkpoint=True)
        each.write([b"still alive"])
        each.close()


def test_a_write_has_a_bound() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return RECORDS_BYTES_MAX

    assert check_records([Huge()], checkpoint=False) == RECORDS_BYTES_MAX
    with pytest.raises(ValueError, match="at most"):
        check_records([Huge(), b"x"], checkpoint=False)


def test_the_memory_store_keeps_nothing_and_says_so() -> None:
    store = MemoryStore(IDENTITY)
    assert not store.durable
    assert store.identity == IDENTITY
    store.write([b"abc", b"de"])
    store.write([])
    assert store.log_bytes == 5
    store.write([b"abc"], checkpoint=True)
    assert store.log_bytes == 0
    store.close()
    with pytest.raises(StoreFailed, match="closed"):
        store.write([b"x"])


@pytest.mark.parametrize(("cluster", "node"), [(-1, 1), (1 << 64, 1), (0, 0), (0, 65536), (0, -1)])
def test_an_identity_is_within_its_numbers(cluster: int, node: int) -> None:
    with pytest.raises(ValueError, match=r"not -?\d+"):
        StoreIdentity(cluster, node, True)


def test_every_error_is_a_store_error() -> None:
    for kind in (StoreMissing, StoreExists, StoreForeign, StoreDamaged, StoreBusy, StoreFailed):
        assert issubclass(kind, StoreError)
