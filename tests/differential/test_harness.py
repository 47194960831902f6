"""The harness finds what is planted: Python against Python, with one thing spoilt."""

import random
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from paxos_core import Replica

from .build import ROOT
from .campaign import CLUSTERS, KINDS, PAIRS, campaign, run_one, runs
from .dump import describe, dump
from .outputs import Outputs
from .pair import Difference, MakeSide, Pair, run
from .setup import TAKE, TICK, Setup, Step, make_config
from .shrink import shrink
from .sides import BadRecords, PythonSide
from .stub import Plant, planted

CONFIG = make_config(1, (1, 2, 3), (2, 2), (1, 3, 5, 2), (2, 500, 4, 400, 2, 900, 300, 100))
SEEDS_MAX = 500
SETUP = Setup(CONFIG, open_slots_max=64, log_slots_max=1024)


def test_two_of_one_kind_do_not_differ():
    assert campaign(20_000, make=planted()) >= 20_000


def first_difference(kind: str, make: MakeSide) -> Difference:
    for seed in range(SEEDS_MAX):
        try:
            run_one(kind, seed, make)
        except Difference as difference:
            return difference
    pytest.fail(f"nothing was noticed in {SEEDS_MAX} seeds")


def jump_promise(replica: Replica) -> None:
    if replica._acceptor.votes:
        replica._acceptor.promised += 1 << 16


def forget_a_vote(replica: Replica) -> None:
    if len(replica._acceptor.votes) > 1:
        replica._acceptor.votes.popitem()


def open_the_gate(replica: Replica) -> None:
    replica._outbox._persisted = replica._outbox._taken


def draw_jitter(replica: Replica) -> None:
    replica._election._jitter.next()


def keep_more(replica: Replica) -> None:
    replica._kept_bytes += 1


PLANTS: list[tuple[Plant, str]] = [
    (jump_promise, "acceptor.promised"),
    (forget_a_vote, "acceptor.votes"),
    (open_the_gate, "gate.persisted"),
    (draw_jitter, "election.jitter"),
    (keep_more, "kept_bytes"),
]


@pytest.mark.parametrize(("plant", "name"), PLANTS, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_difference_in_the_state_is_found_and_named(
    kind: str, plant: Plant, name: str
) -> None:
    assert first_difference(kind, planted(plant)).findings[0][0] == name


def drop_a_message(out: Outputs) -> None:
    if len(out.messages) > 2:
        del out.messages[1]


def flip_a_bit(out: Outputs) -> None:
    if out.records:
        out.records[-1] = out.records[-1][:-1] + bytes([out.records[-1][-1] ^ 1])


def decide_twice(out: Outputs) -> None:
    out.decided += out.decided[-1:]


def swap_events(out: Outputs) -> None:
    out.events.reverse()


CHANGES: list[tuple[Callable[[Outputs], None], str]] = [
    (drop_a_message, r"messages\[1\]"),
    (flip_a_bit, r"records\[\d+\]"),
    (decide_twice, r"decided\[\d+\]"),
    (swap_events, r"events\[0\]"),
]


@pytest.mark.parametrize(("change", "name"), CHANGES, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_difference_in_the_outputs_is_found_and_named(
    kind: str, change: Callable[[Outputs], None], name: str
) -> None:
    assert re.fullmatch(name, first_difference(kind, planted(change=change)).findings[0][0])


class Deaf(PythonSide):
    """Takes no malformed frame for one."""

    def frame(self, sender: int, frame: bytes) -> str:
        word = super().frame(sender, frame)
        return "" if word == "malformed" else word


def test_another_answer_to_an_input_is_found():
    with pytest.raises(Difference) as found:
        Pair(SETUP, Deaf).frame(2, b"no frame")
    assert found.value.findings == [("the input's answer", "malformed", "")]


class Immune(PythonSide):
    """Knows no poison."""

    poisoned = False


def test_a_twin_that_breaks_no_invariant_is_found():
    assert first_difference(PAIRS, Immune).findings[0][0] == "poisoned"


class Trusting(PythonSide):
    """Starts from any records."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(Setup(setup.config))


def test_a_twin_that_starts_from_damaged_records_is_found():
    damaged = Setup(CONFIG, (b"no record",))
    with pytest.raises(BadRecords):
        Pair(damaged, planted())
    with pytest.raises(Difference) as found:
        Pair(damaged, Trusting)
    assert found.value.findings == [("restart", "bad records", "")]


def test_a_difference_is_made_small():
    found = first_difference(PAIRS, planted(jump_promise))
    least = shrink(found, planted(jump_promise))
    assert least.findings[0][0] == found.findings[0][0]
    assert len(least.steps) < 10 <= len(found.steps)
    with pytest.raises(Difference):
        run(least.setup, least.steps, planted(jump_promise))


def test_a_difference_is_printed_as_a_program_that_repeats_it():
    least = shrink(first_difference(PAIRS, planted(jump_promise)), planted(jump_promise))
    program = least.program.replace(
        "import Pair\n", "import Pair as P\n" + "from tests.differential.stub import planted\n"
    )
    plant = "lambda r: r._acceptor.votes and setattr(r._acceptor, 'promised', 1 << 40)"
    program = program.replace("pair = Pair(", f"pair = (lambda s: P(s, planted({plant})))(")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "# acceptor.promised: Python" in done.stderr


def test_steps_that_no_driver_may_take_are_left_out():
    steps: list[Step] = [("persisted", 1, b""), ("compact", 0, b""), TICK, ("compact", 0, b"x")]
    assert run(SETUP, [*steps, TAKE], planted()).steps == [TICK, TAKE]


def test_every_number_of_a_dump_has_one_name():
    """The names follow the same counts as the numbers do."""
    dice = random.Random(7)
    sizes = set()

    def look(replica: Replica) -> None:
        if dice.random() < 0.02:
            data = dump(replica)
            names = [name for name, _ in describe(data, replica.config.quorums.members)]
            assert "(after the end)" not in names
            assert len(set(names)) == len(names) == len(data) // 8
            assert names[-1] == "kept_bytes"
            sizes.add(len(names))

    for seed in range(40):
        run_one(PAIRS, seed, planted(look))
    assert len(sizes) > 20


def test_a_seed_is_one_cluster_and_many_pairs():
    first, second = list(runs(0)), list(runs(1))
    assert [kind for kind, _ in first].count(CLUSTERS) == 1
    assert not set(first) & set(second)
