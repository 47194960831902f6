"""What nodes tell one another of their processes."""

from __future__ import annotations

from typing import Any

import pytest

from paxos_core import Codec
from paxos_core.messages import StatusRequest
from transports.node.incarnations import (
    INCARNATION_MAX,
    REMEMBERED,
    Incarnations,
    announcing,
    contesting,
    draw_incarnation,
    read_incarnations,
)

ALL = (0, 1, 1_000, 1_882_930_619_901_951_677, INCARNATION_MAX)


@pytest.mark.parametrize("incarnation", ALL)
def test_what_is_announced_and_contested_is_heard(incarnation: int) -> None:
    heard = Incarnations([1, 3])
    heard.hear(1, announcing(incarnation))
    assert heard.describe() == {"incarnations": {"1": [incarnation], "3": []}, "contested": {}}
    heard.hear(3, contesting(incarnation))
    assert heard.describe()["contested"] == {"3": [incarnation]}


@pytest.mark.parametrize("incarnation", ALL)
def test_no_flipped_bit_of_an_announcement_contests_it(incarnation: int) -> None:
    for bit in range(64):
        heard = Incarnations([1])
        heard.hear(1, announcing(incarnation) ^ 1 << bit)
        assert incarnation not in heard.describe()["contested"].get("1", [])


@pytest.mark.parametrize("incarnation", ALL)
def test_both_fit_the_frame(incarnation: int) -> None:
    codec = Codec(1, 1)
    for nonce in (announcing(incarnation), contesting(incarnation)):
        assert codec.decode(codec.encode(StatusRequest(nonce))) == (1, StatusRequest(nonce))


def test_only_the_last_of_peers_are_remembered() -> None:
    heard = Incarnations([1])
    for incarnation in (*range(100), 98):
        heard.hear(1, announcing(incarnation))
        heard.hear(2, announcing(incarnation))
        heard.hear(70_000, contesting(incarnation))
    assert heard.describe() == {"incarnations": {"1": [99, 98]}, "contested": {}}
    assert len(heard.describe()["incarnations"]["1"]) == REMEMBERED


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"incarnations": 3},
        {"incarnations": {"1": 3}},
        {"incarnations": {"2": [3]}},
        {"incarnations": {1: [3]}},
        {"incarnations": {"1": ["3", None]}},
        {"incarnations": {"1": [-1, INCARNATION_MAX + 1]}},
        {"incarnations": {"1": [True, 1.0]}},
    ],
)
def test_what_makes_no_sense_is_left_out(status: dict[str, Any]) -> None:
    assert read_incarnations(status, "incarnations", 1) == []


def test_of_too_many_only_the_first_are_read() -> None:
    status = {"incarnations": {"1": list(range(10))}}
    assert read_incarnations(status, "incarnations", 1) == [0, 1]


def test_incarnations_differ_and_are_bounded() -> None:
    drawn = {draw_incarnation() for _ in range(100)}
    assert len(drawn) == 100
    assert all(0 < number <= INCARNATION_MAX for number in drawn)
