"""The search: Wing and Gong's, with Lowe's memory of what was tried.

An order is built from the front. The next operation may be any that was called before the
first return that is still to come; if its result is right in the state so far, it is placed,
and if that leads nowhere it is taken back. A pair (which operations are placed, the state) that
was seen before leads nowhere new (Lowe, "Testing for linearizability", 2017). Keys of a store
do not touch one another, so each is searched by itself: a history is linearizable if and only
if its part for each object is (Herlihy and Wing, theorem 1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from paxos_core.testing.linearize.models import Model, State
from paxos_core.testing.linearize.operations import Operation

STATES_MAX: Final = 2_000_000
"""How many pairs are remembered, about 200 bytes each."""


class SearchTooLarge(Exception):
    """The search was given up. The message is one line with the cure."""


class _Entry:
    """A call or a return in the doubly linked list of what is not placed yet."""

    __slots__ = ("after", "before", "number", "other")

    def __init__(self, number: int) -> None:
        self.number = number
        self.before: _Entry | None = None
        self.after: _Entry | None = None
        self.other: _Entry | None = None
        """Of a call: its return, if it has one. A return has none."""


def check(
    history: Iterable[Operation], model: Model, *, states_max: int = STATES_MAX
) -> list[Operation] | None:
    """An order that explains the whole history, or None if there is none.

    Orders of different keys follow one another. Operations of unknown outcome are in it only
    if they are needed. Raises `SearchTooLarge` after `states_max` remembered states.
    """
    orders: list[Operation] = []
    for part in split(history, model):
        order = check_part(part, model, states_max=states_max)
        if order is None:
            return None
        orders += order
    return orders


def split(history: Iterable[Operation], model: Model) -> list[list[Operation]]:
    """The parts that can be checked by themselves, the shortest first."""
    operations = [o for o in history if o.known or o.kind not in ("read", "get")]
    if not model.by_key:
        return [operations]
    parts: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        parts[operation.key].append(operation)
    return sorted(parts.values(), key=len)


def check_part(
    operations: Sequence[Operation], model: Model, *, states_max: int = STATES_MAX
) -> list[Operation] | None:
    """`check` for one part."""
    head = _link(operations)
    left = sum(operation.known for operation in operations)
    state: State = model.initial()
    placed = 0
    seen: set[tuple[int, State]] = set()
    stack: list[tuple[_Entry, State]] = []
    entry = head.after
    while left:
        if entry is not None and entry.number >= 0:
            operation = operations[entry.number]
            right, following = model.step(state, operation)
            mark = placed | 1 << entry.number
            if right and (mark, following) not in seen:
                if len(seen) >= states_max:
                    raise SearchTooLarge(
                        f"given up after {states_max:,} states: allow more, or check a shorter "
                        "history"
                    )
                seen.add((mark, following))
                stack.append((entry, state))
                state, placed = following, mark
                left -= operation.known
                _lift(entry)
                entry = head.after
            else:
                entry = entry.after
            continue
        # A return that must not be passed, or the end: the last placement was wrong.
        if not stack:
            return None
        entry, state = stack.pop()
        placed ^= 1 << entry.number
        left += operations[entry.number].known
        _unlift(entry)
        entry = entry.after
    return [operations[entry.number] for entry, _state in stack]


def _link(operations: Sequence[Operation]) -> _Entry:
    """The list of calls and returns in the order of time, behind a head."""
    events: list[tuple[int, _Entry]] = []
    for number, operation in enumerate(operations):
        call = _Entry(number)
        events.append((operation.called, call))
        if operation.known:
            call.other = _Entry(-1)
            events.append((operation.returned, call.other))
    events.sort(key=lambda event: event[0])
    head = _Entry(-1)
    last = head
    for _moment, entry in events:
        last.after, entry.before = entry, last
        last = entry
    return head


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
