"""A power loss after any system call, over and over: every acknowledged record is still there."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import pytest
from simulated_disk import Killed, Recorder
from store_cases import log_file, make, opened, read_back

from transports.node.store import log_store
from transports.node.store.api import StoreFailed

SEEDS = 12

Step = tuple[bool, list[bytes]]
STEPS: list[Step] = [
    (False, [b"promise"]),
    (False, [b"vote" * 30, b"vote" * 5]),
    (True, [b"everything" * 9, b"and more" * 20]),
    (False, [b"later" * 40]),
    (True, [b"everything again"]),
    (False, [b"last", b"words" * 30]),
]


def states(steps: list[Step]) -> list[list[bytes]]:
    """The records after 0, 1, 2, ... steps."""
    found: list[list[bytes]] = [[]]
    for checkpoint, records in steps:
        found.append([*([] if checkpoint else found[-1]), *records])
    return found


def recorded(path: Path, *, preallocate_bytes: int) -> Recorder:
    recorder = Recorder(path)
    with pytest.MonkeyPatch.context() as patch:
        # Small, so that a checkpoint is several batches and can be torn between two.
        patch.setattr(log_store, "CHECKPOINT_BATCH_BYTES", 100)
        recorder.install(patch)
        store, _ = opened(path, preallocate_bytes=preallocate_bytes)
        for checkpoint, records in STEPS:
            store.write(records, checkpoint=checkpoint)
            recorder.note("acknowledged")
        store.close()
    return recorder


def run_until_killed(path: Path, recorder: Recorder) -> None:
    with contextlib.suppress(Killed):
        store, _ = opened(path, preallocate_bytes=300)
        try:
            for checkpoint, records in STEPS:
                store.write(records, checkpoint=checkpoint)
                recorder.note("acknowledged")
        finally:
            store.close()


def acknowledged(recorder: Recorder, count: int) -> int:
    return sum(call.kind == "note" for call in recorder.calls[:count])


@pytest.mark.parametrize("preallocate_bytes", [0, 300])
def test_a_power_loss_after_any_call(tmp_path: Path, preallocate_bytes: int) -> None:
    recorder = recorded(make(tmp_path / "s"), preallocate_bytes=preallocate_bytes)
    expected = states(STEPS)
    assert acknowledged(recorder, len(recorder.calls)) == len(STEPS)
    seen = set()
    for count in range(len(recorder.calls) + 1):
        steps = acknowledged(recorder, count)
        for seed in range(SEEDS):
            left = recorder.left_at(count, tmp_path / "left", random.Random(f"{count} {seed}"))
            records = read_back(left)
            assert records in expected[steps : steps + 2], f"after {count} calls, seed {seed}"
            seen.add(records == expected[steps])
            assert read_back(left) == records, "what was found once stays"
            shutil.rmtree(left)
    assert seen == {True, False}, "a write that was not acknowledged is sometimes there"


def test_a_power_loss_while_it_opens_after_a_power_loss(tmp_path: Path) -> None:
    """Repairing is cut off as well: at any call of the opening that follows a crash."""
    recorder = recorded(make(tmp_path / "s"), preallocate_bytes=300)
    expected = states(STEPS)
    for count in range(0, len(recorder.calls) + 1, 2):
        steps = acknowledged(recorder, count)
        left = recorder.left_at(count, tmp_path / "left", random.Random(count))
        repair = Recorder(left)
        with pytest.MonkeyPatch.context() as patch:
            repair.install(patch)
            store, records = opened(left)
            opened_after = len(repair.calls)
            store.close()
        assert records in expected[steps : steps + 2]
        for crash in range(len(repair.calls) + 1):
            again = repair.left_at(crash, tmp_path / "again", random.Random(f"{count} {crash}"))
            found = read_back(again)
            allowed = [records] if crash >= opened_after else expected[steps : steps + 2]
            assert found in allowed, f"after {count} calls, then {crash}"
            shutil.rmtree(again)
        shutil.rmtree(left)


def test_a_kill_after_any_call_then_a_restart_then_a_power_loss(tmp_path: Path) -> None:
    """A kill leaves the unsynced in memory. A restart that reads it must make it last."""
    calls = len(recorded(make(tmp_path / "whole"), preallocate_bytes=300).calls)
    expected = states(STEPS)
    for kill_at in range(calls):
        path = make(tmp_path / f"{kill_at}")
        recorder = Recorder(path, kill_at=kill_at)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(log_store, "CHECKPOINT_BATCH_BYTES", 100)
            recorder.install(patch)
            run_until_killed(path, recorder)
            steps = acknowledged(recorder, len(recorder.calls))
            recorder.kill_at = None
            store, records = opened(path, preallocate_bytes=300)
            assert records in expected[steps : steps + 2]
            store.write([b"after the restart"])
            acknowledged_at = len(recorder.calls)
            store.close()
        for seed in range(4):
            choice = random.Random(f"{kill_at} {seed}")
            left = recorder.left_at(acknowledged_at, tmp_path / "left", choice)
            assert read_back(left) == [*records, b"after the restart"], f"killed at {kill_at}"
            shutil.rmtree(left)


def test_what_a_failed_sync_dropped_is_written_again_before_it_is_believed(tmp_path: Path) -> None:
    """After a failed sync the pages read back well, count as clean, and never reached the disk."""
    path = make(tmp_path / "s")
    recorder = Recorder(path)
    with pytest.MonkeyPatch.context() as patch:
        recorder.install(patch)
        store, _ = opened(path)
        store.write([b"kept"])
        recorder.fail_sync_at = recorder.syncs + 1
        with pytest.raises(StoreFailed):
            store.write([b"dropped by the disk, still in memory"])
        store.close()
        assert len(log_file(path).read_bytes()) > 120
        store, records = opened(path)
        store.close()
    assert records == [b"kept", b"dropped by the disk, still in memory"]
    for seed in range(SEEDS):
        left = recorder.left_at(len(recorder.calls), tmp_path / f"{seed}", random.Random(seed))
        assert read_back(left) == records
