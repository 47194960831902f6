"""A campaign's totals in a file: what is kept of it, and where it goes on."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

from paxos_core.testing import Options
from transports.node.cli.failures import Failure, Misuse
from transports.node.cli.simulate.campaign import Totals, counted
from transports.node.cli.simulate.code import code_digest

FORMAT: Final = "paxos simulate, ledger 2"
FORMATS_WITHOUT_CODE: Final = ("paxos simulate, ledger 1",)
LEDGER_BYTES_MAX: Final = 16 << 20
NUMBER_MAX: Final = (1 << 63) - 1
COMMAND: Final = re.compile(r"paxos simulate --seed \d+( --[a-z]+ [a-z0-9,]+)*", re.ASCII)
FAILURE: Final = re.compile(
    rf"seed (\d+)(?:, step \d+)?: .+\nreplay: {COMMAND.pattern}"
    rf"(?:\nminimised: seed \d+, step \d+: .+\nreplay: {COMMAND.pattern})?",
    re.ASCII,
)
"""As `campaign.describe_failure` has it."""
NAME_CHARACTERS_MAX: Final = 80
"""Of what is counted."""
_NUMBERS: Final = ("seeds", "steps", "units")


class LedgerFile:
    """The totals of the first seeds from `base.seed` on, with its options, by this code.

    While the context lasts, no other process uses the file.
    """

    def __init__(self, path: Path, base: Options, asked: int) -> None:
        """`asked` is how many seeds there are in all. Raises `ConfigError` for lack of a core."""
        self._path = path
        self._asked = asked
        self._options = base.command()
        self._first_seed = base.seed
        self._code = code_digest(base.core)
        self._fd = -1
        self._is_new = False

    def __enter__(self) -> LedgerFile:
        """Raises `Misuse` for what can be no ledger, `Failure` if another process has it."""
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._create()
        except OSError as error:
            raise Misuse(f"{self._path}: the ledger cannot be read ({error.strerror})") from error
        try:
            self._claim()
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def _create(self) -> None:
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._cannot_write(error.strerror) from error
        self._is_new = True

    def _claim(self) -> None:
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise Misuse(f"{self._path}: this is no regular file; name another one for the ledger")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who has it replaces it, and then we hold what has no name.
            ours = os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except OSError:
            ours = False
        if not ours:
            raise Failure(
                f"{self._path}: another campaign keeps this ledger; wait for its end, "
                "or name another file"
            )

    def load(self) -> Totals:
        """What was done already; nothing if there was no file. Raises `Misuse`."""
        if self._is_new:
            return Totals()
        content = self._content()
        try:
            return self._read(json.loads(content.decode(), parse_constant=_refuse))
        except UnicodeDecodeError as error:
            raise Misuse(f"{self._path}: the ledger cannot be read (it is no text)") from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Misuse(
                f"{self._path}: this is no ledger of a campaign, or a part of one; "
                "name another file, or remove it"
            ) from error

    def _content(self) -> bytes:
        try:
            with open(self._fd, "rb", buffering=0, closefd=False) as stream:
                content = stream.read(LEDGER_BYTES_MAX + 1)
        except OSError as error:
            raise Misuse(f"{self._path}: the ledger cannot be read ({error.strerror})") from error
        if len(content) > LEDGER_BYTES_MAX:
            raise Misuse(
                f"{self._path}: larger than {LEDGER_BYTES_MAX >> 20} MiB, which no ledger is; "
                "name another file"
            )
        return content

    def _read(self, document: Any) -> Totals:
        self._check_origin(document)
        totals = read_totals(document, self._first_seed)
        if totals.seeds > self._asked:
            raise Misuse(
                f"{self._path}: the ledger has {counted(totals.seeds, 'seed')} already, which is "
                f"more than the {self._asked:,} of this campaign; ask for as many, or name "
                "another file"
            )
        return totals

    def _check_origin(self, document: Any) -> None:
        if document["format"] in FORMATS_WITHOUT_CODE:
            raise Misuse(
                f"{self._path}: an older ledger, which does not say of which code it is; "
                "name another file, or remove it"
            )
        if document["format"] != FORMAT:
            raise ValueError("another format")
        if document["options"] != self._options:
            differs = ", ".join(differences(document["options"], self._options))
            raise Misuse(
                f"{self._path}: the ledger is of a campaign {differs}; "
                "name another file, or give the same options and first seed"
            )
        if document["code"] != self._code:
            raise Misuse(
                f"{self._path}: the ledger is of other code than this; "
                "name another file, or go on with the code it was begun with"
            )

    def save(self, totals: Totals) -> None:
        """Replace the file. Raises `Failure`."""
        document = {
            "format": FORMAT,
            "options": self._options,
            "code": self._code,
            **{name: getattr(totals, name) for name in _NUMBERS},
            "simulated_hours": round(totals.hours, 3),
            "processor_seconds": round(totals.seconds, 3),
            "failures": totals.failures,
            "counts": dict(sorted(totals.counts.items())),
        }
        content = (json.dumps(document, indent=1) + "\n").encode()
        if len(content) > LEDGER_BYTES_MAX:
            raise self._cannot_write(f"over {LEDGER_BYTES_MAX >> 20} MiB; too many --failures")
        try:
            self._replace(content)
        except OSError as error:
            raise self._cannot_write(error.strerror) from error

    def _replace(self, content: bytes) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            # Before it has the name under which others look for it.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(fd, "wb", closefd=False) as stream:
                stream.write(content)
            os.replace(new, self._path)
        except BaseException:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd = fd

    def _cannot_write(self, reason: str | None) -> Failure:
        return Failure(
            f"{self._path}: the ledger cannot be written ({reason}); "
            "name a file in a directory of yours"
        )


def differences(there: Any, here: str) -> Iterator[str]:
    """How the campaign of a ledger is unlike this one, both given as `Options.command`.

    Raises `ValueError` or `TypeError` for what is no such command.
    """
    old, new = _words(there), _words(here)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            continue
        if name == "--seed":
            yield f"that begins with seed {old[name]}, and not with {new[name]}"
        elif name not in old:
            yield f"without {name} {new[name]}"
        else:
            yield f"with {name} {old[name]}" + (f", not {new[name]}" if name in new else "")


def _words(command: str) -> dict[str, str]:
    if COMMAND.fullmatch(command) is None:
        raise ValueError("no command of a campaign")
    words = command.split(" ")[2:]
    return dict(zip(words[::2], words[1::2], strict=True))


def read_totals(document: Any, first_seed: int) -> Totals:
    """Those in the ledger's JSON, of seeds from `first_seed` on.

    Raises `ValueError`, `TypeError` or `KeyError`.
    """
    counts, failures = document["counts"], document["failures"]
    if not (isinstance(counts, dict) and isinstance(failures, list)):
        raise TypeError("no table, or no list")
    numbers = {name: _number(document[name]) for name in _NUMBERS}
    _check_failures(failures, range(first_seed, first_seed + numbers["seeds"]))
    return Totals(
        **numbers,
        seconds=_seconds(document["processor_seconds"]),
        counts=Counter({_name(name): _number(count) for name, count in counts.items()}),
        failures=list(failures),
    )


def _check_failures(failures: list[Any], seeds: range) -> None:
    """They will be printed: each as this program writes it, of a seed that was run, and once."""
    found = set()
    for failure in failures:
        known = FAILURE.fullmatch(failure)
        if known is None or not all(line.isprintable() for line in failure.split("\n")):
            raise ValueError("no failure of a seed")
        found.add(int(known[1]))
    if len(found) < len(failures) or not all(seed in seeds for seed in found):
        raise ValueError("a failure of another seed, or one twice")


def _name(name: str) -> str:
    if not name.isprintable() or len(name) > NAME_CHARACTERS_MAX:
        raise ValueError("no name of what is counted")
    return name


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= NUMBER_MAX:
        raise ValueError("no number, or one that is no count")
    return value


def _seconds(value: Any) -> float:
    # What is no number is neither less nor more than another one.
    if type(value) not in (int, float) or not 0 <= value <= NUMBER_MAX:
        raise ValueError("no time")
    return round(float(value), 3)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
