"""Values that change on their way, in frames that can be read: checksums tell, everywhere."""

from __future__ import annotations

from types import ModuleType
from zlib import crc32

import pytest
from campaign_cases import hold

from paxos_core import catchup, learner, proposer, replica
from paxos_core.codec import Codec
from paxos_core.messages import (
    NO_MORE,
    Accept,
    Accepted,
    Chosen,
    Message,
    Promise,
    SnapshotChunk,
    Vote,
)
from paxos_core.testing import Options, SimulationFailure, simulate
from paxos_core.testing.damage import Damage

SEEDS = 200
DAMAGE = 200
TEETH_SEEDS = 40

CODEC = Codec(7, 1)
VOTES = [Vote(4, 9, 5, b"first"), Vote(5, 9, 6, b"second")]


def through(message: Message, permille: int = 1000) -> Message:
    frame = CODEC.encode(message)
    return CODEC.decode(Damage(3).pass_through((1, 2), frame, message, permille))[1]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Accept(9, 4, 4, 5, b"value"), "value"),
        (Chosen(4, 5, 5, 5, b"value"), "value"),
        (SnapshotChunk(4, 0, 5, 5, 5, b"value"), "chunk"),
        (Promise(9, 4, NO_MORE, 4, VOTES), "votes"),
    ],
)
def test_one_bit_of_a_value_changes_and_nothing_else(message: Message, field: str) -> None:
    arrived = through(message)
    sent, got = getattr(message, field), getattr(arrived, field)
    if field == "votes":
        assert got[:-1] == sent[:-1]
        sent, got = sent[-1].value, got[-1].value
    difference = int.from_bytes(sent, "big") ^ int.from_bytes(got, "big")
    assert len(sent) == len(got)
    assert difference.bit_count() == 1
    rest = [name for name in message.__dataclass_fields__ if name != field]
    assert all(getattr(message, name) == getattr(arrived, name) for name in rest)


@pytest.mark.parametrize(
    "message", [Accept(9, 4, 4, 0, b""), Accepted(9, 4, 4), Promise(9, 4, NO_MORE, 4, [])]
)
def test_what_carries_no_value_is_left_alone(message: Message) -> None:
    assert through(message) == message


def test_it_happens_as_often_as_is_asked() -> None:
    message = Accept(9, 4, 4, 5, b"value")
    frame, damage = CODEC.encode(message), Damage(3)
    spoilt = sum(damage.pass_through((1, 2), frame, message, 100) != frame for _ in range(5000))
    assert 400 < spoilt < 600


def test_the_command_says_it() -> None:
    assert "--damage 20" in Options(1, damage=20).command()


@pytest.mark.slow
def test_every_seed_holds_with_damaged_values() -> None:
    totals = hold(Options(0, damage=DAMAGE), range(SEEDS))
    assert totals.counts["value damaged on its way"] > 10 * SEEDS


def simulate_all(seeds: range) -> None:
    for seed in seeds:
        simulate(Options(seed, damage=DAMAGE))


class Lenient(int):
    """A checksum that every other equals."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


@pytest.mark.parametrize("module", [replica, proposer, learner, catchup])
def test_who_forgets_to_check_a_value_is_found(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The acceptor's check of an Accept, the candidate's of a Promise, that of what is learnt,
    and that of a snapshot: none of them is there for nothing."""
    monkeypatch.setattr(module, "checksum", lambda value: Lenient(crc32(value)))
    with pytest.raises(SimulationFailure):
        simulate_all(range(TEETH_SEEDS))
