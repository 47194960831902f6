"""A script's trace: the same run, and every command is an event or more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paxos_core.testing.laboratory.cluster import LaboratoryCluster
from paxos_core.testing.laboratory.setup import read_setup
from paxos_core.testing.script import ScriptError, obey, run_script, trace_script
from paxos_core.testing.script_trace import TracedCluster
from paxos_core.trace import Trace, merge_traces, to_shiviz

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def texts(trace: Trace) -> dict[str, str]:
    return {m["id"]: m["text"] for event in trace.events for m in event.get("sent", ())}


def said(text: str) -> list[str]:
    """What a transcript has of messages that were sent and of slots that were decided."""
    return [line.strip() for line in text.splitlines() if " -> " in line and "lost:" not in line
            and line.startswith("  ")]  # fmt: skip


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_traced_script_sends_what_the_script_says(path: Path) -> None:
    text = path.read_text()
    trace = trace_script(text)
    sent = [
        f"{m['from']} -> {m['to']} {m['text']}"
        for event in trace.events
        for m in event.get("sent", ())
    ]
    assert sent == said(run_script(text))
    assert trace.header["unit"] == "action"
    assert merge_traces([trace]) is trace
    assert len(list(to_shiviz(trace))) > 2
    known = texts(trace)
    for event in trace.events:
        assert "message" not in event or event["message"]["id"] in known
        assert "node" not in event or event["why"]


def events_of(text: str) -> list[tuple[int, str]]:
    return [(event.get("node", 0), event["kind"]) for event in trace_script(text).events]


def test_each_command_has_its_events() -> None:
    base = "> cluster 3\n> campaign 1\n> stabilize\n"
    first = len(events_of(base))

    def then(commands: str) -> list[tuple[int, str]]:
        return events_of(base + commands)[first:]

    assert then("> propose 2 x") == [(2, "propose")]
    assert then("> propose 1 x") == [(1, "propose"), (1, "persisted")]
    assert then("> hold 1\n> propose 1 x\n> sync 1") == [
        (0, "fault"), (1, "propose"), (0, "fault"), (1, "persisted"),
    ]  # fmt: skip
    after = "> propose 1 x\n"
    assert then(after + "> drop 1 -> 2")[2:] == [(0, "lose")]
    assert then(after + "> copy 1 -> 2\n> deliver 1 -> 2")[2:] == [
        (0, "copy"), (2, "receive"), (2, "persisted"), (2, "receive"),
    ]  # fmt: skip
    assert then("> crash 2\n" + after + "> deliver 1 -> 2\n> restart 2")[0] == (2, "crash")
    assert then("> crash 2\n" + after + "> deliver 1 -> 2\n> restart 2")[3:] == [
        (0, "lose"), (2, "start"),
    ]  # fmt: skip
    assert then(after + "> cut 1 2\n> heal 1 2")[2:] == [(0, "cut"), (0, "lose"), (0, "heal")]
    assert then("> cut 1 2\n" + after)[:3] == [(0, "cut"), (1, "propose"), (0, "lose")]
    assert then("> compact 1")[0] == (1, "compact")
    assert then("> tick 1 3")[0] == (1, "tick")


def test_what_is_no_script_is_refused() -> None:
    with pytest.raises(ScriptError, match="cluster N"):
        trace_script("# nothing\n")
    with pytest.raises(ScriptError, match="line 2"):
        trace_script("> cluster 3\n> explode 1\n")
    with pytest.raises(ScriptError, match="is not cut"):
        trace_script("> cluster 3\n> heal 1 2\n")


class TracedLaboratory(TracedCluster, LaboratoryCluster):
    """Rules can be out of a traced cluster as well."""


def laboratory(setup: str, *commands: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    cluster = TracedLaboratory(read_setup(setup.split()), sink=lines.append, source="a test")
    for command in commands:
        obey(cluster, command.split())
    return lines[1:]


def broken(events: list[dict[str, Any]]) -> set[str]:
    return {event["rule"] for event in events if "this breaks the rule" in event.get("why", "")}


def test_a_rule_that_is_out_is_named_where_it_is_broken() -> None:
    hasty = laboratory("cluster 3 without=sync-first", "campaign 1", "deliver 1 -> 2")
    promises = [event for event in hasty if "sends Promise before" in event["why"]]
    assert [event["node"] for event in promises] == [2]
    careless = laboratory(
        "cluster 3 without=promise-check",
        "campaign 1", "deliver 1 -> 2", "deliver 2 -> 1", "campaign 3", "deliver 3 -> 2",
        "propose 1 x", "deliver 1 -> 2 Accept",
    )  # fmt: skip
    assert broken(careless) == {"P1a"}
    deaf = laboratory(
        "cluster 3 without=highest-accepted",
        "campaign 1", "stabilize", "propose 1 x", "deliver 1 -> 2", "campaign 3",
        "deliver 3 -> 2", "deliver 2 -> 3",
    )  # fmt: skip
    assert broken(deaf) == {"P2c"}


def test_a_node_that_stops_itself_has_crashed() -> None:
    events = laboratory("cluster 3", "campaign 1", "stabilize")
    assert not broken(events)
    assert all(event["kind"] != "crash" for event in events)
