"""What is no finite number is wrong use, in every command's options."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from transports.node.cli.options import FiniteRange
from transports.node.cli.program import paxos as paxos_group


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words up to each option that takes a fraction."""
    for parameter in command.params:
        if isinstance(parameter.type, click.types.FloatParamType):
            yield (*path, parameter.opts[0])
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk(inner, (*path, name))


FRACTIONS = sorted(walk(paxos_group, ()))


def test_the_walk_finds_options_at_every_depth() -> None:
    assert {("chaos", "--seconds"), ("status", "--timeout"), ("lab", "run", "--loss")} <= {
        *FRACTIONS
    }


@pytest.mark.parametrize("text", ["nan", "-NaN", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("words", FRACTIONS, ids=" ".join)
def test_what_is_no_number_is_wrong_use(paxos, home, words: tuple[str, ...], text: str) -> None:
    arguments = [str(home)] * 2 if words[:2] == ("bench", "compare") else []
    *command, option = words
    result = paxos(*command, *arguments, f"{option}={text}")
    assert result.status == 2
    assert f"invalid value for '{option}': {float(text)} is not a number from " in result.complaint
    assert not list(home.iterdir())


def test_without_a_limit_it_is_finite_too() -> None:
    with pytest.raises(click.BadParameter, match="inf is not a finite number"):
        FiniteRange(min=0).convert("inf", None, None)
