"""What one `take` handed out, as bytes that can be compared.

A C twin has the application's snapshots outside, so it asks for a page of one
(SERVE) where Python has the chunks; expanded, they are the same frames. Their
place among the other messages is the one thing that is not compared: messages
may be reordered anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from paxos_core import CaughtUp, Codec, LeaderChanged, Ready, encode_record
from paxos_core.durable import Snapshot
from paxos_core.messages import SnapshotChunk
from paxos_core.ready import SnapshotTooLarge

Frames = list[tuple[int, bytes]]


@dataclass(slots=True)
class Outputs:
    """A `Ready` in canonical bytes."""

    messages: Frames = field(default_factory=list)
    """(receiver, frame), without the chunks of snapshots."""
    chunks: Frames = field(default_factory=list)
    write_id: int = 0
    checkpoint: bool = False
    records: list[bytes] = field(default_factory=list)
    decided: list[tuple[int, int, tuple[bytes, ...]]] = field(default_factory=list)
    """(slot, checksum, commands)"""
    install: tuple[int, int, bytes] | None = None
    """(slot, checksum, data)"""
    events: list[tuple[str, int, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


NOTHING = Outputs()


def outputs(ready: Ready, codec: Codec) -> Outputs:
    """What the Python core handed out. At once: a message may still be added to later."""
    out = Outputs(write_id=ready.write_id, checkpoint=ready.checkpoint)
    encode = codec.encode
    last, frame = None, b""
    for to, message in ready.messages:
        if message is not last:
            last, frame = message, encode(message)
        kind = out.chunks if isinstance(message, SnapshotChunk) else out.messages
        kind.append((to, frame))
    out.records = [encode_record(record) for record in ready.records]
    out.decided = [(e.slot, e.checksum, tuple(e.commands)) for e in ready.decided]
    if ready.install is not None:
        out.install = installed(ready.install)
    for event in ready.events:
        match event:
            case LeaderChanged(leader, ballot):
                out.events.append(("leader", leader, ballot))
            case CaughtUp(watermark):
                out.events.append(("caught up", watermark, 0))
            case SnapshotTooLarge(size):
                out.events.append(("too large", size, 0))
    return out


def installed(snapshot: Snapshot) -> tuple[int, int, bytes]:
    """A snapshot as `Outputs` has it."""
    return snapshot.slot, snapshot.checksum, snapshot.data
