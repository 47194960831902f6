"""The glossary has every message, record and role, and names what is in the code."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from docs_kit import ROOT

from paxos_core.acceptor import Acceptor
from paxos_core.catchup import CatchUp
from paxos_core.client import Client
from paxos_core.codec import KINDS
from paxos_core.durable import RawRecord, Record
from paxos_core.election import Election, Role
from paxos_core.learner import Learner
from paxos_core.proposer import Proposer
from paxos_core.ready import Outbox
from paxos_core.replica import Replica
from paxos_core.service import Service

PAGE = (ROOT / "docs" / "glossary.md").read_text()
TERMS = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
SOURCES = "\n".join(
    path.read_text()
    for folder in ("paxos_core", "transports")
    for path in (ROOT / folder).rglob("*.py")
)


def first_column(heading: str) -> set[str]:
    """The names between backticks in the first column of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_message_has_an_entry() -> None:
    assert first_column("Messages") == {message.__name__ for message in KINDS}


def test_every_record_has_an_entry() -> None:
    records = {record.__name__ for record in get_args(Record)} - {RawRecord.__name__}
    assert first_column("Records") == records


def test_every_role_has_an_entry() -> None:
    section = PAGE.split("\n## Roles\n")[1]
    parts = (Acceptor, Proposer, Learner, Election, CatchUp, Outbox, Replica, Service, Client)
    for part in parts:
        assert f"`{part.__name__}`" in section
    for term in ("acceptor", "proposer", "learner", "replica", "service", "client"):
        assert term in TERMS
    for role in Role:
        assert role.value in TERMS


@pytest.mark.parametrize(
    "term",
    [
        "ballot", "campaign", "chosen", "decided", "exactly once", "flexible quorums", "gate",
        "group commit", "invariant", "laboratory", "linearizable", "P1a, P2b, P2c", "phase 1",
        "phase 2", "promise", "proposal", "quorum", "seed", "session", "slot", "snapshot", "stand",
        "vote", "watermark", "window",
    ],
)  # fmt: skip
def test_the_fields_terms_are_there(term: str) -> None:
    assert term in TERMS


def test_the_terms_are_in_order_and_each_is_there_once() -> None:
    assert sorted(set(TERMS), key=lambda term: re.sub(r"\W", "", term).lower()) == TERMS


@pytest.mark.parametrize("term", TERMS)
def test_each_entry_says_something_and_names_code_that_exists(term: str) -> None:
    entry = PAGE.split(f"\n### {term}\n")[1].split("\n##")[0]
    assert len(entry.split("\n")[1]) > 20
    (code, *_) = [*re.findall(r"^- In the code: (.*)$", entry, re.MULTILINE), ""]
    names = re.findall(r"`([A-Za-z_][\w.]*)`(?!\]\([^)]*\.(?:c|h)\))", code)
    for name in names:
        last = name.split(".")[-1]
        if last not in ("py", "c"):
            assert re.search(rf"\b{last}\b", SOURCES), name
