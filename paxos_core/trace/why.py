"""Why a core did what it did: one sentence for each step, and the rule it followed.

Pure functions of what is seen from outside: the input, the status before and after, and
what was handed out. So the same sentence is said of the Python core, of the C twin, and of
a replica in the kernel. A sentence is made of clauses; each names its rule, and the first
one's is the event's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from paxos_core import messages as m
from paxos_core.describe import describe_commands, printable, shorten
from paxos_core.durable import ChosenUpTo, Voted
from paxos_core.election import Role
from paxos_core.errors import CommandTooLarge, NotLeader, Overloaded
from paxos_core.ready import CaughtUp
from paxos_core.trace.shape import value_text
from paxos_core.trace.step import (
    COMPACT,
    PERSISTED,
    PROPOSE,
    RECEIVE,
    START,
    TAKE,
    TICK,
    Clause,
    Step,
    name_set,
    name_slots,
)
from paxos_core.trace.why_ballots import BALLOTS, BREAKS, also_deposed, campaign
from paxos_core.trace.why_catchup import CATCHUP
from paxos_core.trace.why_values import VALUES, found_chosen
from paxos_core.types import Slot, format_ballot

VALUE_CHARACTERS_MAX: Final = 40
GATED: Final = (m.Prepare, m.Promise, m.Accepted)

CRASHED: Final = ("crash", "Stops at once: what was not on stable storage is lost (crash).")
PAUSED: Final = ("pause", "Stands still: what arrives meanwhile waits (pause).")
STOPPED: Final = ("crash", "Stops when told to; it starts again from what its disk has (crash).")
RESUMED: Final = ("pause", "Goes on, and reads all that has arrived meanwhile (pause).")


def explain(step: Step) -> tuple[str, str]:
    """The rule that the core followed in this step, and a sentence that says so."""
    if step.error is not None:
        clauses = _refusal(step, step.error)
    elif step.waits:
        clauses = [("drain", "waits for the end of this drain, to be decided with the rest of it")]
    else:
        clauses = _elected(step) + _HEADS[step.given.kind](step)
        clauses += _also(step)
    clauses = clauses or [("drain", _handed_out(step))]
    text = "; ".join(f"{text} ({rule})" for rule, text in clauses)
    return clauses[0][0], f"{text[0].upper()}{text[1:]}."


# What may follow from several inputs


def _handed_out(step: Step) -> str:
    text = "hands out what the inputs before it led to"
    messages = step.out.messages if step.out is not None else []
    kinds = sorted({type(message).__name__ for _, message in messages if message is not None})
    return f"{text}: {', '.join(kinds)}" if kinds else text


def _elected(step: Step) -> list[Clause]:
    """It leads from now on. Of the values it must propose, P2c decides."""
    if not step.elected:
        return []
    ballot = format_ballot(step.after.ballot)
    quorum = step.config.quorums.phase1
    text = f"leads in {ballot}, since a phase 1 quorum of {quorum} has promised it"
    phase1 = step.memory.phase1
    revealed = phase1.revealed if phase1 is not None else {}
    return _again(step, revealed, f"{text}; ") or [("phase 2a", text)]


def _again(step: Step, revealed: Mapping[Slot, m.Vote], begin: str) -> list[Clause]:
    """What it proposes because its phase 1 revealed it; nothing if that is nothing."""
    again = {slot: a for slot, a in step.accepts.items() if slot in revealed}
    left = {slot for slot in revealed if slot >= step.after.watermark} - step.accepts.keys()
    if left and step.out is not None and step.config.peers:
        text = f"{begin}proposes nothing for {name_set(left)}, where the quorum revealed votes"
        return [("P2c", f"{text}: {BREAKS}")]
    other = {slot for slot, a in again.items() if a.value != revealed[slot].value}
    if other:
        text = f"{begin}proposes for {name_set(other)} another value than the quorum revealed"
        return [("P2c", f"{text}: {BREAKS}")]
    if not again:
        return []
    top = max(again)
    if len(again) == 1:
        value = shorten(value_text(again[top].value), VALUE_CHARACTERS_MAX)
        voted = format_ballot(revealed[top].ballot)
        text = (
            f"{begin}proposes {value} for slot {top}, not a value of its own: it is the "
            f"vote with the highest ballot, {voted}, that the quorum revealed"
        )
    else:
        text = (
            f"{begin}proposes for {name_set(again)} no values of its own, but for each the "
            "vote with the highest ballot that the quorum revealed"
        )
    gaps = [slot for slot in step.accepts if slot < top and slot not in again]
    if not gaps:
        return [("P2c", text)]
    filled = f"fills {name_set(gaps)}, where the quorum revealed no vote, with a no-op"
    return [("no-op", filled), ("P2c", text)]


def _fresh(step: Step) -> set[Slot]:
    """What a leader proposes beyond all that its phase 1 revealed."""
    top = max(step.memory.unproposed)
    return {slot for slot in step.accepts if slot > top}


def _also(step: Step) -> list[Clause]:
    """What follows beside the main thing."""
    clauses: list[Clause] = []
    kind = step.given.kind
    out = step.out
    if out is not None and kind in (RECEIVE, PERSISTED) and not step.elected:
        fresh = step.accepts if step.after.role is Role.LEADER else {}
        if fresh:
            text = f"proposes {name_set(fresh)}: commands that waited for room in the window"
            clauses.append(("window", text))
    if step.after.lags and not step.before.lags:
        clauses.append(("catch-up", "will ask for slots that others know to be chosen"))
    for event in out.events if out is not None else ():
        if isinstance(event, CaughtUp):
            text = f"has all that it knew to be chosen elsewhere, below slot {event.watermark}"
            clauses.append(("catch-up", text))
    return clauses


# One function for each kind of input


def _start(step: Step) -> list[Clause]:
    after = step.after
    if not step.config.voting:
        text = "starts without a vote, for it may have forgotten what it promised: it learns"
        return [("no vote", text)]
    if not (after.promised or after.watermark):
        return [("restart", "starts with an empty store: nothing is promised")]
    votes = len(step.memory.votes)
    kept = f"{votes} vote{'' if votes == 1 else 's'}"
    text = (
        f"starts from its records: it has promised {format_ballot(after.promised)}, keeps {kept}, "
        f"and knows all slots below {after.watermark} to be chosen"
    )
    return [("restart", text)]


def _receive(step: Step) -> list[Clause]:
    message = step.given.message
    if message is None:
        return [("damaged", f"ignores what came from node {step.sender}: it is no frame")]
    member = step.sender in step.config.quorums.bits and step.sender != step.config.node
    asks = isinstance(message, m.Learn | m.SnapshotRequest) and step.sender != step.config.node
    if not (member or asks):
        kind = type(message).__name__
        return [("membership", f"ignores {kind}: {step.sender} is no other member")]
    return _BY_MESSAGE[type(message)](step, message)


def _tick(step: Step) -> list[Clause]:
    clauses: list[Clause] = []
    ballot = format_ballot(step.before.ballot)
    if step.campaigns:
        clauses += campaign(step)
    elif step.deposed:
        quorums = step.config.quorums
        ticks = step.config.timing.election_ticks_min
        text = f"gives up {ballot}: no phase 2 quorum of {quorums.phase2} answered in {ticks} ticks"
        clauses.append(("step down", text))
    if step.sent(m.PreVote) or _has_lost_its_leader(step):
        clauses.append(("pre-vote", _canvass(step)))
    if step.sent(m.Heartbeat):
        text = f"tells the others that it leads in {ballot} and that all below slot "
        clauses.append(("heartbeat", f"{text}{step.after.watermark} is chosen"))
    clauses += _resent(step) + _asked(step)
    records = step.out.records if step.out is not None else []
    marks = [record.slot for record in records if isinstance(record, ChosenUpTo)]
    if marks and not clauses:
        clauses.append(("watermark", f"records that all below slot {marks[-1]} is chosen"))
    return clauses


def _has_lost_its_leader(step: Step) -> bool:
    """What it asks the others is not handed out yet."""
    lost = step.before.leader and not step.after.leader
    return step.out is None and bool(lost) and not step.deposed


def _canvass(step: Step) -> str:
    asks = "asks the others whether they hear a leader, before it disturbs anyone"
    if step.before.role is Role.CANDIDATE:
        ballot = format_ballot(step.before.promised)
        return f"its phase 1 of {ballot} came to nothing in a time-out: {asks}"
    return f"has heard no leader for a time-out: {asks}"


def _resent(step: Step) -> list[Clause]:
    ticks = step.config.timing.resend_ticks
    waited = f"{ticks} tick{'' if ticks == 1 else 's'}"
    clauses: list[Clause] = []
    if step.accepts and not step.elected:
        quorum = f"a phase 2 quorum of {step.config.quorums.phase2}"
        text = f"sends Accept for {name_set(step.accepts)} again to those who have not answered: "
        text += f"{quorum} has not accepted in {waited}"
        clauses.append(("retransmission", text))
    if step.sent(m.Prepare) and not step.campaigns:
        ballot = format_ballot(step.before.promised)
        text = f"sends Prepare {ballot} again to those whose Promise is not whole"
        clauses.append(("retransmission", f"{text} after {waited}"))
    return clauses


def _asked(step: Step) -> list[Clause]:
    for to, message in step.out.messages if step.out is not None else ():
        if isinstance(message, m.Learn):
            text = f"asks node {to} for the chosen values from slot {message.from_slot} on"
            return [("catch-up", f"{text}, which it lacks")]
        if isinstance(message, m.SnapshotRequest):
            text = f"asks node {to} for the snapshot of slot {message.slot}"
            return [("snapshot", f"{text} from byte {message.offset} on")]
    return []


def _propose(step: Step) -> list[Clause]:
    command = describe_commands([step.given.command], VALUE_CHARACTERS_MAX)
    if step.out is None:
        text = f"keeps {command} until the end of this drain, to propose with it what else comes"
        return [("drain", text)]
    # A cluster of one has nobody to send an Accept to.
    own = [record for record in step.out.records if isinstance(record, Voted)]
    slots = set(step.accepts) | {record.slot for record in own}
    if not slots:
        most = step.config.limits.window_slots
        text = f"lets {command} wait: at most {most} slots are open at a time"
        return [("window", text)]
    ballot = format_ballot(step.after.ballot)
    text = f"proposes {command} for {name_set(slots)} in {ballot}: phase 1 is done for every slot"
    return [("stable leader", text)]


def _persisted(step: Step) -> list[Clause]:
    clauses: list[Clause] = []
    write = f"write {step.given.write_id} is on stable storage"
    if step.learnt and step.before.role is Role.LEADER:
        tally, quorum = step.memory.tally, step.config.quorums.phase2
        done = tally.chosen_with(step.config.node, tally.fresh_own(step.given.write_id))
        text = f"with its own vote, a phase 2 quorum of {quorum} has accepted"
        clauses.append(found_chosen(step, done, text))
    if step.out is None:
        return [*clauses, ("stable storage", f"{write}: what waited for it may leave")]
    kinds = sorted({type(x).__name__ for _, x in step.out.messages if isinstance(x, GATED)})
    if kinds:
        text = f"{write}, so that {' and '.join(kinds)} may leave, and not before"
    else:
        text = f"{write}; no message to others waited for it"
    return [*clauses, ("stable storage", text)]


def _compact(step: Step) -> list[Clause]:
    size, most = step.given.size, step.config.limits.snapshot_bytes_max
    if size > most:
        text = f"keeps its whole log: a snapshot of {size} bytes is over the limit of {most}"
        return [("limits", text)]
    text = f"keeps the state below slot {step.given.slot} as a snapshot, and restates what is left"
    return [("snapshot", f"{text}: older records can be forgotten")]


def _take(step: Step) -> list[Clause]:
    clauses: list[Clause] = []
    out = step.out
    assert out is not None
    leads = step.after.role is Role.LEADER
    if step.campaigns:
        clauses += campaign(step)
    elif step.after.promised > step.before.promised:
        text = f"promises {format_ballot(step.after.promised)}, the highest ballot so far"
        clauses.append(("phase 1b", text + also_deposed(step)))
    if step.after.leader not in (step.before.leader, step.config.node, 0):
        ballot = format_ballot(step.after.ballot)
        clauses.append(("follow", f"follows node {step.after.leader}, which leads in {ballot}"))
    if leads and not step.elected:
        again = _again(step, step.memory.unproposed, "")
        clauses += again
        sent_before = step.accepts.keys() & step.memory.tally.masks.keys()
        if sent_before:
            text = f"sends Accept for {name_set(sent_before)} again: no quorum has accepted in time"
            clauses.append(("retransmission", text))
        fresh = (_fresh(step) if again else step.accepts.keys()) - sent_before
        if fresh:
            text = f"proposes {name_set(fresh)} in {format_ballot(step.after.ballot)}"
            clauses.append(("stable leader", f"{text}: phase 1 is done for every slot"))
    voted = {record.slot for record in out.records if isinstance(record, Voted)}
    if voted and not leads:
        clauses.append(("phase 2b", f"records its votes for {name_set(voted)}"))
    if out.decided:
        slots = name_slots(out.decided[0].slot, out.decided[-1].slot)
        clauses.append(("in order", f"delivers {slots}, chosen and next in the log"))
    return clauses


def _refusal(step: Step, error: BaseException) -> list[Clause]:
    command = describe_commands([step.given.command], VALUE_CHARACTERS_MAX)
    if isinstance(error, NotLeader):
        leader = step.before.leader
        who = f"node {leader} does" if leader else "it knows nobody who does"
        return [("not leader", f"refuses {command}, for it does not lead: {who}")]
    if isinstance(error, Overloaded):
        most = step.config.limits.pending_bytes_max
        return [("limits", f"refuses {command}: at most {most} bytes wait to be proposed")]
    if isinstance(error, CommandTooLarge):
        size = len(step.given.command)
        return [("limits", f"refuses a command of {size} bytes: it does not fit into a frame")]
    reason = shorten(printable(str(error).encode()), 200) or type(error).__name__
    return [("invariant", f"stops taking part: {reason}")]


_BY_MESSAGE: Final = {**BALLOTS, **VALUES, **CATCHUP}
_HEADS: Final[dict[str, Callable[[Step], list[Clause]]]] = {
    START: _start,
    RECEIVE: _receive,
    TICK: _tick,
    PROPOSE: _propose,
    PERSISTED: _persisted,
    COMPACT: _compact,
    TAKE: _take,
}
