"""`paxos bench` over the module's layers: its echo, and a replica that no Python drives.

The rungs with nodes of Python take minutes here: `make kmod-bench` has them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from transports.bench.saved.files import read_run

PLAN = ("--place", "vm", "--layers", "kmod-relay,kmod-replica", "--rungs", "echo,paxos")
LOAD = ("--variants", "plain-c", "--loads", "1", "--payloads", "64")
TINY = (*LOAD, "--repeats", "1", "--seconds", "0.2")


@pytest.mark.timeout(300)
def test_the_module_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "transports.node.cli", "bench", *PLAN, *TINY]
    done = subprocess.run(
        [*command, "--save", str(tmp_path / "run")], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert run.head.place == "vm"
    found = {sample.cell: sample for sample in run.samples()}
    assert set(found) == {
        "kmod-relay.echo.plain.3.closed-1.64B",
        "kmod-replica.paxos.plain-c.3.closed-1.64B",
    }
    assert all(sample.commands > 0 for sample in found.values())
    # What the kernel decides, no follower's process is woken for.
    plain = found["kmod-replica.paxos.plain-c.3.closed-1.64B"]
    followers = [p for p in plain.processes if p.role.startswith("follower")]
    assert len(followers) == 2
    assert all(p.voluntary_switches < plain.commands / 2 for p in followers)
