"""Signals to a campaign of several processes: what was done is told and kept, and all end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_SECONDS = 60
COMMAND = (
    sys.executable, "-m", "transports.node.cli", "simulate", "--seeds", "0:1000000", "--jobs", "2",
)  # fmt: skip


@contextmanager
def campaign(*more: str) -> Iterator[subprocess.Popen[str]]:
    """One that has run for a while."""
    with subprocess.Popen(
        [*COMMAND, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert "simulated hours" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def children(process: subprocess.Popen[str]) -> list[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(word) for word in path.read_text().split()]


def runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_for_end(pids: list[int]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < until, f"{left} still run"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "terminated"),
        (signal.SIGHUP, "terminated"),
    ],
)
def test_a_signal_ends_a_campaign_that_tells_and_keeps_its_work(
    tmp_path: Path, number: signal.Signals, word: str
):
    ledger = tmp_path / "ledger"
    with campaign("--ledger", str(ledger)) as process:
        workers = children(process)
        assert len(workers) >= 2
        # As `timeout` does, and whoever is impatient.
        for _ in range(3):
            process.send_signal(number)
        said, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    assert complaints.splitlines()[-1] == f"paxos: {word}"
    assert "Traceback" not in complaints
    told, _, rest = said.partition(" of 1,000,000 seeds, all hold: ")
    assert rest
    assert json.loads(ledger.read_text())["seeds"] == int(told.replace(",", "")) > 0
    wait_for_end(workers)


def test_workers_end_when_their_parent_is_killed():
    with campaign() as process:
        workers = children(process)
        assert len(workers) >= 2
        process.kill()
        wait_for_end(workers)


def test_a_signal_before_the_first_seed_says_that_nothing_was_run(tmp_path: Path):
    ledger = tmp_path / "ledger"
    with subprocess.Popen(
        [*COMMAND, "--seconds", "1000000", "--ledger", str(ledger)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until = time.monotonic() + PATIENCE_SECONDS
        # The resource tracker and a worker: it hears signals.
        while len(children(process)) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.terminate()
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143
    assert said == "nothing was run of 1,000,000 seeds\n"
    assert json.loads(ledger.read_text())["seeds"] == 0
