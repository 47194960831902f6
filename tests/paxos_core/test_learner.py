from __future__ import annotations

from itertools import permutations

import pytest
from core_kit import explore, value_of
from hypothesis import given
from hypothesis import strategies as st

from paxos_core.checksum import checksum
from paxos_core.learner import ENTRY_OVERHEAD_BYTES, Learner
from paxos_core.types import U64_MAX


def value(slot: int) -> bytes:
    return value_of(b"%d" % slot)


def learn(learner: Learner, slot: int) -> bool:
    return learner.learn(slot, checksum(value(slot)), value(slot))


def delivered(learner: Learner) -> list[int]:
    found = []
    for slot, crc, data in learner.deliver():
        assert data == value(slot)
        assert crc == checksum(data)
        found.append(slot)
    return found


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_every_order_of_learning_delivers_in_slot_order(order: tuple[int, ...]) -> None:
    learner = Learner(0, {}, 8)
    seen: list[int] = []
    known: set[int] = set()
    for slot in order:
        assert learn(learner, slot)
        known.add(slot)
        seen += delivered(learner)
        gap = next(s for s in range(5) if s not in known)
        assert seen == list(range(gap))
        assert learner.watermark == gap
    assert sorted(learner.log) == [0, 1, 2, 3]


def test_a_damaged_value_is_refused_and_learnt_from_another() -> None:
    learner = Learner(0, {}, 8)
    assert not learner.learn(0, checksum(value(0)), value(1))
    assert delivered(learner) == []
    assert learn(learner, 0)
    assert delivered(learner) == [0]


def test_learning_again_changes_nothing() -> None:
    learner = Learner(0, {}, 8)
    for _ in range(2):
        assert learn(learner, 0)
    assert delivered(learner) == [0]
    assert learn(learner, 0)
    assert delivered(learner) == []
    size = learner.log_bytes
    assert learn(learner, 0)
    assert learner.log_bytes == size


def test_two_values_chosen_for_a_slot_is_a_broken_invariant() -> None:
    learner = Learner(0, {}, 8)
    assert learn(learner, 1)
    with pytest.raises(AssertionError, match="two values"):
        learner.learn(1, checksum(value(2)), value(2))


@pytest.mark.parametrize("slot", [8, 9, U64_MAX])
def test_too_far_ahead_is_not_kept(slot: int) -> None:
    learner = Learner(0, {}, 8)
    assert learn(learner, slot)
    assert learner._ahead == {}


@pytest.mark.parametrize("claim", [0, 3, 4, U64_MAX])
def test_it_lags_exactly_when_somebody_knows_more(claim: int) -> None:
    learner = Learner(0, {slot: (checksum(value(slot)), value(slot)) for slot in range(3)}, 8)
    learner.hear_watermark(claim)
    assert learner.lags == (claim > 3)


def test_catching_up_ends_the_lag() -> None:
    learner = Learner(0, {}, 8)
    learner.hear_watermark(2)
    learner.hear_watermark(1)
    learn(learner, 0)
    assert delivered(learner) == [0]
    assert learner.lags
    learn(learner, 1)
    assert delivered(learner) == [1]
    assert not learner.lags


@pytest.mark.parametrize("to", [0, 1, 3, 5])
def test_trim_forgets_exactly_what_is_below(to: int) -> None:
    learner = Learner(0, {}, 8)
    for slot in range(5):
        learn(learner, slot)
    delivered(learner)
    learner.trim(to)
    assert learner.first_slot == to
    assert sorted(learner.log) == list(range(to, 5))
    assert learner.log_bytes == sum(ENTRY_OVERHEAD_BYTES + len(value(s)) for s in range(to, 5))
    assert learner.watermark == 5


def test_trimming_past_the_watermark_is_a_broken_invariant() -> None:
    with pytest.raises(AssertionError):
        Learner(0, {}, 8).trim(1)


def test_a_restart_keeps_what_lies_ahead_of_it() -> None:
    learner = Learner(0, {}, 8)
    for slot in (0, 4, 5, 7):
        learn(learner, slot)
    delivered(learner)
    learner.restart(5)
    assert (learner.first_slot, learner.watermark, learner.log, learner.log_bytes) == (5, 5, {}, 0)
    assert delivered(learner) == [5]
    learn(learner, 6)
    assert delivered(learner) == [6, 7]


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_restart_goes_forward_only(slot: int) -> None:
    learner = Learner(0, {}, 8)
    learn(learner, 0)
    learn(learner, 1)
    delivered(learner)
    with pytest.raises(AssertionError):
        learner.restart(slot)


@explore
@given(st.lists(st.integers(0, 20), max_size=60))
def test_memory_is_bounded_and_the_log_has_no_gap(slots: list[int]) -> None:
    learner = Learner(0, {}, 5)
    for slot in slots:
        learn(learner, slot)
        delivered(learner)
        assert sorted(learner.log) == list(range(learner.watermark))
        assert len(learner._ahead) <= 5
        assert learner.log_bytes == sum(
            ENTRY_OVERHEAD_BYTES + len(data) for _, data in learner.log.values()
        )
