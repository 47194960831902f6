"""How far a campaign is: what it found and its pace on standard error, its totals in the ledger."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

import click

from transports.node.cli.simulate.campaign import Totals
from transports.node.cli.simulate.ledger import LedgerFile

PROGRESS_SECONDS: Final = 2.0


class Meter:
    """Says each failure when it is found, and progress now and then; keeps it in the ledger."""

    def __init__(self, seeds: int, ledger: LedgerFile | None) -> None:
        """Of so many `seeds` in all. Raises `Misuse` and `Failure` for the ledger."""
        self._ledger = ledger
        self.totals = ledger.load() if ledger else Totals()
        self._seeds = seeds
        self._done_before = self.totals.seeds
        # Said now if it cannot be written, and not hours later.
        self.save()
        self._began = self._said = time.monotonic()

    def save(self) -> None:
        """Keep the totals, if they are kept at all. Raises `Failure`."""
        if self._ledger is not None:
            self._ledger.save(self.totals)

    def note(self, totals: Totals) -> None:
        """More was done. Raises `Failure` if that cannot be kept."""
        fresh = totals.failures[len(self.totals.failures) :]
        self.totals = totals
        for failure in fresh:
            _say(f"FAIL {failure}")
        now = time.monotonic()
        if fresh or now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self.save()
            self._say_pace(now)

    def _say_pace(self, now: float) -> None:
        done = self.totals.seeds
        if done >= self._seeds:
            return
        left = (now - self._began) / (done - self._done_before) * (self._seeds - done)
        _say(
            f"{done:,} of {self._seeds:,} seeds, {self.totals.hours:,.1f} simulated hours, "
            f"{len(self.totals.failures)} failed  (about {left:,.0f} s left)"
        )


def _say(text: str) -> None:
    # Who no longer reads this may still want the result.
    with suppress(OSError):
        click.echo(text, err=True)
