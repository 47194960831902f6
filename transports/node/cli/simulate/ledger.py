"""A campaign's totals in a file: what is kept of it, and where it goes on."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from paxos_core.testing import Options
from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.simulate.campaign import Totals

FORMAT: Final = "paxos simulate, ledger 1"
_NUMBERS: Final = ("seeds", "steps", "units")


class LedgerFile:
    """The totals of the first seeds from `first` on, with the options of `base`."""

    def __init__(self, path: Path, base: Options, first: int) -> None:
        self._path = path
        self._first = first
        # Whatever changes what a seed does; the seed itself aside.
        self._options = replace(base, seed=first).command()

    def load(self) -> Totals:
        """What was done already; nothing if there is no file. Raises `Misuse`."""
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return Totals()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise Misuse(f"{self._path}: the ledger cannot be read ({reason})") from error
        try:
            return self._read(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Misuse(
                f"{self._path}: this is no ledger of a campaign, or a part of one; "
                "name another file, or remove it"
            ) from error

    def _read(self, document: Any) -> Totals:
        if document["format"] != FORMAT:
            raise ValueError("another format")
        if document["options"] != self._options:
            raise Misuse(
                f"{self._path}: the ledger is of {document['options']!r}, not of "
                f"{self._options!r}; name another file, or the same options and first seed"
            )
        numbers = {name: document[name] for name in _NUMBERS}
        counts = document["counts"]
        failures = document["failures"]
        if not all(type(number) is int for number in (*numbers.values(), *counts.values())):
            raise ValueError("no number")
        if not all(type(failure) is str for failure in failures):
            raise ValueError("no text")
        return Totals(
            **numbers,
            seconds=float(document["processor_seconds"]),
            counts=Counter(counts),
            failures=list(failures),
        )

    def save(self, totals: Totals) -> None:
        """Replace the file. Raises `Failure`."""
        document = {
            "format": FORMAT,
            "options": self._options,
            **{name: getattr(totals, name) for name in _NUMBERS},
            "simulated_hours": round(totals.hours, 3),
            "processor_seconds": round(totals.seconds, 3),
            "failures": totals.failures,
            "counts": dict(sorted(totals.counts.items())),
        }
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            fresh.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
            os.replace(fresh, self._path)
        except OSError as error:
            raise Failure(
                f"{self._path}: the ledger cannot be written ({error.strerror}); "
                "name a file in a directory of yours"
            ) from error
