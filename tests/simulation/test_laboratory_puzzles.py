"""The puzzles: each par is the fewest steps there are, and with the rule there are none."""

from __future__ import annotations

import pytest

from paxos_core.testing.laboratory import PUZZLES, RULES, Workbench
from paxos_core.testing.laboratory.search import STATES_MAX, Report, Search
from paxos_core.testing.script_node import ScriptError

PROVEN_STATES = 8_000
"""Of each search with the rule on; the page goes on to its own bound."""


def finish(search: Search, states_max: int = STATES_MAX) -> Report:
    while not search.report.ended and search.report.states < states_max:
        search.advance(1_000)
    return search.report


@pytest.mark.parametrize("name", PUZZLES)
def test_par_is_the_fewest_steps(name: str) -> None:
    puzzle = PUZZLES[name]
    report = finish(puzzle.search())
    assert report.path is not None
    assert len(report.path) == puzzle.par, report.path
    run = puzzle.begin()
    assert puzzle.goal not in run.red
    for step in report.path:
        puzzle.check_step(run, step)
        run.act(step)
    assert puzzle.goal in run.red


@pytest.mark.parametrize("name", PUZZLES)
def test_with_the_rule_it_cannot_be_done(name: str) -> None:
    report = finish(PUZZLES[name].proof(), PROVEN_STATES)
    assert report.path is None
    assert report.complete or report.states >= PROVEN_STATES
    assert report.depth >= 5


def test_there_is_a_puzzle_for_each_rule() -> None:
    assert {rule for puzzle in PUZZLES.values() for rule in puzzle.setup.without} == set(RULES)
    assert len(PUZZLES) >= 4
    for puzzle in PUZZLES.values():
        assert puzzle.goal in RULES[next(iter(puzzle.setup.without))].breaks
        assert not puzzle.lawful.without
        assert len(puzzle.hints) >= 2


def solve(bench: Workbench, name: str) -> None:
    path = finish(PUZZLES[name].search()).path
    assert path is not None
    for step in path:
        bench.act(step)


def test_a_solved_puzzle_says_in_how_many_steps() -> None:
    bench = Workbench()
    bench.begin_puzzle("blue-and-red")
    assert bench.view()["puzzle"]["steps"] == 0
    solve(bench, "blue-and-red")
    assert bench.view()["puzzle"]["solved"] == 5
    bench.undo()
    assert bench.view()["puzzle"]["solved"] is None
    assert bench.view()["puzzle"]["steps"] == 4


def test_what_was_given_cannot_be_taken_back() -> None:
    bench = Workbench()
    bench.begin_puzzle("blue-and-red")
    with pytest.raises(ScriptError, match="nothing to take back"):
        bench.undo()
    with pytest.raises(ScriptError, match="was never there"):
        bench.go_to(0)


@pytest.mark.parametrize(
    "action",
    ["stabilize", "tick 1", "cut 1 2", "compact 1", "deliver * -> *", "deliver 1 -> 3", ""],
)
def test_a_step_of_a_puzzle_is_one_thing(action: str) -> None:
    bench = Workbench()
    bench.begin_puzzle("blue-and-red")
    with pytest.raises(ScriptError, match="in a puzzle"):
        bench.act(action)
    assert bench.view()["puzzle"]["steps"] == 0


def test_hints_come_one_by_one() -> None:
    bench = Workbench()
    with pytest.raises(ScriptError, match="no such hint"):
        bench.hint(0)
    bench.begin_puzzle("said-and-lost")
    assert bench.hint(0) == PUZZLES["said-and-lost"].hints[0]
    with pytest.raises(ScriptError, match="no such hint"):
        bench.hint(99)
    with pytest.raises(ScriptError, match="no puzzle"):
        bench.begin_puzzle("none")


def test_a_proof_goes_on_slice_by_slice() -> None:
    bench = Workbench()
    first = bench.prove("blue-and-red")
    second = bench.prove("blue-and-red")
    assert 0 < first["states"] < second["states"]
    assert bench.prove("blue-and-red", anew=True)["states"] == first["states"]
    assert first["found"] is None
