"""What people write on the command line, read into what a plan is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from transports.bench.ladder.layers import LAYERS
from transports.bench.ladder.trials import TRIALS
from transports.bench.saved.schema import LARGEST, RUNGS, Closed, Open, Rung
from transports.node.cli.failures import Misuse

OUTSTANDING_MAX = 16_384
PER_SECOND_MAX = 1_000_000
PAYLOAD_BYTES_MAX = 1 << 20
VARIANTS = ("python", "c", "plain-c", "kernel")
NODES = (3, 5)

_T = TypeVar("_T")


def read_layers(text: str) -> tuple[str, ...]:
    """Layers by their ids, in the order of the table. Raises `Misuse`."""
    asked = _words("--layers", text, LAYERS)
    return tuple(layer for layer in LAYERS if layer in asked)


def read_rungs(text: str) -> tuple[Rung, ...]:
    """Rungs, lowest first. Raises `Misuse`."""
    asked = _words("--rungs", text, RUNGS)
    return tuple(rung for rung in RUNGS if rung in asked)


def read_variants(text: str) -> tuple[str, ...]:
    """Cores. Raises `Misuse`."""
    return tuple(_words("--variants", text, VARIANTS))


def read_trials(text: str) -> tuple[str, ...]:
    """Kinds of trials, or `none`. Raises `Misuse`."""
    return () if text == "none" else tuple(_words("--trials", text, TRIALS))


def read_nodes(text: str) -> tuple[int, ...]:
    """Sizes of clusters. Raises `Misuse`."""
    return tuple(int(word) for word in _words("--nodes", text, list(map(str, NODES))))


def read_loads(text: str) -> tuple[Closed | Open, ...]:
    """`64` is a closed loop with so many outstanding, `open-5000` a plan. Raises `Misuse`."""
    return tuple(_each("--loads", text, _read_load))


def read_payloads(text: str) -> tuple[int, ...]:
    """Bytes of a command, or `max` for the largest that fits. Raises `Misuse`."""
    return tuple(_each("--payloads", text, _read_payload))


def _read_load(word: str) -> Closed | Open:
    planned = word.startswith("open-")
    number = _number(word.removeprefix("open-"), PER_SECOND_MAX if planned else OUTSTANDING_MAX)
    if number is None:
        raise Misuse(
            f"--loads: {word!r} is none; write so many outstanding, from 1 to {OUTSTANDING_MAX}, "
            f"or open-RATE, from 1 to {PER_SECOND_MAX} a second"
        )
    return Open(per_second=float(number)) if planned else Closed(outstanding=number)


def _read_payload(word: str) -> int:
    if word == "max":
        return LARGEST
    number = _number(word, PAYLOAD_BYTES_MAX)
    if number is None:
        raise Misuse(
            f"--payloads: {word!r} is none; write bytes, from 1 to {PAYLOAD_BYTES_MAX}, or max"
        )
    return number


def _number(word: str, most: int) -> int | None:
    if not (word.isascii() and word.isdecimal() and len(word) < 10):
        return None
    number = int(word)
    return number if 1 <= number <= most else None


def _each(option: str, text: str, read: Callable[[str], _T]) -> list[_T]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise Misuse(f"{option}: nothing is named")
    return list(dict.fromkeys(map(read, words)))


def _words(option: str, text: str, known: Collection[str]) -> list[str]:
    def read(word: str) -> str:
        if word not in known:
            raise Misuse(f"{option}: there is no {word!r}; there are {', '.join(known)}")
        return word

    return _each(option, text, read)
