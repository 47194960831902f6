"""Every step has a true sentence, and every rule of the table is somebody's reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from trace_kit import CLUSTER, Event, Watched, lines_of

from paxos_core import Codec, Limits
from paxos_core import messages as m
from paxos_core.acceptor import Acceptor
from paxos_core.batch import NOOP, encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import DurableState, Voted
from paxos_core.proposer import Proposer
from paxos_core.ready import Outbox
from paxos_core.trace.rules import RULES
from paxos_core.types import ROUND_MAX, U64_MAX, make_ballot

SEEDS = range(24)
B11, B12, B13, B22, B23, B33 = (make_ballot(r, n) for r, n in
                                ((1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)))  # fmt: skip
X, Y = (encode_batch([command]) for command in (b"x", b"y"))


def accept(ballot: int, slot: int, value: bytes = X, watermark: int = 0) -> m.Accept:
    return m.Accept(ballot, slot, watermark, checksum(value), value)


def chosen(slot: int, value: bytes = X, page_end: int = 9, watermark: int = 0) -> m.Chosen:
    return m.Chosen(slot, page_end, watermark, checksum(value), value)


def vote(slot: int, ballot: int, value: bytes = X) -> m.Vote:
    return m.Vote(slot, ballot, checksum(value), value)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [event for seed in SEEDS for event in lines_of(seed)[1:]]


# All that a seed can bring about

BY_HAND = {"ballot owner", "membership", "damaged", "invariant"}
"""What no honest cluster does; below, each is done to a core by hand."""


def test_every_rule_is_somebodys_reason(events: list[Event]) -> None:
    seen = Counter(event["rule"] for event in events if "rule" in event)
    assert set(seen) <= set(RULES)
    assert set(RULES) - set(seen) <= BY_HAND


def test_every_step_of_a_node_has_a_sentence(events: list[Event]) -> None:
    for event in events:
        if "node" in event:
            assert event["why"].endswith(".")
            assert event["why"][0].isupper()
            assert f"({event['rule']})" in event["why"]
            assert "this breaks the rule" not in event["why"]
            assert "hands out what the inputs" not in event["why"] or event["kind"] == "take"


def of(events: list[Event], kind: str) -> list[Event]:
    """The receipts of this kind of message; in drains nothing is handed out with them."""
    names: dict[str, str] = {}
    found = []
    for event in events:
        for message in event.get("sent", ()):
            names[message["id"]] = message["kind"]
        if event["kind"] == "start" and event["step"] < 10:
            names.clear()
        if event["kind"] == "receive" and names.get(event["message"]["id"]) == kind:
            found.append(event)
    return found


def kinds_sent(event: Event) -> set[str]:
    return {message["kind"] for message in event.get("sent", ())}


def taken(events: list[Event]) -> list[Event]:
    """Those that were handed out at once: what followed stands in the event itself."""
    return [event for event in events if event.keys() & {"sent", "records", "decided"}]


def test_what_is_said_of_an_accept_is_what_was_done(events: list[Event]) -> None:
    accepts = taken(of(events, "Accept"))
    assert len(accepts) > 500
    for event in accepts:
        voted = any(record["kind"] == "Voted" for record in event.get("records", ()))
        assert event["why"].startswith("Accepts") == voted, event
        assert event["why"].startswith("Refuses Accept") == ("Nack" in kinds_sent(event))


def test_what_is_said_of_a_prepare_is_what_was_done(events: list[Event]) -> None:
    prepares = taken(of(events, "Prepare"))
    assert len(prepares) > 100
    for event in prepares:
        promised = any(record["kind"] == "Promised" for record in event.get("records", ()))
        assert event["why"].startswith("Promises") == promised
        assert event["why"].startswith("Refuses") == ("Nack" in kinds_sent(event))


def test_what_is_said_of_who_leads_is_what_came_of_it(events: list[Event]) -> None:
    led = 0
    for event in events:
        if event.get("state", {}).get("role") == "leader":
            led += 1
            assert "eads in" in event["why"]
        if "leads no more" in event.get("why", ""):
            assert event["state"]["role"] != "leader"
        if "begins phase 1" in event.get("why", "").lower():
            assert event["state"]["promised"].endswith(f".{event['node']}")
    assert led > 60


def test_what_is_said_to_be_chosen_is(events: list[Event]) -> None:
    for event in events:
        if event.get("rule") in ("chosen", "watermark") and event["kind"] == "receive":
            assert event["state"]["watermark"] > 0
        if event.get("rule") == "stable storage":
            assert event["kind"] == "persisted"


# Sentences, one by one


def test_a_value_of_ones_own_gives_way_to_the_highest_vote() -> None:
    watched = Watched(state=DurableState(promised=B11, votes={0: vote(0, B11, Y)}))
    watched.log.act("tick", "", watched.replica._campaign)
    assert "begins phase 1 of 2.1" in watched.settle()["why"].lower()
    ballot = make_ballot(2, 1)
    event = watched.receive(2, m.Promise(ballot, 0, m.NO_MORE, 0, [vote(0, B12)]))
    assert event["why"] == (
        "Leads in 2.1, since a phase 1 quorum of 2 has promised it; proposes x for slot 0, not a "
        "value of its own: it is the vote with the highest ballot, 1.2, that the quorum revealed "
        "(P2c)."
    )


def test_a_gap_below_votes_is_filled_with_a_no_op() -> None:
    watched = Watched()
    watched.log.act("tick", "", watched.replica._campaign)
    watched.settle()
    votes = [vote(0, B12), vote(2, B12), vote(3, B13)]
    event = watched.receive(3, m.Promise(B11, 0, m.NO_MORE, 0, votes))
    assert event["rule"] == "no-op"
    assert "fills slot 1" in event["why"].lower()
    assert "for slots 0, 2, 3 no values of its own" in event["why"]
    assert {a["fields"]["value"] for a in event["sent"] if a["kind"] == "Accept"} == {"x", "no-op"}


def test_an_accept_is_refused_where_a_higher_ballot_is_promised() -> None:
    watched = Watched()
    watched.receive(2, m.Prepare(B22, 0))
    event = watched.receive(3, accept(B13, 3))
    assert event["why"] == "Refuses Accept 1.3 for slot 3, and says so: 2.2 is promised (P1a)."
    event = watched.receive(3, m.Prepare(B13, 0))
    expected = "Refuses Prepare 1.3 of node 3, and says so: it has promised 2.2 (nack)."
    assert event["why"] == expected
    event = watched.receive(3, m.Heartbeat(B13, 0, 1))
    assert event["why"] == "Tells node 3 that 1.3 is over: it has promised 2.2 (nack)."


def test_the_promise_and_the_vote_wait_for_the_disk() -> None:
    watched = Watched()
    event = watched.receive(2, m.Prepare(B12, 0))
    assert event["why"] == (
        "Promises 1.2: it is the first ballot that it is asked to promise; the Promise leaves when "
        "this is on stable storage (phase 1b)."
    )
    expected = "Write 1 is on stable storage, so that Promise may leave, and not before "
    assert watched.events[-1]["why"] == f"{expected}(stable storage)."
    event = watched.receive(3, accept(B23, 0))
    assert event["why"] == (
        "Accepts x in 2.3 for slot 0: no higher ballot is promised, and this promises 2.3; the "
        "Accepted leaves when the vote is on stable storage (phase 2b)."
    )


WATCHED_ONCE: list[tuple[str, int, Any, str]] = [
    ("ballot owner", 2, m.Prepare(B13, 0), "ballot 1.3 belongs to node 3"),
    ("ballot owner", 2, accept(B13, 0), "belongs to node 3"),
    ("ballot owner", 2, m.Heartbeat(B13, 0, 1), "belongs to node 3"),
    ("ballot owner", 2, m.Prepare(ROUND_MAX << 16 | 2, 0), "leaves none above it"),
    ("membership", 9, m.Prepare(make_ballot(1, 9), 0), "9 is no other member"),
    ("membership", 1, m.Prepare(B11, 0), "1 is no other member"),
    ("damaged", 2, m.Accept(B12, 0, 0, 1, X), "fails its checksum"),
    ("damaged", 2, m.Chosen(0, 9, 0, 1, X), "fails its checksum"),
    ("limits", 2, chosen(5000), "only 1024 slots"),
    ("limits", 2, accept(B12, 5000), "only 1024 slots"),
    ("in order", 2, chosen(3), "keeps the chosen value of slot 3"),
    ("catch-up", 2, chosen(0), "learns that x is chosen for slot 0"),
    ("catch-up", 70_000, m.Learn(0), "has no chosen value from slot 0 on"),
    ("snapshot", 2, m.SnapshotRequest(0, 0), "has no snapshot"),
    ("limits", 2, m.SnapshotChunk(U64_MAX, 0, 1, 1, 1, b"x"), "does not believe"),
    ("stale", 2, m.SnapshotChunk(0, 0, 1, 1, 1, b"x"), "needs no snapshot"),
    ("snapshot", 2, m.SnapshotChunk(4, 0, 1, 9, 1, b"x"), "keeps bytes 0 to 1 of the 9"),
    ("snapshot", 2, m.SnapshotChunk(4, 0, 1, 1, checksum(b"x"), b"x"), "installs the snapshot"),
    ("stale", 2, m.Promise(B11, 0, m.NO_MORE, 0, []), "waits for no such page"),
    ("stale", 2, m.Accepted(B11, 0, 0), "it does not lead in 1.1"),
    ("stale", 2, m.Nack(B11, B12), "has nothing under way in 1.1"),
    ("stale", 2, m.HeartbeatAck(B11, 0, 1), "it does not lead in 1.1"),
    ("pre-vote", 2, m.PreVote(B12, 0), "has not waited for a time-out since it started"),
    ("stale", 2, m.PreVoteReply(B11, 1, 0, 0), "asks for 1.1 no more"),
    ("follow", 2, m.Heartbeat(B12, 0, 1), "follows node 2, which leads in 1.2"),
    ("phase 1b", 2, m.Prepare(B12, 0), "the first ballot"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "sender", "message", "part"), WATCHED_ONCE)
def test_a_fresh_core_says(rule: str, sender: int, message: Any, part: str) -> None:
    event = Watched().receive(sender, message)
    assert part in event["why"] or part in event["why"].lower()
    assert event["rule"] == rule


@pytest.mark.parametrize(("rule", "sender", "message", "part"), WATCHED_ONCE)
def test_a_core_in_a_drain_says_what_is_true_as_well(
    rule: str, sender: int, message: Any, part: str
) -> None:
    watched = Watched()
    watched.log.receive(sender, message)
    watched.recorder.settle()
    assert watched.events[-1]["why"].endswith(".")
    if rule not in ("snapshot", "pre-vote"):
        assert watched.events[-1]["rule"] == rule


LEADING: list[tuple[str, Any, str]] = [
    ("stale", m.Promise(B11, 0, m.NO_MORE, 0, []), "it leads in 1.1"),
    ("stale", m.Nack(B11, B11), "is not above 1.1"),
    ("nack", m.Nack(B11, B12), "gives up 1.1: node 2 has promised 1.2"),
    ("heartbeat", m.HeartbeatAck(B11, 0, 1), "gets the answer of node 2 to heartbeat 1"),
    ("pre-vote", m.PreVote(B12, 0), "it leads itself"),
    ("stale", m.PreVoteReply(B11, 1, 0, 0), "asks for 1.1 no more"),
    ("stale", m.Accepted(B11, 0, 0), "has no use for the vote"),
    ("phase 1b", m.Prepare(B22, 0), "and leads no more"),
    ("phase 2b", accept(B22, 0), "and leads no more"),
    ("follow", m.Heartbeat(B22, 0, 1), "and leads no more"),
    ("catch-up", chosen(0), "it did not propose that"),
    ("snapshot", m.SnapshotChunk(4, 0, 1, 1, checksum(b"x"), b"x"), "and leads no more"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "message", "part"), LEADING)
def test_a_leader_says(rule: str, message: Any, part: str) -> None:
    watched = Watched()
    watched.lead()
    event = watched.receive(2, message)
    assert part in event["why"] or part in event["why"].lower()
    assert event["rule"] == rule


def test_a_leader_counts_votes_until_a_value_is_chosen() -> None:
    watched = Watched()
    watched.lead()
    watched.log.propose(b"x")
    watched.settle()
    watched.log.propose(b"z")
    assert watched.settle()["why"].startswith("Proposes z for slot 1 in 1.1")
    event = watched.receive(3, m.Accepted(B11, 1, 1))
    assert event["rule"] == "in order"
    assert "after slot 0" in event["why"]
    event = watched.receive(2, m.Accepted(B11, 0, 0))
    assert event["rule"] == "chosen"
    assert "chosen for slot 0: with node 2" in event["why"]
    assert "delivers with it slot 1, chosen before" in event["why"]
    event = watched.receive(2, m.Accepted(B11, 0, 0))
    assert event["why"].endswith("chosen already (stale).")


def test_an_acceptor_votes_once_and_for_one_value_of_a_ballot() -> None:
    watched = Watched()
    watched.receive(2, accept(B12, 0))
    assert "says again" in watched.receive(2, accept(B12, 0))["why"].lower()
    assert "refuses another value" in watched.receive(2, accept(B12, 0, Y))["why"].lower()
    event = watched.receive(2, m.Heartbeat(B12, 1, 1))
    assert event["rule"] == "watermark"
    assert "its own vote for slot 0 is in 1.2" in event["why"]
    assert "keeps no vote" in watched.receive(2, accept(B12, 0))["why"].lower()
    assert "knows the chosen value" in watched.receive(2, chosen(0))["why"].lower()
    assert "hears its leader" in watched.receive(2, m.Heartbeat(B12, 1, 2))["why"].lower()
    sends = watched.receive(3, m.Learn(0))["why"]
    assert sends == "Sends node 3 the chosen values of slot 0 (catch-up)."


def test_votes_of_one_drain_are_known_in_it() -> None:
    watched = Watched()
    for value in (X, X, Y):
        watched.log.receive(2, accept(B12, 0, value))
    watched.settle()
    whys = [event["why"] for event in watched.events if event["kind"] == "receive"]
    assert [why.split(" ")[0] for why in whys] == ["Accepts", "Says", "Refuses"]


def test_one_that_does_not_vote_says_so() -> None:
    watched = Watched(voting=False)
    assert watched.events[0]["rule"] == "no vote"
    for message in (m.PreVote(B12, 0), m.Prepare(B12, 0), accept(B12, 0)):
        assert watched.receive(2, message)["rule"] == "no vote"
    assert "says nothing" in watched.receive(2, m.Heartbeat(B12, 0, 1))["why"]
    watched.receive(3, m.Heartbeat(B33, 0, 1))
    assert watched.receive(2, m.Heartbeat(B12, 0, 1))["rule"] == "stale"


def test_a_candidate_says_what_it_makes_of_promises() -> None:
    watched = Watched(frame_bytes_max=512)
    watched.log.act("tick", "", watched.replica._campaign)
    watched.settle()
    damaged = m.Promise(B11, 0, m.NO_MORE, 0, [m.Vote(0, B12, 1, X)])
    assert watched.receive(2, damaged)["rule"] == "damaged"
    far = m.Promise(B11, 0, m.NO_MORE, 0, [vote(1 << 20, B12)])
    assert watched.receive(2, far)["rule"] == "limits"
    more = watched.receive(2, m.Promise(B11, 0, 5, 0, [vote(0, B12)]))
    assert "asks for the next page, from slot 5 on" in more["why"]
    last = watched.receive(2, m.Promise(B11, 5, m.NO_MORE, 3, []))
    assert "counts the promise" in last["why"].lower()
    assert "learns all slots below 3 first" in last["why"]
    assert watched.receive(2, m.Promise(B11, 5, m.NO_MORE, 3, []))["rule"] == "stale"


def test_a_page_of_votes_is_shown_again_to_whom_was_promised() -> None:
    state = DurableState(promised=B12, votes={0: vote(0, B12)})
    watched = Watched(state=state)
    assert "keeps 1 vote, and" in watched.events[0]["why"]
    event = watched.receive(2, m.Prepare(B12, 0))
    assert "has promised 1.2 already" in event["why"]
    assert "above 1.2" in watched.receive(2, m.Prepare(B22, 0))["why"]


def test_a_log_without_room_in_the_window_waits() -> None:
    watched = Watched(limits=Limits(window_slots=1, vote_slots_max=2))
    watched.lead()
    watched.log.propose(b"x")
    watched.settle()
    watched.log.propose(b"y")
    assert watched.settle()["rule"] == "window"
    event = watched.receive(2, m.Accepted(B11, 0, 0))
    assert event["rule"] == "chosen"
    assert "proposes slot 1: commands that waited for room" in event["why"]


def test_a_snapshot_is_taken_and_one_that_is_too_large_is_not() -> None:
    watched = Watched(limits=Limits(snapshot_bytes_max=4))
    watched.receive(2, chosen(0, page_end=1))
    watched.log.compact(1, b"12345")
    assert watched.settle()["rule"] == "limits"
    watched.log.compact(1, b"1234")
    event = watched.settle()
    assert event["rule"] == "snapshot"
    assert event["checkpoint"]
    served = watched.receive(3, m.SnapshotRequest(1, 2))
    assert "sends node 3 its snapshot of slot 1 from byte 2 on" in served["why"].lower()
    watched.log.receive(3, m.SnapshotRequest(1, 2))
    watched.log.receive(3, m.Learn(0))
    watched.settle()
    whys = [event["why"] for event in watched.events if event["kind"] == "receive"][-2:]
    assert all("in this drain" in why for why in whys)


def test_a_frame_that_nobody_can_read_is_damaged() -> None:
    watched = Watched()
    watched.log.core = Deaf()  # type: ignore[assignment]
    watched.log.receive(2, m.RawFrame(b"what"))
    watched.recorder.settle()
    assert watched.events[-1]["rule"] == "damaged"
    assert watched.events[-1]["message"]["kind"] == "unreadable"
    frame = Codec(CLUSTER, 2).encode(m.Prepare(B12, 0))
    watched.log.receive(2, m.RawFrame(frame))
    watched.recorder.settle()
    assert watched.events[-1]["message"]["bytes"] == frame.hex()


class Deaf:
    """A core that takes anything, and does nothing."""

    def receive(self, sender: int, message: m.Message) -> None:
        """Nothing."""

    def status(self) -> Any:
        return Watched().replica.status()


def test_the_rest_of_a_snapshot_is_asked_for() -> None:
    watched = Watched()
    watched.receive(2, m.SnapshotChunk(4, 0, 9, 9, 1, b"x"))
    for _ in range(3):
        watched.log.tick()
        watched.log.take()
    event = watched.events[-1]
    assert event["why"].startswith("Asks node")
    assert event["rule"] in ("snapshot", "catch-up")
    watched.receive(event["sent"][0]["to"], m.SnapshotChunk(4, 0, 9, 9, 1, b"x"))
    for _ in range(3):
        watched.log.tick()
        watched.log.take()
    assert "for the snapshot of slot 4 from byte 1 on" in watched.events[-1]["why"]


def test_strangers_get_few_pages_in_a_tick() -> None:
    watched = Watched()
    watched.receive(2, chosen(0, page_end=1))
    rules = [watched.receive(70_000 + n, m.Learn(0))["rule"] for n in range(5)]
    assert rules == ["catch-up"] * 4 + ["limits"]
    snapshot = m.SnapshotChunk(4, 0, 1, 1, checksum(b"x"), b"x")
    watched.receive(2, snapshot)
    assert watched.receive(80_000, m.SnapshotRequest(4, 0))["rule"] == "limits"


# A core from which a rule was taken out


def test_a_core_that_breaks_p1a_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Acceptor, sender: int, prepare: m.Prepare) -> None:
        self._outbox.send_gated(sender, self._promise_page(prepare))

    def accepts(self: Acceptor, sender: int, accept: m.Accept) -> bool:
        return True

    def votes(self: Acceptor, accept: m.Accept) -> bool:
        self._outbox.record(Voted(accept.slot, accept.ballot, accept.checksum, accept.value))
        return True

    monkeypatch.setattr(Acceptor, "receive_accept", accepts)
    monkeypatch.setattr(Acceptor, "vote", votes)
    watched = Watched()
    watched.receive(2, m.Prepare(B22, 0))
    monkeypatch.setattr(Acceptor, "receive_prepare", careless)
    event = watched.receive(3, accept(B13, 0))
    assert event["rule"] == "P1a"
    assert "although 2.2 is promised: this breaks the rule" in event["why"]
    event = watched.receive(3, m.Prepare(B13, 0))
    assert "although 2.2 is promised: this breaks the rule" in event["why"]


def test_a_core_that_speaks_before_it_has_synced_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Outbox, "gate", None)
    watched = Watched()
    breaks = "before that is on stable storage: this breaks the rule"
    assert f"sends Promise {breaks}" in watched.receive(2, m.Prepare(B12, 0))["why"]
    assert f"sends Accepted {breaks}" in watched.receive(2, accept(B12, 0))["why"]


def test_a_core_that_does_not_propose_what_it_must_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Proposer, "_merge", lambda self, votes: None)
    watched = Watched()
    watched.log.act("tick", "", watched.replica._campaign)
    watched.settle()
    event = watched.receive(2, m.Promise(B11, 0, m.NO_MORE, 0, [vote(0, B12, NOOP)]))
    assert event["rule"] == "P2c"
    assert "proposes nothing for slot 0" in event["why"]
    assert "this breaks the rule" in event["why"]


# The table


def test_the_code_that_a_rule_names_exists() -> None:
    from importlib import import_module

    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.text.endswith(".")
        for dotted in rule.code:
            parts = dotted.split(".")
            found: Any = import_module(".".join(parts[:2]))
            for part in parts[2:]:
                found = getattr(found, part)
