"""Each target takes its seeds and what once broke it; then a short run of its fuzzer."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from paxos_core.codec import Codec
from paxos_core.messages import Nack

from .processes import DATA, prepare, run_round
from .targets import NAMES, codec, load

RUNS = {"config": 1_500, "cluster": 150}
"""How many mutated inputs a target gets here; `make fuzz` is for more."""
RUNS_EACH = 12_000


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_what_once_broke_it(name: str) -> None:
    target = load(name)
    inputs = list(target.seeds()) + [path.read_bytes() for path in sorted((DATA / name).glob("*"))]
    frames = sum(map(target.run, inputs))
    assert frames >= len(inputs) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_mutated_inputs(name: str, tmp_path: Path) -> None:
    """A number of runs and a seed: the same inputs every time."""
    if importlib.util.find_spec("atheris") is None:
        reason = "needs Atheris; in a clone: pip install '.[fuzz]'"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    target = f"python:{name}"
    runs = RUNS.get(name, RUNS_EACH)
    prepared = prepare(target, tmp_path)
    done = run_round(target, prepared, tmp_path, f"-runs={runs}", "-seed=1")
    assert done.finding is None, done.said[-4000:]
    assert done.runs >= runs
    assert done.frames >= runs


def test_a_finding_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The targets can fail: a codec that loses a number is found out."""
    good = Codec(codec.CLUSTER, 3).encode(Nack(1, 2))
    assert codec.run(good) == 1
    monkeypatch.setattr(Codec, "encode", lambda self, message: good[:-1] + b"\x07")
    with pytest.raises(RuntimeError, match="other bytes"):
        codec.run(good)
