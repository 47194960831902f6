"""`paxos chaos` over the module: a short one, because a process begins slowly here.

The campaign of docs/chaos.md is longer, and kills nodes too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["relay", "replica"])
def test_a_short_storm_loses_nothing(tmp_path: Path, mode: str) -> None:
    words = ["--transport", "kmod", "--mode", mode, "--kinds", "pause,cut,loss"]
    words += ["--seconds", "6", "--seed", "1", "--save", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "transports.node.cli", "chaos", *words],
        capture_output=True,
        text=True,
        timeout=580,
    )
    logs = [path.read_text() for path in (tmp_path / "run").glob("*.log")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert verdict["core"] == ("kernel" if mode == "replica" else "python")
    assert verdict["operations"] > 20
    assert sum(verdict["faults"].values()) >= 1
