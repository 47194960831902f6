"""The checker when it is broken on purpose: random histories must notice every break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from history_kit import KV, REGISTER, by_brute_force, random_histories

import paxos_core.testing.linearize.models as models
import paxos_core.testing.linearize.search as search
from paxos_core.testing.linearize import Model, check
from paxos_core.testing.linearize.operations import FOREVER

Break = Callable[[pytest.MonkeyPatch], None]


def disagreements(model: Model) -> int:
    """How often the checker and all permutations differ."""
    found = 0
    for history in random_histories(300, model):
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


def _remembers_only(patch: pytest.MonkeyPatch, *parts: int) -> None:
    class Seen(set[Any]):
        def __contains__(self, item: Any) -> bool:
            return any(all(item[n] == known[n] for n in parts) for known in self)

    patch.setattr(search, "set", Seen, raising=False)


def _forgets_how_far_it_is(patch: pytest.MonkeyPatch) -> None:
    _remembers_only(patch, 1, 2)


def _forgets_what_is_running(patch: pytest.MonkeyPatch) -> None:
    _remembers_only(patch, 0, 2)


def _all_have_one_lane(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(search, "heappop", lambda free: free.clear() or 1)


def _takes_all_keys_for_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(search, "split", lambda history, model: [list(history)])


def _checks_the_first_key_alone(patch: pytest.MonkeyPatch) -> None:
    real = search.split
    patch.setattr(search, "split", lambda history, model: real(history, model)[:1])


def _of_kv(patch: pytest.MonkeyPatch, kind: str, step: Callable[[Any, Any], Any]) -> None:
    real = models.KeyValue.step
    patch.setattr(
        models.KeyValue,
        "step",
        lambda self, s, o: step(s, o) if o.kind == kind else real(self, s, o),
    )


def _gets_are_always_right(patch: pytest.MonkeyPatch) -> None:
    _of_kv(patch, "get", lambda state, operation: (True, state))


def _puts_do_nothing(patch: pytest.MonkeyPatch) -> None:
    _of_kv(patch, "put", lambda state, operation: (True, state))


def _appends_replace(patch: pytest.MonkeyPatch) -> None:
    _of_kv(patch, "append", lambda state, operation: (True, operation.argument))


def _appends_stand_in_front(patch: pytest.MonkeyPatch) -> None:
    _of_kv(patch, "append", lambda state, operation: (True, operation.argument + state))


OF_THE_SEARCH = (
    _forgets_the_state,
    _forgets_how_far_it_is,
    _forgets_what_is_running,
    _all_have_one_lane,
    _ignores_time,
    _unknown_never_happens,
    _unknown_ends_at_once,
    _takes_the_first_order,
    _is_content_too_soon,
)
OF_REGISTERS = (
    _reads_are_always_right,
    _cas_always_swaps,
    _a_failed_cas_swaps,
    _writes_do_nothing,
)
OF_KEYS = (
    _takes_all_keys_for_one,
    _checks_the_first_key_alone,
    _gets_are_always_right,
    _puts_do_nothing,
    _appends_replace,
    _appends_stand_in_front,
)


@pytest.mark.parametrize("model", [REGISTER, KV], ids=["register", "kv"])
def test_unbroken_it_agrees(model: Model) -> None:
    assert disagreements(model) == 0


@pytest.mark.parametrize("break_it", OF_THE_SEARCH + OF_REGISTERS, ids=lambda b: b.__name__[1:])
def test_a_checker_of_registers_that_is_broken_is_noticed(
    monkeypatch: pytest.MonkeyPatch, break_it: Break
) -> None:
    break_it(monkeypatch)
    assert disagreements(REGISTER) > 0


@pytest.mark.parametrize("break_it", OF_THE_SEARCH + OF_KEYS, ids=lambda b: b.__name__[1:])
def test_a_checker_of_keys_that_is_broken_is_noticed(
    monkeypatch: pytest.MonkeyPatch, break_it: Break
) -> None:
    break_it(monkeypatch)
    assert disagreements(KV) > 0
