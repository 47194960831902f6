"""What each field of a frame means, in a few words: docs/protocol.md has them in full."""

from __future__ import annotations

from typing import Final

ENVELOPE: Final = {
    "array": "MessagePack: so many elements follow",
    "version": "of the wire format",
    "kind": "which message this is",
    "cluster": "a hash of the cluster's name; frames of another are dropped",
    "sender": "who says it sent this",
}
FIELDS: Final = {
    "ballot": "round and node: the proposal number",
    "promised": "the highest ballot that the sender has promised",
    "watermark": "all slots below are chosen, says the sender",
    "granted": "whether the sender has lost its leader as well",
    "from_slot": "for this slot and all behind it",
    "next_slot": "where the next page begins",
    "votes": "what the sender has accepted, slot by slot",
    "slot": "the place in the log",
    "checksum": "CRC-32, made where the value was proposed",
    "value": "a batch of commands; acceptors carry it without looking inside",
    "first_slot": "accepted from here",
    "last_slot": "to here",
    "sequence": "the round of heartbeats",
    "page_end": "this answer ends below it",
    "offset": "from this byte of the snapshot on",
    "bytes_total": "of the whole snapshot",
    "chunk": "bytes of the snapshot",
    "nonce": "tells the answer from older ones",
    "session": "the client's, as the log gave it",
    "floor": "the client needs no answer below it any more",
    "first": "the number of the first command",
    "count": "of commands",
    "commands": "a batch: the client's commands",
    "results": "what they answered, an array",
    "reason": "why this attempt was not applied",
    "leader": "whom to ask instead; 0 if unknown",
    "status": "how the node is, a map",
}
OF_KIND: Final = {
    ("Accept", "ballot"): "the leader's: the proposal number",
    ("Accept", "watermark"): "all slots below are chosen, says the proposer",
    ("Accepted", "ballot"): "the sender has accepted in this ballot",
    ("Nack", "ballot"): "this one is refused",
    ("Nack", "promised"): "because the sender has promised this one",
    ("Prepare", "ballot"): "promise to accept nothing below it",
    ("Promise", "ballot"): "the sender will accept nothing below it",
    ("Promise", "from_slot"): "this page of votes begins here",
    ("SnapshotRequest", "slot"): "the snapshot of all slots below",
    ("SnapshotChunk", "slot"): "the snapshot of all slots below",
    ("SnapshotChunk", "checksum"): "CRC-32 of the whole snapshot",
}


def meaning(kind: str, name: str) -> str:
    """Of a field of the envelope or of a message; empty for a name that there is not."""
    return OF_KIND.get((kind, name)) or FIELDS.get(name) or ENVELOPE.get(name, "")
