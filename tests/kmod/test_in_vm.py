"""Runs the tests under guest/ on a real kernel, in QEMU, and relays their verdicts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "kmod/vm/run.py"
CANNOT_RUN = 2


def in_guest(*words: str, out: Path) -> subprocess.CompletedProcess[str]:
    """Runs kmod/vm/run.py; skips, or in CI fails, where that cannot be done."""
    command = [sys.executable, str(RUN), "--out", str(out), *words]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode == CANNOT_RUN:
        reason = done.stdout.strip().splitlines()[-2:]
        (pytest.fail if os.environ.get("CI") else pytest.skip)("\n".join(reason))
    return done


def verdicts(junit: Path) -> dict[str, str]:
    """Each guest test's name, and `passed`, `failed`, `error` or `skipped`."""
    found = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        kind = kinds.pop() if kinds else "passed"
        found[f"{case.get('classname')}::{case.get('name')}"] = kind.replace("failure", "failed")
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_guests_tests_pass_and_its_kernel_is_content(tmp_path: Path) -> None:
    done = in_guest("--test", out=tmp_path)
    print(done.stdout)
    assert done.returncode == 0
    each = verdicts(tmp_path / "junit.xml")
    assert each
    assert set(each.values()) <= {"passed", "skipped"}, each
