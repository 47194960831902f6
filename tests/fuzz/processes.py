"""Starts fuzzers of both languages, and reads what they counted."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.differential.build import CORE, ROOT, compile_c, includes, sources
from tests.differential.require import clang_with_fuzzer
from tests.differential.seeds import write_seeds

from .targets import NAMES as PYTHON_TARGETS
from .targets import load

C_TARGETS = ("receive", "port", "packet")
"""Those of tests/differential/fuzz: kmod/core's frames, the device's records, packets."""
TARGETS = tuple(f"python:{name}" for name in PYTHON_TARGETS) + tuple(f"c:{n}" for n in C_TARGETS)
DATA = Path(__file__).resolve().parent / "data"
C_FUZZ = ROOT / "tests" / "differential" / "fuzz"
C_DATA = ROOT / "tests" / "differential" / "data" / "fuzz"
_COVERAGE = re.compile(r"cov: (\d+)")
_RUNS = re.compile(r"Done (\d+) runs")
_FRAMES = re.compile(r"^frames: (\d+)$", re.M)
_FINDING = re.compile(r"Test unit written to (\S+)")
_SETTINGS = ("-max_len=4096", "-timeout=20", "-rss_limit_mb=2048")


class FuzzError(Exception):
    """A fuzzer could not be run."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of one target came to."""

    target: str
    runs: int
    frames: int
    coverage: int
    """Edges of the code that some input reached, as libFuzzer counts them."""
    finding: Path | None
    said: str


def build_c(name: str, into: Path) -> Path:
    """The fuzzer of a C target, with sanitizers. Raises `FuzzError` and `BuildError`."""
    clang = clang_with_fuzzer()
    if clang is None:
        raise FuzzError("no libFuzzer: apt-get install clang-14 libclang-rt-14-dev")
    flags = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    core = [CORE / "packet.c"] if name == "packet" else sources()
    files = [C_FUZZ / f"{name}.c", C_FUZZ / "count.c", *core]
    return compile_c(into / f"fuzz-{name}", files, *includes(), *flags, cc=clang)


def prepare(target: str, folder: Path) -> tuple[list[str], Path]:
    """(the command, the corpus) of a target; seeds and what once broke it begin the corpus."""
    language, name = target.split(":")
    corpus = folder / "corpus" / target.replace(":", "-")
    if language == "c":
        write_seeds(name, corpus)
        kept, command = C_DATA / name, [str(build_c(name, folder))]
    else:
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(load(name).seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        kept = DATA / name
        command = [sys.executable, "-m", "tests.fuzz.process", name, str(folder / f"{name}.count")]
    for path in sorted(kept.glob("*")):
        (corpus / path.name).write_bytes(path.read_bytes())
    return command, corpus


def run_round(target: str, prepared: tuple[list[str], Path], folder: Path, *limits: str) -> Round:
    """Run a prepared target until `limits`, libFuzzer's, as ``-runs=1000`` or
    ``-max_total_time=10``. Raises `FuzzError` if it did not begin.
    """
    command, corpus = prepared
    prefix = f"-artifact_prefix={folder}/{target.replace(':', '-')}-"
    done = subprocess.run(
        [*command, *_SETTINGS, *limits, prefix, str(corpus)],
        cwd=ROOT, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    said = done.stderr + done.stdout
    runs = _RUNS.search(said)
    finding = _FINDING.search(said)
    if done.returncode and finding is None:
        raise FuzzError(f"{target}: it ended with {done.returncode}:\n{said[-3000:]}")
    name = target.partition(":")[2]
    if target.startswith("python:"):
        frames = int.from_bytes((folder / f"{name}.count").read_bytes(), sys.byteorder)
    else:
        counted = _FRAMES.search(said)
        frames = int(counted[1]) if counted else 0
    coverage = _COVERAGE.findall(said)
    return Round(
        target=target,
        runs=int(runs[1]) if runs else 0,
        frames=frames,
        coverage=int(coverage[-1]) if coverage else 0,
        finding=Path(finding[1]) if finding else None,
        said=said,
    )
