"""The gate: what depends on a record never leaves before the record is written."""

from __future__ import annotations

import pytest
from core_kit import explore
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from paxos_core import messages as m
from paxos_core.durable import ChosenUpTo, Promised
from paxos_core.ready import CaughtUp, Decided, Outbox, Ready


def said(ready: Ready) -> list[int]:
    return [message.nonce for _, message in ready.messages if isinstance(message, m.OpenSession)]


def note(number: int) -> m.OpenSession:
    return m.OpenSession(number)


def test_ungated_leaves_at_once_and_gated_waits() -> None:
    outbox = Outbox(1)
    outbox.record(Promised(1))
    outbox.send_gated(2, note(1))
    outbox.send(2, note(2))
    ready = outbox.take()
    assert (ready.write_id, ready.records, said(ready)) == (1, [Promised(1)], [2])
    assert said(outbox.take()) == []
    outbox.persisted(1)
    assert said(outbox.take()) == [1]


def test_gated_without_a_record_outstanding_leaves_at_once() -> None:
    outbox = Outbox(1)
    outbox.send_gated(2, note(1))
    assert said(outbox.take()) == [1]
    outbox.record(Promised(1))
    outbox.persisted(outbox.take().write_id)
    outbox.send_gated(2, note(2))
    assert said(outbox.take()) == [2]


def test_gated_waits_for_a_write_that_is_on_its_way() -> None:
    outbox = Outbox(1)
    outbox.record(Promised(1))
    outbox.take()
    outbox.send_gated(2, note(1))
    assert said(outbox.take()) == []
    outbox.persisted(1)
    assert said(outbox.take()) == [1]


def test_persisted_is_cumulative_and_may_repeat() -> None:
    outbox = Outbox(1)
    for number in (1, 2, 3):
        outbox.record(Promised(number))
        outbox.send_gated(2, note(number))
        assert outbox.take().write_id == number
    outbox.persisted(2)
    assert said(outbox.take()) == [1, 2]
    outbox.persisted(1)
    assert said(outbox.take()) == []
    outbox.persisted(3)
    outbox.persisted(1)
    outbox.send_gated(2, note(4))
    assert said(outbox.take()) == [3, 4]


@pytest.mark.parametrize("write_id", [1, 2])
def test_persisted_for_a_batch_never_taken_is_a_broken_invariant(write_id: int) -> None:
    outbox = Outbox(1)
    outbox.record(Promised(1))
    with pytest.raises(AssertionError, match="never taken"):
        outbox.persisted(write_id)


def test_a_batch_without_records_needs_no_write() -> None:
    outbox = Outbox(1)
    outbox.send(2, note(1))
    ready = outbox.take()
    assert (ready.write_id, ready.records) == (0, [])
    outbox.record(Promised(1))
    assert outbox.take().write_id == 1


def test_a_restatement_replaces_what_was_not_taken_and_is_said_once() -> None:
    outbox = Outbox(1)
    outbox.record(Promised(1))
    outbox.send_gated(2, note(1))
    outbox.restate([Promised(1), ChosenUpTo(4)])
    ready = outbox.take()
    assert (ready.checkpoint, ready.records) == (True, [Promised(1), ChosenUpTo(4)])
    outbox.record(Promised(2))
    following = outbox.take()
    assert not following.checkpoint
    assert said(following) == []
    outbox.persisted(ready.write_id)
    assert said(outbox.take()) == [1]


def test_what_is_for_ourselves_passes_the_same_gate() -> None:
    outbox = Outbox(1)
    outbox.record(Promised(1))
    outbox.send_gated(1, note(1))
    assert not outbox.to_self
    outbox.persisted(outbox.take().write_id)
    assert list(outbox.to_self) == [note(1)]
    assert said(outbox.take()) == []


def test_ready_is_true_when_there_is_something_to_do() -> None:
    assert not Ready()
    assert Ready(records=[Promised(1)])
    assert Ready(messages=[(2, note(1))])
    assert Ready(decided=[Decided(0, 0, [])])
    assert Ready(events=[CaughtUp(1)])


class GateMachine(RuleBasedStateMachine):
    """Any order of inputs against the rule itself, stated over the whole history."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(1)
        self.records = 0
        self.written = 0
        self.batches: list[int] = [0]
        self.needs: dict[int, int] = {}
        self.left: list[int] = []

    @rule()
    def record(self) -> None:
        self.records += 1
        self.outbox.record(Promised(self.records))

    @rule(gated=st.booleans())
    def send(self, gated: bool) -> None:
        number = len(self.needs) + 1
        self.needs[number] = self.records if gated else 0
        if gated:
            self.outbox.send_gated(2, note(number))
        else:
            self.outbox.send(2, note(number))

    @rule()
    def take(self) -> None:
        ready = self.outbox.take()
        if ready.write_id:
            assert ready.write_id == len(self.batches)
            self.batches.append(self.records)
        for number in said(ready):
            assert self.needs[number] <= self.written, "left before its record was written"
            self.left.append(number)

    @rule(at=st.integers(0, 10))
    def persisted(self, at: int) -> None:
        write_id = min(at, len(self.batches) - 1)
        self.outbox.persisted(write_id)
        self.written = max(self.written, self.batches[write_id])

    @invariant()
    def nothing_leaves_twice(self) -> None:
        assert len(set(self.left)) == len(self.left)

    def teardown(self) -> None:
        self.take()
        self.persisted(len(self.batches) - 1)
        self.take()
        assert sorted(self.left) == sorted(self.needs)


GateMachine.TestCase.settings = explore
TestGate = GateMachine.TestCase
