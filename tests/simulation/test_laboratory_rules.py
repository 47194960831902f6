"""Which light each rule keeps green: with it, and without it."""

from __future__ import annotations

import pytest
from laboratory_kit import wander

from paxos_core.acceptor import Acceptor
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import ChosenUpTo, DurableState, Promised, Record, Snapshot, Voted
from paxos_core.messages import Accept, Accepted, Prepare, Promise, Vote
from paxos_core.quorum import QuorumSystem
from paxos_core.ready import Decided, Outbox
from paxos_core.testing.laboratory import REMOVABLE, Laboratory, Removable, Setup
from paxos_core.testing.laboratory.judges import JUDGES
from paxos_core.testing.laboratory.lights import (
    DURABLE,
    LATER_BALLOTS,
    LOGS,
    ONE_PROPOSAL,
    ONE_VALUE,
    PROMISES,
    PROPOSED,
    Lights,
)
from paxos_core.testing.laboratory.removable import CarelessAcceptor
from paxos_core.types import make_ballot

B11, B12, B13 = (make_ballot(1, node) for node in (1, 2, 3))
BLUE, RED = encode_batch([b"blue"]), encode_batch([b"red"])

BLUE_CHOSEN = ["campaign 1", "deliver 1 -> 2 Prepare", "deliver 2 -> 1 Promise", "propose 1 blue",
               "deliver 1 -> 2 Accept"]  # fmt: skip
THREE_STANDS = ["campaign 3", "deliver 3 -> 2 Prepare", "deliver 2 -> 3 Promise", "propose 3 red",
                "deliver 3 -> 2 Accept"]  # fmt: skip
SETUPS = [Setup(3), Setup(4, 3, 2), Setup(5), Setup(5, 4, 2), Setup(2), Setup(1)]


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.line)
def test_with_all_rules_no_light_turns_red(setup: Setup) -> None:
    done = 0
    for seed in range(6):
        run = wander(setup, seed, 200)
        assert run.red == {}, run.transcript()
        assert run.stopped == {}, run.transcript()
        done += len(run.actions)
    assert done == 1200


@pytest.mark.parametrize("rule", REMOVABLE.values(), ids=lambda rule: rule.name)
def test_without_a_rule_no_other_lights_turn_red(rule: Removable) -> None:
    size = 4 if rule.name == "meeting-quorums" else 3
    setup = Setup(size, without=frozenset({rule.name}))
    for seed in range(20):
        run = wander(setup, seed, 200)
        assert run.red.keys() <= set(rule.breaks), run.transcript()


def cast(
    kind: type[Acceptor], promised: int, vote: Vote | None, accept: Accept
) -> tuple[bool, dict[int, Vote], list[Record], int]:
    """What becomes of an acceptor that knows slots 0 to 2, and may vote up to slot 5."""
    outbox = Outbox(2)
    log = {slot: (checksum(BLUE), BLUE) for slot in range(3)}
    made = kind(outbox, promised, {} if vote is None else {vote.slot: vote}, 3, 1024, 3, log)
    return made.vote(accept), made.votes, outbox.records, made.promised


VOTES = [None, *(Vote(4, ballot, checksum(BLUE), BLUE) for ballot in (B11, B12, B13))]


@pytest.mark.parametrize("value", [BLUE, RED])
@pytest.mark.parametrize("slot", range(8))
@pytest.mark.parametrize("vote", VOTES)
def test_a_careless_vote_is_the_core_s_wherever_no_check_bites(
    vote: Vote | None, slot: int, value: bytes
) -> None:
    accept = Accept(B12, slot, 0, checksum(value), value)
    for promised in (B11, B12, B13):
        careless = cast(CarelessAcceptor, promised, vote, accept)
        assert careless[3] == promised
        known = vote if vote is not None and vote.slot == slot else None
        if promised == B12 and (known is None or known.ballot <= B12):
            assert careless == cast(Acceptor, promised, vote, accept)
        else:
            # As if it had promised this ballot, and never voted in a higher one.
            lower = vote if known is None or known.ballot <= B12 else None
            assert careless[:3] == cast(Acceptor, B12, lower, accept)[:3]
            with pytest.raises(AssertionError):
                cast(Acceptor, promised, vote, accept)


DUEL = """campaign 1; deliver 1 -> 2 Prepare; deliver 2 -> 1 Promise; campaign 3;
deliver 3 -> 2 Prepare; deliver 2 -> 3 Promise; propose 3 red; deliver 3 -> 2 Accept;
propose 1 blue; deliver 1 -> 2 Accept"""
HALVES = """campaign 1; deliver 1 -> 2 Prepare; deliver 2 -> 1 Promise; propose 1 blue;
deliver 1 -> 2 Accept; campaign 3; deliver 3 -> 4 Prepare; deliver 4 -> 3 Promise;
propose 3 red; deliver 3 -> 4 Accept"""
FORGOTTEN_VOTE = """campaign 1; stabilize; hold 2; propose 1 blue; deliver 1 -> 2 Accept; crash 2;
restart 2; campaign 3; deliver 3 -> 2 Prepare; deliver 2 -> 3 Promise; propose 3 red;
deliver 3 -> 2 Accept"""
FORGOTTEN_BALLOT = """hold 1; campaign 1; deliver 1 -> 2 Prepare; deliver 2 -> 1 Promise;
propose 1 blue; crash 1; restart 1; campaign 1; deliver 1 -> 2 Prepare; deliver 2 -> 1 Promise;
propose 1 red"""
HEARD = "; deliver 2 -> 1 Accepted; deliver 2 -> 3 Accepted"
WAYS = {
    "promise-check": (DUEL + HEARD,),
    "highest-accepted": ("; ".join(BLUE_CHOSEN + THREE_STANDS) + HEARD,),
    "meeting-quorums": (HALVES + "; deliver 2 -> 1 Accepted; deliver 4 -> 3 Accepted",),
    "sync-first": (FORGOTTEN_VOTE + HEARD, FORGOTTEN_BALLOT),
}
"""Without each rule, runs that turn all of its lights red."""


@pytest.mark.parametrize("rule", REMOVABLE.values(), ids=lambda rule: rule.name)
def test_without_a_rule_each_of_its_lights_can_turn_red(rule: Removable) -> None:
    size = 4 if rule.name == "meeting-quorums" else 3
    red: set[str] = set()
    for way in WAYS[rule.name]:
        actions = [action.strip() for action in way.split(";")]
        red |= Laboratory(Setup(size, without=frozenset({rule.name})), actions).red.keys()
    assert red == set(rule.breaks)


def test_all_rules_out_end_no_run() -> None:
    for seed in range(6):
        run = wander(Setup(4, 2, 2, frozenset(REMOVABLE)), seed, 250)
        assert len(run.actions) == 250
        assert Laboratory.replay(run.transcript()).transcript() == run.transcript()


def test_the_highest_accepted_value_keeps_agreement() -> None:
    lawful = Laboratory(Setup(3), BLUE_CHOSEN + THREE_STANDS[:3])
    lawful.act("propose 3 red")
    lawful.act("deliver 3 -> 2 Accept #1")
    assert lawful.red == {}
    deaf = Laboratory(Setup(3, without=frozenset({"highest-accepted"})), BLUE_CHOSEN + THREE_STANDS)
    assert list(deaf.red) == [LATER_BALLOTS, ONE_VALUE]
    assert deaf.red[LATER_BALLOTS].sentence == (
        "slot 0: blue in 1.1 is chosen, and node 3 proposes red in 1.3"
    )
    assert deaf.red[LATER_BALLOTS].action == 9
    assert deaf.red[ONE_VALUE].sentence == (
        "slot 0 has two values: blue in 1.1 is chosen, and red in 1.3 is chosen"
    )


def test_logs_part_when_both_are_delivered() -> None:
    setup = Setup(3, without=frozenset({"highest-accepted"}))
    more = ["deliver 2 -> 1 Accepted", "deliver 2 -> 3 Accepted"]
    run = Laboratory(setup, BLUE_CHOSEN + THREE_STANDS + more)
    assert run.red[LOGS].sentence == (
        "slot 0 is blue in the log of node 1, and red in that of node 3"
    )
    assert run.logs == {1: ["blue"], 2: [], 3: ["red"]}


def test_a_core_that_finds_itself_broken_stops_with_its_reason() -> None:
    setup = Setup(3, without=frozenset({"highest-accepted"}))
    run = Laboratory(setup, [*BLUE_CHOSEN, "deliver 2 -> 1 Accepted", *THREE_STANDS,
                             "deliver 2 -> 3 Accepted"])  # fmt: skip
    # Node 1 has delivered blue; told by the new leader what it decided, it cannot go on.
    for action in (
        "tick 3 3",
        "stabilize",
        "tick 1 60",
        "stabilize",
        "propose 3 more",
        "stabilize",
    ):
        run.act(action)
    assert run.logs[3][0] == "red"
    assert run.red.keys() <= set(REMOVABLE["highest-accepted"].breaks)


def test_a_poisoned_node_is_down_until_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from paxos_core.proposer import Proposer

    def lead(self: Proposer, now: int) -> None:
        raise AssertionError("no leader today")

    monkeypatch.setattr(Proposer, "lead", lead)
    run = Laboratory(Setup(3), BLUE_CHOSEN[:3])
    assert run.stopped == {1: "no leader today"}
    assert run.said[-1] == ["1 stops itself: no leader today"]
    run.act("restart 1")
    assert run.stopped == {}


# The judges, one by one


def lights() -> Lights:
    return Lights(QuorumSystem([1, 2, 3]), JUDGES)


def accept(ballot: int, value: bytes) -> Accept:
    return Accept(ballot, 0, 0, checksum(value), value)


def voted(ballot: int, value: bytes) -> Voted:
    return Voted(0, ballot, checksum(value), value)


def only_red(seen: Lights) -> str:
    assert len(seen.red) == 1, seen.red
    return next(iter(seen.red))


def lawful_vote(seen: Lights, node: int, ballot: int, value: bytes) -> None:
    seen.wrote(node, [Promised(ballot), voted(ballot, value)], False)
    seen.sent(node, 1, Accepted(ballot, 0, 0))


def test_every_judge_has_a_light_and_a_meaning() -> None:
    assert len({judge.name for judge in JUDGES}) == len(JUDGES) == 7
    assert all(judge.means for judge in JUDGES)
    for rule in REMOVABLE.values():
        assert set(rule.breaks) <= {judge.name for judge in JUDGES}


def test_one_ballot_with_two_values_is_seen() -> None:
    seen = lights()
    seen.wrote(1, [Promised(B11)], False)
    seen.sent(1, 2, accept(B11, BLUE))
    seen.sent(1, 3, accept(B11, BLUE))
    assert not seen.red
    seen.sent(1, 3, accept(B11, RED))
    assert only_red(seen) == ONE_PROPOSAL


@pytest.mark.parametrize("message", [Promise(B11, 0, 1, 0), Accepted(B11, 0, 0), Prepare(B11, 0)])
def test_an_answer_below_a_promise_is_seen(message: object) -> None:
    seen = lights()
    seen.submitted(b"blue")
    seen.wrote(2, [Promised(B13), voted(B11, BLUE)], False)
    seen.sent(2, 3, Promise(B13, 0, 1, 0))
    seen.sent(2, 1, message)  # type: ignore[arg-type]
    assert only_red(seen) == PROMISES


def test_a_promise_lost_in_a_crash_is_seen() -> None:
    seen = lights()
    seen.wrote(2, [Promised(B13)], False)
    seen.sent(2, 3, Promise(B13, 0, 1, 0))
    seen.started(2, DurableState(promised=B13))
    assert not seen.red
    seen.started(2, DurableState(promised=B12))
    assert only_red(seen) == PROMISES
    assert "had promised 1.3, and comes back with 1.2" in seen.red[PROMISES].sentence


@pytest.mark.parametrize("message", [Promise(B13, 0, 1, 0), Accepted(B13, 0, 0), Prepare(B13, 0)])
def test_what_is_said_before_it_is_written_is_seen(message: object) -> None:
    seen = lights()
    seen.sent(2, 3, message)  # type: ignore[arg-type]
    assert only_red(seen) == DURABLE


def test_a_vote_for_a_chosen_value_need_not_be_kept() -> None:
    seen = lights()
    seen.submitted(b"blue")
    seen.sent(1, 2, accept(B11, BLUE))
    lawful_vote(seen, 1, B11, BLUE)
    lawful_vote(seen, 2, B11, BLUE)
    seen.sent(3, 2, accept(B13, BLUE))
    seen.wrote(2, [Promised(B13), ChosenUpTo(1)], False)
    seen.sent(2, 3, Accepted(B13, 0, 0))
    assert not seen.red
    seen.sent(3, 2, Accept(B13, 1, 0, checksum(BLUE), BLUE))
    seen.sent(2, 3, Accepted(B13, 1, 1))
    assert only_red(seen) == DURABLE


def test_what_nobody_asked_for_is_seen() -> None:
    seen = lights()
    seen.submitted(b"blue")
    seen.decided(1, Decided(0, checksum(BLUE), [b"blue"]))
    seen.decided(1, Decided(1, 0, []))
    assert not seen.red
    seen.decided(2, Decided(2, checksum(RED), [b"red"]))
    assert only_red(seen) == PROPOSED


def test_a_snapshot_of_another_log_is_seen() -> None:
    seen = lights()
    seen.submitted(b"blue")
    seen.decided(1, Decided(0, checksum(BLUE), [b"blue"]))
    seen.decided(1, Decided(1, 0, []))
    seen.installed(2, Snapshot(2, 0, b"blue\nno-op"))
    assert not seen.red
    seen.installed(3, Snapshot(2, 0, b"red\nno-op"))
    assert only_red(seen) == LOGS


def test_a_light_stays_red_with_its_first_sentence() -> None:
    seen = lights()
    seen.action = 4
    seen.sent(2, 3, Prepare(B13, 0))
    first = seen.red[DURABLE]
    seen.action = 5
    seen.sent(2, 3, Prepare(make_ballot(2, 2), 0))
    assert seen.red[DURABLE] == first
    assert first.action == 4
