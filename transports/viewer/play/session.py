"""What a page may ask for, and what it gets: JSON in, JSON out, and nothing of HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import msgspec

from paxos_core.testing.laboratory import PUZZLES, REMOVABLE
from paxos_core.testing.laboratory.saved import FILE_NAME
from paxos_core.testing.script_node import ScriptError
from transports.viewer.play.tracing import TraceFeed
from transports.viewer.play.workbench import Workbench, describe_puzzle

OK: Final = 200
WRONG: Final = 400
REFUSED: Final = 409


class Request(msgspec.Struct, tag_field="do", forbid_unknown_fields=True, kw_only=True):
    """What all requests have in common."""

    epoch: int = 0
    """Of the trace that the page has; 0 if none."""


class Look(Request, tag="look"):
    """What is there, with the rules and puzzles that there are."""


class Begin(Request, tag="begin"):
    """A new run."""

    line: str


class BeginPuzzle(Request, tag="puzzle"):
    """A puzzle at its beginning."""

    name: str


class Act(Request, tag="act"):
    """One action in the run that the page saw at `revision`."""

    action: str
    revision: int


class GoTo(Request, tag="go"):
    """Back or forth, to after so many actions."""

    count: int
    revision: int


class Fork(Request, tag="fork"):
    """A copy of the run."""


class Select(Request, tag="select"):
    """Another run."""

    number: int


class Close(Request, tag="close"):
    """Throw a run away."""

    number: int


class Hint(Request, tag="hint"):
    """A hint of the puzzle."""

    number: int


class Prove(Request, tag="prove"):
    """Go on with the proof that it cannot be done with the rule on."""

    name: str
    page: int = 0
    """Whose proof it is: a number that the page chose for itself."""
    run: int = 0
    """Which of that page's proofs, each higher than the last."""


class Stop(Request, tag="stop"):
    """Stop the proof that the page began, and forget what it knew."""

    page: int
    run: int


class Save(Request, tag="save"):
    """The run as a test."""


AnyRequest = (
    Look | Begin | BeginPuzzle | Act | GoTo | Fork | Select | Close | Hint | Prove | Stop | Save
)  # fmt: skip
_decoder: Final = msgspec.json.Decoder(AnyRequest)


@dataclass(slots=True)
class Answer:
    """An HTTP status and a document."""

    status: int
    document: dict[str, Any]


class Session:
    """One workbench, for every page that has the token. Threads take turns."""

    def __init__(self) -> None:
        self._bench = Workbench()
        self._lock = Lock()
        self._revision = 0
        """Counts changes, so that a page that shows something older is told so."""
        self._feed = TraceFeed()
        self._acts: dict[type, Callable[[Any], dict[str, Any]]] = {
            Look: self._look,
            Begin: lambda asked: self._change(asked, lambda: self._bench.begin_line(asked.line)),
            BeginPuzzle: lambda asked: self._change(
                asked, lambda: self._bench.begin_puzzle(asked.name)
            ),
            Act: lambda asked: self._change(asked, lambda: self._bench.act(asked.action)),
            GoTo: lambda asked: self._change(asked, lambda: self._bench.go_to(asked.count)),
            Fork: lambda asked: self._change(asked, self._bench.fork),
            Select: lambda asked: self._change(asked, lambda: self._bench.select(asked.number)),
            Close: lambda asked: self._change(asked, lambda: self._bench.close(asked.number)),
            Hint: lambda asked: {"hint": self._bench.hint(asked.number)},
            Prove: lambda asked: {"report": self._bench.prove(asked.name, asked.page, asked.run)},
            Stop: self._stop,
            Save: lambda asked: {"name": FILE_NAME, "text": self._bench.save()},
        }

    def ask(self, body: bytes) -> Answer:
        """Do what `body`, a JSON document, asks for; nothing that it says raises."""
        try:
            asked = _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return Answer(WRONG, {"error": f"this is no request: {error}"})
        with self._lock:
            if isinstance(asked, Act | GoTo) and asked.revision != self._revision:
                said = "another page has changed the run meanwhile: look again"
                return Answer(REFUSED, {"error": said, **self._view(asked)})
            try:
                return Answer(OK, self._acts[type(asked)](asked))
            except ScriptError as error:
                return Answer(REFUSED, {"error": str(error)})

    def _look(self, asked: Look) -> dict[str, Any]:
        return {
            **self._view(asked),
            "rules": [
                {"name": r.name, "title": r.title, "says": r.says, "without": r.without}
                for r in REMOVABLE.values()
            ],
            "puzzles": [describe_puzzle(puzzle) for puzzle in PUZZLES.values()],
        }

    def _stop(self, asked: Stop) -> dict[str, Any]:
        self._bench.stop_proof(asked.page, asked.run)
        return {}

    def _change(self, asked: Request, act: Callable[[], None]) -> dict[str, Any]:
        act()
        self._revision += 1
        return self._view(asked)

    def _view(self, asked: Request) -> dict[str, Any]:
        run = self._bench.run
        return {
            "revision": self._revision,
            "view": self._bench.view(),
            "trace": self._feed.feed(asked.epoch, run.trace_header, run.events),
        }
