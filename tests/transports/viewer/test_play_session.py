"""What a page may ask the laboratory for, and what it gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxos_core.testing.laboratory import PUZZLES, REMOVABLE
from paxos_core.testing.laboratory.actions import VERBS
from transports.viewer.play.session import OK, REFUSED, WRONG, Answer, Session


class Page:
    """Asks as the page does."""

    def __init__(self) -> None:
        self.session = Session()
        self.revision = 0
        self.epoch = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, do: str, **fields: Any) -> Answer:
        body = json.dumps({"do": do, "epoch": self.epoch, **fields}).encode()
        answer = self.session.ask(body)
        self.revision = answer.document.get("revision", self.revision)
        if trace := answer.document.get("trace"):
            kept = self.events[: trace["keep"]] if trace["epoch"] == self.epoch else []
            self.events = kept + trace["events"]
            self.epoch = trace["epoch"]
        return answer

    def act(self, action: str) -> Answer:
        return self.ask("act", action=action, revision=self.revision)


def test_a_page_plays() -> None:
    page = Page()
    look = page.ask("look").document
    assert [rule["name"] for rule in look["rules"]] == list(REMOVABLE)
    assert [puzzle["name"] for puzzle in look["puzzles"]] == list(PUZZLES)
    answer = page.act("campaign 1")
    assert answer.status == OK
    view = answer.document["view"]
    assert [frame["pick"] for frame in view["frames"]] == ["1 -> 2 Prepare", "1 -> 3 Prepare"]
    assert view["nodes"][0]["promised"] == "1.1"
    assert all(light["sentence"] is None for light in view["lights"])
    assert page.ask("go", count=0, revision=page.revision).document["view"]["undone"] == [
        "campaign 1"
    ]
    assert page.ask("fork").document["view"]["branch"] == 2
    assert page.ask("select", number=1).document["view"]["branch"] == 1
    assert page.ask("close", number=2).status == OK
    begun = page.ask("begin", line="cluster 4 without=meeting-quorums").document["view"]
    assert begun["setup"]["phase1"] == begun["setup"]["phase2"] == 2
    assert "def test_" in page.ask("save").document["text"]


def test_a_puzzle_is_begun_hinted_and_proven() -> None:
    page = Page()
    view = page.ask("puzzle", name="blue-and-red").document["view"]
    assert (view["puzzle"]["actions"], view["puzzle"]["par"], view["given"]) == (0, 5, 5)
    assert page.ask("hint", number=0).document["hint"]
    report = page.ask("prove", name="blue-and-red").document["report"]
    assert report["states"] > 1
    assert report["found"] is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"do": "explode"}',
        b'{"do": "act"}',
        b'{"do": "act", "action": 3, "revision": 0}',
        b'{"do": "act", "action": "crash 1", "revision": "0"}',
        b'{"do": "look", "more": 1}',
        b'{"do": "select", "number": 1e99}',
        b"[" * 4000,
    ],
)
def test_what_is_no_request_is_said(body: bytes) -> None:
    answer = Session().ask(body)
    assert answer.status == WRONG
    assert answer.document["error"].startswith("this is no request: ")


words = st.sampled_from([*VERBS, "1", "2", "*", "->", "#1", "#0", "Prepare", "=", "-1", "é"])
lines = st.text() | st.lists(words, max_size=6).map(" ".join)


@settings(deadline=None, derandomize=True, database=None)
@given(lines)
def test_any_line_is_done_or_refused(line: str) -> None:
    page = Page()
    page.ask("begin", line="cluster 3")
    for do in (
        {"do": "act", "action": line, "revision": page.revision},
        {"do": "begin", "line": line},
    ):
        assert page.session.ask(json.dumps(do).encode()).status in (OK, REFUSED)


@pytest.mark.parametrize(
    ("do", "fields"),
    [
        ("begin", {"line": "cluster 99"}),
        ("begin", {"line": ""}),
        ("puzzle", {"name": "none"}),
        ("select", {"number": -1}),
        ("close", {"number": 1}),
        ("hint", {"number": 0}),
        ("prove", {"name": "none"}),
        ("go", {"count": 5, "revision": 0}),
        ("act", {"action": "dance", "revision": 0}),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    do: str, fields: dict[str, Any]
) -> None:
    page = Page()
    before = page.ask("look").document["view"]
    assert page.ask(do, **fields).status == REFUSED
    assert page.ask("look").document["view"] == before


def test_a_page_is_sent_only_the_part_of_the_trace_that_it_lacks() -> None:
    page, other = Page(), Page()
    other.session = page.session
    page.ask("look")
    page.act("campaign 1")
    first = page.events
    answer = page.act("deliver 1 -> 2 Prepare").document["trace"]
    assert answer["keep"] == len(first)
    assert page.events[: len(first)] == first
    assert page.events[-1]["why"]
    went_back = page.ask("go", count=1, revision=page.revision).document["trace"]
    assert (went_back["keep"], went_back["events"]) == (len(first), [])
    other.ask("look")
    again = page.ask("look").document["trace"]
    assert (again["keep"], page.events) == (0, first)
    begun = page.ask("begin", line="cluster 3 without=sync-first").document["trace"]
    assert begun["keep"] == 3
    begun = page.ask("begin", line="cluster 4").document["trace"]
    assert begun["keep"] == 0
    assert len(page.events) == 4


def test_too_many_runs_are_refused() -> None:
    page = Page()
    answers = [page.ask("fork").status for _ in range(20)]
    assert answers[:11] == [OK] * 11
    assert set(answers[11:]) == {REFUSED}


def test_a_page_that_shows_something_older_is_told_so() -> None:
    page = Page()
    page.act("campaign 1")
    late = page.ask("act", action="campaign 1", revision=0)
    assert late.status == REFUSED
    assert late.document["error"].startswith("another page has changed")
    assert late.document["view"]["actions"] == [
        {"line": "campaign 1", "said": late.document["view"]["actions"][0]["said"]}
    ]
