"""What the page says of each step, against the cores themselves at that very moment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from paxos_core.testing.script import obey
from paxos_core.testing.script_trace import TracedCluster
from paxos_core.trace import read_trace
from paxos_core.trace.shape import value_text
from paxos_core.types import format_ballot
from transports.viewer.page import render_page
from transports.viewer.sources import story

Row = dict[str, str]
Grid = dict[str, dict[str, str]]

DUEL = """
> cluster 3
> campaign 1
> deliver 1 -> 2 Prepare
> campaign 3
> drop 3 -> 1 Prepare
> deliver 3 -> 2 Prepare
> copy 2 -> 1 Promise
> deliver 2 -> 1 Promise
> deliver 2 -> 3 Promise
> propose 3 red
> propose 1 blue
> stabilize
> cut 2 3
> propose 3 green
> stabilize
> hold 1
> campaign 2
> stabilize
> heal 2 3
> sync 1
> stabilize
> crash 2
> restart 2
> stabilize
"""


class Witness:
    """Runs a script, and asks every core how it is whenever an event is told."""

    def __init__(self, script: str) -> None:
        self.lines: list[str] = []
        self.truth: list[dict[int, Row | None]] = []
        self.grids: list[Grid] = []
        self._cluster: TracedCluster | None = None
        for words in commands(script):
            if words[0] == "cluster":
                self._cluster = TracedCluster(int(words[1]), sink=self._hear, source="a test")
            else:
                assert self._cluster is not None
                obey(self._cluster, words)

    def _hear(self, line: dict[str, Any]) -> None:
        self.lines.append(json.dumps(line))
        if "trace" in line:
            return
        nodes = self._cluster.nodes if self._cluster is not None else {}
        self.truth.append({node: row_of(state) for node, state in nodes.items()})
        grid: Grid = {}
        for node, state in nodes.items():
            for slot, text in cells_of(state):
                grid.setdefault(slot, {})[str(node)] = text
        self.grids.append(grid)


def commands(script: str) -> Iterable[list[str]]:
    return [line[1:].split() for line in script.splitlines() if line.startswith(">")]


def row_of(state: Any) -> Row | None:
    """The table's row for a node that runs."""
    core = state.replica
    if core is None:
        return None
    status = core.status()
    role = str(status.role.value)
    if role == "leader":
        role = f"leader {format_ballot(status.ballot)}"
    elif role == "follower" and status.leader:
        role = f"follows {status.leader}"
    votes = dict(core._acceptor.votes)
    last = max(votes, default=None)
    accepted = f"forgotten below {status.watermark}" if status.watermark else "-"
    if last is not None:
        vote = votes[last]
        accepted = f"{last}: {value_text(vote.value)} ({format_ballot(vote.ballot)})"
        accepted += f" +{len(votes) - 1}" if len(votes) > 1 else ""
    return {
        "role": role,
        "promised": format_ballot(status.promised),
        "accepted": accepted,
        "chosen": f"below {status.watermark}" if status.watermark else "none",
    }


def cells_of(state: Any) -> Iterable[tuple[str, str]]:
    """The grid's cells for a node that runs: what it knows as chosen, and its votes."""
    core = state.replica
    if core is None:
        return []
    log = core._learner.log
    texts: dict[int, str] = {slot: f"✓ {value_text(value)}" for slot, (_, value) in log.items()}
    for slot, vote in core._acceptor.votes.items():
        told = f"{format_ballot(vote.ballot)} {value_text(vote.value)}"
        texts[slot] = f"{texts[slot]} {told}" if slot in texts else told
    return [(str(slot), text) for slot, text in texts.items()]


READ = """() => {
  const text = (element) => element.innerText.replace(/\\s+/g, ' ').trim();
  const rows = {};
  for (const row of document.querySelectorAll('#pv-nodes tbody tr')) {
    rows[row.dataset.node] = Object.fromEntries(
      [...row.querySelectorAll('td')].map((cell) => [cell.dataset.cell, text(cell)]));
  }
  const grid = {};
  for (const row of document.querySelectorAll('#pv-slots tbody tr[data-slot]')) {
    for (const cell of row.querySelectorAll('td[data-node]')) {
      if (text(cell)) (grid[row.dataset.slot] ??= {})[cell.dataset.node] = text(cell);
    }
  }
  const why = document.querySelector('#pv-step .pv-why');
  return { rows, grid, why: why.hidden ? '' : why.innerText };
}"""


@pytest.mark.parametrize("name", ["story", "duel"])
def test_each_step_is_as_the_cores_were(visits: Any, tmp_path: Path, name: str) -> None:
    stories = files("transports.viewer") / "stories"
    script = DUEL if name == "duel" else (stories / "leader_dies.script").read_text()
    witness = Witness(script)
    path = tmp_path / "run.html"
    path.write_text(render_page([read_trace(witness.lines)], name))
    page = visits.open(path).page
    events = [json.loads(line) for line in witness.lines[1:]]
    assert len(events) > 40
    assert page.evaluate("PaxosViewer.viewer.model.length") == len(events)
    compared = 0
    for step, event in enumerate(events):
        if step:
            page.keyboard.press("ArrowRight")
        told = page.evaluate(READ)
        assert told["why"] == event.get("why", ""), step
        for node, row in witness.truth[step].items():
            shown = told["rows"][str(node)]
            if row is None:
                assert shown["role"] == "down", step
                continue
            compared += 1
            assert {key: shown[key] for key in row} == row, (step, node)
        up = {str(node) for node, row in witness.truth[step].items() if row is not None}
        assert living(told["grid"], up) == living(plain(witness.grids[step]), up), step
    assert compared > 2 * len(events)


def test_of_a_node_that_is_down_its_disk_is_shown(visits: Any, tmp_path: Path) -> None:
    """Its vote was never synced: with the crash it is gone, and its promise is not."""
    trace = story()
    steps = {event["kind"]: event["step"] for event in trace.events if event.get("node") == 1}
    path = tmp_path / "run.html"
    path.write_text(render_page([trace], "A story"))
    page = visits.open(path).page
    shown = {}
    for step in (steps["crash"] - 1, steps["crash"]):
        page.evaluate(f"PaxosViewer.viewer.player.goTo({step})")
        told = page.evaluate(READ)
        row = told["rows"]["1"]
        shown[step] = (row["role"], row["promised"], row["accepted"], told["grid"]["0"].get("1"))
    assert list(shown.values()) == [
        ("leader 1.1", "1.1", "0: blue (1.1)", "1.1 blue"),
        ("down", "1.1", "-", None),
    ]


def living(grid: Grid, up: set[str]) -> Grid:
    """What the page shows of a node that is down is its disk, and not this test's."""
    kept = {slot: {n: text for n, text in row.items() if n in up} for slot, row in grid.items()}
    return {slot: row for slot, row in kept.items() if row}


def plain(grid: Grid) -> Grid:
    """A vote for the value that is known as chosen shows its ballot alone."""
    found: Grid = {}
    for slot, row in grid.items():
        for node, text in row.items():
            words = text.split()
            if len(words) == 4 and words[1] == words[3]:
                text = " ".join(words[:3])
            found.setdefault(slot, {})[node] = text
    return found
