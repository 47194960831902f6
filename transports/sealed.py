"""Sealed: wraps any transport; a key that the cluster shares proves who belongs to it.

Every frame carries a keyed BLAKE2s tag of 16 bytes over the sender's id, the
receiver's id and the frame. Whatever has no valid one is dropped and counted.

It protects against endpoints that do not have the key: they can neither take part
nor alter a frame nor pass one on as somebody else's. It hides nothing: whoever sees
the frames can read them. It does not tell holders of the key from one another, so one
of them can pose as any. And it does not stop a flood.

A frame that was recorded may be sent again, to the endpoint it was for, and has a
valid tag. That is harmless to agreement: Paxos is safe over a network that duplicates
and delays without bound, and a replay is no more than that. An acceptor answers an
old ballot with a refusal, since what it promised only grows; a vote counted twice is
one vote of one acceptor; a command that comes again is known by its client's number
and answered, not applied. What a replay can cost is time: an old heartbeat may put
off an election, an old request makes work.

A layer that learns a client's way back from its frames (UDP, Ethernet) does so before
the tag is looked at. A stranger who knows a client's id can so divert what is sent to
that client until its next frame, which costs time, but cannot answer in its stead.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from transports.api import LAST_CLIENT_ID, Frame, NodeId, Transport, TransportError
from transports.registry import call_opener

TAG_BYTES = 16
KEY_BYTES_MIN = 16
KEY_BYTES_MAX = hashlib.blake2s.MAX_KEY_SIZE
_KEY_FILE_BYTES_MAX = 4096
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_PURPOSE = b"paxos-1"

_IDS = struct.Struct(">QQ")


class SealedTransport(Transport):
    """The wrapper. Adds `bad_tag` to the inner transport's `stats.dropped`.

    The other counters are the inner transport's: its bytes include the tags, and
    its frames received those that were dropped here.
    """

    def __init__(self, inner: Transport, local: NodeId, key: bytes) -> None:
        self.frame_bytes_max = inner.frame_bytes_max - TAG_BYTES
        self.stats = inner.stats
        self._inner = inner
        self._local = local
        # Keyed once: a copy of the state is cheaper than the key's block again.
        self._keyed = hashlib.blake2s(key=key, digest_size=TAG_BYTES, person=_PURPOSE)

    def send(self, batch: Sequence[Frame]) -> None:
        """Put the tag behind each frame; see `Transport.send`."""
        sealed: list[Frame] = []
        for receiver, frame in batch:
            if frame and 0 < receiver <= LAST_CLIENT_ID:
                frame = frame + self._tag(self._local, receiver, frame)
            # What nobody can be sent goes on as it is, to be counted below.
            sealed.append((receiver, frame))
        self._inner.send(sealed)

    async def receive(self) -> list[Frame]:
        """Return the frames whose tags are good, without them; see `Transport.receive`."""
        while True:
            # No await after this one: a cancelled call has taken nothing out.
            opened = self._open_all(await self._inner.receive())
            if opened:
                return opened

    def receive_soon(self, seconds: float) -> list[Frame]:
        """As the inner transport does, with the same check; see `Transport.receive_soon`."""
        return self._open_all(self._inner.receive_soon(seconds))

    def describe(self) -> Mapping[str, Any]:
        """What the inner transport says."""
        return self._inner.describe()

    def _open_all(self, arrived: list[Frame]) -> list[Frame]:
        opened = [frame for frame in map(self._open, arrived) if frame is not None]
        if len(opened) < len(arrived):
            self.stats.dropped["bad_tag"] += len(arrived) - len(opened)
        return opened

    def _tag(self, sender: NodeId, receiver: NodeId, frame: bytes) -> bytes:
        state = self._keyed.copy()
        state.update(_IDS.pack(sender, receiver) + frame)
        return state.digest()

    def _open(self, arrived: Frame) -> Frame | None:
        sender, sealed = arrived
        frame, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        expected = self._tag(sender, self._local, frame)
        if frame and hmac.compare_digest(tag, expected):
            return sender, frame
        return None


def seal(transport: Transport, local: NodeId, key: bytes) -> SealedTransport:
    """Wrap `transport`, an open endpoint `local`. It stays open as long as the inner one is.

    Raises `TransportError` unless the key has 16 to 32 bytes.
    """
    _check_key(key, "the cluster key")
    return SealedTransport(transport, local, key)


def read_key(path: str | Path) -> bytes:
    """Read a cluster key from a file: 32 to 64 hexadecimal digits, or 16 to 32 raw bytes.

    A file of nothing but such digits, with white space around them, is never taken
    for raw bytes. Raises `TransportError`.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise TransportError(
            f"the key file {str(path)!r} cannot be read: {(error.strerror or '').lower()}; "
            "make one with: openssl rand -hex 32"
        ) from error
    digits = content.strip()
    if digits and set(digits) <= _HEX_DIGITS:
        if len(digits) % 2:
            raise TransportError(
                f"the key in {str(path)!r} has an odd number of hexadecimal digits: copy it whole"
            )
        content = bytes.fromhex(digits.decode())
    _check_key(content, f"the key in {str(path)!r}")
    return content


def _check_key(key: bytes, what: str) -> None:
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise TransportError(
            f"{what} has {len(key)} bytes, not {KEY_BYTES_MIN} to {KEY_BYTES_MAX}: "
            "make one with: openssl rand -hex 32"
        )


@asynccontextmanager
async def open_transport(
    name: str, local: NodeId, peers: Mapping[NodeId, str], options: Mapping[str, object]
) -> AsyncIterator[Transport]:
    """Open the transport that goes by `name`, sealed if `options` has a `key_file`.

    The one place where that option is read; the opener is handed the others. Raises
    `TransportError`, and what `resolve` raises.
    """
    others = dict(options)
    key_file = others.pop("key_file", None)
    if key_file is None:
        async with call_opener(name, local, peers, others) as transport:
            yield transport
        return
    if not isinstance(key_file, str) or not key_file:
        raise TransportError(f"option key_file takes the path of a file, not {key_file!r}")
    key = read_key(key_file)
    async with call_opener(name, local, peers, others) as transport:
        yield seal(transport, local, key)


__all__ = [
    "KEY_BYTES_MAX",
    "KEY_BYTES_MIN",
    "TAG_BYTES",
    "SealedTransport",
    "open_transport",
    "read_key",
    "seal",
]
