"""Whatever bytes come from the wire or through the device, the C code stays within its memory."""

import subprocess
from pathlib import Path

import pytest

from .build import CORE, HERE, SANITIZERS, compile_c, includes, sources
from .require import need_clang, need_compiler
from .seeds import golden_frames, write_seeds

FUZZ = HERE / "fuzz"
RUNS = {"receive": 20_000, "port": 12_000, "packet": 1_000_000}
"""Each a few seconds."""


def files_of(target: str) -> list[Path]:
    core = [CORE / "packet.c"] if target == "packet" else sources()
    return [FUZZ / f"{target}.c", FUZZ / "count.c", *core]


def regressions(target: str) -> list[Path]:
    """Inputs that once broke something."""
    return sorted((HERE / "data" / "fuzz" / target).glob("*"))


@pytest.mark.parametrize("target", RUNS)
def test_golden_vectors_and_what_once_broke_it(target: str, tmp_path: Path) -> None:
    need_compiler()
    program = compile_c(
        tmp_path / target, [*files_of(target), FUZZ / "standalone.c"], *includes(), *SANITIZERS
    )
    seeds = write_seeds(target, tmp_path / "seeds")
    inputs = sorted(seeds.iterdir()) + regressions(target)
    assert len(inputs) > 60
    done = subprocess.run([program, *inputs], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("target", RUNS)
def test_mutated_inputs(target: str, tmp_path: Path) -> None:
    """For longer: the same program without ``-runs``. A file ``crash-*`` belongs into data/fuzz."""
    clang = need_clang()
    flags = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    program = compile_c(tmp_path / target, files_of(target), *includes(), *flags, cc=clang)
    seeds = write_seeds(target, tmp_path / "seeds")
    # A number of runs, not of seconds, and a seed: the same inputs every time.
    settings = (f"-runs={RUNS[target]}", "-seed=1", "-max_len=4096", "-timeout=20")
    done = subprocess.run(
        [program, *settings, f"-artifact_prefix={tmp_path}/", seeds],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_seeds_hold_every_kind_of_message() -> None:
    kinds = {frame[4] for _, frame in golden_frames() if len(frame) > 4}
    assert kinds >= set(range(1, 14))
