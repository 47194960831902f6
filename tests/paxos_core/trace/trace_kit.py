"""What the tests of traces share: runs that are traced, and their states added up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from paxos_core import Codec, QuorumSystem, Replica, ReplicaConfig
from paxos_core.durable import DurableState
from paxos_core.testing import Options
from paxos_core.testing.tracing import trace_seed
from paxos_core.trace import Recorder, Trace, TracedLog, read_trace

Event = dict[str, Any]
CLUSTER = 1


def lines_of(seed: int, **options: Any) -> list[Event]:
    """A seed's header and events."""
    lines: list[Event] = []
    trace_seed(Options(seed, **options), lines.append)
    return lines


def as_text(lines: Iterable[Event]) -> list[str]:
    return [json.dumps(line) for line in lines]


def traced_seed(seed: int, **options: Any) -> Trace:
    trace = read_trace(as_text(lines_of(seed, **options)))
    assert not trace.problems
    return trace


class States:
    """Each node's state, added up from the changes in a trace."""

    def __init__(self) -> None:
        self.of: dict[int, dict[str, Any]] = defaultdict(dict)

    def add(self, event: Event) -> None:
        if "node" not in event:
            return
        if event["kind"] == "start":
            self.of[event["node"]] = {}
        state = self.of[event["node"]]
        for key, value in event.get("state", {}).items():
            if key in ("votes", "chosen"):
                table = state.setdefault(key, {})
                table.update(value)
                for slot in [slot for slot, entry in table.items() if entry is None]:
                    del table[slot]
            else:
                state[key] = value


class Watched:
    """One replica that is driven by hand, and its events."""

    def __init__(self, node: int = 1, state: DurableState | None = None, **settings: Any) -> None:
        state = state or DurableState()
        self.events: list[Event] = []
        self.recorder = Recorder(self.events.append, lambda: 0)
        quorums = settings.pop("quorums", None) or QuorumSystem([1, 2, 3])
        config = ReplicaConfig(node, quorums, **settings)
        votes = dict(state.votes)
        self.replica = Replica(config, state)
        codec = Codec(CLUSTER, node)
        self.log = TracedLog(self.replica, codec, votes, self.recorder)
        self.log.take()

    def settle(self) -> Event:
        """Take and persist until there is no more; the first event of it."""
        first = len(self.events)
        while ready := self.log.take():
            if ready.write_id:
                self.log.persisted(ready.write_id)
        self.recorder.settle()
        return self.events[first] if self.events[first:] else {}

    def receive(self, sender: int, message: Any) -> Event:
        self.log.receive(sender, message)
        return self.settle()

    def lead(self) -> None:
        """Make it lead in 1.1, or above; forget what that took."""
        self.log.act("tick", "is told to stand", self.replica._campaign)
        self.settle()
        from paxos_core import messages as m

        ballot = self.replica.status().promised
        self.receive(2, m.Promise(ballot, 0, m.NO_MORE, 0, []))
        assert self.replica.leader == self.replica.config.node
