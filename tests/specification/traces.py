"""Runs of the real core, written down for TLC: does `MultiPaxos` allow them?

A run is a random walk through the explorer's cluster: frames arrive late, twice
or never, nodes stand, propose and crash. What each node says and knows after
each step is translated into the terms of ``docs/tla/MultiPaxos.tla``::

    python tests/specification/traces.py 0:100
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import tlc

from paxos_core import messages as m
from paxos_core.batch import NOOP
from paxos_core.codec import Codec
from paxos_core.testing.chance import stream
from paxos_core.testing.explore import ClusterModel, Scope
from paxos_core.testing.explore.cluster import CLUSTER
from paxos_core.types import Ballot, Slot, ballot_node, ballot_round

NODES = 3
SLOT_MAX = 3
STEPS = 80
SCOPE = Scope(
    stands=3, commands=2, crashes=1, silent=frozenset({"HeartbeatAck", "Nack", "Heartbeat"})
)


@dataclass(frozen=True)
class Event:
    """What one node did with one input; every field is TLA+ text but the first two."""

    node: int
    kind: str
    heard: str
    said: str
    promised: str
    votes: str
    log: str
    disk: str

    def tla(self) -> str:
        """The event as a TLA+ record."""
        return (
            f'[node |-> {self.node}, kind |-> "{self.kind}", heard |-> {self.heard}, '
            f"said |-> {self.said}, promised |-> {self.promised}, votes |-> {self.votes}, "
            f"log |-> {self.log}, disk |-> {self.disk}]"
        )


class Translator:
    """Numbers of the implementation as those of the specification."""

    def __init__(self) -> None:
        self._values: dict[bytes, int] = {}

    def ballot(self, ballot: Ballot) -> int:
        """1, 2, ...: node by node within a round."""
        return (ballot_round(ballot) - 1) * NODES + ballot_node(ballot) if ballot else 0

    def value(self, value: bytes) -> int:
        """The ballot in which it was proposed first; 0 for a no-op."""
        return 0 if value == NOOP else self._values[value]

    def message(self, sender: int, message: m.Message) -> list[str]:
        """What the specification says in its place."""
        match message:
            case m.Prepare(ballot, first):
                return [f'[kind |-> "Prepare", ballot |-> {self.ballot(ballot)}, from |-> {first}]']
            case m.Promise(ballot, first, next_slot, mark, votes):
                shown = self.votes({v.slot: (v.ballot, v.value) for v in votes})
                return [
                    f'[kind |-> "Promise", ballot |-> {self.ballot(ballot)}, by |-> {sender}, '
                    f"from |-> {first}, next |-> {min(next_slot, SLOT_MAX + 1)}, "
                    f"mark |-> {mark}, votes |-> {shown}]"
                ]
            case m.Accept(ballot, slot, mark, _, value):
                number = self.ballot(ballot)
                self._values.setdefault(value, number)
                said = (
                    f'[kind |-> "Accept", ballot |-> {number}, slot |-> {slot}, '
                    f"value |-> {self.value(value)}]"
                )
                beat = f'[kind |-> "Beat", ballot |-> {number}, mark |-> {mark}]'
                return [said, beat] if mark else [said]
            case m.Accepted(ballot, first, last):
                return [
                    f'[kind |-> "Accepted", ballot |-> {self.ballot(ballot)}, '
                    f"slot |-> {slot}, by |-> {sender}]"
                    for slot in range(first, last + 1)
                ]
            case m.Chosen(slot, _, _, _, value):
                return [f'[kind |-> "Chosen", slot |-> {slot}, value |-> {self.value(value)}]']
        return []

    def votes(self, votes: dict[Slot, tuple[Ballot, bytes]]) -> str:
        """A function from slots to votes."""
        text = "NoVotes"
        for slot, (ballot, value) in sorted(votes.items()):
            vote = f"Vote({self.ballot(ballot)}, {self.value(value)})"
            text = f"Put({text}, {slot}, {vote})"
        return text

    def log(self, log: dict[Slot, tuple[int, bytes]]) -> str:
        """A sequence of values."""
        return "<<" + ", ".join(str(self.value(log[slot][1])) for slot in sorted(log)) + ">>"


def walk(seed: int, steps: int) -> list[Event]:
    """A run of at most `steps` steps."""
    chance = stream(seed, 0x544C41)
    model = ClusterModel(SCOPE)
    translator = Translator()
    state = model.initial()
    events: list[Event] = []
    for _ in range(steps):
        locals_, facts = model.unpack(state)
        moves = list(model._moves(locals_, facts))
        if not moves:
            break
        own = [move for move in moves if move[2] < 0]
        frames = [move for move in moves if move[2] >= 0]
        token, index, _, given = chance.choice(
            own if own and (not frames or chance.happens(120)) else frames
        )
        node = model.nodes[index]
        outcome = node.step(locals_[index], given)
        assert outcome.violation is None
        locals_[index] = outcome.number
        state = model._pack(locals_, facts | token | model._note(node.id, outcome))
        events.append(_event(translator, node, given, outcome))
    return events


def _event(translator: Translator, node: Any, given: Any, outcome: Any) -> Event:
    codec = Codec(CLUSTER, node.id)
    said = [
        text
        for _, frame in outcome.frames
        for text in translator.message(node.id, codec.decode(frame)[1])
    ]
    heard = translator.message(given[1], codec.decode(given[2])[1]) if given[0] == "receive" else []
    local = node.states[outcome.number]
    acceptor, learner, disk = local.replica._acceptor, local.replica._learner, local.durable

    def shown(votes: Any) -> str:
        return translator.votes({v.slot: (v.ballot, v.value) for v in votes.values()})

    return Event(
        node.id,
        given[0],
        _set(heard),
        _set(said),
        str(translator.ballot(acceptor.promised)),
        shown(acceptor.votes),
        translator.log(learner.log),
        f"[promised |-> {translator.ballot(disk.promised)}, votes |-> {shown(disk.votes)}, "
        f"log |-> {translator.log(disk.log)}]",
    )


def _set(texts: list[str]) -> str:
    return "{" + ", ".join(sorted(set(texts))) + "}"


def module(events: list[Event]) -> str:
    """The module `TraceData`."""
    body = ",\n  ".join(event.tla() for event in events)
    return (
        "---- MODULE TraceData ----\nEXTENDS Integers, Sequences, Votes\n"
        f"Trace == <<\n  {body}\n>>\n====\n"
    )


def allowed(events: list[Event]) -> bool:
    """Whether `MultiPaxos` allows this run. Raises `TlcMissing` and `TlcFailed`."""
    verdict = tlc.check("TraceCheck", {}, extra={"TraceData": module(events)})
    # The end of the trace was reached exactly if "it is unfinished" does not hold.
    return verdict.violated == "Unfinished"


def first_refused(events: list[Event]) -> int:
    """The number of the first event, from 1, that a refused run cannot have."""
    good, bad = 0, len(events)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if allowed(events[:middle]) else (good, middle)
    return bad


def main(arguments: list[str]) -> int:
    """0 if every run is allowed, 1 if one is not, 2 for wrong use."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    try:
        first, _, end = arguments[0].partition(":")
        seeds = range(int(first), int(end))
        for seed in seeds:
            events = walk(seed, STEPS)
            if not allowed(events):
                number = first_refused(events)
                print(f"seed {seed}: event {number} is not allowed: {events[number - 1].tla()}")
                return 1
    except (IndexError, ValueError):
        print("traces.py: give seeds as A:B, for example 0:100", file=sys.stderr)
        return 2
    except tlc.TlcMissing as error:
        print(f"traces.py: {error}", file=sys.stderr)
        return 2
    print(f"{len(seeds)} runs of {STEPS} steps, all allowed by the specification")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
