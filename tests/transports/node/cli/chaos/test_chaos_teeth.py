"""A chaos run that finds nothing proves nothing: each break of the nodes must fail it.

A break is a few lines that every process of the run, and so each node, has in force from
its start.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
RETRIES_ARE_APPLIED_AGAIN = """
from paxos_core.session import SessionTable

SessionTable._is_new = staticmethod(lambda known, first: True)
"""
A_FAILED_SYNC_IS_IGNORED = """
from transports.node.store.log_store import LogStore

real = LogStore._append


def append(self, records):
    try:
        real(self, records)
    except OSError:
        pass


LogStore._append = append
"""

A_SNAPSHOT_IS_NOT_RESTORED = """
from transports.node.cli.chaos.keys import Keys

Keys.restore = lambda self, snapshot: None
"""


def run_broken(folder: Path, broken: str, *words: str) -> dict[str, object]:
    """The verdict of a run whose processes all begin with `broken`."""
    (folder / "sitecustomize.py").write_text(broken)
    paths = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "transports.node.cli", "chaos", *words, "--save", "run"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("FAIL; the same faults again: ")
    return dict(json.loads((folder / "run" / "verdict.json").read_text()))


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_an_append_that_is_applied_twice_is_not_linearizable(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a cable that loses frames needs root")
    words = ("--transport", "udp", "--kinds", "loss", "--seconds", "16", "--seed", "1")
    verdict = run_broken(tmp_path, RETRIES_ARE_APPLIED_AGAIN, *words)
    assert not verdict["linearizable"]


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_a_state_that_a_restart_loses_is_not_linearizable(tmp_path: Path) -> None:
    words = ("--kinds", "kill", "--seconds", "10", "--seed", "1")
    verdict = run_broken(tmp_path, A_SNAPSHOT_IS_NOT_RESTORED, *words)
    assert not verdict["linearizable"]
    assert int(str(verdict["trims"])) > 0


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_a_node_that_ignores_a_failed_sync_is_found(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("a failing call needs strace")
    words = ("--kinds", "sync", "--seconds", "15", "--seed", "1")
    verdict = run_broken(tmp_path, A_FAILED_SYNC_IS_IGNORED, *words)
    assert "went on after a call had failed (sync)" in str(verdict["fault"])
