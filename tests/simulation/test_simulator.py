"""Whole clusters under faults, many seeds, every invariant after every step.

``PAXOS_SIMULATION_SEEDS=50000`` runs more seeds than the usual 2,000.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from campaign_cases import hold, run_command
from teeth import BREAKS

from paxos_core import Timing
from paxos_core.testing import Options, Simulation, SimulationFailure, minimise, simulate
from paxos_core.testing.coverage import unseen
from paxos_core.testing.plan import (
    EVENT_KINDS,
    KINDS,
    ROUND_INDICES,
    UNITS_PER_SECOND,
    draw_plan,
    faults_of,
)
from transports.node.cli.simulate.drops import check_drop

SEEDS = int(os.environ.get("PAXOS_SIMULATION_SEEDS", "2000"))
STEPS_MIN = 1_000_000
LONG_SEEDS = 40
DEFAULT_TIMING_SEEDS = 200


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_seed_holds():
    totals = hold(Options(0), range(SEEDS))
    assert totals.seeds == SEEDS
    if SEEDS >= 2000:
        assert totals.steps >= STEPS_MIN
        # What the seeds must have seen, or they prove less than they seem to.
        missing = unseen(totals.counts)
        missing += [kind for kind in EVENT_KINDS if not totals.counts[f"fault {kind}"]]
        assert not missing


@pytest.mark.slow
def test_every_long_seed_holds():
    totals = hold(Options(0, seconds=36), range(SEEDS, SEEDS + LONG_SEEDS))
    assert totals.hours >= LONG_SEEDS * 36 / 3600


@pytest.mark.slow
def test_every_seed_holds_with_the_default_timing():
    totals = hold(Options(0, default_timing=True), range(DEFAULT_TIMING_SEEDS))
    assert totals.counts["leader elected"] >= DEFAULT_TIMING_SEEDS


def test_the_default_timing_is_that_of_a_configuration_without_any():
    plan = draw_plan(Options(7, default_timing=True))
    assert plan.timing == Timing() != draw_plan(Options(7)).timing
    assert plan.faults == draw_plan(Options(7)).faults


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
    assert str(failure).endswith(f"replay: paxos simulate --seed {failure.seed}")
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


def test_the_command_replays_a_seed():
    status, said = run_command("--seed 1 --steps 400 --print")
    assert status == 0
    assert "1 seed holds, stopped early, after 400 steps at most" in said
    assert "Prepare 1." in said


def test_the_command_keeps_a_ledger():
    status, said = run_command("--seeds 0:12 --counts")
    assert status == 0
    assert "12 seeds, all hold: " in said
    assert " simulated hours, " in said
    assert " leader elected" in said


def test_the_command_says_what_no_seed_has_seen():
    status, said = run_command("--seeds 0:2 --steps 5")
    assert status == 0
    assert "never seen: leader elected, " in said


def test_the_command_asks_no_single_seed_to_have_seen_everything():
    status, said = run_command("--seed 1 --steps 5")
    assert status == 0
    assert said.startswith("1 seed holds, stopped early, after 5 steps at most: 5 steps, ")
    assert len(said.splitlines()) == 1


def test_the_command_says_that_seeds_were_stopped_early():
    status, said = run_command("--seeds 0:3 --steps 5")
    assert status == 0
    assert "3 seeds, all hold, stopped early, after 5 steps at most: 15 steps" in said


def test_several_processes_find_what_one_finds():
    found = []
    for jobs in (1, 2):
        status, said = run_command(f"--seeds 0:50 --jobs {jobs} --output json")
        assert status == 0
        document = json.loads(said[said.index("{") :])
        found.append((document["steps"], document["counts"]))
    assert found[0] == found[1]


def test_the_command_fails_and_minimises(failure: SimulationFailure):
    status, said = run_command(f"--seed {failure.seed} --minimise")
    assert status == 1
    assert failure.invariant in said
    assert f"replay: paxos simulate --seed {failure.seed}" in said
    assert "minimised: " in said
    assert "--steps" in said


def test_as_many_failures_are_shown_as_are_asked_for(failure: SimulationFailure):
    status, said = run_command("--seeds 0:60 --failures 2")
    assert status == 1
    assert said.count("FAIL seed") >= 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "one of them"),
        ("--seed 1 --seeds 0:2", "one of them"),
        ("--seed 1 --without storms", "no fault is called 'storms'"),
        ("--seeds 5:5", "has 0 seeds"),
        ("--seeds 7", "is no span"),
        ("--seeds a:b", "is no span"),
        ("--seed -1", "-1"),
        ("--seed 1 --drop x", "'x' is no number"),
        ("--seed 3 --drop 99999999999", "seed 3 has no fault 99999999999; there are 0, 1, 2"),
        ("--seed 3 --drop 1,5", "seed 3 has no fault 5; there are 0, 1, 2"),
        ("--seed 3 --drop 1000 --without crash", "seed 3 has no fault 1000"),
        ("--seeds 3:5 --drop 1", "give --seed"),
        ("--seeds 0:5 --print", "give --seed"),
        ("--seeds 0:5 --trace x", "give --seed"),
        ("--seed 1 --print --trace x", "one of them"),
        ("--seed 1 --jobs 0", "0"),
    ],
)
def test_wrong_use_is_refused(line: str, expected: str):
    status, said = run_command(line)
    assert status == 2
    assert expected in said


@pytest.mark.parametrize("seconds", [None, 30])
def test_every_fault_of_a_seed_may_be_left_out(seconds: int | None):
    for seed in range(5):
        faults = faults_of(Options(seed, seconds=seconds))
        check_drop(Options(seed, drop=frozenset(f.index for f in faults), seconds=seconds), 1)


# Rounds


def test_a_long_seed_has_rounds_of_faults_and_all_hold():
    simulation = Simulation(Options(4, seconds=20))
    simulation.run()
    assert simulation.now >= 20 * UNITS_PER_SECOND
    assert simulation.round >= 2
    assert simulation.monitor.counts["leader within 1 time-out"] >= 2


def test_a_long_seed_begins_as_the_short_one():
    short, long = [], []
    simulate(Options(4), short.append)
    simulate(Options(4, seconds=20), long.append)
    assert len(long) > 2 * len(short)
    assert long[: len(short)] == short


def test_each_round_has_faults_and_commands_of_its_own():
    faults = faults_of(Options(0, seconds=60))
    indices = [fault.index for fault in faults]
    assert len(set(indices)) == len(indices)
    assert {index // ROUND_INDICES for index in indices} >= {0, 1, 2, 3}
    dropped = faults_of(Options(0, seconds=60, drop=frozenset({indices[-1]})))
    assert dropped == faults[:-1]


def test_a_leader_that_is_replaced_while_nothing_goes_wrong_is_found():
    simulation = Simulation(Options(4, seconds=20))
    while simulation.round < 1:
        simulation.one_step()
    simulation.plan.rest_units = 0
    simulation.monitor.counts["leader elected"] += 1
    with pytest.raises(SimulationFailure, match="a leader stays") as failed:
        simulation.run()
    assert str(failed.value).endswith("replay: paxos simulate --seed 4 --seconds 20")


def test_a_failure_of_a_late_round_is_minimised(monkeypatch: pytest.MonkeyPatch):
    BREAKS["phase_1_quorums_miss_phase_2_quorums"](monkeypatch)
    with pytest.raises(SimulationFailure) as failed:  # noqa: PT012
        for seed in range(60):
            simulate(Options(seed, seconds=30))
    least = minimise(failed.value, 20)
    assert least.invariant == failed.value.invariant
    assert (least.options.seconds or 0) < 30
