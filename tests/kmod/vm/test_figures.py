"""The tables of kernel-figures.md: what is divided by what, and whether an aim is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import figures
import pytest
from measure import decisions, echoes, tables

Figures = dict[str, Any]


def echo(outstanding: int, instructions: int) -> Figures:
    return {
        "outstanding": outstanding,
        "count": 10,
        "busy_ns": 10 * instructions,
        "switches": 20,
        "echo_ns": 0,
        "elapsed_ns": 10 * instructions,
        "p50_ns": instructions,
    }


def decision(outstanding: int, per_command: int, switches: float = 0, **other: float) -> Figures:
    slots = 100 // outstanding if outstanding < 100 else 1
    return {
        "outstanding": outstanding,
        "commands": 100,
        "slots": slots,
        "busy_ns": 100 * per_command,
        "switches": 5,
        "follower_ns": 7 * slots,
        "follower_switches": switches * slots,
        "ns": 100 * per_command,
        "p50_ns": per_command,
        **other,
    }


def counted(user: int, kernel: int, switches: float = 0) -> Figures:
    return {
        "echoes": {
            "udp-user": [echo(1, 3000)],
            "ethernet-user": [echo(1, 1600)],
            "ethernet-kernel": [echo(1, 1000)],
        },
        "decisions": {
            "c-ethernet": [decision(1, user)],
            "c-kernel": [decision(1, kernel, switches)],
        },
    }


def timed(p50_us: int, many_ns: int) -> Figures:
    kernel = [decision(1, p50_us * 1000), decision(64, many_ns)]
    return {"decisions": {"c-kernel": kernel}, "load": [1.0, 2.0]}


def verdicts(text: str) -> Mapping[str, str]:
    """The aims' names and whether they are reached."""
    lines = text.split("### The aims\n\n")[1].split("\n\n")[0].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {cell[0]: cell[3] for cell in cells}


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        (tables.markdown(counted(1000, 500), timed(98, 21_000), {}), {"yes"}),
        (tables.markdown(counted(1000, 501, 0.2), timed(120, 22_000), {}), {"yes", "no"}),
    ],
)
def test_an_aim_is_reached_or_not(text: str, reached: set[str]) -> None:
    found = verdicts(text)
    assert len(found) == 6
    assert set(found.values()) == reached
    missed = {name for name, word in found.items() if word == "no"}
    assert not any("echo" in name for name in missed), "1,600 to 1,000 is just enough"
    assert len(missed) in (0, 5)


def test_ratios_are_to_udp_in_user_space_with_as_many_outstanding() -> None:
    text = tables.markdown({"echoes": counted(1, 1)["echoes"]}, None, {"date": "today"})
    assert "| Ethernet, user space | 1 | 1,600 | none | 2.0 | 625,000 | 1.88 x |" in text
    assert "- date: today" in text
    assert "### A decision" not in text


def test_rows_that_are_named_elsewhere_are_there() -> None:
    assert set(figures.TIMED_ROWS) <= set(decisions.ROWS)
    assert set(tables.PAPER_PER_SECOND) < set(echoes.ECHOES)


@pytest.mark.parametrize("words", [("--write", "x.md", "--quick"), ("--write", "x.md", "c-kernel")])
def test_a_trial_is_not_written(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        figures.arguments(words)
    assert caught.value.code == 2
