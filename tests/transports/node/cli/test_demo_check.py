"""The demo's verdict: each fault that it must find, in a run that is otherwise sound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paxos_core.batch import NOOP, encode_batch
from paxos_core.session import encode_group, session_number
from transports.node.cli.answers import Decided, NodeAnswer, agreed_leader, diverged, read_answer
from transports.node.cli.demo_check import applied_commands, find_fault
from transports.node.cli.demo_load import percentile
from transports.node.client import ClusterUnreachable, Outcome, OutcomeUnknown, ResultTooLarge

SESSION = session_number(0, 0, 7)
COMMANDS = [b"a", b"b", b"c"]
OUTCOMES: list[Outcome] = [b"1", b"2", b"3"]


def group(first: int, *commands: bytes) -> bytes:
    return encode_group(SESSION, 1, first, encode_batch(commands))


def sound_log() -> list[Decided]:
    return [
        (0, [encode_group(0, 7, 0, NOOP)]),
        (1, [group(1, b"a", b"b")]),
        (2, []),
        (3, [group(1, b"a", b"b"), group(3, b"c")]),
    ]


def answer(node: int, **changes: object) -> NodeAnswer:
    status = {"role": "follower", "leader": 1, "applied": 4, "chosen": 4, "digest": "d", **changes}
    return read_answer(node, status)


def fault(
    logs: dict[int, list[Decided]] | None = None, outcomes: list[Outcome] | None = None
) -> str | None:
    logs = logs if logs is not None else {1: sound_log(), 2: sound_log()}
    answers = {node: answer(node, applied=len(log)) for node, log in logs.items()}
    return find_fault(answers, logs, COMMANDS, OUTCOMES if outcomes is None else outcomes)


def test_a_sound_run_with_a_retry_in_the_log() -> None:
    assert fault() is None
    assert applied_commands(sound_log()) == COMMANDS


def test_a_slot_is_missing() -> None:
    log = sound_log()
    del log[2]
    assert fault({1: sound_log(), 2: log}) == "the log of node 2 has no slot 2"


def test_a_log_is_shorter_than_the_node_says() -> None:
    answers = {1: answer(1, applied=5)}
    found = find_fault(answers, {1: sound_log()}, COMMANDS, OUTCOMES)
    assert found == "node 1 applied 5 slots, its log gave 4"


def test_logs_differ() -> None:
    log = sound_log()
    log[3] = (3, [group(3, b"c")])
    assert fault({1: sound_log(), 2: log}) == "nodes 1 and 2 decided differently in slot 3"
    longer = [*sound_log(), (4, [])]
    assert fault({1: sound_log(), 2: longer}) == "the logs of nodes 1 and 2 are not of one length"


def test_hashes_differ() -> None:
    answers = {1: answer(1), 2: answer(2, digest="e")}
    found = find_fault(answers, {1: sound_log(), 2: sound_log()}, COMMANDS, OUTCOMES)
    assert found == "the logs of nodes 1 and 2 have different hashes"


def test_an_acknowledged_command_is_lost() -> None:
    log = sound_log()
    log[3] = (3, [])
    assert fault({1: log}) == "'c' was acknowledged, and not applied by node 1"


def test_a_command_is_applied_twice() -> None:
    log = sound_log()
    log[2] = (2, [group(9, b"a")])
    assert fault({1: log}) == "'a' was applied 2 times by node 1"


def test_an_answer_does_not_fit_the_log() -> None:
    found = fault(outcomes=[b"2", b"1", b"3"])
    assert found == "'a' was answered b'2', and applied as number 1 by node 1"


def test_a_stranger_in_the_log() -> None:
    log = sound_log()
    log[2] = (2, [group(9, b"z")])
    assert fault({1: log}) == "node 1 applied b'z', which nobody submitted"


@pytest.mark.parametrize(
    ("outcome", "applied", "expected"),
    [
        (OutcomeUnknown(), True, None),
        (OutcomeUnknown(), False, None),
        (ResultTooLarge(), True, None),
        (ResultTooLarge(), False, "'c' was said to be applied, and was not applied by node 1"),
        (ClusterUnreachable(), True, "'c' was refused, and applied by node 1"),
        (ClusterUnreachable(), False, None),
    ],
)
def test_outcomes_that_are_no_result(outcome: Outcome, applied: bool, expected: str | None) -> None:
    log = sound_log()
    if not applied:
        log[3] = (3, [])
    assert fault({1: log}, [b"1", b"2", outcome]) == expected


def test_who_leads() -> None:
    leads = answer(1, role="leader")
    assert agreed_leader({1: leads, 2: answer(2), 3: None}) == 1
    assert agreed_leader({1: leads, 2: None, 3: None}) is None
    assert agreed_leader({1: leads, 2: answer(2), 3: None, 4: None}) is None
    assert agreed_leader({1: leads, 2: answer(2, leader=3), 3: answer(3, leader=3)}) is None
    assert agreed_leader({1: None, 2: answer(2), 3: answer(3)}) is None


def test_nodes_that_diverged() -> None:
    assert diverged({1: answer(1), 2: None, 3: answer(3)}) is None
    assert diverged({1: answer(1), 2: answer(2, applied=3, digest="e")}) is None
    assert diverged({1: answer(1), 2: answer(2, digest="e")}) == (1, 2)


def test_an_answer_from_outside_is_read_with_care() -> None:
    odd = read_answer(1, {"role": 5, "leader": "x", "dropped": {"a": 1, "b": "c"}, "digest": b"d"})
    assert (odd.role, odd.leader, odd.digest, odd.dropped) == ("?", 0, "?", {"a": 1})
    assert read_answer(1, {"dropped": [1]}).dropped_total == 0
    assert replace(odd, dropped={"a": 1, "b": 2}).dropped_total == 3
    assert read_answer(1, {"role": "follower", "voting": False}).role == "learner"


def test_percentiles() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, p) for p in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 50) == 7
    assert percentile([], 50) is None
