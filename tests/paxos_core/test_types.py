from __future__ import annotations

import pytest
from core_kit import explore
from hypothesis import given
from hypothesis import strategies as st

from paxos_core.types import (
    NO_BALLOT,
    NO_NODE,
    NODE_MAX,
    ROUND_MAX,
    U64_MAX,
    ballot_node,
    ballot_round,
    format_ballot,
    make_ballot,
    next_ballot,
)

rounds = st.integers(1, ROUND_MAX)
nodes = st.integers(1, NODE_MAX)


@explore
@given(rounds, nodes)
def test_a_ballot_is_its_round_and_its_node(round_number: int, node: int) -> None:
    ballot = make_ballot(round_number, node)
    assert (ballot_round(ballot), ballot_node(ballot)) == (round_number, node)
    assert NO_BALLOT < ballot <= U64_MAX
    assert format_ballot(ballot) == f"{round_number}.{node}"


@explore
@given(rounds, nodes, rounds, nodes)
def test_ballots_order_by_round_then_node_and_never_collide(
    round_a: int, node_a: int, round_b: int, node_b: int
) -> None:
    a, b = make_ballot(round_a, node_a), make_ballot(round_b, node_b)
    assert (a < b) == ((round_a, node_a) < (round_b, node_b))
    assert (a == b) == ((round_a, node_a) == (round_b, node_b))


@explore
@given(st.integers(0, make_ballot(ROUND_MAX - 1, NODE_MAX)), nodes)
def test_the_next_ballot_is_above_and_the_nodes_own(above: int, node: int) -> None:
    ballot = next_ballot(above, node)
    assert ballot > above
    assert ballot_node(ballot) == node
    assert ballot_round(ballot) == ballot_round(above) + 1


def test_no_ballot_is_below_all_and_belongs_to_nobody() -> None:
    assert ballot_round(NO_BALLOT) == 0
    assert ballot_node(NO_BALLOT) == NO_NODE
    assert format_ballot(NO_BALLOT) == "-"
    assert make_ballot(ROUND_MAX, NODE_MAX) == U64_MAX


@pytest.mark.parametrize(
    ("round_number", "node"),
    [(0, 1), (-1, 1), (ROUND_MAX + 1, 1), (1, 0), (1, -1), (1, NODE_MAX + 1)],
)
def test_a_ballot_outside_64_bits_is_refused(round_number: int, node: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\."):
        make_ballot(round_number, node)
