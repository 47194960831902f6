"""A core that takes its inputs up only when it is asked what followed, as those outside Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trace_kit import CLUSTER, Event

from paxos_core import Codec, DurableState, Limits, QuorumSystem, Ready, Replica, ReplicaConfig
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.durable import RawRecord, encode_record
from paxos_core.raw_codec import RawCodec
from paxos_core.trace import Recorder, TracedLog
from paxos_core.types import make_ballot

B12, B22, B23 = make_ballot(1, 2), make_ballot(2, 2), make_ballot(2, 3)
X = encode_batch([b"x"])


class Deferred(Replica):
    """Inputs wait until `take`; messages and records are encoded."""

    def __init__(self, config: ReplicaConfig) -> None:
        super().__init__(config, DurableState())
        self._waiting: list[Callable[[], None]] = []
        self._own = Codec(CLUSTER, config.node)

    def receive(self, sender: int, message: m.Message) -> None:
        assert isinstance(message, m.RawFrame)
        read = self._own.decode(message.frame)
        self._waiting.append(lambda: Replica.receive(self, *read))

    def persisted(self, write_id: int) -> None:
        self._waiting.append(lambda: Replica.persisted(self, write_id))

    def take(self) -> Ready:
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()
        ready = super().take()
        ready.messages = [(to, m.RawFrame(self._own.encode(x))) for to, x in ready.messages]
        ready.records = [RawRecord(encode_record(record)) for record in ready.records]
        return ready


class Driven:
    """Such a core, and its events."""

    def __init__(self, **how: Any) -> None:
        self.events: list[Event] = []
        recorder = Recorder(self.events.append, lambda: 0)
        self.core = Deferred(ReplicaConfig(1, QuorumSystem([1, 2, 3]), limits=Limits()))
        codec = RawCodec(CLUSTER, 1)
        self.log = TracedLog(self.core, codec, {}, recorder, deferred=True, **how)
        self.log.take()

    def receive(self, sender: int, message: m.Message) -> None:
        self.log.receive(sender, m.RawFrame(Codec(CLUSTER, sender).encode(message)))

    def take(self) -> Event:
        ready = self.log.take()
        if ready.write_id:
            self.core.persisted(ready.write_id)
        return self.events[-1]


def accept(ballot: int, slot: int, watermark: int = 0) -> m.Accept:
    return m.Accept(ballot, slot, watermark, checksum(X), X)


def test_one_input_alone_is_explained_like_any_other() -> None:
    driven = Driven()
    driven.receive(2, m.Prepare(B12, 0))
    event = driven.take()
    assert event["kind"] == "receive"
    assert event["why"].startswith("Promises 1.2")
    assert event["state"] == {"promised": "1.2"}
    assert event["records"][0]["kind"] == "Promised"


def test_several_wait_for_the_take_that_decides_them() -> None:
    driven = Driven()
    driven.receive(2, m.Prepare(B12, 0))
    driven.receive(3, accept(B23, 0))
    driven.receive(3, accept(B23, 1, 1))
    take = driven.take()
    waiting = driven.events[1:-1]
    assert [event["rule"] for event in waiting] == ["drain"] * 3
    assert all("state" not in event for event in waiting)
    assert take["kind"] == "take"
    assert take["rule"] == "phase 1b"
    for part in (
        "Promises 2.3, the highest ballot so far",
        "follows node 3, which leads in 2.3",
        "records its votes for slots 0 to 1",
        "delivers slot 0, chosen and next in the log",
    ):
        assert part in take["why"]
    assert take["state"]["votes"] == {"1": {"ballot": "2.3", "value": "x"}}
    assert take["state"]["chosen"] == {"0": "x"}


def test_a_leader_says_what_it_proposes_in_a_drain() -> None:
    driven = Driven()
    driven.log.act("tick", "", driven.core._campaign)
    event = driven.take()
    assert event["rule"] == "phase 1a"
    ballot = make_ballot(1, 1)
    driven.receive(2, m.Promise(ballot, 0, m.NO_MORE, 0, []))
    assert driven.take()["rule"] == "phase 2a"
    driven.log.propose(b"x")
    driven.receive(2, m.HeartbeatAck(ballot, 0, 1))
    take = driven.take()
    assert take["rule"] == "stable leader"
    assert take["why"] == (
        "Proposes slot 0 in 1.1: phase 1 is done for every slot (stable leader)."
    )


def test_a_core_with_a_clock_of_its_own_has_no_ticks() -> None:
    driven = Driven(ticks=False)
    driven.log.tick()
    driven.log.take()
    driven.core._campaign()
    event = driven.take()
    assert event["kind"] == "take"
    assert event["why"].startswith("Begins phase 1 of 1.1")
    assert [event["kind"] for event in driven.events] == ["start", "take"]


def test_the_end_of_a_drain_is_told() -> None:
    drains: list[str] = []
    driven = Driven(drained=lambda: drains.append("drained"))
    assert len(drains) == 1
    driven.receive(2, m.Prepare(B12, 0))
    driven.take()
    assert len(drains) == 1
    driven.log.take()
    assert len(drains) == 2
