"""One proof at a time: whose it is, who is told to wait, and what is kept of it."""

from __future__ import annotations

import gc
import json
import weakref

import pytest

from paxos_core.errors import Overloaded
from paxos_core.replica import Replica
from paxos_core.testing.laboratory import PUZZLES
from paxos_core.testing.laboratory.search import Search
from paxos_core.testing.script_node import ScriptError
from transports.viewer.play.proofs import LEFT_SECONDS, Proofs
from transports.viewer.play.session import OK, REFUSED, Session

LONG, QUICK = PUZZLES["a-promise-forgotten"], PUZZLES["one-ballot-two-values"]
WAITS = "another page proves “A promise forgotten”: wait until it ends, or stop it there"


class Seconds:
    """A clock that stands still until it is put forward."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("puzzle", [LONG, QUICK])
def test_a_second_page_waits_and_the_first_goes_on(puzzle: object) -> None:
    """Whether it asks for another proof or for the same one."""
    proofs = Proofs(Seconds())
    seen = proofs.go_on(LONG, page=1, run=1)["states"]
    with pytest.raises(ScriptError, match=WAITS):
        proofs.go_on(puzzle, page=2, run=1)  # type: ignore[arg-type]
    assert proofs.go_on(LONG, page=1, run=1)["states"] > seen
    proofs.stop(page=2, run=1)
    with pytest.raises(ScriptError, match=WAITS):
        proofs.go_on(puzzle, page=2, run=1)  # type: ignore[arg-type]
    proofs.stop(page=1, run=1)
    proofs.go_on(puzzle, page=2, run=1)  # type: ignore[arg-type]


def test_a_page_that_has_left_keeps_nobody_waiting() -> None:
    clock = Seconds()
    proofs = Proofs(clock)
    proofs.go_on(LONG, page=1, run=1)
    clock.now += LEFT_SECONDS - 1
    with pytest.raises(ScriptError, match=WAITS):
        proofs.go_on(LONG, page=2, run=1)
    clock.now += 1
    proofs.go_on(LONG, page=2, run=1)
    with pytest.raises(ScriptError, match=WAITS):
        proofs.go_on(LONG, page=1, run=1)


def test_what_is_proved_is_kept_and_told_to_all() -> None:
    proofs = Proofs(Seconds())
    while not (report := proofs.go_on(QUICK, page=1, run=1))["ended"]:
        pass
    assert report["complete"]
    assert proofs.go_on(QUICK, page=1, run=1) == report
    proofs.go_on(LONG, page=3, run=1)
    assert proofs.go_on(QUICK, page=2, run=7) == report


def test_the_memory_of_a_proof_is_free_when_it_is_stopped_and_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[weakref.ref[Search]] = []

    class Watched(Search):
        def __init__(self, *given: object, **named: object) -> None:
            super().__init__(*given, **named)  # type: ignore[arg-type]
            made.append(weakref.ref(self))

    monkeypatch.setattr("paxos_core.testing.laboratory.puzzles.Search", Watched)
    proofs = Proofs(Seconds())
    proofs.go_on(LONG, page=1, run=1)
    proofs.stop(page=1, run=1)
    gc.collect()
    assert [one() for one in made] == [None]
    while not proofs.go_on(QUICK, page=1, run=2)["ended"]:
        pass
    gc.collect()
    assert [one() for one in made] == [None, None]


def test_a_core_that_fails_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(self: Replica, command: bytes) -> None:
        raise Overloaded("no room")

    monkeypatch.setattr(Replica, "propose", is_full)
    session = Session()

    def ask(do: str, **fields: object) -> tuple[int, dict[str, object]]:
        answer = session.ask(json.dumps({"do": do, "page": 1, "run": 1, **fields}).encode())
        return answer.status, answer.document

    status, document = ask("prove", name=QUICK.name)
    while status == OK:
        status, document = ask("prove", name=QUICK.name)
    said = "the proof stops, the core fails: Overloaded: no room"
    assert (status, document) == (REFUSED, {"error": said})
    assert ask("stop") == (OK, {})
