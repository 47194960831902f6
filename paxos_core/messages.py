"""Every message of the protocol, once.

A message is a plain value: who sent it stands in the frame's envelope, not
here. The order of the fields is their order on the wire (`codec.py`), and a
field of variable length comes last.

Between replicas, in the order in which a decision meets them: `PreVote`,
`Prepare`, `Promise`, `Accept`, `Accepted`; `Nack` refuses; `Heartbeat` keeps a
leader; `Learn`, `Chosen`, `SnapshotRequest` and `SnapshotChunk` serve a
replica that lags. With clients: `OpenSession`, `Request`, `Reply`, `Refused`,
`StatusRequest`, `StatusReply`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from paxos_core.types import U64_MAX, Ballot, NodeId, Slot

NO_MORE: Final[Slot] = U64_MAX
"""In `Promise.next_slot`: this was the last page."""


@dataclass(slots=True)
class Vote:
    """What an acceptor accepted for one slot: the highest-numbered proposal it has accepted."""

    slot: Slot
    ballot: Ballot
    checksum: int
    value: bytes


@dataclass(slots=True)
class PreVote:
    """May I try to lead with `ballot`? Asked before disturbing anyone; binds nobody."""

    ballot: Ballot
    watermark: Slot


@dataclass(slots=True)
class PreVoteReply:
    """Whether the sender has lost its leader as well (`granted`, 0 or 1), and how far it is."""

    ballot: Ballot
    granted: int
    promised: Ballot
    watermark: Slot


@dataclass(slots=True)
class Prepare:
    """Phase 1a for every slot from `from_slot` on; later pages ask with a higher `from_slot`."""

    ballot: Ballot
    from_slot: Slot


@dataclass(slots=True)
class Promise:
    """Phase 1b: "I will accept nothing below `ballot`", and a page of what was accepted.

    The page holds every vote in ``from_slot <= slot < next_slot`` that is not
    below `watermark`. All slots below `watermark` are chosen and known to the
    sender: whoever asks learns them instead of proposing there.
    """

    ballot: Ballot
    from_slot: Slot
    next_slot: Slot
    watermark: Slot
    votes: list[Vote] = field(default_factory=list)


@dataclass(slots=True)
class Accept:
    """Phase 2a. `watermark`: every slot below it is chosen, says the proposer."""

    ballot: Ballot
    slot: Slot
    watermark: Slot
    checksum: int
    value: bytes


@dataclass(slots=True)
class Accepted:
    """Phase 2b for every slot in ``first_slot <= slot <= last_slot``."""

    ballot: Ballot
    first_slot: Slot
    last_slot: Slot


@dataclass(slots=True)
class Nack:
    """The sender promised `promised`, which is above `ballot`: stop using `ballot`."""

    ballot: Ballot
    promised: Ballot


@dataclass(slots=True)
class Heartbeat:
    """The leader of `ballot` is alive; `sequence` numbers its rounds of heartbeats."""

    ballot: Ballot
    watermark: Slot
    sequence: int


@dataclass(slots=True)
class HeartbeatAck:
    """The answer to one heartbeat; `watermark` is the sender's own."""

    ballot: Ballot
    watermark: Slot
    sequence: int


@dataclass(slots=True)
class Learn:
    """Send me the chosen values from `from_slot` on."""

    from_slot: Slot


@dataclass(slots=True)
class Chosen:
    """A chosen value. This answer to a `Learn` holds the slots below `page_end`."""

    slot: Slot
    page_end: Slot
    watermark: Slot
    checksum: int
    value: bytes


@dataclass(slots=True)
class SnapshotRequest:
    """Send me the snapshot of `slot` from byte `offset` on."""

    slot: Slot
    offset: int


@dataclass(slots=True)
class SnapshotChunk:
    """Part of a snapshot: the state after every slot below `slot`.

    `checksum` and `bytes_total` are the whole snapshot's; this answer holds
    the bytes below `page_end`.
    """

    slot: Slot
    offset: int
    page_end: int
    bytes_total: int
    checksum: int
    chunk: bytes


@dataclass(slots=True)
class OpenSession:
    """A client asks for a session; `nonce` tells the answer from older ones."""

    nonce: int


@dataclass(slots=True)
class SessionOpened:
    """The session that the log gave to the client's `nonce`."""

    nonce: int
    session: int


@dataclass(slots=True)
class Request:
    """Commands ``first, first + 1, ...`` of a session; everything below `floor` was answered.

    `commands` is a MessagePack array of `count` `bin`.
    """

    session: int
    floor: int
    first: int
    count: int
    commands: bytes


@dataclass(slots=True)
class Reply:
    """Results of commands ``first, first + 1, ...``: a MessagePack array of `count` `bin` or nil.

    Nil stands for a result too large to carry.
    """

    session: int
    first: int
    count: int
    results: bytes


class Reason(IntEnum):
    """Why a request was not applied *by this attempt*; an earlier one may have been."""

    NOT_LEADER = 1
    OVERLOADED = 2
    TOO_LARGE = 3
    UNKNOWN_SESSION = 4
    OUT_OF_WINDOW = 5
    MALFORMED = 6


@dataclass(slots=True)
class Refused:
    """This attempt was not applied. `leader` is whom to ask instead, 0 if unknown."""

    session: int
    first: int
    count: int
    reason: int
    leader: NodeId


@dataclass(slots=True)
class StatusRequest:
    """Ask a node how it is; `nonce` comes back with the answer."""

    nonce: int


@dataclass(slots=True)
class StatusReply:
    """A MessagePack map of names to numbers and strings."""

    nonce: int
    status: bytes


@dataclass(slots=True)
class RawFrame:
    """A message between replicas that stays encoded, for a core that reads frames itself."""

    frame: bytes


PeerMessage = (
    PreVote
    | PreVoteReply
    | Prepare
    | Promise
    | Accept
    | Accepted
    | Nack
    | Heartbeat
    | HeartbeatAck
    | Learn
    | Chosen
    | SnapshotRequest
    | SnapshotChunk
)
ClientMessage = (
    OpenSession | SessionOpened | Request | Reply | Refused | StatusRequest | StatusReply
)
Message = PeerMessage | ClientMessage | RawFrame
