"""The comparison with Redis runs, and where Redis is missing it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.kv import compare

ROOT = Path(__file__).parents[2]


def test_ratios_are_of_one_turn() -> None:
    def rates(*values: float) -> compare.Rates:
        return dict(zip(compare.TESTS, values, strict=True))

    theirs = [rates(100, 1000, 10), rates(200, 1000, 10), rates(400, 1000, 10)]
    ours = [rates(50, 100, 1), rates(50, 100, 2), rates(50, 100, 3)]
    rows = compare.table(theirs, ours).splitlines()[2:]
    assert rows == [
        "| SET | 200 | 50 | 0.250 (0.125 to 0.500) |",
        "| GET | 1,000 | 100 | 0.100 (0.100 to 0.100) |",
        "| INCR | 10 | 2 | 0.200 (0.100 to 0.300) |",
    ]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.kv.compare", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_both_are_measured_in_turns() -> None:
    if (reason := compare.missing()) is not None:
        pytest.skip(reason)
    done = run("--requests", "200", "--turns", "2")
    assert done.returncode == 0, done.stderr
    assert [line[:6] for line in done.stdout.splitlines()[2:5]] == ["| SET ", "| GET ", "| INCR"]
    assert "load average before: " in done.stdout.splitlines()[-1]


def test_what_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = run()
    assert done.returncode == 1
    assert done.stderr == (
        "Error: redis-server is missing: on Debian, apt-get install redis-server\n"
    )
