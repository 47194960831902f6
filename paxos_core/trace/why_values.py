"""Why a core answered so to what is about values: votes, decisions, and who leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from paxos_core import messages as m
from paxos_core.checksum import checksum
from paxos_core.describe import shorten
from paxos_core.durable import Voted
from paxos_core.election import Role
from paxos_core.trace.memory import Verdict
from paxos_core.trace.shape import value_text
from paxos_core.trace.step import Clause, Step, name_set, name_slots
from paxos_core.trace.why_ballots import BREAKS, also_deposed, not_owner, too_soon
from paxos_core.types import Ballot, Slot, format_ballot, is_proposer

VALUE_CHARACTERS_MAX: Final = 40


def _accept(step: Step, message: m.Accept) -> list[Clause]:
    ballot, promised = format_ballot(message.ballot), step.before.promised
    if not is_proposer(step.sender, message.ballot):
        return not_owner(step, "Accept", message.ballot)
    if checksum(message.value) != message.checksum:
        text = f"ignores Accept of node {step.sender}: the value for slot {message.slot} fails "
        return [("damaged", f"{text}its checksum")]
    if not step.config.voting:
        text = f"does not vote on slot {message.slot}; it hears from Accept {ballot} what is chosen"
        return [("no vote", text), *_learnt(step, message.ballot)]
    if message.ballot < promised and step.silent(m.Nack):
        return _not_refused(step, message)
    if message.ballot < promised:
        text = f"refuses Accept {ballot} for slot {message.slot}, and says so: "
        return [("P1a", f"{text}{format_ballot(promised)} is promised")]
    soon = too_soon(step, m.Accepted, Voted, message.slot)
    return [_vote(step, message), *soon, *_learnt(step, message.ballot)]


def _not_refused(step: Step, message: m.Accept) -> list[Clause]:
    ballot, slot = format_ballot(message.ballot), message.slot
    if _voted(step, message):
        text = f"accepts a value in {ballot} for slot {slot}"
    elif step.sent(m.Accepted, step.sender):
        text = f"says that it accepted a value in {ballot} for slot {slot}"
    else:
        text = f"does not refuse Accept {ballot} for slot {slot}"
    text += f", although {format_ballot(step.before.promised)} is promised: {BREAKS}"
    return [("P1a", text), *too_soon(step, m.Accepted, Voted, slot)]


def _voted(step: Step, message: m.Accept) -> bool:
    """Whether the vote is among what was handed out."""
    proposal = message.slot, message.ballot
    records = step.out.records if step.out is not None else []
    return any(isinstance(r, Voted) and (r.slot, r.ballot) == proposal for r in records)


def _vote(step: Step, message: m.Accept) -> Clause:
    """The ballot is good; what becomes of the proposal."""
    slot, ballot = message.slot, format_ballot(message.ballot)
    value = shorten(value_text(message.value), VALUE_CHARACTERS_MAX)
    match step.verdict:
        case Verdict.STALE:
            text = f"keeps no vote for slot {slot}, which is chosen{_promises(step, message)}; "
            return "stale", text + _confirms(step, slot)
        case Verdict.FAR:
            most = step.config.limits.vote_slots_max
            text = f"does not vote on slot {slot}: only {most} slots from "
            text += f"{step.before.watermark} on are voted for"
            return "limits", text + _promises(step, message)
        case Verdict.AGAIN:
            if step.silent(m.Accepted):
                text = f"has accepted {value} in {ballot} for slot {slot} already; its answer waits"
                return "phase 2b", f"{text} until the disk has what it wrote"
            text = f"says again that it accepted {value} in {ballot} for slot {slot}"
            return "phase 2b", f"{text}: its vote is kept"
        case Verdict.OTHER:
            text = f"refuses another value in {ballot} for slot {slot}"
            return "phase 2b", f"{text}: a ballot has one for each slot"
    text = f"accepts {value} in {ballot} for slot {slot}: no higher ballot is promised"
    text += _promises(step, message)
    if step.silent(m.Accepted):
        text += "; the Accepted leaves when the vote is on stable storage"
    return "phase 2b", text


def _promises(step: Step, message: m.Accept) -> str:
    """How a sentence goes on if the Accept's ballot is new."""
    new = message.ballot > step.before.promised
    text = f", and this promises {format_ballot(message.ballot)}" if new else ""
    return text + also_deposed(step)


def _confirms(step: Step, slot: Slot) -> str:
    """What is said to a proposer whose slot is chosen."""
    if slot < step.before.first_slot:
        return f"it confirms nothing below slot {step.before.first_slot}, where its log begins"
    if step.silent(m.Accepted):
        return "it confirms the chosen value and no other, once the disk has what it wrote"
    return "it confirms the chosen value and no other"


def _learnt(step: Step, ballot: Ballot) -> list[Clause]:
    """What the leader's watermark told it."""
    if not step.learnt:
        return []
    first, last = step.before.watermark, step.after.watermark - 1
    text = (
        f"learns that {name_slots(first, last)} {'is' if first == last else 'are'} chosen: node "
        f"{step.sender} says so, and its own vote for slot {first} is in {format_ballot(ballot)} "
        "as well"
    )
    return [("watermark", text)]


def _accepted(step: Step, message: m.Accepted) -> list[Clause]:
    slots, ballot = name_slots(message.first_slot, message.last_slot), format_ballot(message.ballot)
    before, after = step.before, step.after
    if before.role is not Role.LEADER or message.ballot != before.ballot:
        text = f"does not count the vote of node {step.sender} for {slots}: it does not lead in "
        return [("stale", f"{text}{ballot}")]
    quorum, tally = step.config.quorums.phase2, step.memory.tally
    fresh = tally.fresh(step.sender, message.first_slot, message.last_slot)
    done = tally.chosen_with(step.sender, fresh)
    if step.learnt:
        text = f"with node {step.sender} a phase 2 quorum of {quorum} has accepted in {ballot}"
        return [found_chosen(step, done, text)]
    if message.last_slot < before.watermark:
        text = f"needs the vote of node {step.sender} for {slots} no more: chosen already"
        return [("stale", text)]
    if len(tally.masks) != before.in_flight_slots:
        # Not all that it proposed was seen: what this vote is worth is not known here.
        text = f"hears that node {step.sender} accepted {slots}: each acceptor counts once, and "
        return [("phase 2b", f"{text}a phase 2 quorum of {quorum} must accept in {ballot}")]
    if done:
        text = f"finds {name_set(done)} chosen, and delivers that after slot {after.watermark}, "
        return [("in order", f"{text}which is not chosen yet")]
    if not fresh:
        text = f"has no use for the vote of node {step.sender} for {slots}: it is counted already, "
        return [("stale", f"{text}or a quorum without it has accepted")]
    text = f"counts the vote of node {step.sender} for {name_set(fresh)}, once: a phase 2 quorum "
    return [("phase 2b", f"{text}of {quorum} must accept in {ballot}")]


def found_chosen(step: Step, done: set[Slot], reason: str) -> Clause:
    """The leader delivers: what was chosen now, and what was chosen before and had to wait."""
    first, end = step.before.watermark, step.after.watermark
    # What comes next in the log was not chosen before, or it would have been delivered.
    now = {slot for slot in done if slot < end} | {first}
    text = f"finds {_value(step)} chosen for {name_set(now)}: {reason}"
    rest = set(range(first, end)) - now
    if rest:
        text += f"; delivers with it {name_set(rest)}, chosen before"
    return "chosen", text


def _value(step: Step) -> str:
    """What was chosen, if that is one value."""
    slot = step.before.watermark
    own = step.memory.votes.get(slot)
    if own is None or step.after.watermark != slot + 1:
        return "what it proposed"
    # A leader's acceptor has voted for what it proposes.
    return shorten(value_text(own.value), VALUE_CHARACTERS_MAX)


def _heartbeat(step: Step, message: m.Heartbeat) -> list[Clause]:
    ballot, sender = format_ballot(message.ballot), step.sender
    if not is_proposer(sender, message.ballot):
        return not_owner(step, "Heartbeat", message.ballot)
    if message.ballot < step.before.promised:
        text = f"tells node {sender} that {ballot} is over: it has promised "
        return [("nack", f"{text}{format_ballot(step.before.promised)}")]
    if message.ballot < step.before.ballot:
        followed = format_ballot(step.before.ballot)
        text = f"ignores the heartbeat of node {sender} in {ballot}: it follows {followed}"
        return [("stale", text)]
    clauses = _learnt(step, message.ballot)
    if message.ballot != step.before.ballot:
        text = f"follows node {sender}, which leads in {ballot}{also_deposed(step)}"
        return [("follow", text), *clauses]
    answers = "and answers" if step.config.voting else "and says nothing, for it does not vote"
    return [*clauses, ("heartbeat", f"hears its leader, node {sender}, {answers}")]


def _heartbeat_ack(step: Step, message: m.HeartbeatAck) -> list[Clause]:
    before = step.before
    if before.role is not Role.LEADER or message.ballot != before.ballot:
        text = f"ignores the answer of node {step.sender}: it does not lead in "
        return [("stale", f"{text}{format_ballot(message.ballot)}")]
    quorum = step.config.quorums.phase2
    text = f"gets the answer of node {step.sender} to heartbeat {message.sequence}: it stays in "
    text += f"office while a phase 2 quorum of {quorum} answers what it sent since its last check"
    return [("heartbeat", text)]


VALUES: Final[dict[type, Callable[[Step, Any], list[Clause]]]] = {
    m.Accept: _accept,
    m.Accepted: _accepted,
    m.Heartbeat: _heartbeat,
    m.HeartbeatAck: _heartbeat_ack,
}
