"""Why a core answered so to what serves a replica that lags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.describe import shorten
from paxos_core.trace.shape import value_text
from paxos_core.trace.step import Clause, Step, name_slots
from paxos_core.types import SLOT_BELIEVED_MAX

VALUE_CHARACTERS_MAX: Final = 40


def _learn(step: Step, message: m.Learn) -> list[Clause]:
    sender, first = step.sender, message.from_slot
    if first >= step.before.watermark:
        text = f"has no chosen value from slot {first} on that it could send node {sender}"
        return [("catch-up", text)]
    values = step.sent(m.Chosen, sender)
    if values:
        slots = name_slots(values[0].slot, values[-1].slot)
        return [("catch-up", f"sends node {sender} the chosen values of {slots}")]
    if step.sent(m.SnapshotChunk, sender):
        text = f"sends node {sender} a snapshot: its log begins with slot "
        return [("snapshot", f"{text}{step.before.first_slot}, after {first}")]
    if step.out is None:
        text = f"answers node {sender} from the chosen log, if it has not in this drain"
        return [("catch-up", text)]
    return [("limits", _unserved(step))]


def _unserved(step: Step) -> str:
    text = f"does not answer node {step.sender}: nobody gets two pages in a drain, and those who "
    return f"{text}are no members few in a tick"


def _snapshot_request(step: Step, message: m.SnapshotRequest) -> list[Clause]:
    chunks = step.sent(m.SnapshotChunk, step.sender)
    if chunks:
        text = f"sends node {step.sender} its snapshot of slot {chunks[0].slot} from byte "
        return [("snapshot", f"{text}{chunks[0].offset} on")]
    if step.out is None:
        text = f"answers node {step.sender} from its snapshot, if it has one and has not in this "
        return [("snapshot", f"{text}drain")]
    if step.before.first_slot == 0:
        return [("snapshot", f"has no snapshot to send node {step.sender}, or sent it a page now")]
    return [("limits", _unserved(step))]


def _chosen(step: Step, message: m.Chosen) -> list[Clause]:
    before, slot = step.before, message.slot
    if slot < before.watermark:
        return [("stale", f"knows the chosen value of slot {slot} already")]
    most = step.config.limits.vote_slots_max
    if slot >= before.watermark + most:
        text = f"does not keep slot {slot}: only {most} slots from {before.watermark} on are kept"
        return [("limits", text)]
    if checksum(message.value) != message.checksum:
        return [("damaged", f"does not learn slot {slot}: its value fails its checksum")]
    if not step.learnt:
        text = f"keeps the chosen value of slot {slot} until it knows those from slot "
        return [("in order", f"{text}{before.watermark} on")]
    value = shorten(value_text(message.value), VALUE_CHARACTERS_MAX)
    text = f"learns that {value} is chosen for slot {slot}: that stays so, whoever says it"
    asks: list[m.Message] = [*step.sent(m.Learn), *step.sent(m.SnapshotRequest)]
    if asks:
        text += "; asks for the next page"
    clauses: list[Clause] = [("catch-up", text)]
    if step.deposed:
        text = "leads no more: it did not propose that, so somebody leads with a higher ballot"
        clauses.append(("step down", text))
    return clauses


def _snapshot_chunk(step: Step, message: m.SnapshotChunk) -> list[Clause]:
    slot, limits = message.slot, step.config.limits
    if slot <= step.before.watermark:
        text = f"needs no snapshot of slot {slot}: it knows all below {step.before.watermark}"
        return [("stale", text)]
    if slot > SLOT_BELIEVED_MAX or message.bytes_total > limits.snapshot_bytes_max:
        return [("limits", f"does not believe a snapshot of {message.bytes_total} bytes")]
    if step.learnt:
        text = f"installs the snapshot of slot {slot}, which stands for every slot below"
        return [("snapshot", text + (", and leads no more" if step.deposed else ""))]
    end = message.offset + len(message.chunk)
    text = f"keeps bytes {message.offset} to {end} of the {message.bytes_total} of the snapshot of "
    return [("snapshot", f"{text}slot {slot}, if they continue what it has")]


CATCHUP: Final[dict[type, Callable[[Step, Any], list[Clause]]]] = {
    m.Learn: _learn,
    m.SnapshotRequest: _snapshot_request,
    m.Chosen: _chosen,
    m.SnapshotChunk: _snapshot_chunk,
}
