"""A comparison that finds nothing proves nothing: each rule taken out of the C twin is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

from .build import CORE, ROOT
from .mutants import Mutant, build, mutants
from .require import need_compiler

CAMPAIGN = ("--kinds", "pairs", "--seeds", "0:80")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_rule_that_is_taken_out_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    need_compiler()
    library = build(mutant, tmp_path)
    # Apart from this process: a broken twin may do anything.
    done = subprocess.run(
        [sys.executable, "-m", "tests.differential", *CAMPAIGN, "--library", library],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.startswith("FAIL ")


def test_an_unbroken_copy_is_not_noticed(tmp_path: Path) -> None:
    need_compiler()
    library = build(Mutant("nothing", "acceptor.c", "PX_PROMISE)", "PX_PROMISE)"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.differential", "--seeds", "0:3", "--library", library],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_names_are_unlike():
    names = [mutant.name for mutant in mutants()]
    assert len(names) == len(set(names)) > 20
    assert {mutant.file for mutant in mutants()} <= {path.name for path in CORE.iterdir()}
