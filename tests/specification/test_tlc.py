"""The specifications hold, with pinned counts of states; TLC finds each rule that is missing."""

import os
import re

import models
import pytest
import tlc

from paxos_core.testing.explore import AbstractPaxos, explore


@pytest.fixture(scope="module", autouse=True)
def _needs_tlc() -> None:
    try:
        tlc.java(), tlc.jar()
    except tlc.TlcMissing as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))


def test_the_explorer_and_tlc_count_the_same():
    verdict = tlc.check("Paxos", {})
    assert verdict.violated == ""
    assert verdict.states == explore(AbstractPaxos(ballots=2)).states == 3_921


def test_one_ballot_holds_in_every_state():
    verdict = tlc.check("MultiPaxos", {"BallotMax": "1"})
    assert (verdict.violated, verdict.states) == ("", 2_416), verdict.steps


def test_two_ballots_with_a_crash_and_a_snapshot_hold_in_every_state():
    verdict = tlc.check("small", {}, workers=1, actions=True)
    assert (verdict.violated, verdict.states, verdict.depth) == ("", 7_108, 17), verdict.steps
    never = {action for action, steps in verdict.taken.items() if not steps}
    # With one slot no promise has two pages; the model `pages` has them.
    assert never == {"SayNextPage"}
    assert {"CrashHavingLost", "CrashHavingWritten", "InstallSnapshot"} <= set(verdict.taken)


@pytest.mark.parametrize(
    ("name", "rule", "invariant"),
    [
        ("MultiPaxos", "nothing waits for the disk", "DurableBeforeSent"),
        ("MultiPaxos", "promises do not bind", "DurableBeforeSent"),
        ("MultiPaxos", "a restart ignores promises", "DurableBeforeSent"),
        *(("small", *broken) for broken in models.BROKEN["small"]),
    ],
)
def test_a_missing_rule_is_found(name: str, rule: str, invariant: str):
    limits = {"WritesMax": "1", "CrashesMax": "1"} if name == "MultiPaxos" else {}
    verdict = tlc.check(name, {**limits, "Broken": f'"{rule}"'})
    assert verdict.violated == invariant
    assert verdict.steps


def test_each_model_is_a_configuration_and_has_rules_to_lose():
    names = {path.stem for path in tlc.MODELS.glob("*.cfg")}
    assert names == set(models.BROKEN)
    assert all(models.BROKEN.values())


def _tidy(text: str) -> str:
    """TLC prints a record's fields in any order."""
    while (record := re.search(r"\[([^][]*)\]", text)) is not None:
        fields = ", ".join(sorted(record[1].strip().split(", ")))
        text = text.replace(record[0], "{" + fields + "}")
    return text


def _memories(name: str, constants: dict[str, str]) -> set[tuple[str, ...]]:
    """The acceptors and logs of every state."""
    return {
        tuple(_tidy(state[variable]) for variable in ("acceptor", "log", "first"))
        for state in tlc.states(name, constants)
    }


@pytest.mark.parametrize(
    ("multi", "large"),
    [
        ({}, {"CrashesMax": "0", "CompactionsMax": "0"}),
        ({"CompactionsMax": "1"}, {"CrashesMax": "0", "Trims": "{1, 2, 3}"}),
    ],
)
def test_large_steps_reach_what_small_steps_reach(multi: dict[str, str], large: dict[str, str]):
    """The same promises, votes and logs: neither more of them nor fewer."""
    one = {"BallotMax": "1"}
    assert _memories("MultiPaxos", one | multi) == _memories("small", one | large)


def test_a_constant_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str]):
    assert tlc.main(["MultiPaxos", "Slots=1"]) == 2
    assert "no constant Slots" in capsys.readouterr().err
    assert tlc.main([]) == 2
    assert tlc.main(["NoSuchModule"]) == 2
