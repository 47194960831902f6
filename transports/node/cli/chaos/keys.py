"""The state machine of a chaos run: strings by key, with get, put and append."""

from __future__ import annotations

import json
from typing import Final

GET, PUT, APPEND = b"g", b"p", b"a"
SEPARATOR: Final = b"\0"
KINDS: Final = {"get": GET, "put": PUT, "append": APPEND}


def encode(kind: str, key: str, value: str = "") -> bytes:
    """A command."""
    return KINDS[kind] + key.encode() + SEPARATOR + value.encode()


class Keys:
    """Applies them. A key begins as the empty string, and a get gives its value."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def apply(self, command: bytes) -> bytes:
        """The value of the key afterwards; a command that is none changes nothing."""
        key, separator, value = command[1:].partition(SEPARATOR)
        if not separator:
            return b""
        name, text = key.decode(errors="replace"), value.decode(errors="replace")
        match command[:1]:
            case b"p":
                self._values[name] = text
            case b"a":
                self._values[name] = self._values.get(name, "") + text
        return self._values.get(name, "").encode()

    def snapshot(self) -> bytes:
        """All of it."""
        return json.dumps(self._values, sort_keys=True).encode()

    def restore(self, snapshot: bytes) -> None:
        """Go on from there."""
        self._values = json.loads(snapshot)
