"""The checker against known verdicts and against all permutations; the windows that it shows."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from history_kit import KV, REGISTER, by_brute_force, in_time, op, ordered, random_histories

from paxos_core.testing.linearize import Model, Operation, check, explain, read_history
from paxos_core.testing.linearize.explain import ANSWERS_MAX, Window, could_return, is_told

HISTORIES = Path(__file__).parents[2] / "data" / "histories.tar.xz"

both_models = pytest.mark.parametrize("model", [REGISTER, KV], ids=["register", "kv"])


@pytest.fixture(scope="module")
def recorded() -> dict[str, tuple[Model, list[str], bool]]:
    """Histories that others recorded, with their verdicts."""
    with tarfile.open(HISTORIES) as archive:
        texts = {m.name: archive.extractfile(m) for m in archive.getmembers() if m.isfile()}
        read = {name: found.read().decode() for name, found in texts.items() if found}
    verdicts = json.loads(read["verdicts.json"])
    return {
        name: (KV if name.startswith("kv/") else REGISTER, read[name].splitlines(), verdict)
        for name, verdict in verdicts.items()
    }


def test_it_agrees_with_every_known_verdict(
    recorded: dict[str, tuple[Model, list[str], bool]],
) -> None:
    assert len(recorded) == 56
    wrong = [
        name
        for name, (model, lines, verdict) in recorded.items()
        if (check(read_history(lines, model), model) is not None) is not verdict
    ]
    assert wrong == []


def test_the_window_of_every_bad_history_is_small_and_bad(
    recorded: dict[str, tuple[Model, list[str], bool]],
) -> None:
    for model, lines, verdict in recorded.values():
        if verdict:
            continue
        history = read_history(lines, model)
        window = explain(history, model)
        assert window is not None
        assert len(window.operations) < len(history) / 2
        assert_least(window, model)


def assert_least(window: Window, model: Model) -> None:
    """That it cannot be ordered, and that nothing of it can be left out."""
    operations = window.operations
    assert check(operations, model) is None
    for place, operation in enumerate(operations):
        fewer = operations[:place] + operations[place + 1 :]
        assert is_told(operation, fewer) or check(fewer, model) is not None, operation


@both_models
def test_it_agrees_with_all_permutations(model: Model) -> None:
    verdicts = [0, 0]
    for history in random_histories(600, model):
        expected = by_brute_force(history, model)
        order = check(history, model)
        assert (order is not None) is expected, history
        if order is not None:
            assert ordered(order, model)
            assert in_time(order)
        verdicts[expected] += 1
    # It was asked about both kinds.
    assert min(verdicts) > 100


@both_models
def test_the_window_of_a_random_history_is_the_least(model: Model) -> None:
    for history in random_histories(600, model):
        window = explain(history, model)
        if window is not None:
            assert not by_brute_force(window.operations, model)
            assert {operation.key for operation in window.operations} == {window.key}
            assert_least(window, model)


@both_models
def test_what_could_have_been_returned_is_all_that_helps(model: Model) -> None:
    values = [None, 0, 1, 2] if model is REGISTER else ["", "x", "y", "xx", "xy", "yx", "yy"]
    asked = 0
    for history in random_histories(300, model):
        window = explain(history, model)
        if window is None:
            continue
        for operation, answers in zip(window.operations, window.answers, strict=True):
            assert answers is not None
            if not operation.known or operation.kind not in ("read", "get", "cas"):
                assert answers == []
                continue
            tried = [0, 1] if operation.kind == "cas" else values
            for value in tried:
                helps = with_result(window.operations, operation, value)
                told = value in answers
                assert told is by_brute_force(helps, model) or len(answers) == ANSWERS_MAX
            # Without a read the rest of a least window can be ordered, so something helps.
            assert answers or operation.kind == "cas"
            asked += 1
    assert asked > 50


def with_result(operations: list[Operation], asked: Operation, value: object) -> list[Operation]:
    return [replace(o, result=value) if o is asked else o for o in operations]  # type: ignore[arg-type]


def test_a_stale_read_is_named_with_what_it_missed() -> None:
    history = [
        op("write", 1, None, 1, 2),
        op("write", 9, None, 3, 4),
        op("read", None, 9, 5, 6),
        op("write", 2, None, 7, 8),
        op("read", None, 1, 9, 10),
        op("write", 3, None, 11, 12),
    ]
    window = explain(history, REGISTER)
    assert window is not None
    # The write that it read, one that came between, and the read.
    assert [o.kind for o in window.operations] == ["write", "write", "read"]
    assert window.operations[-1].result == 1
    assert window.answers == [[], [], [window.operations[1].argument]]


def test_a_cas_that_found_another_value_is_told_by_nobody() -> None:
    history = [
        op("cas", (5, 1), 0, 1, 2),
        op("write", 1, None, 3, 4),
        op("write", 2, None, 5, 6),
        op("read", None, 1, 7, 8),
    ]
    window = explain(history, REGISTER)
    assert window is not None
    assert [o.kind for o in window.operations] == ["write", "write", "read"]


def test_a_write_goes_when_its_last_reader_went() -> None:
    history = [
        op("write", 7, None, 1, 2),
        op("cas", (7, 8), 1, 3, 4),
        op("cas", (8, 9), 1, 5, 6),
        op("write", 1, None, 7, 8),
        op("write", 2, None, 9, 10),
        op("read", None, 1, 11, 12),
    ]
    window = explain(history, REGISTER)
    assert window is not None
    assert [o.argument for o in window.operations] == [1, 2, None]


def test_many_answers_are_cut() -> None:
    writes = [op("write", n, None, 1, 100 + n) for n in range(ANSWERS_MAX + 2)]
    read = op("read", None, 99, 200, 201)
    answers = could_return([*writes, read], read, REGISTER)
    assert answers is not None
    assert len(set(answers)) == ANSWERS_MAX


def test_an_unknown_write_may_come_late_or_never() -> None:
    late = [op("write", 1, None, 1), op("read", None, None, 2, 3), op("read", None, 1, 4, 5)]
    assert check(late, REGISTER) is not None
    back = [op("write", 1, None, 1), op("read", None, 1, 2, 3), op("read", None, None, 4, 5)]
    assert check(back, REGISTER) is None
