"""What a sentence claims is what the core did, which is looked up in its private state."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from trace_kit import lines_of

from paxos_core import messages as m
from paxos_core.election import Role
from paxos_core.replica import Replica
from paxos_core.testing.laboratory import Laboratory
from paxos_core.testing.laboratory.removable import REMOVABLE
from paxos_core.testing.laboratory.setup import Setup
from paxos_core.testing.script import ScriptError
from paxos_core.trace import tracer
from paxos_core.trace.step import Step
from paxos_core.trace.tracer import TracedLog

SEEDS = (1, 2, 3, 13, 47, 600)
RUNS = 15
ACTIONS = 80
BREAKS = "this breaks the rule"


def private(core: Replica) -> SimpleNamespace:
    """What no tracer sees."""
    election, proposer, acceptor = core._election, core._proposer, core._acceptor
    return SimpleNamespace(
        asked=election._asked,
        role=election.role,
        masks={slot: proposal.mask for slot, proposal in proposer.in_flight.items()},
        revealed=dict(proposer._votes),
        promised=acceptor.promised,
        watermark=core._learner.watermark,
        ahead=set(core._learner._ahead),
        votes=dict(acceptor.votes),
        silent_ticks=election.silent_ticks,
        pages=dict(proposer._pages),
    )


@dataclass
class Seen:
    """A step, its sentence, and the core's private state on both sides."""

    step: Step
    why: str
    before: SimpleNamespace
    after: SimpleNamespace

    def silent(self, kind: type[m.Message]) -> bool:
        """Whether all was handed out, and none of these was in it."""
        return self.step.out is not None and not self.step.sent(kind)


def slots_in(text: str) -> set[int]:
    """Of ``slot 3``, ``slots 3 to 5`` and ``slots 3, 5``."""
    numbers = list(map(int, re.findall(r"\d+", text)))
    return set(range(numbers[0], numbers[1] + 1)) if " to " in text else set(numbers)


# One function for each kind of message: is what is claimed true?


def pre_vote(seen: Seen, message: m.PreVote) -> bool:
    if "refuses node" not in seen.why:
        return True
    if "it leads itself" in seen.why:
        return bool(seen.before.role is Role.LEADER)
    # It may have heard nobody, but have started or stood.
    waited = seen.before.silent_ticks < seen.step.config.timing.election_ticks_min
    return waited and "since it started, stood, led, or heard" in seen.why


def pre_vote_reply(seen: Seen, message: m.PreVoteReply) -> bool:
    counted = seen.before.asked == message.ballot
    stands = seen.after.role is Role.CANDIDATE and seen.before.role is not Role.CANDIDATE
    both = "a phase 1 quorum of" in seen.why and "a phase 2 quorum of" in seen.why
    return ("hears that node" in seen.why or stands) == counted and (both or not counted)


def prepare(seen: Seen, message: m.Prepare) -> bool:
    return gives_up(seen) and ("refuses prepare" not in seen.why or not seen.silent(m.Nack))


def promise(seen: Seen, message: m.Promise) -> bool:
    counted = seen.after.pages != seen.before.pages or seen.after.role is not seen.before.role
    return ("does not count" not in seen.why) == counted or "needs the promise" in seen.why


def accept(seen: Seen, message: m.Accept) -> bool:
    why, raised = seen.why, seen.after.promised > seen.before.promised
    voted = seen.after.votes.get(message.slot) != seen.before.votes.get(message.slot)
    kept = voted or message.slot < seen.after.watermark
    return (
        gives_up(seen)
        and not ("says again" in why and seen.silent(m.Accepted))
        and not ("refuses accept" in why and seen.silent(m.Nack))
        and (not why.startswith("accepts") or kept)
        and (not raised or "this promises" in why)
        and ("confirms the chosen" not in why or not seen.silent(m.Accepted) or "once the" in why)
    )


def accepted(seen: Seen, message: m.Accepted) -> bool:
    before, after = seen.before, seen.after
    moved = {s for s, mask in before.masks.items() if after.masks.get(s) != mask}
    if "counts the vote" in seen.why:
        named = slots_in(seen.why.partition(" for ")[2].partition(", once")[0])
        return named == moved
    found = re.search(r"chosen for (slots? [^:]*): with node", seen.why)
    if found is not None:
        old = re.search(r"delivers with it (slots? [^;]*), chosen before", seen.why)
        return not slots_in(found[1]) & before.ahead and (
            {s for s in before.ahead if s < after.watermark}
            == (slots_in(old[1]) if old is not None else set())
        )
    return not moved or "finds" in seen.why or "hears that node" in seen.why


def heartbeat(seen: Seen, message: m.Heartbeat) -> bool:
    return gives_up(seen)


def heartbeat_ack(seen: Seen, message: m.HeartbeatAck) -> bool:
    # Only the core knows which heartbeat was the last before its check.
    return "is heard by" not in seen.why


def gives_up(seen: Seen) -> bool:
    left = seen.before.role is Role.CANDIDATE and seen.after.role is Role.FOLLOWER
    return left == ("gives up its own phase 1" in seen.why)


CLAIMS: dict[type, Callable[[Seen, Any], bool]] = {
    m.PreVote: pre_vote,
    m.PreVoteReply: pre_vote_reply,
    m.Prepare: prepare,
    m.Promise: promise,
    m.Accept: accept,
    m.Accepted: accepted,
    m.Heartbeat: heartbeat,
    m.HeartbeatAck: heartbeat_ack,
}


class Oracle:
    """Looks into the cores that are traced, and keeps every sentence that is not true."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.untrue: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self._states: dict[int, tuple[SimpleNamespace, SimpleNamespace]] = {}
        self._handed: dict[TracedLog, set[tuple[int, int]]] = {}
        self._revealed: dict[TracedLog, dict[int, m.Vote]] = {}
        act, tell, explain = TracedLog._act, TracedLog.tell, tracer.explain
        current: list[Any] = []

        def watched_act(log: TracedLog, held: Any, action: Callable[[], object]) -> None:
            core = log.core
            assert isinstance(core, Replica)
            before = private(core)

            def both() -> None:
                action()
                self._states[id(held)] = (before, private(core))

            act(log, held, both)

        def watched_tell(log: TracedLog, held: Any, *rest: Any, **named: Any) -> None:
            current.append((log, held))
            tell(log, held, *rest, **named)
            current.pop()

        def watched_explain(step: Step) -> tuple[str, str]:
            rule, why = explain(step)
            log, held = current[-1]
            self._ask(log, step, why, self._states.pop(id(held), None))
            return rule, why

        monkeypatch.setattr(TracedLog, "_act", watched_act)
        monkeypatch.setattr(TracedLog, "tell", watched_tell)
        monkeypatch.setattr(tracer, "explain", watched_explain)

    def _ask(
        self,
        log: TracedLog,
        step: Step,
        why: str,
        states: tuple[SimpleNamespace, SimpleNamespace] | None,
    ) -> None:
        self._ask_of_proposals(log, step, why)
        message = step.given.message
        claim = CLAIMS.get(type(message))
        if states is None or claim is None:
            return
        before, after = states
        if before.role is Role.CANDIDATE and after.role is Role.LEADER:
            self._revealed[log] = step.memory.phase1.revealed if step.memory.phase1 else {}
        self.asked[type(message).__name__] += 1
        if not claim(Seen(step, why.lower(), before, after), message):
            self.untrue[f"{type(message).__name__}: {why}"] += 1

    def _ask_of_proposals(self, log: TracedLog, step: Step, why: str) -> None:
        if step.given.kind == "tick" and "no answer came" in why:
            self.untrue[why] += 1
        if step.given.kind != "take":
            return
        handed = self._handed.setdefault(log, set())
        proposals = {(accept.ballot, slot) for slot, accept in step.accepts.items()}
        if proposals & handed and "sends accept for" not in why.lower():
            self.untrue[why] += 1
        handed |= proposals
        revealed = self._revealed.pop(log, {})
        again = {s for s, a in step.accepts.items() if s in revealed}
        if again:
            self.asked["take"] += 1
            if "vote with the highest ballot" not in why:
                self.untrue[why] += 1


def test_what_is_said_of_a_run_is_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = Oracle(monkeypatch)
    for seed in SEEDS:
        lines_of(seed)
    assert not oracle.untrue, oracle.untrue.most_common(3)
    assert set(oracle.asked) == {"take", *(kind.__name__ for kind in CLAIMS)}


# A laboratory, where rules may be off


def told_breaks(event: dict[str, Any], without: frozenset[str]) -> bool:
    """Whether the sentence says of a broken rule that it is, of the others that they are not."""
    why = event.get("why", "").lower()
    sent = {message["kind"] for message in event.get("sent", ())}
    records = {record["kind"] for record in event.get("records", ())}
    refuses = re.search(r"(?<!not )refuse\w* (accept|prepare)", why)
    if refuses and "refuses another" not in why and "Nack" not in sent:
        return False
    if "Prepare" in sent and "Promised" in records and event["kind"] != "persisted":
        return BREAKS in why
    return BREAKS not in why or bool(without)


def random_action(laboratory: Laboratory, rnd: random.Random, step: int) -> str:
    frames, share, node = laboratory.cluster.frames, rnd.random(), rnd.randint(1, 3)
    if frames and share < 0.7:
        verb = "deliver" if share < 0.6 else "copy"
        return f"{verb} {laboratory.pick(rnd.randrange(len(frames)))}"
    if share < 0.8:
        return f"campaign {node}"
    return f"propose {node} v{step}" if share < 0.92 else f"tick {node} 3"


@pytest.mark.parametrize("without", [None, *REMOVABLE])
def test_a_laboratory_tells_of_the_rule_that_is_off(without: str | None) -> None:
    rules = frozenset([without] if without else [])
    for run in range(RUNS):
        rnd = random.Random(run)
        laboratory = Laboratory(Setup(3, without=rules), traced=True)
        for step in range(ACTIONS):
            try:
                laboratory.act(random_action(laboratory, rnd, step))
            except ScriptError:
                continue  # not possible now
        for event in laboratory.events:
            assert told_breaks(event, rules), event


def test_an_acceptor_without_its_promise_check_is_told_of() -> None:
    laboratory = Laboratory(Setup(3, without=frozenset(["promise-check"])), traced=True)
    for action in (
        "campaign 1", "deliver 1 -> 2 Prepare", "deliver 2 -> 1 Promise", "propose 1 x",
        "copy 1 -> 2 Accept", "deliver 1 -> 2 Accept #1", "campaign 3", "deliver 3 -> 2 Prepare",
        "deliver 1 -> 2 Accept #1",
    ):  # fmt: skip
        laboratory.act(action)
    event = [event for event in laboratory.events if event["kind"] == "receive"][-1]
    assert [message["kind"] for message in event["sent"]] == ["Accepted"]
    assert "although 1.3 is promised: this breaks the rule" in event["why"]
