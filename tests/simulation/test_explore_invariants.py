"""The explorer's invariants, each given facts that break it: a checker is checked as well."""

from collections.abc import Callable

import pytest

from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.durable import Voted
from paxos_core.quorum import QuorumSystem
from paxos_core.testing.explore import ClusterModel, Scope
from paxos_core.testing.explore.invariants import Facts
from paxos_core.testing.failure import Violation
from paxos_core.types import make_ballot

B1, B2 = make_ballot(1, 1), make_ballot(2, 2)
V, W = b"v", b"w"


class Given:
    """Facts, each under a bit of its own."""

    def __init__(self) -> None:
        self.facts = Facts(QuorumSystem((1, 2, 3)))
        self.bits = 0

    def _bit(self) -> int:
        bit = self.bits + 1
        self.bits |= bit
        return bit

    def votes(self, value: bytes, ballot: int, *nodes: int) -> None:
        for node in nodes:
            self.facts.add_vote(self._bit(), node, Voted(0, ballot, checksum(value), value))

    def says(self, node: int, message: m.Message) -> None:
        self.facts.add_message(self._bit(), node, message)


def accept(ballot: int, value: bytes) -> m.Accept:
    return m.Accept(ballot, 0, 0, checksum(value), value)


def two_values_chosen(given: Given) -> None:
    given.votes(V, B1, 1, 2)
    given.votes(W, B2, 2, 3)


def two_values_in_one_ballot(given: Given) -> None:
    given.says(1, accept(B1, V))
    given.says(1, accept(B1, W))


def another_value_after_the_chosen_one(given: Given) -> None:
    given.votes(V, B1, 1, 2)
    given.says(2, accept(B2, W))


def a_watermark_above_what_is_chosen(given: Given) -> None:
    given.votes(V, B1, 1, 2)
    given.says(1, m.Heartbeat(B1, 2, 1))


def a_chosen_value_that_is_not(given: Given) -> None:
    given.votes(V, B1, 1, 2)
    given.says(1, m.Chosen(0, 1, 0, checksum(W), W))


def accepted_without_a_vote(given: Given) -> None:
    given.votes(V, B1, 1)
    given.says(2, m.Accepted(B1, 0, 0))


@pytest.mark.parametrize(
    ("plant", "invariant"),
    [
        (two_values_chosen, "one value per slot"),
        (two_values_in_one_ballot, "one value per ballot and slot"),
        (another_value_after_the_chosen_one, "P2b: a later ballot proposes the chosen value"),
        (a_watermark_above_what_is_chosen, "a watermark is true"),
        (a_chosen_value_that_is_not, "decided only if chosen"),
        (accepted_without_a_vote, "durable before sent"),
    ],
)
def test_facts_that_break_an_invariant_are_found(plant: Callable[[Given], None], invariant: str):
    given = Given()
    plant(given)
    with pytest.raises(Violation) as caught:
        given.facts.check(given.bits)
    assert caught.value.invariant == invariant


def test_what_is_not_among_the_facts_of_a_state_breaks_nothing():
    given = Given()
    given.votes(V, B1, 1, 2)
    sound = given.bits
    for plant in (two_values_in_one_ballot, a_chosen_value_that_is_not):
        plant(given)
        assert given.facts.check(sound) == {0: (B1, V)}


def test_a_value_that_a_node_takes_for_chosen_and_is_not_is_found():
    given = Given()
    given.votes(V, B1, 1, 2)
    node = ClusterModel(Scope(stands=1)).nodes[0]
    state = node.states[node.begin()]
    chosen = given.facts.chosen(given.bits)
    given.facts.check_node(given.bits, 1, state, chosen)
    state.replica._learner.learn(0, checksum(W), W)
    with pytest.raises(Violation) as caught:
        given.facts.check_node(given.bits, 1, state, chosen)
    assert caught.value.invariant == "decided only if chosen"


def test_a_promise_that_the_disk_does_not_hold_is_found():
    given = Given()
    given.says(1, m.Promise(B1, 0, m.NO_MORE, 0, []))
    node = ClusterModel(Scope(stands=1)).nodes[0]
    with pytest.raises(Violation) as caught:
        given.facts.check_node(given.bits, 1, node.states[node.begin()], {})
    assert caught.value.invariant == "promises never regress"
