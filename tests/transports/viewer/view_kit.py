"""Traces made by hand: a long calm run, and one with everything that a network does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from paxos_core import Codec
from paxos_core import messages as m
from paxos_core.batch import encode_batch
from paxos_core.checksum import checksum
from paxos_core.types import format_ballot, make_ballot

Json = dict[str, Any]
CLUSTER = 9
BALLOT = make_ballot(1, 1)
HOSTILE_TEXT = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=2>\u202e\x07"


class Maker:
    """Events in order, each message with its real frame."""

    def __init__(self, nodes: int = 3) -> None:
        self.nodes = list(range(1, nodes + 1))
        majority = nodes // 2 + 1
        self.header: Json = {
            "trace": 1,
            "source": "made by hand",
            "nodes": self.nodes,
            "quorums": {"phase1": majority, "phase2": majority},
            "unit": "tick",
        }
        self.events: list[Json] = []
        self._numbers = dict.fromkeys(self.nodes, 0)

    def event(self, kind: str, node: int | None = None, **more: object) -> Json:
        event: Json = {"step": len(self.events), "at": len(self.events) // 4, "kind": kind}
        if node is not None:
            event["node"] = node
        event.update(more)
        self.events.append(event)
        return event

    def message(self, source: int, to: int, message: Any) -> Json:
        self._numbers[source] += 1
        frame = Codec(CLUSTER, source).encode(message)
        told: Json = {}
        for field in fields(message):
            value = getattr(message, field.name)
            if field.type == "Ballot":
                told[field.name] = format_ballot(value)
            elif isinstance(value, int):
                told[field.name] = value
        return {
            "id": f"{source}:{self._numbers[source]}",
            "from": source,
            "to": to,
            "kind": type(message).__name__,
            "text": " ".join([type(message).__name__, *map(str, told.values())]),
            "fields": told,
            "bytes": frame.hex(),
            "length": len(frame),
        }

    def lines(self) -> list[str]:
        return [json.dumps(self.header), *map(json.dumps, self.events)]

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines())


def start_all(maker: Maker) -> None:
    for node in maker.nodes:
        state = {"role": "follower", "leader": 0, "promised": "0.0", "watermark": 0,
                 "first_slot": 0, "votes": {}, "chosen": {}}  # fmt: skip
        maker.event("start", node, state=state, why="A fresh store.", rule="restart")


def heartbeat_round(maker: Maker, sequence: int) -> None:
    others = maker.nodes[1:]
    sent = [maker.message(1, to, m.Heartbeat(BALLOT, 0, sequence)) for to in others]
    maker.event("tick", 1, sent=sent, why="It is time for heartbeats.", rule="heartbeat")
    acks = []
    for beat in sent:
        node = beat["to"]
        ack = maker.message(node, 1, m.HeartbeatAck(BALLOT, 0, sequence))
        maker.event("receive", node, message={"id": beat["id"]}, sent=[ack], rule="heartbeat")
        acks.append(ack)
    for ack in acks:
        maker.event("receive", 1, message={"id": ack["id"]}, why="It is there.", rule="heartbeat")


def decision(maker: Maker, slot: int, command: str, *, lost: bool = False) -> None:
    """One value by phase 2; with `lost` the last node never gets it."""
    value = encode_batch([command.encode()])
    accept = m.Accept(BALLOT, slot, slot, checksum(value), value)
    sent = [maker.message(1, to, accept) for to in maker.nodes[1:]]
    vote = {str(slot): {"ballot": "1.1", "value": command}}
    record = {"kind": "Voted", "text": f"voted in 1.1 for slot {slot}: {command}",
              "slot": slot, "ballot": "1.1", "value": command}  # fmt: skip
    maker.event("propose", 1, text=command, sent=sent, write=slot + 1, records=[record],
                state={"votes": vote}, why="It leads: it proposes.", rule="phase 2a")  # fmt: skip
    maker.event("persisted", 1, write=slot + 1, why="Its own vote counts.", rule="phase 2b")
    answers = []
    for ask in sent:
        node = ask["to"]
        if lost and node == maker.nodes[-1]:
            maker.event("lose", message={"id": ask["id"]})
            continue
        maker.event("receive", node, message={"id": ask["id"]}, write=slot + 1, records=[record],
                    state={"votes": vote}, why="It has promised nothing above 1.1.",
                    rule="phase 2b")  # fmt: skip
        answer = maker.message(node, 1, m.Accepted(BALLOT, slot, slot))
        maker.event("persisted", node, write=slot + 1, sent=[answer], rule="stable storage")
        answers.append(answer)
    chosen = {"watermark": slot + 1, "chosen": {str(slot): command}}
    for number, answer in enumerate(answers):
        more: Json = {"state": chosen, "decided": [{"slot": slot, "value": command}]}
        maker.event("receive", 1, message={"id": answer["id"]}, rule="chosen",
                    why="A quorum has accepted it.", **({} if number else more))  # fmt: skip


def long_run(events: int = 5000) -> Maker:
    """Heartbeats, and a decision now and then, until there are so many events."""
    maker = Maker(5)
    start_all(maker)
    turn = 0
    while len(maker.events) < events:
        turn += 1
        heartbeat_round(maker, turn)
        if turn % 6 == 0:
            decision(maker, turn // 6 - 1, f"command {turn // 6}", lost=turn % 12 == 0)
    del maker.events[events:]
    return maker


def eventful_run() -> Maker:
    """Every kind of event, a loss, a copy, a cut, a crash with a write under way, a pause."""
    maker = Maker(3)
    start_all(maker)
    decision(maker, 0, "blue")
    decision(maker, 1, "red", lost=True)
    beat = maker.message(1, 2, m.Heartbeat(BALLOT, 2, 1))
    maker.event("tick", 1, sent=[beat], rule="heartbeat")
    maker.event("copy", message={"id": beat["id"]})
    maker.event("receive", 2, message={"id": beat["id"]}, rule="heartbeat")
    maker.event("receive", 2, message={"id": beat["id"]}, rule="stale")
    maker.event("cut", text="1 | 3", nodes=[[1, 3], [3, 1]])
    maker.event("pause", 2, why="It stands still.", rule="pause")
    maker.event("resume", 2)
    record = {"kind": "Promised", "text": "promised 2.3", "ballot": "2.3"}
    maker.event("tick", 3, write=9, records=[record], state={"promised": "2.3"}, rule="phase 1a")
    maker.event("crash", 3, why="It stops.", rule="crash")
    maker.event("heal", text="1 - 3", nodes=[[1, 3], [3, 1]])
    maker.event("start", 3, state={"role": "follower", "promised": "1.1"}, rule="restart")
    maker.event("compact", 1, state={"first_slot": 1, "votes": {"0": None}}, rule="snapshot")
    flying = maker.message(3, 1, m.Learn(0))
    maker.event("take", 3, sent=[flying], rule="drain")
    maker.event("fault", text="a clock jumps")
    return maker


def hostile_lines() -> Iterable[str]:
    """A trace in which every text attacks, and much is not what it should be."""
    maker = eventful_run()
    maker.header["source"] = HOSTILE_TEXT
    for event in maker.events:
        event["why"] = event["rule"] = HOSTILE_TEXT
        if "text" in event:
            event["text"] = HOSTILE_TEXT
        for message in event.get("sent", []):
            message["text"] = HOSTILE_TEXT
            message["fields"][HOSTILE_TEXT] = HOSTILE_TEXT
        for record in event.get("records", []):
            record["text"] = record["value"] = HOSTILE_TEXT
    lines = maker.lines()
    lines[5] = '{"step": 4, "kind": "receive", "node": 1e400, "message": {"id": []}}'
    lines[6] = "[" * 5000
    lines[7] = json.dumps({"kind": HOSTILE_TEXT, "node": 1, "state": {"votes": {"__proto__": 1}}})
    lines[8] = json.dumps({"kind": "__proto__", "node": 2, "why": "x" * 10**6})
    lines[9] = json.dumps({"kind": "constructor", "node": 10**30})
    lines[10] = json.dumps({"kind": "tick", "node": 1, "state": {"watermark": 10**40}})
    return [*lines, '{"kind": "tick", "node": 1, "wh']
