"""The page lists every key with its real default, so that neither drifts from the other."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from paxos_core.config import Limits, Timing

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_every_key_is_documented_with_its_default() -> None:
    page = PAGE.read_text()
    parts: tuple[tuple[str, object], ...] = (
        ("timing", Timing()),
        ("limits", Limits()),
    )
    for table, defaults in parts:
        section = page.partition(f"## `[{table}]`")[2].partition("\n## ")[0]
        rows = [row for row in section.splitlines() if row.startswith("| `")]
        names = [entry.name for entry in fields(defaults)]  # type: ignore[arg-type]
        for name in names:
            assert f"| `{name}` | {getattr(defaults, name)} |" in section, name
        assert len(rows) == len(names) + (table == "timing"), f"{table}: a row without a key"
