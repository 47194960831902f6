"""Runs the tests under guest/ on a real kernel, in QEMU, and relays their verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from transports.node.native.build import BuildFailed, library_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
RUN = ROOT / "kmod/vm/run.py"
FIGURES = ROOT / "kmod/vm/figures.py"
FAULTS = ROOT / "kmod/vm/faults"
CANNOT_RUN = 2
OTHER_GUESTS = {
    "no fault injection in this kernel: make kmod-test-debug",
    "the guest's clock counts time: --icount",
    "this kernel has no interface of another kind",
}
"""What only another guest has. Where everything must be tested, nothing else may be missing."""


def in_guest(*words: str, out: Path) -> subprocess.CompletedProcess[str]:
    """Runs kmod/vm/run.py; skips, or in CI fails, where that cannot be done."""
    return ran(str(RUN), "--out", str(out), *words)


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that ends as run.py does; likewise."""
    command = [sys.executable, *words]
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


def skip_reasons(junit: Path) -> set[str]:
    """Why guest tests were skipped."""
    skipped = ElementTree.parse(junit).iter("skipped")
    return {element.get("message", "no reason given") for element in skipped}


def faulty_guest(*faults: str, out: Path, limit: int = 120) -> subprocess.CompletedProcess[str]:
    """Runs a module that has these faults, in order, and ends well as far as that depends on it."""
    steps = [f"echo {fault} >/sys/module/paxos_faults/parameters/fault" for fault in faults]
    return in_guest(
        *("--icount", "--module-source", str(FAULTS), "--time-limit", str(limit)),
        *("--", "sh", "-c", "; ".join([*steps, "echo said at the end"])),
        out=out,
    )


def test_the_guests_tests_pass_and_its_kernel_is_content(tmp_path: Path) -> None:
    # Built out here and found in there, where a compiler would take minutes.
    with suppress(BuildFailed):
        library_path()
    subprocess.run(["make", "-s", "-C", str(ROOT / "kmod/vm/bench")], check=False)
    # Emulated, on a machine that others use too, they take many minutes.
    done = in_guest("--time-limit", "1200", "--test", out=tmp_path)
    print(done.stdout)
    assert done.returncode == 0
    each = verdicts(tmp_path / "junit.xml")
    assert each
    assert set(each.values()) <= {"passed", "skipped"}, each
    if os.environ.get("CI"):
        assert skip_reasons(tmp_path / "junit.xml") <= OTHER_GUESTS


def test_instructions_are_counted(tmp_path: Path) -> None:
    done = in_guest("--icount", "--test", "tests/kmod/guest/test_instructions.py", out=tmp_path)
    print(done.stdout)
    assert done.returncode == 0
    assert set(verdicts(tmp_path / "junit.xml").values()) == {"passed"}


def test_figures_are_measured(tmp_path: Path) -> None:
    echoes = ("udp-kernel", "udp-thread", "ethernet-user", "ethernet-kernel")
    decisions = ("python-relay", "c-ethernet", "c-kernel")
    done = ran(str(FIGURES), "--quick", "--keep", str(tmp_path / "kept"), *echoes, *decisions)
    print(done.stdout)
    assert done.returncode == 0
    counted = json.loads((tmp_path / "kept/results.json").read_text())["counted"]
    assert counted["instructions_per_ns"] == pytest.approx(1.0, rel=0.05)
    rows = {**counted["echoes"], **counted["decisions"]}
    assert sorted(rows) == sorted(echoes + decisions)
    for figures in rows.values():
        one, many = figures
        assert (one["outstanding"], many["outstanding"]) == (1, 64)
        assert min(one["busy_ns"], many["busy_ns"]) > 0
    one, many = counted["decisions"]["c-kernel"]
    assert one["follower_switches"] < one["slots"] / 2
    assert many["slots"] < many["commands"] / 8


def test_a_warning_and_an_oops_are_found(tmp_path: Path) -> None:
    done = faulty_guest("warn", "oops", out=tmp_path)
    assert done.returncode == 1
    assert "WARNING: " in done.stdout
    assert "fault_warn" in done.stdout
    assert "BUG: kernel NULL pointer dereference" in done.stdout
    # An oops ends the guest: what comes after it is not run.
    assert "ended without a verdict" in done.stdout
    assert "said at the end" not in done.stdout


def test_a_module_that_stays_in_use_is_found(tmp_path: Path) -> None:
    done = faulty_guest("busy", out=tmp_path)
    assert done.returncode == 1
    assert "said at the end" in done.stdout
    assert "the module cannot be removed: 1 users" in done.stdout


def test_a_hang_is_found_and_where_it_is(tmp_path: Path) -> None:
    done = faulty_guest("hang", out=tmp_path, limit=5)
    assert done.returncode == 1
    assert "no end after 5 s" in done.stdout
    assert "fault_hang" in (tmp_path / "kernel.log").read_text()
