"""Whatever is done to a traced core, it answers as a bare one, and each step has a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from trace_kit import Watched

from paxos_core import NotLeader, Overloaded, QuorumSystem, Replica, ReplicaConfig
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.codec import KINDS
from paxos_core.testing.chance import Chance, stream
from paxos_core.types import U64_MAX, make_ballot

SEEDS = range(60)
INPUTS = 60
PEER_KINDS = [kind for kind, number in KINDS.items() if number < 32]
NUMBERS = (0, 0, 0, 1, 1, 2, 3, 5, 1023, 1024, 2**32, 2**53 + 1, 2**63, U64_MAX)
BALLOTS = [make_ballot(r, n) for r in (1, 2, 3) for n in (1, 2, 3)]
VALUES = [encode_batch([]), encode_batch([b"x"]), encode_batch([b"y"]), b"no batch"]


def draw_message(chance: Chance, promised: int) -> m.Message:
    kind = chance.choice(PEER_KINDS)
    value = chance.choice(VALUES)
    drawn: dict[str, Any] = {}
    for field in fields(kind):
        match field.name:
            case "ballot" | "promised":
                drawn[field.name] = chance.choice([*BALLOTS, promised, promised, U64_MAX])
            case "value" | "chunk":
                drawn[field.name] = value
            case "checksum":
                drawn[field.name] = checksum(value) if chance.happens(900) else 1
            case "bytes_total":
                drawn[field.name] = len(value)
            case "next_slot":
                drawn[field.name] = chance.choice((m.NO_MORE, m.NO_MORE, 2))
            case "votes":
                slots = range(chance.below(3))
                drawn[field.name] = [
                    m.Vote(slot, chance.choice(BALLOTS), checksum(value), value) for slot in slots
                ]
            case _:
                drawn[field.name] = chance.choice(NUMBERS)
    return kind(**drawn)


def draw_input(chance: Chance, replica: Replica) -> tuple[str, tuple[Any, ...]]:
    """The name of a method, and what it is given."""
    match chance.below(10):
        case 0 | 1:
            return "tick", ()
        case 2:
            return "propose", (b"command",)
        case 3 | 4:
            return "take", ()
        case _:
            promised = replica.status().promised
            sender = chance.choice((1, 2, 2, 2, 3, 3, 3, 9, 70_000))
            return "receive", (sender, draw_message(chance, promised))


def outcome(act: Callable[[], Any]) -> Any:
    """What came of it, errors too. Two values chosen by lies is what an invariant is for."""
    try:
        return act()
    except (NotLeader, Overloaded, AssertionError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_traced_core_is_the_core(seed: int) -> None:
    chance = stream(seed, 77)
    voting = chance.happens(900)
    watched = Watched(voting=voting)
    bare = Replica(ReplicaConfig(1, QuorumSystem([1, 2, 3]), voting=voting))
    bare.take()
    for _ in range(INPUTS):
        name, given = draw_input(chance, bare)
        one = outcome(lambda: getattr(bare, name)(*given))  # noqa: B023
        other = outcome(lambda: getattr(watched.log, name)(*given))  # noqa: B023
        assert one == other
        if isinstance(one, tuple) and one[0] is AssertionError:
            break
        assert bare.status() == watched.log.status()
        if name == "take" and one.write_id and chance.happens(800):
            bare.persisted(one.write_id)
            watched.log.persisted(one.write_id)
    watched.recorder.settle()
    assert len(watched.events) > 5
    for event in watched.events:
        assert event["why"].endswith(".")
        assert "this breaks the rule" not in event["why"]
