"""Both cores lead after one with wider limits: much is open above the reach of their own."""

import pytest

from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum

from .pair import Pair
from .require import need_compiler
from .setup import Setup, make_config

VOTE_SLOTS = 4
OPEN = 3 * VOTE_SLOTS


@pytest.fixture(autouse=True)
def _compiler() -> None:
    need_compiler()


def settle(pair: Pair) -> None:
    while (taken := pair.take().write_id) > 0:
        pair.persisted(taken)


def a_narrow_leader(members: tuple[int, ...]) -> Pair:
    """Node 1 leads; the others' promises showed votes further up than it votes itself."""
    quorum = len(members) // 2 + 1
    limits = (2, 500, VOTE_SLOTS, 4000, 8, 2000, 700, 100)
    config = make_config(1, members, (quorum, quorum), (1, 3, 5, 2), limits)
    pair = Pair(Setup(config, open_slots_max=64, log_slots_max=64))
    while not (asked := pair.python.replica._election._asked):
        pair.tick()
    for peer in members[1:]:
        pair.receive(peer, m.PreVoteReply(asked, 1, 0, 0))
    settle(pair)
    votes = []
    for slot in range(OPEN):
        value = encode_batch([b"%d" % slot])
        votes.append(m.Vote(slot, 1 << 16 | 2, checksum(value), value))
    for peer in members[1:quorum]:
        pair.receive(peer, m.Promise(asked, 0, m.NO_MORE, 0, votes))
    settle(pair)
    assert pair.python.replica.leader == 1
    return pair


def watermark_after(pair: Pair, voters: tuple[int, ...]) -> int:
    """`voters` answer every Accept, which the leader repeats."""
    ballot = pair.python.replica.status().ballot
    for _ in range(20):
        for voter in voters:
            pair.receive(voter, m.Accepted(ballot, 0, OPEN - 1))
        settle(pair)
        pair.tick()
        settle(pair)
    return pair.python.replica.status().watermark


def test_the_leaders_own_vote_is_given_later():
    assert watermark_after(a_narrow_leader((1, 2, 3)), (2,)) == OPEN


def test_what_the_others_choose_is_not_forgotten():
    assert watermark_after(a_narrow_leader((1, 2, 3, 4, 5)), (2, 3, 4)) == OPEN
