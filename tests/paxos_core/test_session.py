"""The exactly-once table, alone and against a naive model."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from core_kit import explore, value_of
from hypothesis import given
from hypothesis import strategies as st

from paxos_core import SessionLimits
from paxos_core.batch import NOOP
from paxos_core.messages import Reason
from paxos_core.session import (
    NO_SESSION,
    Answered,
    Declined,
    Opened,
    Outcome,
    SessionTable,
    decode_group,
    encode_group,
    pack_results,
    session_number,
    unpack_results,
)
from paxos_core.types import SLOT_BELIEVED_MAX, U64_MAX


class Bench:
    """A table, the commands that it applied, and slots given out one by one."""

    def __init__(self, **limits: int) -> None:
        self.table = SessionTable(SessionLimits(**limits))
        self.applied: list[bytes] = []
        self.slot = 0

    def apply(self, command: bytes) -> bytes:
        self.applied.append(command)
        return b"<%d:" % len(self.applied) + command + b">"

    def execute(self, *groups: bytes) -> list[Outcome]:
        self.slot += 1
        return list(self.table.execute(self.slot - 1, list(groups), self.apply))

    def open(self, nonce: int = 7) -> int:
        (outcome,) = self.execute(encode_group(NO_SESSION, nonce, 0, NOOP))
        assert isinstance(outcome, Opened)
        assert outcome.nonce == nonce
        return outcome.session

    def run(self, session: int, first: int, *commands: bytes, floor: int = 1) -> list[Outcome]:
        return self.execute(encode_group(session, floor, first, value_of(*commands)))


def results_of(outcomes: list[Outcome]) -> dict[int, bytes | None]:
    """Every answer, by command number."""
    found: dict[int, bytes | None] = {}
    for outcome in outcomes:
        assert isinstance(outcome, Answered)
        for number, result in enumerate(outcome.results, outcome.first):
            assert number not in found
            found[number] = result
    return found


# Groups as bytes


@explore
@given(*[st.integers(0, U64_MAX)] * 3, st.lists(st.binary(max_size=9), max_size=4))
def test_a_group_round_trips(session: int, floor: int, first: int, commands: list[bytes]) -> None:
    data = encode_group(session, floor, first, value_of(*commands))
    assert decode_group(data) == (session, floor, first, commands)
    assert msgpack.unpackb(data) == [session, floor, first, commands]


def test_a_group_cut_or_changed_anywhere_is_a_group_or_none() -> None:
    data = encode_group(1, 2, 3, value_of(b"a", b"bc"))
    for length in range(len(data)):
        assert decode_group(data[:length]) is None
    assert decode_group(data + b"\x00") is None
    for at in range(len(data)):
        for change in range(256):
            decode_group(data[:at] + bytes([change]) + data[at + 1 :])


@explore
@given(st.binary(max_size=80))
def test_what_is_no_group_changes_nothing(data: bytes) -> None:
    bench = Bench()
    if decode_group(data) is None:
        assert bench.execute(data) == []
    assert bench.applied == []


# Results as bytes


@explore
@given(st.lists(st.none() | st.binary(max_size=9), max_size=8))
def test_results_round_trip(results: list[bytes | None]) -> None:
    assert unpack_results(pack_results(results), len(results)) == results
    assert unpack_results(pack_results(results), len(results) + 1) is None
    assert unpack_results(pack_results([*results, b""]), len(results)) is None


@explore
@given(st.binary(max_size=60), st.integers(0, 5))
def test_any_bytes_are_results_or_none(data: bytes, count: int) -> None:
    found = unpack_results(data, count)
    assert found is None or len(found) == count


@pytest.mark.parametrize(
    "value",
    [1, {}, "", b"", None, [1], [""], [[]], [{}], [True], [b"a", "b"], [msgpack.Timestamp(1)]],
)
def test_what_is_no_list_of_results_is_none(value: Any) -> None:
    count = len(value) if isinstance(value, list) else 1
    assert unpack_results(msgpack.packb(value), count) is None


# Exactly once


def test_every_session_has_an_id_of_its_own() -> None:
    bench = Bench()
    opening = encode_group(NO_SESSION, 9, 0, NOOP)
    ids = [o.session for o in bench.execute(opening, opening) if isinstance(o, Opened)]
    ids += [bench.open(), bench.open()]
    assert len(set(ids)) == 4
    assert NO_SESSION not in ids


def test_a_session_of_another_log_is_unknown() -> None:
    """A cluster that began anew under its old name gives the same places to other clients."""
    before, after = Bench(), Bench()
    old, new = before.open(nonce=1), after.open(nonce=2)
    assert old != new
    after.run(new, 1, b"a", b"b")
    assert after.run(old, 3, b"c") == [Declined(old, 3, 1, Reason.UNKNOWN_SESSION)]
    assert after.table.lookup(new, 3, 1) is None


def test_a_session_in_the_last_slot_has_a_number_too() -> None:
    assert 0 < session_number(SLOT_BELIEVED_MAX, 4095, U64_MAX) <= U64_MAX


def test_a_duplicate_is_answered_and_not_applied() -> None:
    bench = Bench()
    session = bench.open()
    first = results_of(bench.run(session, 1, b"a", b"b"))
    for _ in range(3):
        assert results_of(bench.run(session, 1, b"a", b"b")) == first
    assert bench.applied == [b"a", b"b"]


@pytest.mark.parametrize("start", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 7])
def test_an_overlap_applies_only_what_is_new(start: int, length: int) -> None:
    bench = Bench()
    session = bench.open()
    known = results_of(bench.run(session, 3, b"3", b"4", b"5"))
    commands = [b"%d" % number for number in range(start, start + length)]
    found = results_of(bench.run(session, start, *commands))
    assert set(found) == set(range(start, start + length))
    assert all(found[number] == known[number] for number in set(found) & set(known))
    fresh = [command for command in commands if command not in (b"3", b"4", b"5")]
    assert bench.applied == [b"3", b"4", b"5", *fresh]
    again = results_of(bench.run(session, start, *commands))
    assert again == found
    assert len(bench.applied) == 3 + len(fresh)


def test_gaps_are_filled_in_any_order() -> None:
    bench = Bench()
    session = bench.open()
    for first in (7, 3, 5, 1):
        bench.run(session, first, b"%d" % first)
    assert bench.applied == [b"7", b"3", b"5", b"1"]
    found = results_of(bench.run(session, 1, *(b"%d" % n for n in range(1, 8))))
    assert bench.applied[4:] == [b"2", b"4", b"6"]
    assert bench.table.lookup(session, 1, 7) == [found[n] for n in range(1, 8)]


def test_a_duplicate_in_the_same_slot_is_one_too() -> None:
    bench = Bench()
    session = bench.open()
    group = encode_group(session, 1, 1, value_of(b"a"))
    one, *others = bench.execute(group, group)
    assert results_of([one]) == results_of(others)
    assert bench.applied == [b"a"]


def test_sessions_do_not_share_numbers() -> None:
    bench = Bench()
    one, other = bench.open(), bench.open()
    bench.run(one, 1, b"a")
    bench.run(other, 1, b"b")
    assert bench.applied == [b"a", b"b"]


def test_below_the_floor_nothing_is_applied_any_more() -> None:
    bench = Bench()
    session = bench.open()
    bench.run(session, 3, b"3", floor=3)
    assert results_of(bench.run(session, 1, b"1", b"2", b"3", b"4")) == {
        3: b"<1:3>",
        4: b"<2:4>",
    }
    assert bench.applied == [b"3", b"4"]


def test_the_floor_never_goes_back_and_frees_what_is_below() -> None:
    bench = Bench()
    session = bench.open()
    for number in range(1, 6):
        bench.run(session, number, b"%d" % number)
    bench.run(session, 6, b"6", floor=4)
    assert bench.table.lookup(session, 3, 1) is None
    assert bench.table.lookup(session, 4, 3) is not None
    bench.run(session, 7, b"7", floor=1)
    bench.run(session, 3, b"3")
    assert bench.applied == [b"%d" % n for n in range(1, 8)]


@pytest.mark.parametrize(
    ("first", "count", "declined"),
    [(1, 4, False), (1, 5, True), (4, 1, False), (5, 1, True), (U64_MAX, 1, True)],
)
def test_numbers_run_no_further_ahead_than_the_window(
    first: int, count: int, declined: bool
) -> None:
    bench = Bench(window=4)
    session = bench.open()
    outcomes = bench.run(session, first, *[b"x"] * count)
    if declined:
        assert outcomes == [Declined(session, first, count, Reason.OUT_OF_WINDOW)]
    assert len(bench.applied) == (0 if declined else count)
    # Once the client has its older answers, the window is where it needs it.
    assert results_of(bench.run(session, first, b"x", floor=first))


def test_an_unknown_session_is_declined() -> None:
    bench = Bench()
    assert bench.run(12345, 1, b"a", b"b") == [Declined(12345, 1, 2, Reason.UNKNOWN_SESSION)]
    assert bench.applied == []


@pytest.mark.parametrize(
    ("first", "count", "known"),
    [(1, 2, True), (1, 1, True), (2, 1, True), (1, 3, False), (3, 1, False), (0, 1, False)],
)
def test_lookup_gives_all_or_nothing(first: int, count: int, known: bool) -> None:
    bench = Bench()
    session = bench.open()
    found = results_of(bench.run(session, 1, b"a", b"b"))
    expected = [found[n] for n in range(first, first + count)] if known else None
    assert bench.table.lookup(session, first, count) == expected
    assert bench.table.lookup(session + 1, first, count) is None


@pytest.mark.parametrize(("size", "kept"), [(7, True), (8, False)])
def test_a_result_over_its_limit_is_not_kept(size: int, kept: bool) -> None:
    bench = Bench(result_bytes_max=10 + 1)
    session = bench.open()
    (result,) = results_of(bench.run(session, 1, b"x" * size)).values()
    assert (result is not None) == kept
    assert bench.table.lookup(session, 1, 1) == [result]


# Dropping


def test_the_session_used_longest_ago_is_dropped_when_there_are_too_many() -> None:
    bench = Bench(sessions_max=2)
    one, two = bench.open(), bench.open()
    bench.run(one, 1, b"a")
    three = bench.open()
    assert len(bench.table) == 2
    assert bench.run(two, 1, b"b") == [Declined(two, 1, 1, Reason.UNKNOWN_SESSION)]
    assert results_of(bench.run(one, 1, b"a"))
    assert results_of(bench.run(three, 1, b"c"))
    assert bench.applied == [b"a", b"c"]


def test_a_session_that_is_used_again_is_not_the_one_used_longest_ago() -> None:
    bench = Bench(sessions_max=2)
    one, two = bench.open(), bench.open()
    for session, first in ((one, 1), (two, 1), (one, 2)):
        bench.run(session, first, b"x")
    bench.open()
    assert bench.table.lookup(one, 1, 2) is not None
    assert bench.run(two, 2, b"x") == [Declined(two, 2, 1, Reason.UNKNOWN_SESSION)]


def test_the_session_used_longest_ago_is_dropped_when_results_are_too_many() -> None:
    bench = Bench(bytes_max=300)
    one, two, three = bench.open(), bench.open(), bench.open()
    for session in (one, two, three):
        bench.run(session, 1, b"x" * 36)
    assert [bench.table.lookup(s, 1, 1) is not None for s in (one, two, three)] == [
        False,
        True,
        True,
    ]
    bench.run(three, 2, b"x" * 96)
    assert len(bench.table) == 1
    assert bench.table.lookup(three, 2, 1) is not None


def test_results_found_one_by_one_count_as_well() -> None:
    bench = Bench(bytes_max=300)
    one, two = bench.open(), bench.open()
    bench.run(one, 1, b"x")
    bench.run(two, 2, b"x" * 36)
    bench.run(two, 1, b"x" * 36, b"x" * 36, b"x" * 36)
    assert len(bench.table) == 1
    assert bench.table.lookup(two, 1, 3) is not None


def test_freed_results_leave_room_again() -> None:
    bench = Bench(bytes_max=300)
    one, two = bench.open(), bench.open()
    bench.run(one, 1, b"x")
    for number in range(1, 50):
        bench.run(two, number, b"x" * 46, floor=number)
    assert bench.table.lookup(one, 1, 1) is not None


# Dump and load


def reloaded(bench: Bench, **limits: int) -> Bench:
    other = Bench(**limits)
    other.table.load(msgpack.unpackb(msgpack.packb(bench.table.dump())))
    other.slot = bench.slot
    return other


steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "run"]),
        st.integers(0, 3),
        st.integers(1, 12),
        st.integers(1, 4),
        st.integers(1, 10),
    ),
    max_size=40,
)
LIMITS = {"sessions_max": 3, "window": 8, "bytes_max": 120, "result_bytes_max": 8}


def step(bench: Bench, sessions: list[int], what: tuple[str, int, int, int, int]) -> list[Outcome]:
    action, which, first, count, floor = what
    if action == "open" or not sessions:
        sessions.append(bench.open())
        return []
    session = sessions[which % len(sessions)]
    commands = [b"%d/%d" % (session % 1000, n) for n in range(first, first + count)]
    return bench.run(session, first, *commands, floor=floor)


@explore
@given(steps, steps)
def test_a_loaded_table_goes_on_like_the_one_that_was_dumped(
    before: list[Any], after: list[Any]
) -> None:
    bench = Bench(**LIMITS)
    sessions: list[int] = []
    for what in before:
        step(bench, sessions, what)
    other = reloaded(bench, **LIMITS)
    assert other.table.dump() == bench.table.dump()
    bench.applied, other_sessions = [], list(sessions)
    for what in after:
        assert step(other, other_sessions, what) == step(bench, sessions, what)
        assert other.table.dump() == bench.table.dump()
    assert other.applied == bench.applied


# The model


class Model:
    """What exactly-once means, with a plain dict and no bounds but window and floor."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.floors: dict[int, int] = {}
        self.done: dict[tuple[int, int], bytes] = {}
        self.applied = 0

    def run(
        self, session: int, first: int, commands: list[bytes], floor: int
    ) -> dict[int, bytes] | None:
        self.floors[session] = max(floor, self.floors.get(session, 1))
        if first + len(commands) > self.floors[session] + self.window:
            return None
        answers = {}
        for number, command in enumerate(commands, first):
            if number < self.floors[session]:
                continue
            if (session, number) not in self.done:
                self.applied += 1
                self.done[session, number] = b"<%d:" % self.applied + command + b">"
            answers[number] = self.done[session, number]
        return answers


@explore
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 14), st.integers(1, 5), st.integers(1, 9)),
        max_size=40,
    )
)
def test_the_table_is_its_model(moves: list[tuple[int, int, int, int]]) -> None:
    bench, model = Bench(window=8), Model(8)
    sessions = [bench.open(), bench.open()]
    for which, first, count, floor in moves:
        session = sessions[which]
        commands = [b"%d/%d" % (which, n) for n in range(first, first + count)]
        outcomes = bench.run(session, first, *commands, floor=floor)
        expected = model.run(session, first, commands, floor)
        if expected is None:
            assert outcomes == [Declined(session, first, count, Reason.OUT_OF_WINDOW)]
        else:
            assert results_of(outcomes) == expected
        assert len(bench.applied) == len(set(bench.applied)) == model.applied
        for (held, number), result in model.done.items():
            if number >= model.floors[held]:
                assert bench.table.lookup(held, number, 1) == [result]


# What a hostile or broken client costs the others


def test_opening_many_sessions_drops_none_that_is_used() -> None:
    bench = Bench(sessions_max=4)
    used = bench.open()
    bench.run(used, 1, b"a")
    for _ in range(100):
        newest = bench.open()
    assert len(bench.table) == 4
    assert results_of(bench.run(used, 2, b"b"))
    assert results_of(bench.run(newest, 1, b"c")), "a session was dropped before it could be used"


def test_clients_that_begin_together_all_keep_their_sessions() -> None:
    """Also when the table is full of clients that were here once: it always is in the end."""
    bench = Bench(sessions_max=40)
    for _ in range(40):
        bench.run(bench.open(), 1, b"gone")
    newcomers = [bench.open() for _ in range(10)]
    assert all(results_of(bench.run(session, 1, b"new")) for session in newcomers)
    assert len(bench.table) == 40


def test_sessions_that_nobody_uses_take_a_quarter_of_the_table() -> None:
    bench = Bench(sessions_max=40)
    used = [bench.open() for _ in range(40)]
    for session in used:
        bench.run(session, 1, b"a")
    for _ in range(1000):
        bench.open()
    assert [bench.table.lookup(session, 1, 1) is not None for session in used] == (
        [False] * 10 + [True] * 30
    )


def test_the_last_session_forgets_old_results_but_not_that_they_were() -> None:
    bench = Bench(bytes_max=1000)
    only = bench.open()
    for number in range(1, 11):
        bench.run(only, number, b"x" * 196)
    found = bench.table.lookup(only, 1, 10)
    assert found is not None
    assert found[0] is None
    assert found[9] is not None
    applied = len(bench.applied)
    bench.run(only, 1, b"x" * 196)
    assert len(bench.applied) == applied


def test_finding_one_result_among_many_runs_looks_at_few() -> None:
    bench = Bench()
    session = bench.open()
    for number in range(1, 2001, 2):
        bench.run(session, number, b"x")
    for number in range(2000, 1, -2):
        bench.run(session, number, b"y")
    assert bench.table.lookup(session, 1, 2000) is not None
    assert bench.table.lookup(session, 1, 2001) is None
    assert len(bench.applied) == 2000
