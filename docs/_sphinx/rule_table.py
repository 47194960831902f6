"""The rules that traces name, as the table at the end of the page of rules.

``python docs/_sphinx/rule_table.py`` writes it; a test compares the page with it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT)]

from paxos_core.trace.rules import RULES, Rule  # noqa: E402

PAGE = ROOT / "docs" / "rules.md"
HEADING = "## Names in traces\n"
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def _code(dotted: str) -> str:
    """A link to the file of ``package.module.Class.function``."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        path = Path(*parts[:cut]).with_suffix(".py")
        if (ROOT / path).is_file():
            return f"[`{'.'.join(parts[cut:])}`](../{path.as_posix()})"
    raise LookupError(f"{dotted} is in no file")


def _row(rule: Rule) -> str:
    code = ", ".join(map(_code, rule.code))
    return f"| {rule.name} | {rule.text} | {rule.source} | {code} |\n"


def table() -> str:
    """The table, from its first line to its last."""
    head = "| rule | says | from | code |\n|---|---|---|---|\n"
    return head + "".join(map(_row, RULES.values()))


def write() -> None:
    """Put the table in place of the one on the page."""
    before, heading, after = PAGE.read_text().partition(HEADING)
    assert heading
    PAGE.write_text(before + heading + _TABLE.sub(lambda _: table(), after, count=1))


if __name__ == "__main__":
    write()
