"""The example of a cluster that is partly in the kernel, where there is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
EXAMPLE = "examples/13_kernel_and_user_space_together.py"


def test_the_replica_in_the_kernel_agrees_with_those_in_user_space() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    nodes = re.findall(r"^node \d: core (\w+), (\w+), .* log hash (\w+)$", done.stdout, re.M)
    assert [node[:2] for node in nodes] == [
        ("kernel", "kmod"), ("python", "ethernet"), ("python", "ethernet"),
    ]  # fmt: skip
    assert len({node[2] for node in nodes}) == 1
    assert done.stdout.splitlines()[-1].startswith("Lesson: ")
