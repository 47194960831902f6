from __future__ import annotations

from itertools import combinations

import pytest

from paxos_core.quorum import MEMBERS_MAX, QuorumSystem
from paxos_core.types import NODE_MAX


@pytest.mark.parametrize("size", range(1, 8))
def test_majorities_of_every_small_cluster_meet(size: int) -> None:
    quorums = QuorumSystem(range(1, size + 1))
    assert quorums.phase1 == quorums.phase2 == size // 2 + 1


@pytest.mark.parametrize("size", range(1, 7))
def test_sizes_are_accepted_exactly_when_every_pair_of_quorums_meets(size: int) -> None:
    members = range(1, size + 1)
    for phase1 in range(1, size + 1):
        for phase2 in range(1, size + 1):
            meet = all(
                set(first) & set(second)
                for first in combinations(members, phase1)
                for second in combinations(members, phase2)
            )
            if meet:
                quorums = QuorumSystem(members, phase1, phase2)
                assert (quorums.phase1, quorums.phase2) == (phase1, phase2)
            else:
                with pytest.raises(ValueError, match="can miss one another"):
                    QuorumSystem(members, phase1, phase2)


@pytest.mark.parametrize("size", range(1, 7))
def test_a_mask_is_a_quorum_exactly_when_it_is_large_enough(size: int) -> None:
    for phase1 in range(1, size + 1):
        quorums = QuorumSystem(range(1, size + 1), phase1=phase1)
        for mask in range(1 << size):
            count = bin(mask).count("1")
            assert quorums.is_phase1(mask) == (count >= phase1)
            assert quorums.is_phase2(mask) == (count >= quorums.phase2)


@pytest.mark.parametrize("size", range(1, 7))
def test_one_size_given_makes_the_other_the_smallest_that_meets_it(size: int) -> None:
    for given in range(1, size + 1):
        assert QuorumSystem(range(1, size + 1), phase1=given).phase2 == size + 1 - given
        assert QuorumSystem(range(1, size + 1), phase2=given).phase1 == size + 1 - given


def test_members_have_their_bit_in_ascending_order() -> None:
    quorums = QuorumSystem([9, 2, 700])
    assert quorums.members == (2, 9, 700)
    assert quorums.bits == {2: 1, 9: 2, 700: 4}


@pytest.mark.parametrize(
    "members",
    [(), (1, 1), (0, 1), (-1,), (NODE_MAX + 1,), range(1, MEMBERS_MAX + 2)],
)
def test_impossible_members_are_refused(members: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"member"):
        QuorumSystem(members)


@pytest.mark.parametrize(("phase1", "phase2"), [(0, 3), (3, 0), (4, 1), (1, 4), (-1, 5)])
def test_sizes_that_nobody_can_reach_are_refused(phase1: int, phase2: int) -> None:
    with pytest.raises(ValueError, match="quorum sizes of 3 members"):
        QuorumSystem((1, 2, 3), phase1, phase2)


@pytest.mark.parametrize("size", [0, 4, -1])
def test_one_size_that_nobody_can_reach_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="quorum sizes of 3 members"):
        QuorumSystem((1, 2, 3), phase1=size)
    with pytest.raises(ValueError, match="quorum sizes of 3 members"):
        QuorumSystem((1, 2, 3), phase2=size)


def test_the_largest_cluster_works() -> None:
    quorums = QuorumSystem(range(1, MEMBERS_MAX + 1))
    assert quorums.is_phase1((1 << 33) - 1)
    assert not quorums.is_phase1((1 << 32) - 1)
