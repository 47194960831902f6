"""The codec for a core that reads and writes the messages between replicas itself."""

from __future__ import annotations

from struct import Struct
from typing import Final

from paxos_core import messages as m
from paxos_core.codec import HEADER_BYTES, KINDS, Codec
from paxos_core.types import NodeId

_KIND_AT: Final = 4
_SENDER: Final = Struct(">Q")
_SENDER_AT: Final = 15
_FIRST_CLIENT_KIND: Final = KINDS[m.OpenSession]


class RawCodec(Codec):
    """Passes frames between replicas on as `RawFrame`; all others are as with `Codec`."""

    __slots__ = ()

    def encode(self, message: m.Message) -> bytes:
        """As `Codec.encode`; a `RawFrame` is encoded already."""
        if type(message) is m.RawFrame:
            return message.frame
        return super().encode(message)

    def decode(self, frame: bytes) -> tuple[NodeId, m.Message]:
        """As `Codec.decode`, but of a replicas' frame only the sender is read."""
        if len(frame) >= HEADER_BYTES and frame[_KIND_AT] < _FIRST_CLIENT_KIND:
            return _SENDER.unpack_from(frame, _SENDER_AT)[0], m.RawFrame(frame)
        return super().decode(frame)
