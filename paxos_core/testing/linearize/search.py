"""The search: Wing and Gong's, with Lowe's memory of what was tried.

An order is built from the front. The next operation may be any that was called before the
first return that is still to come; if its result is right in the state so far, it is placed,
and if that leads nowhere it is taken back. A pair (which operations are placed, the state) that
was seen before leads nowhere new (Lowe, "Testing for linearizability", 2017). Keys of a store
do not touch one another, so each is searched by itself: a history is linearizable if and only
if its part for each object is (Herlihy and Wing, theorem 1).

Which operations are placed is told in a few bits, however long the history is. Let f be the
first return whose operation is not placed. All that returned before f are placed, and nothing
that was called after f can be. What is left to tell is which of those are placed that were
running at f. Operations that run at the same time have different lanes, so that is one bit a
lane, and there are as many lanes as operations were ever running at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from paxos_core.testing.linearize.models import Machine, Model, State, check_operation
from paxos_core.testing.linearize.operations import Operation

STATES_MAX: Final = 2_000_000
"""How many pairs are remembered, about 250 bytes each and the state's own size."""
STATE_CHARACTERS_MAX: Final = 1 << 29
"""How large the remembered states may be together: each append makes a longer text."""


class SearchTooLarge(Exception):
    """The search was given up. The message is one line with the cure."""


class _Entry:
    """A call or a return in the doubly linked list of what is not placed yet."""

    __slots__ = ("after", "before", "bit", "operation", "other")

    def __init__(self, operation: Operation | None, bit: int) -> None:
        self.operation = operation
        """Of a call. A return has none."""
        self.bit = bit
        """Its lane."""
        self.before: _Entry | None = None
        self.after: _Entry | None = None
        self.other: _Entry | None = None
        """Of a call: its return, if it has one. A return has none."""


def check(
    history: Iterable[Operation], model: Model, *, states_max: int = STATES_MAX
) -> list[Operation] | None:
    """An order that explains the whole history, or None if there is none.

    Orders of different keys follow one another. Operations of unknown outcome are in it only
    if they are needed. Raises `SearchTooLarge` after `states_max` remembered states, and
    `ValueError` for an operation that the model does not have.
    """
    orders: list[Operation] = []
    for part in split(history, model):
        order = check_part(part, model, states_max=states_max)
        if order is None:
            return None
        orders += order
    return orders


def split(history: Iterable[Operation], model: Model) -> list[list[Operation]]:
    """The parts that can be checked by themselves, the shortest first.

    Raises `ValueError` for an operation that the model does not have.
    """
    parts: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        check_operation(operation, model)
        if operation.known or operation.kind not in ("read", "get"):
            parts[operation.key].append(operation)
    return sorted(parts.values(), key=len)


def check_part(
    operations: Sequence[Operation], model: Machine, *, states_max: int = STATES_MAX
) -> list[Operation] | None:
    """`check` for one part."""
    head, lanes = _link(operations)
    returns = len(lanes) - 1
    state: State = model.initial()
    first = mark = characters = 0
    seen: set[tuple[int, int, State]] = set()
    stack: list[tuple[_Entry, State, int, int]] = []
    entry = head.after
    while first < returns:
        if entry is not None and entry.operation is not None:
            right, following = model.step(state, entry.operation)
            if right:
                reached, now = first, mark | entry.bit
                while now & lanes[reached]:
                    now ^= lanes[reached]
                    reached += 1
                place = (reached, now, following)
                if place not in seen:
                    if type(following) is str:
                        characters += len(following)
                    if len(seen) >= states_max or characters > STATE_CHARACTERS_MAX:
                        raise _too_large(len(seen), states_max)
                    seen.add(place)
                    stack.append((entry, state, first, mark))
                    first, mark, state = place
                    _lift(entry)
                    entry = head.after
                    continue
            entry = entry.after
            continue
        # A return that must not be passed, or the end: the last placement was wrong.
        if not stack:
            return None
        entry, state, first, mark = stack.pop()
        _unlift(entry)
        entry = entry.after
    return [entry.operation for entry, *_before in stack if entry.operation is not None]


def _too_large(states: int, states_max: int) -> SearchTooLarge:
    if states >= states_max:
        return SearchTooLarge(
            f"given up after {states:,} states: allow more, or check a shorter history"
        )
    return SearchTooLarge(
        f"given up after {states:,} states of more than {STATE_CHARACTERS_MAX:,} characters "
        "together: check a shorter history, or append less to each key"
    )


def _link(operations: Sequence[Operation]) -> tuple[_Entry, list[int]]:
    """(the head of the list of calls and returns in the order of time, the lane of each return).

    A lane is one bit. It is free again after the return; that of an operation of unknown
    outcome never is. Behind the last return stands a lane that nobody has.
    """
    events: list[tuple[int, bool, int]] = []
    for number, operation in enumerate(operations):
        events.append((operation.called, False, number))
        if operation.known:
            events.append((operation.returned, True, number))
    events.sort(key=lambda event: event[0])
    head = last = _Entry(None, 0)
    calls: dict[int, _Entry] = {}
    lanes: list[int] = []
    free: list[int] = []
    used = 0
    for _moment, returns, number in events:
        if returns:
            call = calls.pop(number)
            entry = call.other = _Entry(None, call.bit)
            lanes.append(call.bit)
            heappush(free, call.bit)
        else:
            if not free:
                heappush(free, 1 << used)
                used += 1
            entry = calls[number] = _Entry(operations[number], heappop(free))
        last.after, entry.before = entry, last
        last = entry
    return head, [*lanes, 0]


def _lift(call: _Entry) -> None:
    """Take a call and its return out."""
    for entry in (call, call.other):
        if entry is not None:
            assert entry.before is not None
            entry.before.after = entry.after
            if entry.after is not None:
                entry.after.before = entry.before


def _unlift(call: _Entry) -> None:
    """Put them back, the other way round."""
    for entry in (call.other, call):
        if entry is not None:
            assert entry.before is not None
            entry.before.after = entry
            if entry.after is not None:
                entry.after.before = entry
