"""The simulated application: an append-only list that notices what comes twice."""

from __future__ import annotations

from collections.abc import Callable

import msgpack

from paxos_core.testing.failure import Violation

LARGE = b"L"
LARGE_RESULT_BYTES = 300
"""What a command that begins with `LARGE` answers with."""


def command_name(command: bytes) -> bytes:
    """The part of a command that tells it from all others; padding follows."""
    return command.partition(b" ")[0]


class AppendList:
    """Appends every command's name; answers ``name#position``.

    `applied` is told of each append as ``(position, name)``, `restored` of the
    whole list after a snapshot: so that somebody can compare the nodes.
    """

    __slots__ = ("_applied", "_restored", "known", "names")

    def __init__(
        self, applied: Callable[[int, bytes], None], restored: Callable[[list[bytes]], None]
    ) -> None:
        self._applied = applied
        self._restored = restored
        self.names: list[bytes] = []
        self.known: set[bytes] = set()

    def apply(self, command: bytes) -> bytes:
        """Append. Raises `Violation` for a name that is in the list already."""
        name = command_name(command)
        position = len(self.names)
        if name in self.known:
            raise Violation("applied exactly once", f"{name.decode()} is applied a second time")
        self.names.append(name)
        self.known.add(name)
        self._applied(position, name)
        result = b"%b#%d" % (name, position)
        return result.ljust(LARGE_RESULT_BYTES) if name.startswith(LARGE) else result

    def snapshot(self) -> bytes:
        """The whole list."""
        packed: bytes = msgpack.packb(self.names)
        return packed

    def restore(self, snapshot: bytes) -> None:
        """Become the list that was packed."""
        self.names = msgpack.unpackb(snapshot)
        self.known = set(self.names)
        self._restored(self.names)
