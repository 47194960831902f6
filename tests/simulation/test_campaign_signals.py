"""Signals to a campaign of several processes: what was done is told and kept, and all end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from campaign_cases import run_command

from transports.node.cli.simulate.campaign import Totals
from transports.node.cli.simulate.stopping import Signals, Stopped

PATIENCE_SECONDS = 60
SEED_BEGUN_SECONDS = 3
"""More processor time than a worker takes to start."""
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


def processor_seconds(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


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


@pytest.mark.usefixtures("hangups")
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


def test_a_signal_in_a_long_seed_says_that_nothing_was_run(tmp_path: Path):
    ledger = tmp_path / "ledger"
    with subprocess.Popen(
        [*COMMAND, "--seconds", "1000000", "--ledger", str(ledger)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while max(map(processor_seconds, children(process)), default=0) < SEED_BEGUN_SECONDS:
                assert time.monotonic() < until
                time.sleep(0.01)
            process.terminate()
            said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 143
    assert said == "nothing was run to its end, of 1,000,000 seeds\n"
    assert json.loads(ledger.read_text())["seeds"] == 0


@pytest.fixture
def signals() -> Iterator[Signals]:
    signals = Signals()
    yield signals
    signals.restore()


def test_only_the_first_signal_is_raised_and_it_is_not_forgotten(signals: Signals):
    signals.hear()
    with pytest.raises(Stopped) as stopped:
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.number == signal.SIGTERM
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(Stopped) as stopped:
        signals.check()
    assert stopped.value.number == signal.SIGTERM


def test_a_hang_up_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals = Signals()
        signals.hear()
        signal.raise_signal(signal.SIGHUP)
        signals.check()
        signals.restore()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_signal_is_heard_while_work_is_told_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def tell(_totals: Totals, **_how: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("transports.node.cli.simulate.command.show", tell)
    ledger = tmp_path / "ledger"
    assert run_command(f"--seeds 0:2 --ledger {ledger}") == (0, "")
    assert json.loads(ledger.read_text())["seeds"] == 2
    assert signal.getsignal(signal.SIGTERM) == before
