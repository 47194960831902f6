"""The tables of a run for a page of the documentation."""

from __future__ import annotations

from typing import Final

from transports.bench.reporting import notes, sentences, tables
from transports.bench.reporting.select import Figures
from transports.bench.reporting.tables import Table

MARKERS: Final = ("<!-- layers: begin -->", "<!-- layers: end -->")
VM_MARKERS: Final = ("<!-- layers-vm: begin -->", "<!-- layers-vm: end -->")
SENTENCES: Final = (
    sentences.ladder,
    sentences.latency,
    sentences.throughput,
    sentences.clients,
    sentences.distribution,
    sentences.parts,
    sentences.processors,
    sentences.calls,
    sentences.cores,
    sentences.table_one,
    sentences.failover,
    sentences.peers,
)


def to_markdown(figures: Figures, *, inside: bool = False) -> str:
    """Tables, what they show, and on what it was measured.

    `inside`: it was measured in the emulated machine, so no aim is judged by it.
    """
    blocks = [_table(tables.layers(figures)), _table(tables.rungs(figures))]
    said = [say(figures) for say in SENTENCES]
    blocks.append("\n".join(f"- {text}" for text in said if text != sentences.NOTHING))
    if not inside:
        judged = (tables.peers(figures), tables.aims(figures))
        blocks += [_table(found) for found in judged if found.rows]
    for heading, lines in (
        ("Left out here", notes.skipped(figures)),
        ("Without a figure", notes.failures(figures)),
    ):
        if lines:
            blocks.append(f"{heading}:\n\n" + "\n".join(f"- {_plain(line)}" for line in lines))
    *facts, (_name, command) = notes.method(figures)
    blocks.append("\n".join(f"- {name}: {_plain(value)}" for name, value in facts))
    if inside:
        return "\n\n".join(blocks)
    blocks.append(f"The command that repeats it:\n\n```console\n$ {command}\n```")
    return "\n\n".join(blocks)


def _table(table: Table) -> str:
    head = " | ".join(table.head)
    rule = " | ".join("---" for _ in table.head)
    rows = "\n".join(f"| {' | '.join(map(_plain, row))} |" for row in table.rows)
    return f"{table.caption}\n\n| {head} |\n| {rule} |\n{rows}"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
