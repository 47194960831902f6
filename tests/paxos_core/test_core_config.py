from __future__ import annotations

from typing import Any

import pytest

from paxos_core import Codec, Limits, QuorumSystem, ReplicaConfig, Timing
from paxos_core import messages as m
from paxos_core.codec import KINDS
from paxos_core.config import FRAME_BYTES_MIN

QUORUMS = QuorumSystem((1, 2, 3))


@pytest.mark.parametrize(
    "times",
    [
        {"heartbeat_ticks": 0},
        {"heartbeat_ticks": 15},
        {"election_ticks_min": 31},
        {"election_ticks_max": 14},
        {"resend_ticks": 0},
    ],
)
def test_impossible_timing_is_refused(times: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="ticks"):
        Timing(**times)


def test_timing_at_its_edge_is_accepted() -> None:
    Timing(heartbeat_ticks=1, election_ticks_min=2, election_ticks_max=2, resend_ticks=1)


@pytest.mark.parametrize("name", Limits.__slots__)
def test_every_limit_is_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


def test_an_acceptor_must_hold_two_windows() -> None:
    Limits(window_slots=4, vote_slots_max=8)
    with pytest.raises(ValueError, match="vote_slots_max"):
        Limits(window_slots=4, vote_slots_max=7)


@pytest.mark.parametrize(
    ("given", "word"),
    [({"node": 4}, "not among"), ({"frame_bytes_max": FRAME_BYTES_MIN - 1}, "too small")],
)
def test_an_impossible_replica_is_refused(given: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ReplicaConfig(**{"node": 1, "quorums": QUORUMS, **given})


def test_peers_are_the_other_members() -> None:
    assert ReplicaConfig(2, QUORUMS).peers == (1, 3)


@pytest.mark.parametrize("frame_bytes", [FRAME_BYTES_MIN, 1500, 65536])
def test_a_value_of_full_size_fits_every_message_that_carries_one(frame_bytes: int) -> None:
    config = ReplicaConfig(1, QUORUMS, frame_bytes_max=frame_bytes)
    value = bytes(config.value_bytes_max)
    encode = Codec(1, 1).encode
    carriers: list[m.Message] = [
        m.Accept(1, 2, 3, 4, value),
        m.Chosen(1, 2, 3, 4, value),
        m.Promise(1, 2, 3, 4, [m.Vote(1, 2, 3, value)]),
        m.SnapshotChunk(1, 2, 3, 4, 5, value),
        m.Request(1, 2, 3, 4, value),
        m.Reply(1, 2, 3, value),
        m.StatusReply(1, value),
    ]
    assert {type(c) for c in carriers} == {k for k in KINDS if _has_body(k)}
    assert all(len(encode(message)) <= frame_bytes for message in carriers)


def _has_body(kind: type[m.Message]) -> bool:
    return str(list(kind.__dataclass_fields__.values())[-1].type) in ("bytes", "list[Vote]")
