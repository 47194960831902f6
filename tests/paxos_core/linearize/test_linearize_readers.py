"""Histories as text: what is read, what is refused, what is written is read again."""

from __future__ import annotations

from typing import Any

import pytest
from history_kit import KV, REGISTER, random_histories
from hypothesis import given
from hypothesis import strategies as st

import paxos_core.testing.linearize.readers as readers
from paxos_core.testing.linearize import (
    HistoryError,
    Model,
    Operation,
    Recorder,
    check,
    read_history,
    write_history,
)

VALUES = st.none() | st.text() | st.integers(-(2**63) + 1, 2**63 - 1)
CALL = "{:process 0, :type :invoke, :f "
WRITE = [CALL + ":write, :value 4}"]
PUT = [CALL + ':put, :key "a", :value "x"}']
CAS = [CALL + ":cas, :value [1 2]}"]


def ended(call: list[str], what: str, before: str, after: str) -> list[str]:
    return [*call, call[0].replace(":invoke", what).replace(before, after)]


def shape(history: list[Operation]) -> list[object]:
    """All but the moments: of those only the order is kept."""
    moments = sorted({m for o in history for m in (o.called, o.returned)})
    return [
        (
            *(o.process, o.kind, o.key, o.argument, o.result if o.known else None),
            *(moments.index(o.called), moments.index(o.returned)),
        )
        for o in history
    ]


@pytest.mark.parametrize("model", [REGISTER, KV], ids=["register", "kv"])
def test_what_is_written_is_read_again(model: Model) -> None:
    for history in random_histories(100, model):
        again = read_history(write_history(history, model), model)
        assert (check(again, model) is None) is (check(history, model) is None)
        assert [(o.kind, o.key, o.argument) for o in again] == [
            (o.kind, o.key, o.argument) for o in history
        ]


@given(VALUES, VALUES, VALUES, st.booleans(), st.integers(0, 999_999_999))
def test_any_values_of_a_register_are_read_again(
    first: Any, second: Any, third: Any, swapped: bool, process: int
) -> None:
    recorder = Recorder()
    recorder.call(process, "cas", argument=(first, second))
    recorder.ok(process, int(swapped))
    recorder.call(process, "read")
    recorder.ok(process, third)
    recorder.call(process, "write", argument=third)
    history = recorder.finish()
    assert shape(read_history(write_history(history, REGISTER), REGISTER)) == [
        *shape(history),
    ]


@given(st.text(), st.text(), st.text())
def test_any_strings_of_a_store_are_read_again(key: str, first: str, second: str) -> None:
    recorder = Recorder()
    recorder.call(1, "append", key, first)
    recorder.ok(1)
    recorder.call(1, "get", key)
    recorder.ok(1, second)
    recorder.call(1, "put", key, second)
    history = recorder.finish()
    assert shape(read_history(write_history(history, KV), KV)) == shape(history)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "there is no operation"),
        (["", " "], "there is no operation in 2 lines"),
        (["nonsense"], "line 1: this is no event"),
        (["INFO  jepsen.util - 0 :ok :read 1"], "line 1: process 0 ends a read"),
        (["INFO  jepsen.util - 0 :invoke :read nil"] * 2, "line 2: process 0 has an operation"),
        (["INFO  jepsen.util - 0 :invoke :write ("], "line 1: the values of a register are nil"),
        (["INFO  jepsen.util - 0 :invoke :cas 4"], "a cas has two values"),
        (["INFO  jepsen.util - 0 :invoke :get nil"], "use --model kv"),
        (
            ["INFO  jepsen.util - 0 :invoke :read nil", "INFO  jepsen.util - 0 :gone :read 1"],
            "gone",
        ),
        (["INFO  jepsen.util - 99999999999 :invoke :read nil"], "this is no event"),
        ([CALL + ':write, :key "a", :value 4}'], "line 1: a register has no :key"),
        ([CALL + ':write, :key "a", :value 4}'], "use --model kv"),
        ([CALL + ":write, :key 5, :value 4}"], "line 1: a register has no :key"),
        (ended(WRITE, ":ok", "4", "5"), "line 2: process 0 ends its write with 5, which is not"),
        (ended(CAS, ":ok", "1 2", "1 3"), "line 2: process 0 ends its cas with [1 3]"),
        (ended(CAS, ":fail", "1 2", "2 2"), "line 2: process 0 ends its cas with [2 2]"),
        ([*ended(WRITE, ":info", "4", "4"), WRITE[0].replace(":invoke", ":ok")], "line 3: process"),
        ([CALL + ":write, :value 9223372036854775808}"], "whole numbers of 64 bits: not"),
        ([WRITE[0][:-4]], "line 1: this is no event"),
    ],
)
def test_what_is_no_history_is_refused_by_its_line(lines: list[str], expected: str) -> None:
    with pytest.raises(HistoryError) as caught:
        read_history(lines, REGISTER)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([CALL + ':put, :key "a", :value 4}'], "line 1: the values of a kv are strings in quotes"),
        ([CALL + ':put, :key "a", :value ["x"]}'], "line 1: the values of a kv are strings"),
        ([CALL + ':append, :key "a", :value nil}'], "not 'nil'"),
        ([CALL + ':put, :value "x"}'], "line 1: a put of a kv has a :key"),
        ([CALL + ':put, :key 5, :value "x"}'], "line 1: a :key is a string in quotes, not 5"),
        ([CALL + ':cas, :key "a", :value [1 2]}'], "use --model register"),
        (ended(PUT, ":ok", '"x"', '"y"'), "line 2: process 0 ends its put with"),
    ],
)
def test_what_is_no_history_of_a_store_is_refused(lines: list[str], expected: str) -> None:
    with pytest.raises(HistoryError) as caught:
        read_history(lines, KV)
    assert expected in str(caught.value)


def test_a_cas_that_failed_for_another_reason_is_no_result() -> None:
    assert [o.result for o in read_history(ended(CAS, ":fail", "[1 2]", "[1 2]"), REGISTER)] == [0]
    kept = read_history([*ended(CAS, ":fail", "[1 2]", ":gone"), *WRITE], REGISTER)
    assert [o.kind for o in kept] == ["write"]


@pytest.mark.parametrize(
    ("limit", "most", "expected"),
    [
        ("OPERATIONS_MAX", 2, "line 5: a history has at most 2 operations"),
        ("LINES_MAX", 3, "line 4: a history has at most 3 lines"),
        ("LINE_CHARACTERS_MAX", 20, "line 1: it has more than 20 characters"),
        ("CHARACTERS_MAX", 60, "line 2: a history has at most 60 characters"),
    ],
)
def test_a_history_has_limits(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int, expected: str
) -> None:
    monkeypatch.setattr(readers, limit, most)
    with pytest.raises(HistoryError) as caught:
        read_history(ended(WRITE, ":ok", "4", "4") * 3, REGISTER)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        (REGISTER, Operation(1, "write", "a", 1, None, 1, 2)),
        (REGISTER, Operation(1, "write", "", True, None, 1, 2)),
        (REGISTER, Operation(1, "write", "", 1, None, 2, 1)),
        (REGISTER, Operation(-1, "write", "", 1, None, 1, 2)),
        (REGISTER, Operation(1, "cas", "", 1, None, 1, 2)),
        (KV, Operation(1, "get", "a", None, None, 1, 2)),
        (KV, Operation(1, "write", "a", "x", None, 1, 2)),
    ],
)
def test_an_operation_that_the_model_does_not_have_is_refused(
    model: Model, operation: Operation
) -> None:
    with pytest.raises(ValueError, match=r"a |processes|returned"):
        check([operation], model)
    with pytest.raises(ValueError, match=r"a |processes|returned"):
        list(write_history([operation], model))
