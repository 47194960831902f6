"""A load is believed only if the journal counted each of its commands once."""

from __future__ import annotations

from typing import cast

import pytest

from transports.bench.load import LoadFailed, Plan, submit_checked
from transports.bench.saved.schema import Open
from transports.node.client import Client, ClusterUnreachable


class CountingClient:
    """Says of each command the number that it is told to say."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers

    async def submit(self, command: bytes) -> bytes:
        if not self._numbers:
            raise ClusterUnreachable("nobody is there")
        return b"%d" % self._numbers.pop(0)


async def submit(numbers: list[int], expected: int | None) -> int:
    return await submit_checked(cast("Client", CountingClient(numbers)), b"x", expected)


async def test_the_expected_number_passes() -> None:
    assert await submit([7], 7) == 7
    assert await submit([7], None) == 7


@pytest.mark.parametrize("number", [6, 8])
async def test_a_lost_or_repeated_command_fails_the_load(number: int) -> None:
    with pytest.raises(LoadFailed, match="lost or repeated"):
        await submit([number], 7)


async def test_a_command_without_an_outcome_fails_the_load() -> None:
    with pytest.raises(LoadFailed, match="a command failed: ClusterUnreachable: nobody"):
        await submit([], 7)


def test_a_plan_says_what_is_due_whatever_became_of_the_rest() -> None:
    plan = Plan(Open(per_second=1000.0), 5_000_000)
    assert plan.due(5_000_000) == 1
    assert plan.due(8_500_000) == 4
    plan.left = 3
    assert plan.due(8_500_000) == 1
    assert plan.planned_ns(3) == 8_000_000
