"""The checker against known verdicts, against all permutations, and against itself when broken."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

import paxos_core.testing.linearize.models as models
import paxos_core.testing.linearize.search as search
from paxos_core.testing.linearize import (
    MODELS,
    HistoryError,
    Model,
    Operation,
    Recorder,
    SearchTooLarge,
    check,
    explain,
    read_history,
    write_history,
)
from paxos_core.testing.linearize.operations import FOREVER
from paxos_core.testing.linearize.search import split

HISTORIES = Path(__file__).parents[2] / "data" / "histories.tar.xz"
REGISTER, KV = MODELS["register"], MODELS["kv"]


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


def test_the_window_of_a_bad_history_is_small_and_bad(
    recorded: dict[str, tuple[Model, list[str], bool]],
) -> None:
    for name in ("etcd/etcd_000.log", "kv/c01-bad.txt"):
        model, lines, _verdict = recorded[name]
        history = read_history(lines, model)
        window = explain(history, model)
        assert window is not None
        assert check(window.operations, model) is None
        assert len(window.operations) < len(history) / 2


def right_result(state: Any, operation: Operation) -> Any:
    """What the operation gives: written once more, so that a broken model is noticed too."""
    match operation.kind:
        case "read" | "get":
            return state
        case "cas":
            assert isinstance(operation.argument, tuple)
            return int(state == operation.argument[0])
    return None


def state_after(state: Any, operation: Operation) -> Any:
    match operation.kind:
        case "write" | "put":
            return operation.argument
        case "append":
            return state + operation.argument
        case "cas":
            assert isinstance(operation.argument, tuple)
            return operation.argument[1] if state == operation.argument[0] else state
    return state


def ordered(order: list[Operation], model: Model) -> bool:
    """Whether each result is right when they come one after the other."""
    state: Any = None if model is REGISTER else ""
    for operation in order:
        tells = operation.known and operation.kind in ("read", "get", "cas")
        if tells and right_result(state, operation) != operation.result:
            return False
        state = state_after(state, operation)
    return True


def in_time(order: list[Operation]) -> bool:
    """Whether nothing stands before what had ended when it began."""
    return all(
        not later.returned < earlier.called
        for place, earlier in enumerate(order)
        for later in order[place + 1 :]
    )


def by_brute_force(history: list[Operation], model: Model) -> bool:
    """All orders of all known operations and of any of the unknown."""
    known = [o for o in history if o.known]
    unknown = [o for o in history if not o.known]
    for bits in range(1 << len(unknown)):
        chosen = [*known, *(o for n, o in enumerate(unknown) if bits >> n & 1)]
        if any(in_time(list(p)) and ordered(list(p), model) for p in permutations(chosen)):
            return True
    return False


def random_history(dice: Random, model: Model) -> list[Operation]:
    """Up to six operations of three processes, right, or with one result spoilt."""
    recorder = Recorder()
    state: Any = None if model is REGISTER else ""
    pending: dict[int, Callable[[], None]] = {}
    process = 0
    for _ in range(dice.randint(3, 6)):
        process = dice.randrange(3)
        if process in pending:
            pending.pop(process)()
        kind = dice.choice(list(model.kinds))
        value: Any = dice.randrange(3) if model is REGISTER else dice.choice("ab")
        argument = (dice.randrange(3), value) if kind == "cas" else value
        reads = kind in ("read", "get")
        recorder.call(process, kind, "k" if model is KV else "", None if reads else argument)
        probe = Operation(process, kind, "k", argument, 1, 0, 1)
        result = right_result(state, probe)
        state = state_after(state, probe)
        shown = dice.choice([result, result, result, value if reads else 1 - (result or 0)])
        end = dice.random()
        if end < 0.15 and not reads:
            # Unknown: the process is not used again.
            pending[process] = lambda: None
            break
        pending[process] = lambda p=process, r=shown: recorder.ok(p, r)  # type: ignore[misc]
    for number in sorted(pending):
        pending[number]()
    return recorder.finish()


@pytest.mark.parametrize("model", [REGISTER, KV], ids=["register", "kv"])
def test_it_agrees_with_all_permutations(model: Model) -> None:
    verdicts = [0, 0]
    for seed in range(600):
        history = random_history(Random(seed), model)
        expected = by_brute_force(history, model)
        order = check(history, model)
        assert (order is not None) is expected, (seed, history)
        if order is not None:
            assert ordered(order, model)
            assert in_time(order)
        else:
            window = explain(history, model)
            assert window is not None
            assert not by_brute_force(window.operations, model)
        verdicts[expected] += 1
    # It was asked about both kinds.
    assert min(verdicts) > 50


def op(kind: str, argument: Any, result: Any, called: int, returned: int = FOREVER) -> Operation:
    return Operation(called, kind, "", argument, result, called, returned)


def disagreements(model: Model) -> int:
    """How often the checker and all permutations differ."""
    found = 0
    # Both writes must be tried in both orders.
    swapped = [op("write", 1, None, 1, 9), op("write", 2, None, 2, 8), op("read", None, 1, 10, 11)]
    for history in (swapped, *(random_history(Random(seed), model) for seed in range(300))):
        try:
            verdict = check(history, model) is not None
        except Exception:
            found += 1
            continue
        found += verdict is not by_brute_force(history, model)
    return found


def _forgets_the_state(patch: pytest.MonkeyPatch) -> None:
    class Seen(set[Any]):
        def __contains__(self, item: object) -> bool:
            assert isinstance(item, tuple)
            return any(item[0] == known[0] for known in self)

    patch.setattr(search, "set", Seen, raising=False)


def _ignores_time(patch: pytest.MonkeyPatch) -> None:
    real = search._link

    def link(operations: Any) -> Any:
        return real([replace(o, called=0, returned=FOREVER - 1) for o in operations])

    patch.setattr(search, "_link", link)


def _unknown_never_happens(patch: pytest.MonkeyPatch) -> None:
    real = search.split
    patch.setattr(search, "split", lambda h, m: real([o for o in h if o.known], m))


def _unknown_ends_at_once(patch: pytest.MonkeyPatch) -> None:
    real = search.split

    def split_(history: Any, model: Any) -> Any:
        return real([o if o.known else replace(o, returned=o.called) for o in history], model)

    patch.setattr(search, "split", split_)


def _reads_are_always_right(patch: pytest.MonkeyPatch) -> None:
    real = models.Register.step
    patch.setattr(
        models.Register,
        "step",
        lambda self, s, o: (True, s) if o.kind == "read" else real(self, s, o),
    )


def _cas_always_swaps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(models.Register, "_swap", lambda self, s, o: (True, o.argument[1]))


def _a_failed_cas_swaps(patch: pytest.MonkeyPatch) -> None:
    def swap(self: Any, state: Any, operation: Any) -> Any:
        expected, new = operation.argument
        return bool(operation.result) == (state == expected), new

    patch.setattr(models.Register, "_swap", swap)


def _writes_do_nothing(patch: pytest.MonkeyPatch) -> None:
    real = models.Register.step
    patch.setattr(
        models.Register,
        "step",
        lambda self, s, o: (True, s) if o.kind == "write" else real(self, s, o),
    )


def _takes_the_first_order(patch: pytest.MonkeyPatch) -> None:
    """Never takes a placement back."""
    patch.setattr(search, "_unlift", lambda call: None)


def _is_content_too_soon(patch: pytest.MonkeyPatch) -> None:
    real = search.check_part
    patch.setattr(search, "check_part", lambda ops, model, **k: real(ops[:-1], model, **k))


BREAKS = (
    _forgets_the_state,
    _ignores_time,
    _unknown_never_happens,
    _unknown_ends_at_once,
    _reads_are_always_right,
    _cas_always_swaps,
    _a_failed_cas_swaps,
    _writes_do_nothing,
    _takes_the_first_order,
    _is_content_too_soon,
)


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda b: b.__name__.strip("_"))
def test_a_broken_checker_is_noticed(
    monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    break_it(monkeypatch)
    assert disagreements(REGISTER) > 0


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


def test_an_unknown_write_may_come_late_or_never() -> None:
    late = [op("write", 1, None, 1), op("read", None, None, 2, 3), op("read", None, 1, 4, 5)]
    assert check(late, REGISTER) is not None
    back = [op("write", 1, None, 1), op("read", None, 1, 2, 3), op("read", None, None, 4, 5)]
    assert check(back, REGISTER) is None


def test_keys_are_checked_by_themselves() -> None:
    a = Operation(1, "put", "a", "x", None, 1, 4)
    b = Operation(2, "get", "b", None, "", 2, 3)
    assert len(split([a, b], KV)) == 2
    assert check([a, b], KV) is not None


def test_a_search_that_is_too_large_is_given_up() -> None:
    history = [op("write", n, None, 1, 100 + n) for n in range(20)]
    history.append(op("read", None, 99, 200, 201))
    with pytest.raises(SearchTooLarge, match="given up after 1,000 states"):
        check(history, REGISTER, states_max=1000)


def test_what_is_written_is_read_again() -> None:
    for model in (REGISTER, KV):
        for seed in range(50):
            history = random_history(Random(seed), model)
            again = read_history(write_history(history, model), model)
            shown = [(o.process, o.kind, o.key, o.argument, o.known) for o in history]
            assert [(o.process, o.kind, o.key, o.argument, o.known) for o in again] == shown
            verdict = check(history, model) is not None
            assert (check(again, model) is not None) is verdict


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "there is no operation"),
        (["", " "], "there is no operation in 2 lines"),
        (["nonsense"], "line 1: this is no event"),
        (["INFO  jepsen.util - 0 :ok :read 1"], "line 1: process 0 ends a read"),
        (["INFO  jepsen.util - 0 :invoke :read nil"] * 2, "line 2: process 0 has an operation"),
        (["INFO  jepsen.util - 0 :invoke :write ("], "line 1: this is no value"),
        (["INFO  jepsen.util - 0 :invoke :cas 4"], "a cas has two values"),
        (["INFO  jepsen.util - 0 :invoke :get nil"], "give the other --model"),
        (
            ["INFO  jepsen.util - 0 :invoke :read nil", "INFO  jepsen.util - 0 :gone :read 1"],
            "gone",
        ),
        (["INFO  jepsen.util - 99999999999 :invoke :read nil"], "this is no event"),
    ],
)
def test_what_is_no_history_is_refused_by_its_line(lines: list[str], expected: str) -> None:
    with pytest.raises(HistoryError) as caught:
        read_history(lines, REGISTER)
    assert expected in str(caught.value)
