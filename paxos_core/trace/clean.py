"""What a header and an event may hold: keys, types and bounds. The rest is left out.

Each check gives back what is good of a value, and raises `Wrong` if nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from paxos_core.quorum import MEMBERS_MAX
from paxos_core.types import U64_MAX

TEXT_CHARACTERS_MAX: Final = 2_000
HEX_CHARACTERS_MAX: Final = 8_192
ITEMS_MAX: Final = 5_000
"""Of one list or table in an event; `cut_items` says what is over it."""
DIGITS_MAX: Final = 20
KINDS: Final = frozenset(
    {
        "start", "receive", "tick", "propose", "persisted", "compact", "crash", "pause", "resume",
        "take", "stop", "lose", "copy", "cut", "heal", "fault",
    }
)  # fmt: skip

Check = Callable[[Any], Any]


class Wrong(ValueError):
    """A value that is not what its key says."""


def text(value: Any) -> str:
    """Text, cut if it is long. A half of a character is replaced: it could not be written."""
    if not isinstance(value, str):
        raise Wrong("is no text")
    return value[:TEXT_CHARACTERS_MAX].encode("utf-8", "replace").decode()


def digits(value: Any) -> str:
    """Bytes in hexadecimal."""
    if not isinstance(value, str):
        raise Wrong("is no text")
    shown = value[:HEX_CHARACTERS_MAX]
    if set(shown) - set("0123456789abcdef"):
        raise Wrong("is not hexadecimal")
    return shown


def count(value: Any) -> int:
    """A number from 0 up; text of digits, as large ones are written, becomes one."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        if len(value) > DIGITS_MAX:
            raise Wrong("is a number beyond 64 bits")
        value = int(value)
    if type(value) is not int or not 0 <= value <= U64_MAX:
        raise Wrong("is no number from 0 to 64 bits")
    return value


def moment(value: Any) -> float | int:
    """A time."""
    # Of an infinity, and of what is no number, the difference to itself is no number.
    if type(value) not in (int, float) or value - value != 0 or abs(value) > U64_MAX:
        raise Wrong("is no time")
    found: float | int = value
    return found


def truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong("is neither true nor false")
    return value


def kind(value: Any) -> str:
    """A kind of event."""
    if not isinstance(value, str) or value not in KINDS:
        raise Wrong("is no kind of event that this version knows")
    return value


def scalar(value: Any) -> int | str:
    """A number or text."""
    return text(value) if isinstance(value, str) else count(value)


def pair(value: Any) -> list[int]:
    """Two ids."""
    if not isinstance(value, list) or len(value) != 2:
        raise Wrong("is no pair")
    return [count(end) for end in value]


def list_of(check: Check) -> Check:
    """A list; what is over the bound is left out."""

    def cleaned(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Wrong("is no list")
        return [check(item) for item in value[:ITEMS_MAX]]

    return cleaned


def members(value: Any) -> list[int]:
    """The ids of a cluster's replicas."""
    if not isinstance(value, list):
        raise Wrong("is no list")
    if len(value) > MEMBERS_MAX:
        raise Wrong(f"has {len(value):,} ids: a cluster has at most {MEMBERS_MAX} members")
    ids = [count(item) for item in value]
    if len(set(ids)) < len(ids):
        raise Wrong("names a node twice")
    return ids


def table_of(key: Check, check: Check) -> Check:
    """An object whose keys are all of one kind; they stay text."""

    def cleaned(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong("is no object")
        items = list(value.items())[:ITEMS_MAX]
        return {str(key(name)): check(item) for name, item in items}

    return cleaned


def object_of(checks: Mapping[str, Check], needed: tuple[str, ...] = ()) -> Check:
    """An object with these keys; others are left out."""

    def cleaned(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong("is no object")
        for name in needed:
            if name not in value:
                raise Wrong(f"has no {name}")
        found: dict[str, Any] = {}
        for name, check in checks.items():
            if name in value:
                try:
                    found[name] = check(value[name])
                except Wrong as wrong:
                    raise Wrong(f"has a {name} that {wrong}") from None
        return found

    return cleaned


def or_null(check: Check) -> Check:
    """The same, or null."""
    return lambda value: None if value is None else check(value)


_MESSAGE: Final = {
    "id": text, "from": count, "to": count, "kind": text, "text": text,
    "fields": table_of(text, scalar), "bytes": digits, "length": count,
}  # fmt: skip
_VOTE: Final = object_of({"ballot": text, "value": text}, ("ballot", "value"))
_RECORD: Final = {"kind": text, "text": text, "slot": count, "ballot": text, "value": text}
_STATE: Final = {
    "role": text, "voting": truth, "leader": count, "ballot": text, "promised": text,
    "watermark": count, "first_slot": count, "votes": table_of(count, or_null(_VOTE)),
    "chosen": table_of(count, text),
}  # fmt: skip

HEADER: Final[dict[str, Check]] = {
    "trace": count,
    "source": text,
    "nodes": members,
    "quorums": object_of({"phase1": count, "phase2": count}, ("phase1", "phase2")),
    "unit": text,
    "node": count,
    "began": moment,
    "stops": truth,
}
EVENT: Final[dict[str, Check]] = {
    "at": moment,
    "node": count,
    "kind": kind,
    "clock": table_of(count, count),
    "message": object_of(_MESSAGE, ("id",)),
    "write": count,
    "confirmed": count,
    "text": text,
    "sent": list_of(object_of(_MESSAGE, ("id", "from", "to", "kind"))),
    "records": list_of(object_of(_RECORD, ("kind", "text"))),
    "checkpoint": truth,
    "decided": list_of(object_of({"slot": count, "value": text}, ("slot", "value"))),
    "nodes": list_of(pair),
    "state": object_of(_STATE),
    "why": text,
    "rule": text,
}


def clean(found: Mapping[str, Any], checks: Mapping[str, Check]) -> tuple[dict[str, Any], str]:
    """What is good of `found`, and what is not, if anything."""
    good: dict[str, Any] = {}
    wrong = ""
    for name, check in checks.items():
        if name not in found:
            continue
        try:
            good[name] = check(found[name])
        except Wrong as error:
            wrong = wrong or f"{name} {error}"
    return good, wrong


def cut_items(found: Mapping[str, Any]) -> str:
    """Which list or table of an event has more than `ITEMS_MAX` entries; empty if none has."""
    for name, value in found.items():
        inner = value.items() if isinstance(value, dict) else ()
        for label, items in ((name, value), *((f"{name}'s {key}", of) for key, of in inner)):
            if isinstance(items, list | dict) and len(items) > ITEMS_MAX:
                return f"{label} has {len(items):,} entries: the first {ITEMS_MAX:,} are read"
    return ""
