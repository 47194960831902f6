"""The one search that runs at a time, whose it is, and what the finished ones found.

A search takes memory and much of a processor, so two pages do not share it out, and
neither starts the other's anew: the second is told. Who does not ask to go on for
`LEFT_SECONDS` has left, and the next one may have the place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paxos_core.testing.laboratory.puzzles import Puzzle
from paxos_core.testing.laboratory.search import Report, Search
from paxos_core.testing.script_node import ScriptError

SLICE_TRANSITIONS: Final = 10_000
"""Of a search, for each time it is asked to go on: some tenths of a second."""
LEFT_SECONDS: Final = 20.0


@dataclass(slots=True)
class _Running:
    page: int
    run: int
    puzzle: Puzzle
    search: Search
    asked: float


class Proofs:
    """Methods raise `ScriptError` if they cannot do what they are asked.

    `page` and `run` are numbers that the asker chooses: `page` is its own, and `run`
    is another for each proof that it begins, and higher than the last.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: _Running | None = None
        self._found: dict[str, dict[str, Any]] = {}

    def go_on(self, puzzle: Puzzle, page: int, run: int) -> dict[str, Any]:
        """Begin the proof of `puzzle`, or go on with it by a slice. What is proved already
        is told at once: it would come out alike.
        """
        if puzzle.name in self._found:
            return self._found[puzzle.name]
        try:
            running = self._place(puzzle, page, run)
            report = running.search.advance(SLICE_TRANSITIONS)
        except ScriptError:
            raise
        except Exception as error:
            # Whatever a core does, the page hears of it in a line.
            self._running = None
            kind = type(error).__name__
            raise ScriptError(f"the proof stops, the core fails: {kind}: {error}"[:300]) from error
        running.asked = self._clock()
        said = _report(puzzle, report)
        if report.ended:
            # What it knows takes memory; the report is all that is asked for from now on.
            self._running = None
            self._found[puzzle.name] = said
        return said

    def stop(self, page: int, run: int) -> None:
        """Forget the proof that `page` began as `run`, if it still runs."""
        running = self._running
        if running is not None and (running.page, running.run) == (page, run):
            self._running = None

    def _place(self, puzzle: Puzzle, page: int, run: int) -> _Running:
        running = self._running
        now = self._clock()
        if running is not None and running.page == page:
            if run < running.run:
                raise ScriptError("this proof was stopped: begin it again")
            if (run, puzzle) == (running.run, running.puzzle):
                return running
        elif running is not None and now - running.asked < LEFT_SECONDS:
            raise ScriptError(
                f"another page proves \u201c{running.puzzle.title}\u201d: "
                "wait until it ends, or stop it there"
            )
        # Before the next one is made, so that there are never two.
        self._running = None
        self._running = _Running(page, run, puzzle, puzzle.proof(), now)
        return self._running


def _report(puzzle: Puzzle, report: Report) -> dict[str, Any]:
    return {
        "goal": puzzle.goal,
        "allowance": puzzle.allowance.words,
        "states": report.states,
        "transitions": report.transitions,
        "depth": report.depth,
        "complete": report.complete,
        "ended": report.ended,
        "found": report.path,
        "states_in_all": puzzle.proof_states,
    }
