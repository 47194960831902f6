"""Why a core answered so to what is about ballots: who may try, who promised, who was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from paxos_core import messages as m
from paxos_core.durable import Promised, Record
from paxos_core.election import Role
from paxos_core.trace.memory import Verdict
from paxos_core.trace.step import Clause, Step
from paxos_core.types import NO_BALLOT, Ballot, Slot, ballot_node, format_ballot, is_proposer

BREAKS: Final = "this breaks the rule"
"""How a clause ends about a core from which the rule was taken out, as a laboratory does."""


def campaign(step: Step) -> list[Clause]:
    """Phase 1 of a ballot of its own begins."""
    ballot = format_ballot(step.after.promised)
    text = (
        f"begins phase 1 of {ballot}, above every ballot it has heard of, for all slots from "
        f"{step.after.watermark} on"
    )
    if step.out is not None and not step.sent(m.Prepare) and step.config.peers:
        text += ", and asks nobody before that is on stable storage"
    return [("phase 1a", text), *too_soon(step, m.Prepare, Promised)]


def no_vote(step: Step, kind: str) -> list[Clause]:
    """It may not vote."""
    return [("no vote", f"ignores {kind} of node {step.sender}: it does not vote")]


def not_owner(step: Step, kind: str, ballot: Ballot) -> list[Clause]:
    """Somebody speaks in a ballot that is not its own, or that is not to be believed."""
    owner, shown = ballot_node(ballot), format_ballot(ballot)
    reason = f"belongs to node {owner}" if owner != step.sender else "leaves none above it"
    return [("ballot owner", f"ignores {kind} of node {step.sender}: ballot {shown} {reason}")]


def too_soon(
    step: Step, kind: type[m.Message], record: type[Record], slot: Slot | None = None
) -> list[Clause]:
    """What a core says that lets a message leave before its record is on stable storage."""
    if step.out is None or not step.sent(kind):
        return []
    for written in step.out.records:
        if isinstance(written, record) and slot in (None, getattr(written, "slot", None)):
            text = f"sends {kind.__name__} before that is on stable storage: {BREAKS}"
            return [("stable storage", text)]
    return []


def also_deposed(step: Step) -> str:
    """How a sentence goes on if this cost it its office, or what it did to get there."""
    if step.gives_way:
        return f", and gives up its own phase 1 of {format_ballot(step.before.promised)}"
    return ", and leads no more" if step.deposed else ""


def _pre_vote(step: Step, message: m.PreVote) -> list[Clause]:
    if not step.config.voting:
        return no_vote(step, "PreVote")
    ballot = format_ballot(message.ballot)
    replies = step.sent(m.PreVoteReply, step.sender)
    if not replies:
        text = f"answers node {step.sender}: it agrees to {ballot} only if it hears no leader"
    elif replies[0].granted:
        text = f"agrees that node {step.sender} may try {ballot}: it hears no leader either"
    elif step.before.role is Role.LEADER:
        text = f"refuses node {step.sender} to try {ballot}: it leads itself"
    else:
        text = (
            f"refuses node {step.sender} to try {ballot}: it has not waited for a time-out since "
            "it started, stood, led, or heard a leader or a candidate"
        )
    return [("pre-vote", text)]


def _pre_vote_reply(step: Step, message: m.PreVoteReply) -> list[Clause]:
    ballot, sender = format_ballot(message.ballot), step.sender
    quorums = step.config.quorums
    if step.campaigns:
        text = f"a phase 1 quorum of {quorums.phase1} has no leader, and a phase 2 quorum of "
        return [*campaign(step), ("pre-vote", f"{text}{quorums.phase2} answers")]
    if step.memory.asked != message.ballot:
        text = f"does not count the answer of node {sender}: it asks for {ballot} no more"
        return [("stale", text)]
    if message.granted:
        text = f"hears that node {sender} hears no leader either"
    else:
        text = f"hears that node {sender} does not agree, but can be reached"
    text += f"; before it tries {ballot}, a phase 1 quorum of {quorums.phase1} must hear no leader,"
    return [("pre-vote", f"{text} and a phase 2 quorum of {quorums.phase2} must answer")]


def _prepare(step: Step, message: m.Prepare) -> list[Clause]:
    if not step.config.voting:
        return no_vote(step, "Prepare")
    if not is_proposer(step.sender, message.ballot):
        return not_owner(step, "Prepare", message.ballot)
    promised, ballot = step.before.promised, format_ballot(message.ballot)
    if message.ballot < promised and step.sent(m.Promise, step.sender):
        text = f"promises {ballot}, although {format_ballot(promised)} is promised"
        return [("phase 1b", f"{text}: {BREAKS}"), *too_soon(step, m.Promise, Promised)]
    if message.ballot < promised and step.silent(m.Nack):
        text = f"does not refuse Prepare {ballot} of node {step.sender}, although "
        return [("nack", f"{text}{format_ballot(promised)} is promised: {BREAKS}")]
    if message.ballot < promised:
        text = f"refuses Prepare {ballot} of node {step.sender}, and says so: it has promised "
        return [("nack", f"{text}{format_ballot(promised)}")]
    if message.ballot == promised:
        text = f"shows node {step.sender} its votes from slot {message.from_slot} on, again or as "
        text += f"the next page: it has promised {ballot} already"
        if step.silent(m.Promise):
            text += "; the Promise leaves when that is on stable storage"
        return [("phase 1b", text)]
    if promised == NO_BALLOT:
        text = f"promises {ballot}: it is the first ballot that it is asked to promise"
    else:
        text = f"promises {ballot}: it is above {format_ballot(promised)}, the highest ballot "
        text += "promised so far"
    text += also_deposed(step)
    if step.silent(m.Promise):
        text += "; the Promise leaves when this is on stable storage"
    return [("phase 1b", text), *too_soon(step, m.Promise, Promised)]


def _promise(step: Step, message: m.Promise) -> list[Clause]:
    ballot, sender = format_ballot(message.ballot), step.sender
    if step.before.role is Role.LEADER and step.before.ballot == message.ballot:
        return [("stale", f"needs the Promise of node {sender} no more: it leads in {ballot}")]
    match step.verdict:
        case Verdict.STALE:
            text = f"does not count the Promise of node {sender}: it waits for no such page of "
            return [("stale", f"{text}{ballot}")]
        case Verdict.DAMAGED:
            text = f"does not count the Promise of node {sender}: a vote in it fails its checksum"
            return [("damaged", text)]
        case Verdict.FAR:
            text = f"does not believe the Promise of node {sender}: no acceptor votes so far ahead"
            return [("limits", text)]
    if step.elected:
        return []
    shown = f"{len(message.votes)} vote{'' if len(message.votes) == 1 else 's'}"
    if step.verdict is Verdict.MORE:
        text = f"notes {shown} of node {sender}, and asks for the next page, from slot "
        return [("phase 1b", f"{text}{message.next_slot} on")]
    quorum = step.config.quorums.phase1
    text = f"counts the Promise of node {sender} for {ballot}, with {shown}; a phase 1 quorum of "
    clauses: list[Clause] = [("phase 1b", f"{text}{quorum} must promise before it proposes")]
    if message.watermark > step.after.watermark:
        text = f"learns all slots below {message.watermark} first, which node {sender} knows to be "
        clauses.append(("catch-up", f"{text}chosen, for there it must not propose"))
    return clauses


def _nack(step: Step, message: m.Nack) -> list[Clause]:
    ballot, promised = format_ballot(message.ballot), format_ballot(message.promised)
    own = {Role.LEADER: step.before.ballot, Role.CANDIDATE: step.before.promised}
    if own.get(step.before.role) != message.ballot:
        return [("stale", f"has nothing under way in {ballot}, which node {step.sender} refuses")]
    if message.promised <= message.ballot:
        text = f"ignores the refusal of node {step.sender}: {promised} is not above {ballot}"
        return [("stale", text)]
    refused = f"node {step.sender} has promised {promised}"
    if step.campaigns:
        text = f"{refused}: it has led for a while, so it does not give way"
        return [("established leader", text), *campaign(step)]
    return [("nack", f"gives up {ballot}: {refused}, and a new proposer gives way")]


BALLOTS: Final[dict[type, Callable[[Step, Any], list[Clause]]]] = {
    m.PreVote: _pre_vote,
    m.PreVoteReply: _pre_vote_reply,
    m.Prepare: _prepare,
    m.Promise: _promise,
    m.Nack: _nack,
}
