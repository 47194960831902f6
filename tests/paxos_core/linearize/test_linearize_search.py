"""The search's memory: what is remembered is as wide as what runs at once, never as the history."""

from __future__ import annotations

from typing import Any

import pytest
from history_kit import KV, REGISTER, op

import paxos_core.testing.linearize.search as search
from paxos_core.testing.linearize import Operation, SearchTooLarge, check
from paxos_core.testing.linearize.search import split


def test_marks_are_as_wide_as_what_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    widest = 0

    class Seen(set[Any]):
        def add(self, item: Any) -> None:
            nonlocal widest
            widest = max(widest, item[1])
            super().add(item)

    monkeypatch.setattr(search, "set", Seen, raising=False)
    # One runs from the first to the last, one never ends, the others follow one another.
    history = [op("write", 0, None, 1, 10_000), op("write", 0, None, 2)]
    history += [op("write", n, None, 10 + 2 * n, 11 + 2 * n) for n in range(2000)]
    history.append(op("read", None, 0, 10_001, 10_002))
    assert check(history, REGISTER) is not None
    assert widest.bit_length() <= 3


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


def test_states_that_are_too_long_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "STATE_CHARACTERS_MAX", 1000)
    history = [Operation(1, "append", "k", "x" * 9, None, n, n) for n in range(100)]
    with pytest.raises(SearchTooLarge, match="more than 1,000 characters together"):
        check(history, KV)
