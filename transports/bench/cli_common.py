"""What the commands of `paxos bench` share: progress, pages, output, and how to repeat a run."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from transports.node.cli.failures import Misuse

GIVEN: Final = ParameterSource.COMMANDLINE


def say(text: str) -> None:
    """Progress, on stderr."""
    click.echo(text, err=True)


def check_page(page: Path, markers: tuple[str, str]) -> None:
    """Raises `Misuse` if the page has no place for the table."""
    from transports.bench.markers import MarkersMissing, check_markers

    try:
        check_markers(page.read_text(), page.name, markers)
    except (MarkersMissing, UnicodeDecodeError) as error:
        raise Misuse(f"--write: {error}") from error


def write_page(page: Path, table: str, markers: tuple[str, str]) -> None:
    """Put the table into the page."""
    from transports.bench.markers import replace_table

    page.write_text(replace_table(page.read_text(), table, page.name, markers))


def repeat_command(context: click.Context, leave_out: Collection[str]) -> list[str]:
    """The words that measure the same again: what was given, without the options of these names."""
    words = context.command_path.split()
    for option in context.command.params:
        name = option.name or ""
        if name in leave_out or context.get_parameter_source(name) is not GIVEN:
            continue
        value = context.params[name]
        words.append(option.secondary_opts[0] if value is False else option.opts[0])
        if not isinstance(value, bool):
            words.append(f"{value:g}" if isinstance(value, float) else str(value))
    return [shlex.quote(word) for word in words]
