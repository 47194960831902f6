"""The C twin does what the Python core does, step by step, on everything that can be thought of."""

import subprocess
from pathlib import Path

import pytest

from paxos_core.testing import Options
from paxos_core.testing.plan import draw_plan

from .build import CORE, HERE, SANITIZERS, compile_c, includes, library, sources
from .campaign import CLUSTERS, PAIRS, campaign, run_one
from .clusters import SmallSimulation, crowded
from .pair import MakeSide
from .port import PortTwin
from .recorder import RecordingTwin, Tape
from .records import resurrect
from .require import need_compiler
from .twin import Twin

STEPS = 150_000


@pytest.fixture(autouse=True)
def _compiler() -> None:
    need_compiler()


@pytest.mark.slow
def test_no_step_of_150_000_differs():
    assert campaign(STEPS) >= STEPS


@pytest.mark.slow
def test_nor_behind_the_records_of_the_device():
    assert campaign(20_000, first_seed=100_000, make=PortTwin) >= 20_000


@pytest.mark.slow
def test_another_build_answers_the_same_under_the_sanitizers(tmp_path: Path) -> None:
    """What is compared above is replayed under AddressSanitizer and UBSan."""
    tape = Tape()
    make: MakeSide = lambda setup: RecordingTwin(setup, tape)  # noqa: E731
    assert campaign(30_000, first_seed=200_000, make=make) >= 30_000
    tape.write(tmp_path / "tape")
    files = [HERE / "c" / "replay.c", *sources()]
    program = compile_c(tmp_path / "replay", files, *includes(), *SANITIZERS)
    done = subprocess.run([program, tmp_path / "tape"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip() == tape.answer


LARGE_FRAMES = [seed for seed in range(180) if draw_plan(Options(seed)).frame_bytes_max == 4096]


@pytest.mark.slow
@pytest.mark.parametrize("log_keep_slots", [4, 256])
def test_with_little_memory_it_is_slow_and_never_wrong(log_keep_slots: int) -> None:
    """Blocks so small that inputs are dropped: the log is cut, and all is answered in the end."""
    dropped = results = 0
    for seed in LARGE_FRAMES[:10]:
        plan = crowded(Options(seed), log_keep_slots=log_keep_slots)
        simulation = SmallSimulation(Options(seed), memory_bytes=0, plan=plan)
        simulation.run()
        results += simulation.monitor.counts["result"]
        dropped += sum(core.dropped for core in simulation.cores)
    assert dropped > 20
    assert results > 500


@pytest.mark.slow
def test_any_records_start_both_or_neither():
    """Repeated, contradictory, damaged and out of order: more than any crash could leave."""
    started = sum(resurrect(seed) for seed in range(2000))
    assert 500 < started < 1500


def test_every_seed_gives_the_same_again():
    """Nothing depends on what the memory held before, or on where it lies."""
    answers = []
    for _ in range(2):
        tape = Tape()
        for seed in range(5):
            run_one(PAIRS, seed, lambda setup, tape=tape: RecordingTwin(setup, tape))
            run_one(CLUSTERS, seed, lambda setup, tape=tape: RecordingTwin(setup, tape))
        answers.append(tape.answer)
    assert answers[0] == answers[1]


def test_the_library_is_built_once():
    assert library(CORE) is library(CORE)
    assert Twin.__init__ is not PortTwin.__init__
