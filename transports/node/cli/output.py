"""What people and programs get to see: tables by rich, JSON, commands as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH: Final = 10_000
CELL_CHARACTERS_MAX: Final = 120
HASH_CHARACTERS: Final = 8


def make_console(*, stderr: bool = False) -> Console:
    """A console. What goes into a file or a pipe is never cut to a terminal's width.

    What goes to a closed stream goes nowhere.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream is not None and stream.isatty() else PIPE_WIDTH
    return Console(
        file=stream,
        width=width,
        highlight=False,
        markup=False,
        soft_wrap=not width,
        quiet=stream is None,
    )


def make_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table. A column's name that begins with ``>`` is for numbers, one with ``*`` may wrap."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
    )
    for column in columns:
        name = column.lstrip(">*")
        table.add_column(
            Text(name),
            justify="right" if column.startswith(">") else "left",
            no_wrap="*" not in column,
            overflow="fold" if "*" in column else "ellipsis",
        )
    for row in rows:
        cells = [cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row]
        table.add_row(*cells)
    return table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output."""
    show_table(make_console(), columns, rows)


def show_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a console."""
    for line in table_lines(make_table(columns, rows), console):
        console.print(line)


def table_lines(table: Table, console: Console) -> Iterable[Any]:
    """The table's lines without blanks at the end or blank lines around, in their styles."""
    from rich.text import Text

    for segments in console.render_lines(table, pad=False):
        line = Text.assemble(*((part.text, part.style or "") for part in segments))
        line.rstrip()
        if line.plain:
            yield line


def print_json(document: object, *, lines: bool = False) -> None:
    """One JSON document; with `lines`, on one line."""
    click.echo(json.dumps(document, indent=None if lines else 2))


def clean(value: object) -> str:
    """`value` as one line without anything that a terminal obeys, and not too long."""
    text = str(value)
    if len(text) > CELL_CHARACTERS_MAX:
        text = f"{text[: CELL_CHARACTERS_MAX - 3]}..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def readable(data: bytes) -> str | None:
    """`data` as text, if it is printable UTF-8."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def shown(data: bytes) -> str:
    """`data` for a table: as text, or as ``0x`` and hexadecimal digits."""
    text = readable(data)
    return f"0x{data[:CELL_CHARACTERS_MAX].hex()}" if text is None else text


def as_json(name: str, data: bytes) -> dict[str, str]:
    """`data` for JSON: ``{name: text}`` or, where it is no text, ``{name_hex: digits}``."""
    text = readable(data)
    return {f"{name}_hex": data.hex()} if text is None else {name: text}


def milliseconds(seconds: float | None) -> str:
    """A duration for a table."""
    if seconds is None:
        return "-"
    ms = seconds * 1000
    return f"{ms:.2f} ms" if ms < 10 else f"{ms:.1f} ms" if ms < 100 else f"{ms:.0f} ms"
