"""Clusters of the C core, and of both, under every fault that the simulator has.

Here the core is the one that ``core = "c"`` runs, behind the adapter of a real node.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from paxos_core.quorum import QuorumSystem
from paxos_core.testing import Options, Simulation, simulate
from paxos_core.testing.cores import MIXED, PYTHON, C, foreign_nodes
from paxos_core.testing.coverage import unseen
from tests.mutants.c_twin import build, edit, unbroken
from tests.mutants.catalogue import mutants
from transports.node.cli.simulate.campaign import run_campaign
from transports.node.cli.simulate.command import simulate as command
from transports.node.cli.simulate.cores import make_of
from transports.node.native.build import library_path
from transports.node.native.replica import NativeReplica

from .build import ROOT
from .require import need_compiler

SEEDS = 200
SEEDS_MAX = 400
DOCUMENTED = {
    C: r"`--core c --seeds 0:200`: ([\d,]+) steps",
    MIXED: r"`--core mixed`: ([\d,]+)",
}
"""Where docs/promises.md has the steps of all `SEEDS`."""


@pytest.fixture(autouse=True)
def _compiler() -> None:
    need_compiler()


@pytest.mark.slow
@pytest.mark.parametrize("core", [C, MIXED])
def test_every_seed_holds(core: str) -> None:
    totals = run_campaign(
        Options(0, core=core),
        range(SEEDS),
        os.cpu_count() or 1,
        shrink=False,
        failures_max=5,
        progress=lambda _totals: None,
    )
    assert not totals.failures, "\n".join(totals.failures)
    assert totals.seeds == SEEDS
    figure = re.search(DOCUMENTED[core], (ROOT / "docs" / "promises.md").read_text())
    assert figure is not None
    assert f"{totals.steps:,}" == figure[1]
    assert not unseen(totals.counts)


def test_a_mixed_cluster_has_both_cores():
    quorums = QuorumSystem(range(1, 6))
    sizes = {len(foreign_nodes(seed, MIXED, quorums)) for seed in range(100)}
    assert sizes == {1, 2, 3, 4}
    assert foreign_nodes(7, C, quorums) == frozenset(range(1, 6))
    assert not foreign_nodes(7, PYTHON, quorums)


def test_a_node_keeps_its_core():
    options = Options(3, core=MIXED)
    simulation = Simulation(options, make_core=make_of(MIXED))
    simulation.run()
    assert simulation.monitor.counts["restart"]
    foreign = foreign_nodes(3, MIXED, simulation.plan.quorums)
    for node in simulation.nodes.values():
        if node.service is not None:
            assert isinstance(node.service.replica, NativeReplica) == (node.id in foreign)


@pytest.mark.parametrize("core", [C, MIXED])
def test_the_same_seed_gives_the_same_history(core: str) -> None:
    options = Options(5, core=core)
    first, second = (simulate(options, make_core=make_of(core)) for _ in range(2))
    assert first.fingerprint == second.fingerprint


def test_the_faults_are_those_of_the_same_seed_in_python():
    plans = [
        Simulation(Options(9, core=core), make_core=make_of(core)).plan for core in (C, PYTHON)
    ]
    assert plans[0].faults == plans[1].faults
    assert plans[0].submissions == plans[1].submissions


def test_without_a_maker_there_is_no_foreign_core():
    with pytest.raises(ValueError, match="needs a make_core"):
        Simulation(Options(0, core=C))


def test_the_command_runs_and_traces_a_seed_of_the_c_core():
    done = CliRunner().invoke(command, ["--seed", "1", "--core", "c", "--steps", "600", "--print"])
    assert done.exit_code == 0
    assert "Prepare 1." in done.output
    assert "1 seed holds" in done.output


FOUND = {
    "prepares_below_the_promise_are_answered": (1, "promises never regress"),
    "accepts_below_the_promise_pass": (3, "promises never regress"),
    "accepts_promise_nothing": (2, "the core raises nothing"),
    "no_revealed_value_is_proposed": (2, "P2b: a later ballot proposes the chosen value"),
    "accepted_leaves_before_the_record": (0, "durable before sent"),
    "a_promise_leaves_before_the_record": (0, "durable before sent"),
    "a_prepare_leaves_before_the_record": (1, "durable before sent"),
    "our_own_vote_counts_before_the_record": (1, "one value per slot"),
    "a_phase_1_quorum_lacks_one": (2, "P2b: a later ballot proposes the chosen value"),
    "a_phase_2_quorum_lacks_one": (1, "one value per slot"),
    "a_watermark_vouches_for_any_vote": (162, "one value per slot"),
    "chosen_up_to_stands_before_the_values": (36, "the core raises nothing"),
    "votes_are_not_recorded": (0, "durable before sent"),
    "replay_forgets_the_votes": (36, "a promise reveals every vote"),
    "a_ballot_is_used_again_after_a_restart": (229, "the core raises nothing"),
}
"""Mutants of C, and the seed that finds each in a mixed cluster today; else others are tried."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_a_broken_core_of_c_is_found(name: str, tmp_path: Path) -> None:
    (mutant,) = (mutant for mutant in mutants() if mutant.id == f"c_core/{name}")
    library = build(mutant, tmp_path)
    seed, invariant = FOUND[name]
    done = run_library(library, seed, 1)
    if done.returncode == 0:
        done = run_library(library, 0, SEEDS_MAX)
    else:
        assert f": {invariant}: " in done.stdout
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.startswith("FAIL ")
    assert " --core mixed" in done.stdout


def test_a_core_that_ends_its_process_is_told_by_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The campaign's workers load the library that lies where the C core is kept."""
    crash = edit(
        "acceptor.c",
        "px->acceptor.promised, 0, 0);\n\t\treturn;",
        "0, 0, 0);\n\t\t__builtin_trap();",
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copy(build(crash, tmp_path), library_path())
    done = CliRunner().invoke(command, ["--seeds", "0:20", "--core", "c"])
    assert done.exit_code == 1
    assert ": its process died" in done.output
    assert "replay: paxos simulate --seed " in done.output


def test_an_unbroken_copy_is_not_found(tmp_path: Path) -> None:
    library = build(unbroken(), tmp_path)
    done = run_library(library, 0, 3)
    assert (done.returncode, done.stdout) == (0, "")


def run_library(library: Path, first: int, count: int) -> subprocess.CompletedProcess[str]:
    """Seeds of mixed clusters, apart from this process: a broken core may do anything."""
    module = "tests.differential.simulate"
    return subprocess.run(
        [sys.executable, "-m", module, str(library), MIXED, str(first), str(first + count)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_node_may_crash_when_garbage_comes() -> None:
    """What it had to write before is taken first, and it was armed to crash at that."""
    simulate(Options(160, core=C), make_core=make_of(C))
