"""Figures in the docs that repeat exactly: what the commands beside them print today."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import cache

import pytest
from docs_kit import DOCS

from paxos_core.testing import Options
from transports.node.cli.simulate.campaign import Totals, run_campaign

NUMBER = r"([\d,]+)"
CAMPAIGN = rf"\. Once: `--seeds (\d+):(\d+)`, {NUMBER} seeds, {NUMBER} steps;"
"""The campaign of the table's first row, which the counts of the other rows are from."""
PHRASES = {
    "93 torn writes cut": ("torn write cut",),
    "377 jumps": ("clock jumped forward",),
    "376 clocks that stood": ("clock stood",),
    "731 that drifted": ("fault drift",),
    "770 clients that died": ("client died",),
    "69 disks lost": ("found: disk lost",),
    "66 rotten": ("found: bit rot",),
    "50 writes lost": ("found: lost write",),
    "45 misdirected": ("found: misdirected write",),
    "55 old logs": ("found: old log",),
    "299 and 270 times in 600 seeds": ("the sync failed", "the disk is full"),
    "240 times in 600 seeds; a leader within": (
        "partial: chain+partial: constrained election+partial: quorum loss",
    ),
    "544, 52 and 4 of the seeds": tuple(
        f"leader within {word}" for word in ("1 time-out", "2 time-outs", "3 time-outs")
    ),
}
"""A phrase of the table, its numbers of no account -> what was counted, number by number."""


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def read(pattern: str, text: str) -> list[int]:
    """The numbers of the one place that `pattern` is at."""
    (found,) = re.findall(pattern, text)
    return [int(it.replace(",", "")) for it in ([found] if isinstance(found, str) else found)]


@cache
def campaign(first: int, end: int) -> Totals:
    return run_campaign(
        Options(first),
        range(first, end),
        os.cpu_count() or 1,
        shrink=False,
        failures_max=1,
        progress=lambda _totals: None,
    )


def count(counts: Counter[str], names: str) -> int:
    return sum(counts[name] for name in names.split("+"))


@pytest.mark.slow
def test_the_campaign_on_the_page_of_simulation_prints_what_stands_there() -> None:
    text = page("simulation")
    first, end = read(r"\$ paxos simulate --seeds (\d+):(\d+)\n\d", text)
    totals = campaign(first, end)
    printed = f"{totals.seeds:,} seeds, all hold: {totals.steps:,} steps, {totals.hours:,.2f} "
    assert printed + "simulated hours, " in text
    assert not totals.failures


@pytest.mark.slow
def test_the_campaign_of_the_table_counts_what_stands_there() -> None:
    text = page("promises")
    first, end, seeds, steps = read(CAMPAIGN, text)
    totals = campaign(first, end)
    assert (totals.seeds, totals.steps, totals.failures) == (seeds, steps, [])


@pytest.mark.slow
@pytest.mark.parametrize("phrase", PHRASES)
def test_a_count_of_the_table_is_what_was_counted(phrase: str) -> None:
    text = page("promises")
    first, end, *_ = read(CAMPAIGN, text)
    pattern = NUMBER.join(map(re.escape, re.split(r"(?<!in )\b\d+", phrase)))
    counts = campaign(first, end).counts
    assert read(pattern, text) == [count(counts, names) for names in PHRASES[phrase]]
