"""Whole clusters under faults, many seeds, every invariant after every step.

``PAXOS_SIMULATION_SEEDS=50000`` runs more seeds than the usual 2,000.
"""

import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from teeth import BREAKS

from paxos_core.testing import Options, SimulationFailure, minimise, simulate
from paxos_core.testing.__main__ import main
from paxos_core.testing.plan import EVENT_KINDS, KINDS, draw_plan

SEEDS = int(os.environ.get("PAXOS_SIMULATION_SEEDS", "2000"))
CHUNK_SEEDS = 25

INTERESTING = (
    "checkpoint",
    "chosen above a gap",
    "ClusterUnreachable",
    "crash around a write",
    "garbage",
    "Nack",
    "no-op chosen",
    "OutcomeUnknown",
    "Overloaded",
    "promise that reveals votes",
    "promise with more pages",
    "restart",
    "ResultTooLarge",
    "snapshot installed",
    "SnapshotRequest",
)
"""What the seeds must have seen, or they prove less than they seem to."""


def run_chunk(seeds: range) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for seed in seeds:
        try:
            counts.update(simulate(Options(seed)).counts)
        except SimulationFailure as failure:
            failures.append(str(failure))
    return counts, failures


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_seed_holds():
    chunks = [range(at, min(at + CHUNK_SEEDS, SEEDS)) for at in range(0, SEEDS, CHUNK_SEEDS)]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with multiprocessing.get_context("spawn").Pool() as pool:
        for chunk_counts, chunk_failures in pool.imap_unordered(run_chunk, chunks):
            counts.update(chunk_counts)
            failures += chunk_failures
    assert not failures, "\n".join(failures[:5])
    if SEEDS >= 2000:
        missing = [name for name in INTERESTING if not counts[name]]
        missing += [kind for kind in EVENT_KINDS if not counts[f"fault {kind}"]]
        assert not missing


@pytest.mark.parametrize("seed", [0, 3, 59])
def test_the_same_seed_gives_the_same_history(seed: int):
    first, second = simulate(Options(seed)), simulate(Options(seed))
    assert first.fingerprint == second.fingerprint
    assert first.counts == second.counts


def test_unlike_seeds_give_unlike_histories():
    assert simulate(Options(1)).fingerprint != simulate(Options(2)).fingerprint


def test_the_hash_seed_changes_nothing():
    code = (
        "from paxos_core.testing import Options, simulate\n"
        "print(*(simulate(Options(seed)).fingerprint for seed in range(6)))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4711")
    }
    assert len(prints) == 1


def test_a_fault_left_out_leaves_the_others_as_they_were():
    whole = draw_plan(Options(0))
    assert whole.faults
    gone = whole.faults[0].index
    rest = draw_plan(Options(0, drop=frozenset({gone})))
    assert rest.faults == [fault for fault in whole.faults if fault.index != gone]
    assert rest.submissions == whole.submissions


def test_a_kind_left_out_leaves_the_others_as_they_were():
    whole = draw_plan(Options(0))
    kind = whole.faults[0].kind
    rest = draw_plan(Options(0, without=frozenset({kind})))
    assert rest.faults == [fault for fault in whole.faults if fault.kind != kind]


def test_without_any_fault_everything_is_answered():
    counts = simulate(Options(5, without=frozenset(KINDS))).counts
    assert counts["result"] > 10
    assert not counts["OutcomeUnknown"] + counts["crash"] + counts["Nack"]


@pytest.fixture
def failure(monkeypatch: pytest.MonkeyPatch) -> SimulationFailure:
    BREAKS["phase_1_quorums_miss_phase_2_quorums"](monkeypatch)
    for seed in range(60):
        try:
            simulate(Options(seed))
        except SimulationFailure as failure:
            return failure
    raise AssertionError("a broken core went unnoticed")


def test_a_failure_names_the_command_that_replays_it(failure: SimulationFailure):
    assert str(failure).endswith(f"replay: python -m paxos_core.testing --seed {failure.seed}")
    with pytest.raises(SimulationFailure) as again:
        simulate(failure.options)
    assert (again.value.step, again.value.detail) == (failure.step, failure.detail)


def test_a_failure_is_minimised(failure: SimulationFailure):
    least = minimise(failure)
    assert least.invariant == failure.invariant
    assert least.options.steps == least.step
    whole, small = draw_plan(failure.options), draw_plan(least.options)
    assert len(small.faults) + len(small.submissions) < len(whole.faults) + len(whole.submissions)
    with pytest.raises(SimulationFailure) as again:
        simulate(least.options)
    assert again.value.detail == least.detail


def test_one_step_less_holds(failure: SimulationFailure):
    simulate(replace(failure.options, steps=failure.step - 1))


def run_main(monkeypatch: pytest.MonkeyPatch, line: str) -> int:
    monkeypatch.setattr(sys, "argv", ["paxos_core.testing", *line.split()])
    return main()


def test_the_command_replays_a_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run_main(monkeypatch, "--seed 1 --steps 400 --trace --counts") == 0
    out = capsys.readouterr().out
    assert "1 seeds hold" in out
    assert "Prepare 1." in out


def test_the_command_fails_and_minimises(
    failure: SimulationFailure,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert run_main(monkeypatch, f"--seed {failure.seed} --minimise") == 1
    out = capsys.readouterr().out
    assert failure.invariant in out
    assert "minimised: " in out
    assert "--steps" in out


@pytest.mark.parametrize("line", ["", "--seed 1 --seeds 0:2", "--seed 1 --without storms"])
def test_wrong_use_is_refused(monkeypatch: pytest.MonkeyPatch, line: str):
    with pytest.raises(SystemExit, match="2"):
        run_main(monkeypatch, line)
