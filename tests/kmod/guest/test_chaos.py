"""`paxos chaos` over the module: a short one, because a process begins slowly here.

The campaigns of docs/chaos.md are longer, over relays as well, and kill nodes too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(280)
def test_a_short_storm_over_replicas_loses_nothing(tmp_path: Path) -> None:
    words = ["--transport", "kmod", "--mode", "replica", "--kinds", "pause,cut,loss"]
    words += ["--seconds", "4", "--seed", "1", "--save", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "transports.node.cli", "chaos", *words],
        capture_output=True,
        text=True,
        timeout=270,
    )
    logs = [path.read_text() for path in (tmp_path / "run").glob("*.log")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["core"] == "kernel"
    assert verdict["operations"] > 5
    assert sum(verdict["faults"].values()) >= 1
