"""Runs side by side on the table of a page, a step back and forth in each; puzzles."""

from __future__ import annotations

from itertools import product

import pytest

from paxos_core.durable import ChosenUpTo, encode_record
from paxos_core.testing.laboratory import PUZZLES, Laboratory
from paxos_core.testing.script_node import ScriptError
from transports.viewer.play.view import view_of
from transports.viewer.play.workbench import BRANCHES_MAX, Workbench

ACTIONS = """campaign 1; stabilize; propose 1 blue; deliver 1 -> 2 Accept; hold 2; propose 1 red;
copy 1 -> 2 Accept; deliver 1 -> 2 Accept #1; cut 1 3; deliver 2 -> 1 Accepted; crash 2; restart 2;
tick 2 60; stabilize; heal 3 1; campaign 2; deliver 2 -> 3 Prepare; stabilize; propose 2 green;
drop 2 -> 1 Accept; stabilize""".replace("\n", " ").split("; ")
SOLUTION = (
    "campaign 3",
    "deliver 3 -> 2 Prepare",
    "deliver 2 -> 3 Promise",
    "propose 3 red",
    "deliver 3 -> 2 Accept",
)
"""Of the puzzle blue-and-red."""


def shown(run: Laboratory) -> object:
    """All that can be seen of a run that is traced."""
    return view_of(run), run.transcript(), run.red, run.logs, run.events


def test_back_and_forth_is_the_same_place() -> None:
    bench = Workbench()
    actions = ACTIONS
    states = [shown(bench.run)]
    for action in actions:
        bench.act(action)
        states.append(shown(bench.run))
    for state in reversed(states[:-1]):
        bench.undo()
        assert shown(bench.run) == state
    with pytest.raises(ScriptError, match="nothing to take back"):
        bench.undo()
    bench.go_to(len(actions))
    assert shown(bench.run) == states[-1]
    bench.go_to(10)
    bench.redo()
    assert shown(bench.run) == states[11]
    bench.act("hold 3")
    with pytest.raises(ScriptError, match="nothing to do again"):
        bench.redo()


def test_a_branch_goes_its_own_way() -> None:
    bench = Workbench()
    bench.act("campaign 1")
    bench.fork()
    assert bench.view()["branch"] == 2
    bench.act("deliver 1 -> 2 Prepare")
    there = shown(bench.run)
    bench.select(1)
    assert bench.run.actions == ["campaign 1"]
    bench.select(2)
    assert shown(bench.run) == there
    bench.close(2)
    assert bench.branch.number == 1
    with pytest.raises(ScriptError, match="the only run"):
        bench.close(1)
    with pytest.raises(ScriptError, match="no run 2"):
        bench.select(2)


def test_branches_are_bounded() -> None:
    bench = Workbench()
    for _ in range(BRANCHES_MAX - 1):
        bench.fork()
    with pytest.raises(ScriptError, match="close one first"):
        bench.fork()
    assert len(bench.view()["branches"]) == BRANCHES_MAX


# Puzzles


def test_a_solved_puzzle_says_in_how_many_actions() -> None:
    bench = Workbench()
    bench.begin_puzzle("blue-and-red")
    assert bench.view()["puzzle"]["actions"] == 0
    for action in SOLUTION:
        bench.act(action)
    assert bench.view()["puzzle"]["solved"] == 5
    bench.undo()
    assert bench.view()["puzzle"]["solved"] is None
    assert bench.view()["puzzle"]["actions"] == 4


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
def test_an_action_in_a_puzzle_is_one_thing(action: str) -> None:
    bench = Workbench()
    bench.begin_puzzle("blue-and-red")
    with pytest.raises(ScriptError, match="in a puzzle"):
        bench.act(action)
    assert bench.view()["puzzle"]["actions"] == 0


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
    assert bench.prove("blue-and-red", run=1)["states"] == first["states"]
    with pytest.raises(ScriptError, match="this proof was stopped"):
        bench.prove("blue-and-red", run=0)
    assert first["found"] is None


def test_a_proof_says_its_bounds_and_when_it_is_one() -> None:
    bench = Workbench()
    puzzle = PUZZLES["one-ballot-two-values"]
    report = bench.prove(puzzle.name)
    while not report["ended"]:
        assert not report["complete"]
        report = bench.prove(puzzle.name)
    assert (report["complete"], report["found"]) == (True, None)
    assert report["states"] == report["states_in_all"] == puzzle.proof_states
    assert (report["goal"], report["allowance"]) == (puzzle.goal, puzzle.allowance.words)


@pytest.mark.parametrize("name", PUZZLES)
def test_what_is_said_to_be_forbidden_is_refused_and_nothing_else(name: str) -> None:
    bench = Workbench()
    assert bench.view()["forbidden"] == {}
    bench.begin_puzzle(name)
    forbidden = bench.view()["forbidden"]
    assert {"cut", "heal", "hold 1"} <= forbidden.keys()
    for verb, node in product(("campaign", "propose", "crash", "restart"), (1, 2, 3)):
        bench = Workbench()
        bench.begin_puzzle(name)
        refused = ""
        try:
            bench.act(f"{verb} {node}{' blue' if verb == 'propose' else ''}")
        except ScriptError as error:
            refused = str(error)
        if said := forbidden.get(f"{verb} {node}"):
            assert refused == said
        else:
            assert "puzzle" not in refused


def test_a_puzzle_allows_no_more_than_its_proof() -> None:
    bench = Workbench()
    bench.begin_puzzle("blue-and-red")
    bench.act(SOLUTION[0])
    with pytest.raises(ScriptError, match="node 3 may not campaign more than once"):
        bench.act("campaign 3")
    bench.undo()
    bench.act("campaign 3")


def test_a_disk_that_contradicts_itself_is_shown_as_such() -> None:
    run = Laboratory.replay("> cluster 3\n> crash 2\n")
    run.cluster.nodes[2].disk[:] = [encode_record(ChosenUpTo(1))]
    node = view_of(run)["nodes"][1]
    assert not node["up"]
    assert "slot 0" in node["contradiction"]
