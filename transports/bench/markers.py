"""Tables that a command writes into a page, between two comments."""

from __future__ import annotations

import re

Markers = tuple[str, str]
"""(what stands before the table, what stands after it), each on a line of its own."""


class MarkersMissing(Exception):
    """A page has no place for the table. The message is one line."""


def check_markers(text: str, name: str, markers: Markers) -> None:
    """That `replace_table` finds its place. Raises `MarkersMissing`."""
    begin, end = markers
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise MarkersMissing(
            f"{name}: needs one line {begin} and one line {end} after it; "
            "put them where the table should go"
        )


def replace_table(text: str, table: str, name: str, markers: Markers) -> str:
    """`text` with `table` between the markers, in place of what was there."""
    check_markers(text, name, markers)
    begin, end = markers
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _match: f"{begin}\n{table}\n{end}", text)
