"""The log for ShiViz can be read back by the expression in its first line."""

from __future__ import annotations

import json
import re

from trace_kit import traced_seed

from paxos_core.trace import Trace, to_shiviz


def parsed(lines: list[str]) -> list[tuple[str, dict[str, int], str]]:
    # JavaScript's named groups are Python's, but for a letter.
    expression = lines[0].replace("(?<", "(?P<")
    assert lines[1] == ""
    found = re.finditer(expression, "\n".join(lines[2:]))
    return [(match["host"], json.loads(match["clock"]), match["event"]) for match in found]


def test_every_event_of_a_node_comes_back() -> None:
    trace = traced_seed(7, steps=1200)
    read = parsed(list(to_shiviz(trace)))
    own = [event for event in trace.events if "node" in event]
    assert len(read) == len(own)
    for (host, clock, text), event in zip(read, own, strict=True):
        assert host == f"node{event['node']}"
        assert clock == {f"node{node}": count for node, count in event["clock"].items()}
        assert event["why"] in text
    assert any("receive Prepare 1." in text for _, _, text in read)


def test_each_host_counts_its_own_events_from_one() -> None:
    """What ShiViz asks of a log."""
    counts: dict[str, int] = {}
    for host, clock, _ in parsed(list(to_shiviz(traced_seed(7, steps=1200)))):
        counts[host] = counts.get(host, 0) + 1
        assert clock[host] == counts[host]


def test_hostile_text_stays_in_its_line() -> None:
    event = {"kind": "fault", "node": 1, "clock": {"1": 1}, "text": "a\nnode2 {}\n\x1b[0m",
             "message": {"id": "7"}}  # fmt: skip
    bare = {"kind": "lose", "text": "nobody's"}
    lines = list(to_shiviz(Trace({}, [event, bare, {"kind": "tick", "node": 1}])))
    assert lines[2:] == ['node1 {"node1": 1}', "fault 7 a\\nnode2 {}\\n\\x1b[0m"]
