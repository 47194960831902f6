"""The specifications hold, with pinned counts of states; TLC finds each rule that is missing."""

import os

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
    assert (verdict.violated, verdict.states) == ("", 4_756), verdict.steps


@pytest.mark.parametrize(
    ("rule", "constants", "invariant"),
    [
        ("nothing waits for the disk", {"WritesMax": "1"}, "DurableBeforeSent"),
        ("promises do not bind", {}, "DurableBeforeSent"),
        ("a restart ignores promises", {"CrashesMax": "1"}, "DurableBeforeSent"),
        ("accepts below the promise", {}, "P2b"),
        ("no revealed value is kept", {}, "P2b"),
        ("leads before it has caught up", {}, "P2b"),
        ("a watermark vouches for any vote", {}, "DecidedOnlyIfChosen"),
    ],
)
def test_a_missing_rule_is_found(rule: str, constants: dict[str, str], invariant: str):
    verdict = tlc.check("MultiPaxos", {**constants, "Broken": f'"{rule}"'})
    assert verdict.violated == invariant
    assert verdict.steps


def test_a_constant_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str]):
    assert tlc.main(["MultiPaxos", "Slots=1"]) == 2
    assert "no constant Slots" in capsys.readouterr().err
    assert tlc.main([]) == 2
    assert tlc.main(["NoSuchModule"]) == 2
