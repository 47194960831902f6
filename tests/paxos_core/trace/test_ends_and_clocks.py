"""What is said of a trace's end where the nodes' clocks lie: no more than they can tell."""

from __future__ import annotations

import re

import pytest

from paxos_core.trace import Event, Trace, mark_ends, merge_traces

HOUR = 3600.0
HEADER = {"trace": 1, "source": "", "nodes": [1, 2, 3], "unit": "s", "stops": True,
          "quorums": {"phase1": 2, "phase2": 2}}  # fmt: skip


def frame(sender: int, to: int, number: int) -> Event:
    ident = f"{sender}{to}{number:02x}"
    return {"id": ident, "from": sender, "to": to, "kind": "x", "bytes": ident, "length": 2}


def trace_of(node: int, began: float, *events: tuple[float, str | Event]) -> Trace:
    """A run's trace; a message that is from the node is sent, another one is received."""
    found: list[Event] = []
    for at, what in events:
        event: Event = {"step": len(found), "at": at, "node": node, "kind": "tick"}
        if isinstance(what, str):
            event["kind"] = what
        elif what["from"] == node:
            event["sent"] = [what]
        else:
            event |= {"kind": "receive", "message": what}
        found.append(event)
    return Trace({**HEADER, "node": node, "began": began}, found)


def ends(*traces: Trace) -> dict[int, str]:
    """What is said of each node whose trace ends."""
    events = mark_ends(merge_traces(traces)).events
    return {event["node"]: event["why"] for event in events if event["kind"] == "end"}


def talk(ahead: dict[int, float], *, until: dict[int, float]) -> list[Trace]:
    """Node 1 and each other one talk, once a second, until their traces end."""
    lines: dict[int, list[tuple[float, str | Event]]] = {node: [(0, "start")] for node in ahead}

    def say(at: float, sender: int, to: int) -> None:
        if at <= until[sender]:
            lines[sender].append((at, frame(sender, to, int(at))))
        if at + 0.1 <= until[to]:
            lines[to].append((at + 0.1, frame(sender, to, int(at))))

    for second in range(10):
        for other in ahead:
            if other != 1:
                say(second, 1, other)
                say(second + 0.2, other, 1)
    return [trace_of(node, ahead[node], *sorted(of, key=lambda line: line[0]))
            for node, of in lines.items()]  # fmt: skip


def test_an_hour_between_silent_nodes_may_be_their_clocks() -> None:
    traces = [trace_of(n, HOUR if n == 3 else 0, (0, "start"), (4, "tick")) for n in (1, 2, 3)]
    found = ends(*traces)
    assert set(found) == {1, 2}
    for why in found.values():
        assert why.startswith("By the clocks, the others' traces go on for 3,600.0 s.")
        assert ", or the clocks differ." in why


@pytest.mark.parametrize("lag", [HOUR, -HOUR])
def test_messages_tell_that_the_traces_end_together(lag: float) -> None:
    """Nodes 2 and 3 never talk to each other: node 1 does to both."""
    everywhere = dict.fromkeys((1, 2, 3), 9.5)
    assert ends(*talk({1: 0, 2: 0, 3: lag}, until=everywhere)) == {}


@pytest.mark.parametrize("lag", [HOUR, 0, -HOUR])
def test_messages_tell_that_one_ends_before_the_others(lag: float) -> None:
    found = ends(*talk({1: 0, 2: 0, 3: lag}, until={1: 9.5, 2: 9.5, 3: 4.5}))
    assert set(found) == {3}
    seconds = re.match(r"The others' traces go on for (\d\.\d) s\. A stop", found[3])
    assert seconds
    assert 4.9 <= float(seconds[1]) <= 5.3
    assert "clocks" not in found[3]


def test_messages_before_a_restart_tell_nothing_of_the_clock_behind_it() -> None:
    one, two = talk({1: 0, 2: 0}, until={1: 9.5, 2: 9.5})
    found = ends(one, two, trace_of(2, HOUR, (0, "start")))
    assert "the clocks differ" in found[1]


def test_clocks_that_were_set_within_a_run_tell_nothing() -> None:
    """By its messages, each is behind the other."""
    one = trace_of(1, 0, (5, frame(1, 2, 0)), (3, frame(2, 1, 0)), (3, "tick"))
    two = trace_of(2, 0, (3, frame(1, 2, 0)), (5, frame(2, 1, 0)), (5, "tick"))
    assert "By the clocks, the others' traces go on for 2.0 s." in ends(one, two)[1]


def test_a_clock_that_was_set_back_between_two_runs_gives_no_time() -> None:
    first, second = trace_of(1, 100, (0, "start"), (5, "tick")), trace_of(1, 100, (0, "start"))
    both = Trace(first.header, [*first.events, {**second.events[0], "step": 2}])
    assert "By its clock that is earlier: the clock was set back" in ends(both)[1]
    assert " s later" not in ends(both)[1]


@pytest.mark.parametrize("at", [1e19, -1e19, float(2**64)])
def test_no_time_is_absurd(at: float) -> None:
    alone = trace_of(1, at, (at, "start"), (-at, "tick"))
    assert ends(alone) == {}
    again = trace_of(1, 0, (-abs(at), "start"), (abs(at), "start"))
    assert "starts again, more than a year later." in ends(again)[1]
    for why in ends(alone, trace_of(2, 0, (0, "start"))).values():
        assert "go on for more than a year. " in why


def test_a_node_is_compared_with_others_only() -> None:
    """Its own clock goes back within a run."""
    assert ends(trace_of(1, 0, (9, "start"), (0, "tick"))) == {}
    pair = [trace_of(1, 0, (9, "start"), (1, "tick")), trace_of(2, 0, (1, "tick"))]
    assert ends(*pair) == {}
