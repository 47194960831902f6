"""The puzzles: each par is the fewest actions there are, and with the rule there are none."""

from __future__ import annotations

import pytest

from paxos_core.testing.laboratory import PUZZLES, REMOVABLE
from paxos_core.testing.laboratory.search import STATES_MAX, Report, Search

PROVEN_STATES = 8_000
"""Of each search with the rule on; the page goes on to its own bound."""


def finish(search: Search, states_max: int = STATES_MAX) -> Report:
    while not search.report.ended and search.report.states < states_max:
        search.advance(1_000)
    return search.report


@pytest.mark.parametrize("name", PUZZLES)
def test_par_is_the_fewest_actions(name: str) -> None:
    puzzle = PUZZLES[name]
    report = finish(puzzle.search())
    assert report.path is not None
    assert len(report.path) == puzzle.par, report.path
    run = puzzle.begin()
    assert puzzle.goal not in run.red
    for step in report.path:
        puzzle.check_action(run, step)
        run.act(step)
    assert puzzle.goal in run.red


@pytest.mark.parametrize("name", PUZZLES)
def test_with_the_rule_it_cannot_be_done(name: str) -> None:
    report = finish(PUZZLES[name].proof(), PROVEN_STATES)
    assert report.path is None
    assert report.complete or report.states >= PROVEN_STATES
    assert report.depth >= 5


def test_there_is_a_puzzle_for_each_rule() -> None:
    assert {rule for puzzle in PUZZLES.values() for rule in puzzle.setup.without} == set(REMOVABLE)
    assert len(PUZZLES) >= 4
    for puzzle in PUZZLES.values():
        assert puzzle.goal in REMOVABLE[next(iter(puzzle.setup.without))].breaks
        assert not puzzle.lawful.without
        assert len(puzzle.hints) >= 2
