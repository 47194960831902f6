"""Many chaos runs, one after the other: a line each, and only what failed is kept."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from transports.node.cli.chaos.course import Course
from transports.node.cli.chaos.ledger import Ledger, Totals
from transports.node.cli.chaos.ledger_line import SEED_MAX
from transports.node.cli.chaos.verdict import Verdict, Wish
from transports.node.cli.failures import Failure, Interrupted
from transports.node.cli.running import heard_signals


def run_campaign(
    wish: Wish,
    runs: int,
    ledger: Ledger,
    run: Callable[[Course], Interrupted | None],
    say: Callable[[str], None],
) -> Interrupted | None:
    """Runs with the seeds from the ledger's first on, without those that it has already.

    `run` runs one, and returns the signal that ended it before its time. Such a run does not
    count, unless it has failed until then. Raises `Failure` if the ledger cannot be written.
    """
    with _noted_signals() as noted:
        for number in range(runs):
            seed = (ledger.first_seed + number) % (SEED_MAX + 1)
            if seed in ledger.done:
                continue
            place = wish.directory / f"run-{seed}"
            verdict, interrupted = run_one(replace(wish, seed=seed, directory=place), run)
            if interrupted is None or verdict.failed:
                ledger.add(verdict)
                say(f"{number + 1:>{len(str(runs))}} of {runs}  {describe_run(verdict)}")
            if not verdict.failed:
                shutil.rmtree(place, ignore_errors=True)
            if interrupted is not None:
                return interrupted
            if noted:
                return Interrupted(noted[0])
    return None


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """While a run is judged and written down, a signal only asks for no more runs."""
    noted: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _: noted.append(n)) for number in heard_signals()
    }
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_one(
    wish: Wish, run: Callable[[Course], Interrupted | None]
) -> tuple[Verdict, Interrupted | None]:
    """One run, in a folder that is made. Raises `Failure` if it gets none."""
    folder = wish.directory
    # One that has no line in the ledger was cut off with its process.
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
    except OSError as error:
        raise Failure(
            f"{folder}: {error.strerror}; free some space, or name another --save"
        ) from error
    course = Course(wish, lambda _text: None)
    try:
        interrupted = run(course)
    except Failure as failure:
        course.note_failure(failure)
        interrupted = None
    return course.judge(interrupted=interrupted is not None), interrupted


def describe_run(verdict: Verdict) -> str:
    """A line."""
    word = "PASS" if verdict.passed else "FAIL"
    line = (
        f"seed {verdict.wish.seed}  {word}  {len(verdict.history):,} operations, "
        f"{counted(verdict.faults)}, longest without an answer {verdict.silence_seconds:.1f} s"
    )
    if verdict.unreached:
        line += f", {describe_unreached(verdict.unreached)}"
    if verdict.passed:
        return line
    reason = verdict.fault or "not linearizable"
    return f"{line}: {reason}; kept: {verdict.wish.directory}"


def describe_totals(totals: Totals, runs: int) -> list[str]:
    """Some lines."""
    part = "" if totals.runs == runs else f"{totals.runs:,} of "
    true = f"; calls that failed: {counted(totals.came_true)}" if totals.came_true else ""
    return [
        f"{part}{_runs(runs)}, {_how_they_ended(totals)}: {totals.operations:,} operations "
        f"({counted(totals.outcomes, 'none ended')})",
        f"faults: {counted(totals.faults)}{true}",
        f"longest without an answer: {totals.silence_seconds:.1f} s",
    ]


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number:,} runs"


def _how_they_ended(totals: Totals) -> str:
    parts = [f"{len(totals.failed)} failed"] if totals.failed else []
    if not totals.runs:
        parts.append("nothing was tested")
    elif totals.untested:
        parts.append(f"not tested: {', '.join(totals.untested)} (no node came upon such a call)")
    return ", ".join(parts) or "all hold"


def describe_unreached(kinds: Sequence[str]) -> str:
    """``no node came upon a failing call (sync)``."""
    return f"no node came upon a failing call ({', '.join(kinds)})"


def counted(counts: Mapping[str, int], none: str = "none") -> str:
    """``3 kill, 2 pause``."""
    return ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())) or none
