"""Real faults in a real process: a kill at any system call, a failed sync, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_cases import CLUSTER, NODE, make, opened, read_back, require

from transports.node.store import log_create
from transports.node.store.api import StoreFailed

PROGRAM = """
import sys
from transports.node.store.log_open import open_store
store, records = open_store(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), preallocate_bytes=4096)
print("opened", flush=True)
for number, checkpoint in enumerate([False, False, True, False, True, False]):
    try:
        store.write([b"%d" % number, b"x" * 100], checkpoint=checkpoint)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
        try:
            store.write([b"never"])
        except Exception as again:
            print("again", type(again).__name__, flush=True)
        break
    print("ack", number, flush=True)
"""
STATES = [[], [0], [0, 1], [2], [2, 3], [4], [4, 5]]


def strace(path: Path, call: str, fault: str) -> subprocess.CompletedProcess[str]:
    require(shutil.which("strace") is not None, "strace is not installed")
    tool = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    inject = ["-e", f"inject={call}:{fault}"]
    program = [sys.executable, "-c", PROGRAM, str(path), str(CLUSTER), str(NODE)]
    ran = subprocess.run([*tool, *inject, *program], capture_output=True, text=True, check=False)
    require("ptrace" not in ran.stderr.lower(), "this process may not trace another")
    return ran


def numbers(records: list[bytes]) -> list[int]:
    return [int(record) for record in records[::2]]


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "rename,renameat", "unlink,unlinkat"])
def test_killed_at_any_call(tmp_path: Path, call: str) -> None:
    kills = 0
    for when in range(1, 30):
        path = make(tmp_path / f"{when}")
        ran = strace(path, call, f"signal=SIGKILL:when={when}")
        steps = ran.stdout.count("ack")
        assert numbers(read_back(path)) in STATES[steps : steps + 2], f"killed at {call} {when}"
        if steps == 6:
            break
        assert ran.returncode != 0
        kills += 1
    assert steps == 6, "the last run was not killed"
    assert kills >= 2, "the call was really made"


def test_a_failed_sync_ends_the_store_and_is_not_tried_again(tmp_path: Path) -> None:
    path = make(tmp_path / "s")
    # The first is the seal at opening; the second is the first write's.
    ran = strace(path, "fdatasync", "error=EIO:when=3")
    lines = ran.stdout.splitlines()
    assert lines[:2] == ["opened", "ack 0"]
    assert lines[2].startswith("StoreFailed ")
    assert "Input/output error" in lines[2]
    assert "start the node again" in lines[2]
    assert lines[3:] == ["again StoreFailed"]
    assert numbers(read_back(path)) in ([0], [0, 1])


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "pwrite", "rename", "unlink"])
def test_any_failed_call_ends_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    store.write([b"kept"])
    tries: list[str] = []

    def refuse(*args: object, **named: object) -> None:
        tries.append(call)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StoreFailed, match="Input/output error"):
            store.write([b"all"], checkpoint=True)
    assert tries == [call], "a failure is not tried again"
    with pytest.raises(StoreFailed, match="Input/output error"):
        store.write([b"more"])
    with pytest.raises(StoreFailed):
        store.write([])
    store.close()
    assert read_back(path) in ([b"kept"], [b"all"])


def test_an_interrupted_write_ends_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)

    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.write([b"perhaps"])
    with pytest.raises(StoreFailed, match="interrupted"):
        store.write([b"more"])
    store.close()
    assert read_back(path) in ([], [b"perhaps"])


def test_a_write_that_is_taken_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, at: real(fd, memoryview(data)[:60], at))
        store.write([b"a" * 500, b"b" * 77])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, at: 0 if len(data) < 500 else 1)
        with pytest.raises(StoreFailed):
            store.write([b"c" * 500])
    store.close()
    assert read_back(path) == [b"a" * 500, b"b" * 77]


def test_a_failed_sync_of_the_seal_at_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "s")
    store, _ = opened(path)
    store.write([b"kept"])

    def refuse(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(StoreFailed):
            store.close()
    store.close()
    assert read_back(path) == [b"kept"]


def test_a_store_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_create, "_write_file", refuse)
    with pytest.raises(StoreFailed, match="disk is full"):
        make(tmp_path / "s")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    require(os.geteuid() == 0, "mounting a small file system needs root")
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount_point)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    require(mounted.returncode == 0, f"mount: {mounted.stderr.strip()}")
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_full_disk_loses_nothing_that_was_acknowledged(
    small_disk: Path, checkpoint: bool
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(64 << 10))
    path = make(small_disk / "data" / "node-3")
    store, _ = opened(path, preallocate_bytes=1 << 20)
    written: list[bytes] = []

    def fill() -> None:
        for number in range(1000):
            if checkpoint and len(written) == 20:
                store.write([bytes(200 << 10)], checkpoint=True)
            store.write([b"%d" % number, bytes(1000)])
            written.extend((b"%d" % number, bytes(1000)))

    with pytest.raises(StoreFailed, match=r"disk is full.*free some space") as caught:
        fill()
    assert "\n" not in str(caught.value)
    assert written
    with pytest.raises(StoreFailed, match="disk is full"):
        store.write([b"more"])
    store.close()
    assert read_back(path)[: len(written)] == written, "read while the disk is still full"
    ballast.unlink()
    store, records = opened(path)
    assert records[: len(written)] == written
    store.write([b"on we go"])
    store.close()
    assert read_back(path) == [*records, b"on we go"]
