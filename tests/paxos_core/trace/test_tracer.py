"""A traced core is the same core; the state in a trace is the core's own; clocks are exact."""

from __future__ import annotations

from typing import Any

import pytest
from trace_kit import Event, States, Watched, lines_of, traced_seed

from paxos_core import CommandTooLarge, NotLeader, Overloaded
from paxos_core import messages as m
from paxos_core.proposer import Proposer
from paxos_core.testing import Options, Simulation, simulate
from paxos_core.testing.tracing import TracedSimulation, trace_seed
from paxos_core.trace.shape import header, value_text, vote_shape
from paxos_core.trace.tracer import TracedLog
from paxos_core.types import format_ballot

SEEDS = range(14)


@pytest.mark.parametrize("seed", [0, 3, 11, 59])
def test_a_traced_run_is_the_same_run(seed: int) -> None:
    bare = simulate(Options(seed))
    traced = trace_seed(Options(seed), lambda _line: None)
    assert traced.fingerprint == bare.fingerprint
    assert traced.counts == bare.counts


def test_without_a_trace_nothing_is_wrapped() -> None:
    simulation = Simulation(Options(0, steps=50))
    simulation.run()
    replicas = [node.service.replica for node in simulation.nodes.values() if node.service]
    assert replicas
    assert not any(isinstance(replica, TracedLog) for replica in replicas)


class Checked:
    """Compares what a trace adds up to with the core's inside, at each event."""

    def __init__(self, options: Options) -> None:
        self.states = States()
        self.compared = 0
        self.simulation: TracedSimulation | None = None
        self.simulation = TracedSimulation(options, self.see)

    def see(self, line: Event) -> None:
        self.states.add(line)
        if "node" not in line or line["kind"] in ("crash", "pause", "resume"):
            return
        # The very first events come while the simulation is being made.
        if self.simulation is not None:
            log = self.simulation._logs[line["node"]]
            self.compare(log.core, self.states.of[line["node"]])

    def compare(self, replica: Any, state: dict[str, Any]) -> None:
        self.compared += 1
        learner, acceptor = replica._learner, replica._acceptor
        assert state["role"] == replica._election.role.value
        assert state["leader"] == replica._election.leader
        assert state["ballot"] == format_ballot(replica._election.leader_ballot)
        assert state["promised"] == format_ballot(acceptor.promised)
        assert state["watermark"] == learner.watermark
        assert state["first_slot"] == learner.first_slot
        if not replica._outbox.records:
            votes = {str(slot): vote_shape(vote) for slot, vote in acceptor.votes.items()}
            assert state["votes"] == votes
        if not replica._outbox.decided:
            chosen = {str(slot): value_text(value) for slot, (_, value) in learner.log.items()}
            assert {slot: state["chosen"].get(slot) for slot in chosen} == chosen


@pytest.mark.parametrize("seed", SEEDS)
def test_the_state_adds_up_to_the_cores_own(seed: int) -> None:
    checked = Checked(Options(seed, steps=1500))
    assert checked.simulation is not None
    checked.simulation.run()
    assert checked.compared > 100


def test_what_phase_1_revealed_is_what_the_proposer_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """P2c is told from the promises that were seen; they are those that the core counts."""
    compared: list[int] = []
    lead = Proposer.lead
    running: list[TracedSimulation] = []

    def watched(self: Proposer, now: int) -> None:
        phase1 = running[-1]._logs[self._config.node]._memory.phase1
        assert phase1 is not None
        first = self._learner.watermark
        seen = {slot: vote for slot, vote in phase1.revealed.items() if slot >= first}
        known = {slot: vote for slot, vote in self._votes.items() if slot >= first}
        assert seen == known
        compared.append(len(seen))
        lead(self, now)

    monkeypatch.setattr(Proposer, "lead", watched)
    for seed in SEEDS:
        running.append(TracedSimulation(Options(seed, steps=2500), lambda _line: None))
        running[-1].run()
    assert len(compared) > 40
    assert max(compared) > 1


# Clocks


def happened_before(events: list[Event]) -> list[int]:
    """For each event the set, as bits, of those before it: by program order and messages."""
    sendings = {m["id"]: event["step"] for event in events for m in event.get("sent", ())}
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    for event in events:
        if "node" not in event:
            continue
        step = event["step"]
        causes = [last[event["node"]]] if event["node"] in last else []
        if event["kind"] == "receive":
            causes.append(sendings[event["message"]["id"]])
        before[step] = 0
        for cause in causes:
            # The file's order agrees with the clocks'.
            assert cause < step
            before[step] |= before[cause] | 1 << cause
        last[event["node"]] = step
    return [before.get(step, 0) for step in range(len(events))]


def is_below(one: dict[str, int], other: dict[str, int]) -> bool:
    return one != other and all(count <= other.get(node, 0) for node, count in one.items())


def check_clocks(events: list[Event]) -> int:
    before = happened_before(events)
    pairs = 0
    for one in events:
        for other in events:
            if "node" in one and "node" in other and one is not other:
                pairs += 1
                follows = bool(before[other["step"]] >> one["step"] & 1)
                assert is_below(one["clock"], other["clock"]) == follows
    return pairs


@pytest.mark.parametrize("seed", [2, 7, 15])
def test_clocks_are_exactly_happened_before(seed: int) -> None:
    without = frozenset({"garbage"})  # what is no frame of the trace has no sender
    trace = traced_seed(seed, steps=1300, without=without)
    assert check_clocks(trace.events[:500]) > 10_000


def test_a_receipt_says_which_sending_it_is_of() -> None:
    kinds: set[str] = set()
    for seed in SEEDS:
        sent: dict[str, Event] = {}
        for event in traced_seed(seed, steps=1500).events:
            kinds.add(event["kind"])
            for message in event.get("sent", ()):
                assert message["id"] not in sent
                assert message["from"] == event["node"]
                sent[message["id"]] = message
            message = event.get("message")
            if message is not None:
                # Nothing comes to a core of Python that no node has sent.
                assert "from" not in message
                assert event["kind"] in ("receive", "lose", "copy")
                if event["kind"] == "receive":
                    assert sent[message["id"]]["to"] == event["node"]
    assert kinds >= {
        "start", "receive", "tick", "propose", "persisted", "compact", "crash", "pause",
        "resume", "take", "lose", "copy", "cut", "heal", "fault",
    }  # fmt: skip


def test_every_message_arrives_is_lost_or_is_under_way() -> None:
    """Of each sending as many arrive as were sent and doubled, less those lost."""
    left: dict[str, int] = {}
    done = 0
    for event in traced_seed(4).events:
        for message in event.get("sent", ()):
            left[message["id"]] = 1
        message = event.get("message")
        if message is None or message["id"] not in left:
            continue
        left[message["id"]] += 1 if event["kind"] == "copy" else -1
        assert left[message["id"]] >= 0
        done += 1
    assert done > 100
    assert max(left.values()) <= 1


# What is written


def test_a_trace_begins_with_its_header() -> None:
    lines = lines_of(5, steps=10)
    nodes = lines[0]["nodes"]
    assert lines[0]["trace"] == 1
    assert lines[0]["source"] == "paxos simulate --seed 5 --steps 10"
    assert lines[0]["unit"] == "tick"
    assert [line["kind"] for line in lines[1 : 1 + len(nodes)]] == ["start"] * len(nodes)
    assert [line["step"] for line in lines[1:]] == list(range(len(lines) - 1))


def test_an_input_and_its_take_are_one_event() -> None:
    watched = Watched()
    event = watched.receive(2, m.Prepare(1 << 16 | 2, 0))
    assert event["kind"] == "receive"
    assert event["records"] == [{"kind": "Promised", "text": "promised 1.2", "ballot": "1.2"}]
    assert event["write"] == 1
    assert event["state"]["promised"] == "1.2"
    assert "sent" not in event
    persisted = watched.events[-1]
    assert (persisted["kind"], persisted["confirmed"]) == ("persisted", 1)
    (promise,) = persisted["sent"]
    assert promise["fields"] == {
        "ballot": "1.2", "from_slot": 0, "next_slot": "no more", "watermark": 0, "votes": "none",
    }  # fmt: skip
    assert len(promise["bytes"]) == 2 * promise["length"]


def test_several_inputs_and_their_take_are_events_of_their_own() -> None:
    watched = Watched()
    watched.log.receive(2, m.Prepare(1 << 16 | 2, 0))
    watched.log.receive(3, m.Prepare(1 << 16 | 3, 0))
    watched.settle()
    kinds = [event["kind"] for event in watched.events]
    assert kinds == ["start", "receive", "receive", "take", "persisted"]
    first, second, take = watched.events[1:4]
    assert first["state"]["promised"] == "1.2"
    assert second["state"]["promised"] == "1.3"
    assert len(take["records"]) == 2


def test_a_tick_that_changes_nothing_is_left_out() -> None:
    watched = Watched()
    watched.log.tick()
    watched.settle()
    assert [event["kind"] for event in watched.events] == ["start"]


def test_what_clients_say_is_no_event() -> None:
    watched = Watched()
    watched.log.receive(70_000, m.StatusRequest(1))
    watched.log.receive(2, m.StatusReply(1, b""))
    watched.settle()
    assert [event["kind"] for event in watched.events] == ["start"]


def test_what_a_core_refuses_is_refused_and_told() -> None:
    watched = Watched()
    with pytest.raises(NotLeader):
        watched.log.propose(b"x")
    assert "does not lead" in watched.events[-1]["why"]
    watched.lead()
    with pytest.raises(CommandTooLarge):
        watched.log.propose(bytes(100_000))
    count = len(watched.events)
    with pytest.raises(TypeError):
        watched.log.propose("text")  # type: ignore[arg-type]
    assert len(watched.events) == count
    small = Watched(limits=_small())
    small.lead()
    small.log.propose(bytes(50))
    with pytest.raises(Overloaded):
        small.log.propose(bytes(50))
    assert small.events[-1]["rule"] == "limits"


def _small() -> Any:
    from paxos_core import Limits

    return Limits(pending_bytes_max=60)


def test_a_broken_invariant_is_told_and_raised() -> None:
    watched = Watched()
    with pytest.raises(AssertionError):
        watched.log.persisted(7)
    assert watched.events[-1]["rule"] == "invariant"
    with pytest.raises(Exception, match="never taken"):
        watched.log.take()
    assert watched.events[-1]["kind"] == "take"


def test_a_recorder_that_has_stopped_lets_everything_through() -> None:
    watched = Watched()
    watched.recorder.stopped = True
    log = watched.log
    log.receive(2, m.Heartbeat(1 << 16 | 2, 0, 1))
    assert log.leader == 2
    assert isinstance(log.take().messages[0][1], m.HeartbeatAck)
    log.tick()
    log.act("tick", "", watched.replica._campaign)
    log.persisted(log.take().write_id)
    with pytest.raises(NotLeader):
        log.propose(b"x")
    log.compact(0, b"")
    assert log.take().checkpoint
    assert log.status().promised
    assert not log.snapshot_due
    assert [event["kind"] for event in watched.events] == ["start"]


def test_the_header_names_the_node_of_a_nodes_own_trace() -> None:
    watched = Watched()
    found = header("a node", watched.log.config.quorums, "s", 1)
    assert found["node"] == 1
    assert found["quorums"] == {"phase1": 2, "phase2": 2}
