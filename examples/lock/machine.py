"""The state machine: who holds which lock, until when, with which token.

Time is part of the log, as in the key-value store: each command brings the time at which its
client sent it, and the time of the state only goes forward. A client whose clock is ahead can
end another's lease early. So a lease alone protects nothing: the token does, which is larger for
each new holder, and which whatever the lock guards must compare.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

LEASE_MS_MAX: Final = 3_600_000
NAME_BYTES_MAX: Final = 200
LOCKS_MAX: Final = 100_000

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_BYTES_MAX)]


class Command(msgspec.Struct, array_like=True, frozen=True):
    """What a client asks for. `release` and `renew` are its holder's alone."""

    verb: Literal["acquire", "renew", "release"]
    lock: Name
    holder: Name
    now_ms: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    lease_ms: Annotated[int, msgspec.Meta(ge=1, le=LEASE_MS_MAX)] = 1


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """Whether it was done; the token of whoever holds the lock, and for how long still."""

    done: bool
    token: int = 0
    left_ms: int = 0


class Held(msgspec.Struct, array_like=True, frozen=True):
    """One lock that somebody has."""

    holder: str
    token: int
    end_ms: int


class State(msgspec.Struct, array_like=True):
    """All of it."""

    now_ms: int = 0
    token: int = 0
    """The last that was given: over all locks, so that none ever comes again."""
    held: dict[str, Held] = {}


class Locks:
    """For `open_node`, and for ``paxos node --machine examples.lock.machine:Locks``."""

    def __init__(self) -> None:
        self._state = State()

    def apply(self, command: bytes) -> bytes:
        """The answer, packed. Never raises: what is no command is not done."""
        try:
            found = msgspec.msgpack.decode(command, type=Command)
        except msgspec.DecodeError:
            return msgspec.msgpack.encode(Answer(False))
        return msgspec.msgpack.encode(self._obey(found))

    def _obey(self, command: Command) -> Answer:
        state = self._state
        state.now_ms = max(state.now_ms, command.now_ms)
        held = state.held.get(command.lock)
        if held is not None and held.end_ms <= state.now_ms:
            del state.held[command.lock]
            held = None
        if command.verb == "acquire":
            return self._acquire(command, held)
        if held is None or held.holder != command.holder:
            return self._answer(False, held)
        if command.verb == "release":
            del state.held[command.lock]
            return Answer(True, held.token)
        return self._hold(command, held.token)

    def _acquire(self, command: Command, held: Held | None) -> Answer:
        if held is not None and held.holder != command.holder:
            return self._answer(False, held)
        if held is not None:
            return self._hold(command, held.token)
        if len(self._state.held) >= LOCKS_MAX and not self._forget():
            return Answer(False)
        self._state.token += 1
        return self._hold(command, self._state.token)

    def _hold(self, command: Command, token: int) -> Answer:
        held = Held(command.holder, token, self._state.now_ms + command.lease_ms)
        self._state.held[command.lock] = held
        return self._answer(True, held)

    def _forget(self) -> bool:
        """Make room: what has ended was kept until somebody asked for it."""
        now = self._state.now_ms
        self._state.held = {n: h for n, h in self._state.held.items() if h.end_ms > now}
        return len(self._state.held) < LOCKS_MAX

    def _answer(self, done: bool, held: Held | None) -> Answer:
        if held is None:
            return Answer(done)
        return Answer(done, held.token, held.end_ms - self._state.now_ms)

    def snapshot(self) -> bytes:
        """The whole state."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, snapshot: bytes) -> None:
        """What `snapshot` gave."""
        self._state = msgspec.msgpack.decode(snapshot, type=State)
